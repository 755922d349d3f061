"""Lines of the Hedge page: net delta in its band, and the hedge beside what would be neutral."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dashboards.components.chart import Chart

if TYPE_CHECKING:
    from qflib.views import HedgingView

_KEPT = 4_000  # reports in a picture: a quarter of an hour at four a second
_LEAST_MS = 1_000.0  # of a picture with one report
_CLOCK: dict[str, Any] = {"clock": "hedge", "kept": _KEPT, "legend": True}
_EDGE = {"form": "step", "color": "ask", "width": 1.4, "dash": [5, 4]}
_BAND: list[dict[str, Any]] = [
    {"k": "upper", **_EDGE, "label": "edge of the band", "told": "band ±"},
    {"k": "lower", **_EDGE},
    {"k": "net", "form": "line", "color": "accent", "width": 1.8, "label": "net delta, contracts", "told": "net"},
]
_HELD: list[dict[str, Any]] = [
    {"k": "neutral", "form": "line", "color": "faint", "width": 1.4, "label": "delta-neutral", "told": "neutral"},
    {"k": "position", "form": "step", "color": "bid", "width": 2, "label": "hedge held, contracts", "told": "held"},
]


class Bands:
    """Two pictures of the same time, which is that of the reports, and what feeds them.

    Parameters
    ----------
    hedging
        The view.
    portfolio, underlying
        Whose.
    """

    def __init__(self, hedging: HedgingView, portfolio: str, underlying: str) -> None:
        self._hedging, self._portfolio, self.underlying = hedging, portfolio, underlying
        self.net = Chart(
            ("time", "net", "upper", "lower"),
            _BAND, picture=_CLOCK | {"base": 0, "digits": 2}, ready=partial(self._anew, "net"),
        )  # fmt: skip
        self.held = Chart(
            ("time", "position", "neutral"), _HELD, picture=_CLOCK | {"digits": 1}, ready=partial(self._anew, "held")
        )

    def choose(self, underlying: str) -> None:
        """Show another underlying's."""
        self.underlying = underlying
        for name in ("net", "held"):
            self._anew(name)

    def extend(self) -> None:
        """Add what came since."""
        rows = self._hedging.in_band(self._portfolio, self.underlying, _KEPT)
        if not len(rows):
            return
        start = float(rows["time_ns"][0]) / 1e6
        seen = start, max(float(rows["time_ns"][-1]) / 1e6, start + _LEAST_MS)
        for chart in (self.net, self.held):
            new = rows[rows["seq"] > chart.seq]
            if chart.is_ready and len(new):
                full, chart.seq = chart.seq < 0, int(new["seq"][-1])
                told = {n: new[n] for n in ("net", "position", "neutral")}
                told |= {"upper": new["halfwidth"], "lower": -new["halfwidth"], "time": new["time_ns"] / 1e6}
                chart.tell(told, full=full, seen=seen)

    def _anew(self, name: str) -> None:
        chart = getattr(self, name)
        chart.seq = -1
        chart.tell(full=True)
        self.extend()
