"""Who causes the expected shortfall: Euler contributions of positions and of Greeks, once in an outcome's horizon.

The tail is that of the report's own scenario P&L. Positions are revalued in its scenarios alone, by the kernels and
from the figures that made the vectors; Greeks are summed over the same scenarios. A row `rest` closes each table: the
grids' errors, and rounding. `math.fsum` of the contributions is `es`, to the last bit while the rest is the smaller.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.hedging.greek_contributions import GREEKS, greek_parts
from qflib.kernels.expected_shortfall import tail_contributions, tail_weights
from qflib.kernels.position_values import FIGURES, SUMS, YEAR_NS, Terms, positions_tail, value_positions
from qflib.records import ALL_INSTRUMENTS, COMPONENTS, Batch, Book
from qflib.records.schema import TEXT_BYTES, frozen
from qflib.steps.exposures.ledger import ENTRY
from qflib.steps.exposures.revaluation import VOL_FLOOR
from qflib.steps.portfolio.sums import Sums
from qflib.steps.state import State

F8 = NDArray[np.float64]
HIGHER_ORDER, REST = "higher_order", "rest"


class Shock(NamedTuple):
    """One underlying's part of a scenario set; without vol shifts where a state from before they were kept gave it."""

    spot_return: F8
    vol_shift: F8 | None


class _Tail(NamedTuple):
    """The scenarios with weight."""

    at: NDArray[np.int64]
    weight: F8

    def added(self, pnl: F8) -> list[float]:
        """What P&L of its scenarios adds to the shortfall, a column each."""
        out = np.empty(pnl.shape[1])
        tail_contributions(self.weight, pnl, out)
        return out.tolist()


class _Rows(NamedTuple):
    """Columns of Components that differ from row to row."""

    underlying: NDArray[Any]
    instrument: NDArray[Any]
    book: NDArray[Any]
    name: NDArray[Any]
    contribution: F8


class Components:
    """Contributions to the shortfall of one portfolio, when a horizon begins.

    Parameters
    ----------
    terms
        What each instrument is.
    rate
        Continuously compounded, a year.
    period_ns
        The horizon: contributions are told once in it.
    """

    def __init__(self, terms: Terms, rate: float, period_ns: int) -> None:
        self._terms, self._rate, self._period_ns = terms, rate, period_ns
        self._told = np.array([-1, 0])  # time of the report told of last, and its underlyings

    def update(self, portfolio: str, sums: Sums, risk: Any, shocks: dict[str, Shock]) -> Any | None:
        """Rows of Components at a horizon's first report, and where an underlying has come; None between.

        Parameters
        ----------
        portfolio, sums
            Whose, and its exposures.
        risk
            Columns of the report's Risk: contributions are at its first level.
        shocks
            Of the report's scenario set, by underlying.

        Notes
        -----
        O(scenarios + positions * tail).
        """
        time_ns, parts = int(risk.time_ns[0]), sums.parts()
        last_ns, underlyings = self._told.tolist()
        if time_ns <= last_ns or (
            time_ns // self._period_ns == last_ns // self._period_ns and len(parts) == underlyings
        ):
            return None
        held = [shocks.get(b.exposure.underlying[0].decode()) for b in parts]
        if any(s is None or s.vol_shift is None for s in held):
            return None
        self._told[:] = time_ns, len(parts)
        tail = _tail_of(sums, float(risk.level[0]))
        if tail is None:
            return None
        es, horizon_ns = float(risk.es_current[0]), int(risk.horizon_ns[0])
        positions, greeks = [], []
        for b, shock in zip(parts, held, strict=True):
            assert shock is not None
            assert shock.vol_shift is not None
            spot, vol = frozen(shock.spot_return[tail.at]), frozen(shock.vol_shift[tail.at])
            positions.append(self._positions(b, tail, spot, vol, horizon_ns))
            greeks += _greeks(b, tail, spot, vol, horizon_ns / YEAR_NS)
        rows = [*positions, _rest(positions, es), *greeks, _rest(greeks, es)]
        joined = _Rows(*(np.concatenate(columns) for columns in zip(*rows, strict=True)))
        n, of_positions = len(joined.book), sum(len(r.book) for r in positions) + 1
        return COMPONENTS.make(
            **joined._asdict(),
            by=np.repeat(_text("position", "greek"), [of_positions, n - of_positions]),
            portfolio=np.repeat(_text(portfolio), n), level=float(risk.level[0]), es=es, time_ns=time_ns,
            set_id=np.repeat(risk.set_id[:1], n),
        )  # fmt: skip

    def state(self) -> State:
        """What was told of last."""
        return {"components.told": self._told.copy()}

    def load(self, state: State) -> None:
        """Go on from a state; one from before there were contributions has told none."""
        self._told = state.get("components.told", self._told).copy()

    def _positions(self, b: Batch, tail: _Tail, spot: F8, vol: F8, horizon_ns: int) -> _Rows:
        p, g = b.positions, b.greeks
        entries, mid = self._entries(p)
        figures, out = np.empty((len(FIGURES), len(entries))), np.zeros(len(entries))
        if len(entries) and len(g.forward):
            sigma, time_ns = frozen(p.implied_vol), int(g.time_ns[0])
            value_positions(
                entries, self._terms, mid, sigma, float(g.forward[0]), time_ns, self._rate, figures,
                np.empty((2, len(SUMS))),
            )  # fmt: skip
            positions_tail(
                entries, self._terms, figures, sigma, time_ns, horizon_ns, self._rate, frozen(np.log1p(spot)), spot,
                vol, VOL_FLOOR, tail.weight, out,
            )  # fmt: skip
        held = p.qty != 0
        n = int(held.sum())
        return _Rows(
            np.repeat(b.exposure.underlying, n), p.instrument[held], p.book[held], _text("").repeat(n), out[held]
        )

    def _entries(self, p: Any) -> tuple[NDArray[Any], F8]:
        """The ledger's rows, and the mids that their own forwards are made of, as `value_positions` had them."""
        entries, mid = np.zeros(len(p.qty), ENTRY), np.full(len(self._terms.right), np.nan)
        entries["instrument"], entries["book"], entries["qty"] = p.instrument, p.book, p.qty
        entries["avg_value"] = p.lot_value  # what has been gained so far is of no concern here
        at = entries["instrument"]
        option = self._terms.right[at] != 0.0
        mid[at[~option]] = p.mark[~option]
        another = option & (p.own_forward != 0.0)
        mid[self._terms.carrier[at[another]]] = p.own_forward[another]
        return entries, mid


def _tail_of(sums: Sums, level: float) -> _Tail | None:
    """None where the P&L is not a number."""
    client, hedge = sums.vectors()
    weight = np.empty(len(client))
    if tail_weights(frozen(client + hedge), level, weight, np.empty(len(client))) < 0:
        return None
    at = np.flatnonzero(weight)
    return _Tail(at, frozen(weight[at]))


def _greeks(b: Batch, tail: _Tail, spot: F8, vol: F8, years: float) -> list[_Rows]:
    """Of one underlying, a book after the other; books that hold nothing are left out."""
    g, vectors = b.greeks, {int(Book.CLIENT): b.vectors.client, int(Book.HEDGE): b.vectors.hedge}
    made = []
    for k, book in enumerate(g.book.tolist()):
        pnl = vectors[book]
        if not pnl.any():
            continue
        figures = np.array([getattr(g, n)[k] for n in GREEKS])
        added = tail.added(greek_parts(float(g.forward[k]), figures, spot, vol, years))
        added.append(math.fsum([*tail.added(pnl[tail.at].reshape(-1, 1)), *(-x for x in added)]))
        made.append(_rows(b.exposure.underlying, book, _NAMES, added))
    return made


def _rest(rows: list[_Rows], es: float) -> _Rows:
    """The row that makes them sum to the shortfall."""
    left = math.fsum([es, *(-x for r in rows for x in r.contribution.tolist())])
    return _rows(_text(""), 0, _text(REST), [left])


def _rows(underlying: NDArray[Any], book: int, names: NDArray[Any], contribution: list[float]) -> _Rows:
    """Of no instrument."""
    n = len(names)
    none, books = np.full(n, ALL_INSTRUMENTS, np.uint32), np.full(n, book, np.uint32)
    return _Rows(np.repeat(underlying, n), none, books, names, np.array(contribution))


def _text(*values: str) -> NDArray[Any]:
    return np.array([v.encode() for v in values], f"S{TEXT_BYTES}")


_NAMES = frozen(_text(*GREEKS, HIGHER_ORDER))
