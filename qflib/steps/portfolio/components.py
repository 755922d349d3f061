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
from qflib.records.schema import frozen
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
        self._seen = np.array([-1, 0])  # number of the last horizon told of, and its underlyings

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
        now = time_ns // self._period_ns
        if now <= int(self._seen[0]) and len(parts) == int(self._seen[1]):
            return None
        held = [shocks.get(b.exposure.underlying[0].decode()) for b in parts]
        if any(s is None or s.vol_shift is None for s in held):
            return None
        self._seen[:] = now, len(parts)
        tail = _tail_of(sums, float(risk.level[0]))
        if tail is None:
            return None
        positions: list[dict[str, Any]] = []
        greeks: list[dict[str, Any]] = []
        for b, shock in zip(parts, held, strict=True):
            assert shock is not None
            assert shock.vol_shift is not None
            spot, vol = frozen(shock.spot_return[tail.at]), frozen(shock.vol_shift[tail.at])
            positions += self._positions(b, tail, spot, vol, int(risk.horizon_ns[0]))
            greeks += _greeks(b, tail, spot, vol, int(risk.horizon_ns[0]) / YEAR_NS)
        es = float(risk.es_current[0])
        rows = [{**r, "by": by} for by, made in (("position", positions), ("greek", greeks)) for r in _closed(made, es)]
        return COMPONENTS.make(
            **{name: [r[name] for r in rows] for name in rows[0]},
            portfolio=[portfolio] * len(rows), level=float(risk.level[0]), es=es, time_ns=time_ns,
            set_id=[risk.set_id[0].decode()] * len(rows),
        )  # fmt: skip

    def state(self) -> State:
        """What was told of last."""
        return {"components.seen": self._seen.copy()}

    def load(self, state: State) -> None:
        """Go on from a state; one from before there were contributions has told none."""
        self._seen = state.get("components.seen", self._seen).copy()

    def _positions(self, b: Batch, tail: _Tail, spot: F8, vol: F8, horizon_ns: int) -> list[dict[str, Any]]:
        p = b.positions
        if not len(p.qty) or not len(b.greeks.forward):
            return []
        forward, time_ns = float(b.greeks.forward[0]), int(b.greeks.time_ns[0])
        entries, mid = self._entries(p)
        figures, out = np.empty((len(FIGURES), len(entries))), np.empty(len(entries))
        sigma = frozen(p.implied_vol)
        value_positions(
            entries, self._terms, mid, sigma, forward, time_ns, self._rate, figures, np.empty((2, len(SUMS)))
        )
        positions_tail(
            entries, self._terms, figures, sigma, time_ns, horizon_ns, self._rate, frozen(np.log1p(spot)), spot, vol,
            VOL_FLOOR, tail.weight, out,
        )  # fmt: skip
        name = b.exposure.underlying[0].decode()
        return [
            _row(name, float(out[i]), int(p.instrument[i]), int(p.book[i])) for i in np.flatnonzero(p.qty != 0).tolist()
        ]

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


def _greeks(b: Batch, tail: _Tail, spot: F8, vol: F8, years: float) -> list[dict[str, Any]]:
    """Of one underlying, a book after the other; books that hold nothing are left out."""
    g, vectors = b.greeks, {int(Book.CLIENT): b.vectors.client, int(Book.HEDGE): b.vectors.hedge}
    name, made = b.exposure.underlying[0].decode(), []
    for k, book in enumerate(g.book.tolist()):
        pnl = vectors[int(book)]
        if not pnl.any():
            continue
        figures = np.array([getattr(g, n)[k] for n in GREEKS])
        added = tail.added(greek_parts(float(g.forward[k]), figures, spot, vol, years))
        added.append(math.fsum([*tail.added(pnl[tail.at].reshape(-1, 1)), *(-x for x in added)]))
        made += [_row(name, x, book=int(book), name=n) for n, x in zip((*GREEKS, HIGHER_ORDER), added, strict=True)]
    return made


def _row(
    underlying: str, contribution: float, instrument: int = ALL_INSTRUMENTS, book: int = 0, name: str = ""
) -> dict[str, Any]:
    return {
        "underlying": underlying, "instrument": instrument, "book": book, "name": name, "contribution": contribution
    }  # fmt: skip


def _closed(rows: list[dict[str, Any]], es: float) -> list[dict[str, Any]]:
    """With the row that makes them sum to the shortfall."""
    return [*rows, _row("", math.fsum([es, *(-r["contribution"] for r in rows)]), name=REST)]
