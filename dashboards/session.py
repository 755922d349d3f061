"""One browser's session: the pages, and the clock that tells them what changed."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import panel as pn
import structlog
from tornado.ioloop import IOLoop

from dashboards.components.shell import Shell
from dashboards.components.wire import Message, Wire
from dashboards.pages.hedge import HedgePage
from dashboards.pages.jobs import JobsPage
from dashboards.pages.market import MarketPage
from dashboards.pages.orders import OrdersPage
from dashboards.pages.risk import RiskPage
from dashboards.pages.steps import StepsPage
from dashboards.pages.system import SystemPage
from dashboards.pages.vol import VolPage
from dashboards.pages.what_if import WhatIfPage

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk
    from dashboards.pages.page import Page

PAGES = (MarketPage, RiskPage, VolPage, HedgePage, OrdersPage, WhatIfPage, SystemPage, JobsPage, StepsPage)
_TEMPLATE = (Path(__file__).parent / "assets" / "page.html").read_text(encoding="utf-8")
_FAST_MS = 50
_SLOW_S, _AGES_S = 0.5, 0.25
_GOODBYE_S = 0.4  # for what a browser is told last to reach it
_log = structlog.get_logger(__name__)


class Session:
    """One session.

    Parameters
    ----------
    desk
        What the sessions share.
    login
        Whose it is.
    """

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        self.desk, self.login = desk, login
        self.pages: dict[str, Page] = {p.name: p(desk, login) for p in PAGES} | self._own()
        self.seen = PAGES[0].name
        self.shell = Shell(heard=self._heard, pages=list(self.pages), sizing_mode="fixed", width=0, height=0)
        for body in (self.shell, *(tile.body for page in self.pages.values() for tile in page.tiles)):
            for wire in body.select(Wire):
                wire.admits = lambda: login.in_force
        self._slow_at = self._ages_at = 0.0
        self._ended = self._sent_away = False
        self._clock: Any = None

    def _own(self) -> dict[str, Page]:
        """The project's pages; one that cannot be made does not keep the others from being shown."""
        made: dict[str, Page] = {}
        for page in self.desk.pages:
            try:
                made[page.name] = page(self.desk, self.login)
            except Exception:
                _log.exception("page left out", page=page.name)
        return made

    def template(self) -> Any:
        """The page, for Panel to serve."""
        made = pn.Template(_TEMPLATE)
        made.add_variable("pages", list(self.pages.values()))
        made.add_variable("login", self.login.principal)
        made.add_variable("desk", self.desk)
        made.add_panel("shell", self.shell)
        for page in self.pages.values():
            for tile in page.tiles:
                made.add_panel(tile.name, tile.body)
        return made

    def begin(self) -> None:
        """Start the clock of the session that is being made."""
        self.desk.sessions += 1
        self._clock = pn.io.callbacks.PeriodicCallback(callback=self.tick, period=_FAST_MS, log=False)
        self._clock.start()

    def end(self) -> None:
        """The browser is gone."""
        if not self._ended:
            self._ended = True
            self.desk.sessions -= 1
            if self._clock is not None:
                self._clock.stop()
            for page in self.pages.values():
                page.end()

    def tick(self) -> None:
        """Tell what changed; a fault of one page is logged and leaves the clock alone."""
        if not self.login.in_force:
            self._send_away()
            return
        if not _attended():
            return
        now, page = time.monotonic(), self.pages[self.seen]
        try:
            with pn.io.hold():
                page.fast()
                if now - self._slow_at >= _SLOW_S:
                    self._slow_at = now
                    page.slow()
        except Exception:
            _log.exception("page failed", page=page.name)
        if now - self._ages_at >= _AGES_S:
            self._ages_at = now
            self._tell_ages(page)

    def _send_away(self) -> None:
        """Tell the browser, and close its socket soon after: a page that was tampered with would not go by itself."""
        if self._sent_away:
            return
        self._sent_away = True
        self.shell.send({"login": "/login"})
        doc = pn.state.curdoc
        if doc is not None and doc.session_context is not None:
            IOLoop.current().call_later(_GOODBYE_S, hang_up, doc.session_context.session)

    def _tell_ages(self, page: Page) -> None:
        views = self.desk.views
        p50, p99 = views.health.latency_ms
        told = "" if math.isnan(p50) else f" · {p50:,.0f} ms"
        more = f"from event to report: half within {p50:,.0f} ms, 99 % within {p99:,.0f} ms" if told else ""
        self.shell.send(
            {
                "now": time.time() * 1e3,
                "connected": views.connected,
                "pulse": f"{self.desk.portfolio} · {self._liveness()}{told}",
                "more": more,
                "tiles": {t.name: t.age().message() for t in page.tiles if t.age is not None},
            }
        )

    def _liveness(self) -> str:
        health = self.desk.views.health
        if not health.connected:
            return "broker away"
        if not health.heard_ns:
            return "reading"
        silent_s = (time.time_ns() - health.heard_ns) / 1e9
        return "live" if silent_s < 5 else f"silent {silent_s:,.0f} s"

    def _heard(self, message: Message) -> None:
        name = message.get("page")
        if message.get("op") == "page" and name in self.pages:
            self.seen = str(name)
            self._slow_at = self._ages_at = 0.0
            self.tick()


def hang_up(session: Any) -> None:
    """Close the sockets of a session; the one place that reaches for them through Bokeh's private names."""
    for connection in list(session._subscribed_connections):
        connection._socket.close(1008, "this login has ended")


def _attended() -> bool:
    """Whether a browser is connected: a closed one's session lives some seconds on, and needs nothing."""
    doc = pn.state.curdoc
    session = None if doc is None or doc.session_context is None else doc.session_context.session
    return session is None or session.connection_count > 0
