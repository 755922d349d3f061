"""What a page is to its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.tile import Age, Tile

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk
    from qflib.views.report import Report


class Page:
    """One page of one session; only the page that is seen is asked to draw.

    Parameters
    ----------
    desk
        What the sessions share.
    login
        Whose session it is.

    Attributes
    ----------
    name, title
        Of the page.
    tiles
        What is on it.
    own
        Whether it is a project's own, and not the dashboard's: its tiles are laid out as they come.
    """

    name = title = ""
    own = False

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        self.desk, self.views, self.login = desk, desk.views, login
        self.tiles: list[Tile] = []

    def fast(self) -> None:
        """Tell what changed and moves fast; some 20 times a second."""

    def slow(self) -> None:
        """Tell what changed and is read rather than watched; twice a second, and at once when the page is shown."""

    def end(self) -> None:
        """The session is over."""

    def report_age(self, note: str | None = None) -> Age:
        """Of the last report, which is as old as the word of the stage that makes it."""
        report = self.views.risk.latest(self.desk.portfolio)
        if report is None:
            return Age(-1, 0, 0, note)
        return self.aged(report, report.stamp.append_ns, note)

    def aged(self, report: Report, alive_ns: int, note: str | None = None) -> Age:
        """Of a report that is shown, while the newest tells that the stage is alive."""
        return Age(report.stamp.seq, report.stamp.append_ns, alive_ns, note)

    def heard_ns(self) -> int:
        """When anything was last heard of the desk: what changes by its own pace is as old as that."""
        return self.views.health.heard_ns
