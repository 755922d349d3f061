"""What outcomes say of the forecasts: e-processes with their alarms, and ES of outcomes beside the scenarios'."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.components.chart import Chart

if TYPE_CHECKING:
    from qflib.views import ShortfallView

# as records of evidence have them
ALARMS = (2, 5, 10)
BETTINGS = ("constant", "gree", "grel", "grem")

_PERIODS = 500
_CLOCK: dict[str, Any] = {"clock": "risk", "kept": 4_000, "legend": True}
_NAMES = {"es": "ES", "var": "VaR"}


def _line(k: str, color: str, label: str, **more: Any) -> dict[str, Any]:
    return {"k": k, "form": "step", "color": color, "label": label, "told": label, **more}


_EVIDENCE = [
    *({"k": f"alarm_{a}", "form": "line", "color": "bad", "width": 1, "dash": [2, 4]} for a in ALARMS[:-1]),
    {
        "k": f"alarm_{ALARMS[-1]}",
        "form": "line",
        "color": "bad",
        "width": 1,
        "dash": [2, 4],
        "label": "alarms",
    },
    _line("constant", "faint", "constant"),
    _line("gree", "bid", "gree"),
    _line("grel", "ask", "grel"),
    _line("grem", "accent", "grem", width=2.4),
    _line("var", "accent", "VaR", width=1.4, dash=[4, 3]),
]
_ES = [
    _line("forecast", "ask", "scenarios'", width=2, dash=[5, 4]),
    _line("weighted", "accent", "weighted", width=2),
    _line("rolling", "bid", "rolling", width=2),
]
_STAKE = "what a stake of 1 against these forecasts has become; true ones let it reach 10 once in ten times at most"
PROOF = [
    {"k": "name", "label": "1 bet against"},
    *({"k": b, "label": b, "align": "right", "title": f"{_STAKE}; {b} betting"} for b in BETTINGS),
    {"k": "alarm", "label": "alarm", "tone": "tone", "title": "greatest that any betting ever passed, and when"},
]


class Judged:
    """Two pictures and a table of the same outcomes.

    Parameters
    ----------
    shortfall
        The view.
    portfolio
        Whose.

    Attributes
    ----------
    rows
        Of the table `PROOF`: a row a level and measure.
    said
        The alarms in a word.
    """

    def __init__(self, shortfall: ShortfallView, portfolio: str) -> None:
        self._shortfall, self._portfolio = shortfall, portfolio
        self.rows: list[dict[str, Any]] = []
        self.said = "no outcome yet"
        self.evidence = Chart(
            ("time", *(f"alarm_{a}" for a in ALARMS), *BETTINGS, "var"),
            _EVIDENCE, picture=_CLOCK | {"digits": 1}, ready=partial(self._anew, "evidence"),
        )  # fmt: skip
        self.es = Chart(
            ("time", "forecast", "weighted", "rolling"),
            _ES,
            picture=_CLOCK | {"base": 0},
            ready=partial(self._anew, "es"),
        )

    def extend(self, seen: tuple[float, float] | None) -> None:
        """Show what has come since, in the time that the page's other pictures show."""
        newest = self._shortfall.evidence(self._portfolio, periods=1)
        ended = newest.index[-1].value if len(newest) else -1
        if len(newest):
            self.rows, self.said = _proof(newest), alarms_of(newest)
        for chart, told in ((self.evidence, self._processes), (self.es, self._measured)):
            if ended == chart.seq or not chart.is_ready:
                chart.tell(seen=seen)  # time goes on
            else:
                chart.seq = ended
                chart.tell(told(), full=True, seen=seen)

    def _anew(self, name: str) -> None:
        getattr(self, name).seq = -2  # there may be no outcome yet
        self.extend(None)

    def _processes(self) -> dict[str, Any]:
        frame = self._shortfall.evidence(self._portfolio, periods=_PERIODS)
        frame = frame[frame["level"] == frame["level"].iloc[0]] if len(frame) else frame
        es, var = (frame[frame["measure"] == m] for m in _NAMES)
        at = es[es["betting"] == BETTINGS[0]].index
        told = {b: _drawn(es.loc[es["betting"] == b, "log_e"].to_numpy()) for b in BETTINGS}
        told["var"] = _drawn(var.loc[var["betting"] == "grem", "log_e"].to_numpy())
        told |= {f"alarm_{a}": np.full(len(at), math.log(a)) for a in ALARMS}
        return told | {"time": at.as_unit("ns").asi8 / 1e6}

    def _measured(self) -> dict[str, Any]:
        frame = self._shortfall.outcomes(self._portfolio).iloc[-_PERIODS:]
        told = {"forecast": "forecast_es", "weighted": "es_weighted", "rolling": "es"}
        return {k: frame[c].to_numpy() for k, c in told.items()} | {"time": frame.index.as_unit("ns").asi8 / 1e6}


def alarms_of(newest: pd.DataFrame) -> str:
    """The alarm that passed most, and since when; of several the first.

    Examples
    --------
    >>> import pandas as pd
    >>> one = {"measure": "es", "level": 0.975, "betting": "gree", "alarm": 5, "alarm_ns": 51_780 * 10**9}
    >>> alarms_of(pd.DataFrame([one, one | {"betting": "grel", "alarm": 0, "alarm_ns": 0}]))
    'alarm 5: ES 97.5 %, gree, 14:23:00'
    """
    worst = newest[newest["alarm"] == newest["alarm"].max()]
    first = worst.loc[worst["alarm_ns"] == worst["alarm_ns"].min()].iloc[0]
    if not first["alarm"]:
        return "no alarm"
    return f"alarm {first['alarm']}: {_of(first)}, {first['betting']}, {_clock(first['alarm_ns'])}"


def _proof(newest: pd.DataFrame) -> list[dict[str, Any]]:
    made = []
    for (level, measure), rows in newest.groupby(["level", "measure"], sort=False):
        top = rows.sort_values(["alarm", "alarm_ns"], ascending=[False, True]).iloc[0]
        said = f"{top['alarm']} at {_clock(top['alarm_ns'])}" if top["alarm"] else "no alarm"
        made.append(
            {
                "id": f"{measure} {level}",
                "name": _of(top),
                **{b: _money(v) for b, v in zip(rows["betting"], rows["log_e"], strict=True)},
                "alarm": said,
                "tone": "bad" if top["alarm"] else "",
            }
        )
    return made


def _of(row: Any) -> str:
    return f"{_NAMES[row['measure']]} {100 * row['level']:g} %"


def _clock(ns: int) -> str:
    return f"{pd.Timestamp(int(ns), unit='ns', tz='UTC'):%H:%M:%S}"


def _money(log_e: float) -> str:
    """M itself: what a stake of 1 against the forecasts has become."""
    if log_e > 20.0:
        return "∞" if math.isinf(log_e) else f"e^{log_e:.0f}"
    return f"{math.exp(log_e):,.3g}"


def _drawn(log_e: Any) -> Any:
    """Infinite evidence stands a step above all that is not."""
    finite = log_e[np.isfinite(log_e)]
    top = max(float(finite.max()) if len(finite) else 0.0, math.log(ALARMS[-1]))
    return np.where(np.isposinf(log_e), top + 1.0, log_e)
