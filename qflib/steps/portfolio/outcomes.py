"""Forecasts and their outcomes: rolling and weighted expected shortfall of hypothetical and of actual P&L.

A forecast and its outcome share a horizon and do not overlap. The forecast is VaR and ES of a revaluation over that
horizon, decay in. Hypothetical outcome: its own positions, frozen, at the marks of the horizon's end. Actual: with what
was traded meanwhile, costs in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.expected_shortfall import es_var
from qflib.kernels.window_es import held, same_window, window_roll, window_state
from qflib.records import ROLLING
from qflib.records.schema import frozen
from qflib.steps.portfolio.sums import Sums
from qflib.steps.state import State

F8 = NDArray[np.float64]
KINDS = ("hypothetical", "actual")
_FROZEN = np.dtype([("instrument", "i8"), ("book", "i8"), ("qty", "i8"), ("lot_value", "f8")])


class Outcomes:
    """The open forecast of one portfolio and the window of past outcomes.

    In the weighted figures an outcome weighs `decay` of the next one.
    """

    def __init__(self, levels: tuple[float, ...], period_ns: int, window: int, decay: float = 0.99) -> None:
        self._levels = frozen(np.array(levels))
        self._period_ns = period_ns
        self._window = window
        self._decay = decay
        self._past = np.zeros((0, len(KINDS)))
        self._weighted = self._no_outcomes()
        self._frozen = np.zeros(0, _FROZEN)
        self._forecast = np.full((len(levels), 2), np.nan)  # ES, VaR
        self._opened = np.zeros(1, np.int64)  # when the open forecast was made; 0: there is none
        self._seen = np.zeros(1, np.int64)  # number of the last horizon looked at
        self._actual = np.zeros(1)

    def update(self, portfolio: str, sums: Sums, time_ns: int) -> Any | None:
        """At a horizon's end: judge the open forecast, open the next; rows of Rolling, or None between."""
        now, seen = time_ns // self._period_ns, int(self._seen[0])
        if now <= seen:
            return None
        if seen == 0:  # the first horizon was joined on its way
            self._seen[0] = now
            return None
        made = sums.forecast()
        if made is None:  # an underlying has not come to this horizon yet
            return None
        self._seen[0] = now
        rows = None
        # a horizon that was not watched to its end has no outcome: no forecast, no test
        if self._opened[0] and int(self._opened[0]) // self._period_ns == now - 1:
            outcome = np.array([[self._hypothetical(sums), sums.actual_pnl() - float(self._actual[0])]])
            self._past = np.concatenate([self._past, outcome])[-self._window :]
            rows = self._rows(portfolio, time_ns, outcome[0], self._weigh(outcome))
        self._open(sums, time_ns, made)
        return rows

    def state(self) -> State:
        """Window, frozen positions, open forecast."""
        return {
            "past": self._past,
            "weighted": self._weighted,
            "frozen": self._frozen,
            "forecast": self._forecast,
            "opened": self._opened,
            "seen": self._seen,
            "actual": self._actual,
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._past, self._frozen = state["past"].copy(), state["frozen"].copy()
        self._forecast, self._opened = state["forecast"].copy(), state["opened"].copy()
        self._seen, self._actual = state["seen"].copy(), state["actual"].copy()
        kept, self._weighted = state.get("weighted"), self._no_outcomes()
        if kept is not None and all(map(same_window, kept, self._weighted)):
            self._weighted = kept.copy()
        else:  # of a version that did not weigh, or weighed otherwise: what it kept is all that the window holds
            self._weigh(self._past)

    def _no_outcomes(self) -> F8:
        one = window_state(self._window, self._window, 0, math.log(self._decay), self._levels)
        return np.stack([one] * len(KINDS))

    def _weigh(self, outcomes: F8) -> F8:
        """Take outcomes in; (kinds, levels, 2) weighted ES and VaR after the last."""
        n, levels = len(outcomes), len(self._levels)
        measured = np.full((len(KINDS), levels, 2), np.nan)
        for k, state in enumerate(self._weighted):
            es, var = np.empty((n, levels)), np.empty((n, levels))
            times = np.arange(n) + held(state)[1] + 1  # by number: periods that were not watched do not age outcomes
            window_roll(state, outcomes[:, k].copy(), times, es, var)
            if n:
                measured[k] = np.column_stack([es[-1], var[-1]])
        return measured

    def _open(self, sums: Sums, time_ns: int, made: tuple[F8, list[Any]]) -> None:
        pnl, parts = made
        es_var(frozen(pnl), self._levels, self._forecast, np.empty(len(pnl)))
        self._frozen = np.zeros(sum(len(p.qty) for p in parts), _FROZEN)
        at = 0
        for p in parts:
            rows = self._frozen[at : at + len(p.qty)]
            for name in _FROZEN.names or ():
                rows[name] = getattr(p, name)
            at += len(p.qty)
        self._opened[0] = time_ns
        self._actual[0] = sums.actual_pnl()

    def _hypothetical(self, sums: Sums) -> float:
        now = {
            (int(i), int(b)): (float(v), float(fx))
            for p in sums.positions()
            for i, b, v, fx in zip(p.instrument, p.book, p.lot_value, p.fx, strict=True)
        }
        total = 0.0
        for row in self._frozen:
            value, fx = now[int(row["instrument"]), int(row["book"])]
            total += int(row["qty"]) * (value - float(row["lot_value"])) * fx
        return total

    def _rows(self, portfolio: str, time_ns: int, outcome: F8, weighted: F8) -> Any:
        n, levels = len(self._past), len(self._levels)
        measured = np.empty((levels, 2))
        columns: dict[str, list[Any]] = {"outcome": [], "es": [], "var": [], "pnl": []}
        for k, kind in enumerate(KINDS):
            es_var(frozen(self._past[:, k].copy()), self._levels, measured, np.empty(n))
            columns["outcome"] += [kind] * levels
            columns["es"] += measured[:, 0].tolist()
            columns["var"] += measured[:, 1].tolist()
            columns["pnl"] += [float(outcome[k])] * levels
        return ROLLING.make(
            portfolio=[portfolio] * (len(KINDS) * levels),
            level=np.tile(self._levels, len(KINDS)),
            window=self._window,
            n=n,
            time_ns=time_ns,
            period_ns=self._period_ns,
            forecast_es=np.tile(self._forecast[:, 0], len(KINDS)),
            forecast_var=np.tile(self._forecast[:, 1], len(KINDS)),
            decay=self._decay,
            es_weighted=weighted[:, :, 0].ravel(),
            var_weighted=weighted[:, :, 1].ravel(),
            **columns,
        )
