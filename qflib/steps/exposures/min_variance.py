"""How volatility moves with the forward, learnt from the stream's own quotes: the minimum-variance delta."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.min_variance import (
    ADJUSTED,
    INSTANTS,
    MOVES,
    PLAIN,
    SUMS,
    delta_correction,
    learn_moves,
    quoted_moves,
)
from qflib.kernels.position_values import Terms
from qflib.records import MIN_VARIANCE, Instruments
from qflib.steps.exposures.quotes import Quotes
from qflib.steps.exposures.revaluation import Valued
from qflib.steps.state import State

#: Instants judged before a fit may be used: a gain over fewer may be luck.
ENOUGH = 30


class _Fit:
    """One underlying's: its options, their quotes at the last look, and what was learnt."""

    def __init__(self, options: NDArray[np.int64]) -> None:
        n = len(options)
        self.options = options
        self.period = self.time_ns = 0
        self.quotes = np.full((2, n), np.nan)  # own forward, volatility
        self.quoted_ns = np.zeros(n, np.int64)
        self.sums, self.coefficients = np.zeros(len(SUMS)), np.zeros(3)

    @property
    def gain(self) -> float:
        plain = float(self.sums[PLAIN])
        return 1.0 - float(self.sums[ADJUSTED]) / plain if plain > 0.0 else float("nan")

    @property
    def used(self) -> bool:
        return self.gain > 0.0 and self.sums[INSTANTS] >= ENOUGH


class MinVariance:
    """Looks at quotes once a period, and learns from those that came since.

    An option's move is that between its own quotes, each with the forward it was implied at, time put aside: quotes
    that came at different instants don't pass for moves of volatility.
    """

    def __init__(self, instruments: Instruments, quotes: Quotes, terms: Terms, rate: float, period_ns: int) -> None:
        of, option = instruments.underlying_index, quotes.is_option
        self._fits = [_Fit(np.flatnonzero(option & (of == u))) for u in range(len(instruments.underlyings))]
        self._quotes, self._terms, self._rate, self._period_ns = quotes, terms, rate, period_ns
        self._moves = np.empty((6, max((len(f.options) for f in self._fits), default=0)))

    def look(self, u: int, time_ns: int) -> None:
        """Learn, where a period has gone by. O(options of the underlying)."""
        fit = self._fits[u]
        if not self._period_ns or time_ns // self._period_ns == fit.period:
            return
        fit.period, at = time_ns // self._period_ns, fit.options
        fresh = self._quotes.implied_ns[at] > fit.quoted_ns
        if not fresh.any():
            return
        rows = np.flatnonzero(fresh)
        at = at[rows]
        now = np.stack([self._quotes.own[at], self._quotes.vol[at]])
        before = np.take(fit.quotes, rows, axis=1)
        k = quoted_moves(at, self._terms, self._rate, before, now, fit.quoted_ns[rows], self._moves)
        if k:
            moves = (np.ascontiguousarray(self._moves[i, :k]) for i in range(6))
            delta, vega, forward, years, change, forward_change = moves
            learn_moves(delta, vega, forward, years, change, forward_change, 1.0, fit.sums, fit.coefficients)
            fit.time_ns = time_ns
        fit.quotes[:, rows], fit.quoted_ns[rows] = now, self._quotes.implied_ns[at]

    def row(self, u: int, v: Valued, portfolio: Any, underlying: Any) -> Any:
        """The fit, and what it adds to a portfolio's delta where it is used."""
        fit = self._fits[u]
        used, (a, b, c) = fit.used, fit.coefficients.tolist()
        correction = self.correction(u, v) if used else 0.0
        return MIN_VARIANCE.make(
            portfolio=portfolio, underlying=underlying, time_ns=fit.time_ns, n=int(fit.sums[MOVES]), a=a, b=b, c=c,
            gain=fit.gain, used=int(used), correction=correction,
        )  # fmt: skip

    def correction(self, u: int, v: Valued) -> float:
        """What the fit adds to the delta of positions, whether it gains or not. O(positions)."""
        return delta_correction(
            v.entries, self._terms, v.figures, v.vol, v.time_ns, self._rate, self._fits[u].coefficients
        )

    def state(self) -> State:
        """What was learnt and looked at, an underlying."""
        out: State = {}
        for u, fit in enumerate(self._fits):
            out[f"min_variance.{u}.times"] = np.array([fit.period, fit.time_ns], np.int64)
            out[f"min_variance.{u}.quotes"] = fit.quotes.copy()
            out[f"min_variance.{u}.quoted_ns"] = fit.quoted_ns.copy()
            out[f"min_variance.{u}.learnt"] = np.concatenate([fit.sums, fit.coefficients])
        return out

    def load(self, state: State) -> None:
        """Go on from a state."""
        for u, fit in enumerate(self._fits):
            if f"min_variance.{u}.times" not in state:  # from before there was a fit
                self._fits[u] = _Fit(fit.options)
                continue
            fit.period, fit.time_ns = state[f"min_variance.{u}.times"].tolist()
            fit.quotes = state[f"min_variance.{u}.quotes"].copy()
            fit.quoted_ns = state[f"min_variance.{u}.quoted_ns"].copy()
            learnt = state[f"min_variance.{u}.learnt"]
            fit.sums, fit.coefficients = learnt[: len(SUMS)].copy(), learnt[len(SUMS) :].copy()
