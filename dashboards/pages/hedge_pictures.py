"""Lines of the Hedge page: net delta in its band, and the hedge beside what would be neutral."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.components.chart import Chart

if TYPE_CHECKING:
    from qflib.views import HedgingView

_KEPT = 4_000  # reports in a picture: a quarter of an hour at four a second
_SEEN_MS, _LEAST_MS = 180_000.0, 1_000.0
_IN_SIGHT = 10.0  # half-widths of the band, of a contract at least
_CLOCK: dict[str, Any] = {"clock": "hedge", "kept": _KEPT, "legend": True}
_EDGE = {"form": "step", "color": "faint", "width": 1}
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
        start, end = (float(rows["time_ns"][k]) / 1e6 for k in (0, -1))
        seen = max(start, end - _SEEN_MS), max(end, start + _LEAST_MS)
        for chart in (self.net, self.held):
            new = rows[rows["seq"] > chart.seq]
            if chart.is_ready and len(new):
                full, chart.seq = chart.seq < 0, int(new["seq"][-1])
                told = {n: np.where(_in_sight(rows, new), new[n], np.nan) for n in ("net", "position", "neutral")}
                told |= {"upper": new["halfwidth"], "lower": -new["halfwidth"], "time": new["time_ns"] / 1e6}
                chart.tell(told, full=full, seen=seen)

    def _anew(self, name: str) -> None:
        chart = getattr(self, name)
        chart.seq = -1
        chart.tell(full=True)
        self.extend()


def _in_sight(rows: Any, new: Any) -> Any:
    """Where net delta is near enough to its band: of an opening trade's moments the scale would show nothing else.

    A hedge that is mostly away from its band is drawn all the same.
    """
    net, band = np.abs(rows["net"]), np.nan_to_num(rows["halfwidth"])
    bound = max(_IN_SIGHT * max(float(band.max()), 1.0), 4.0 * float(np.median(net)))
    return np.abs(new["net"]) <= bound
