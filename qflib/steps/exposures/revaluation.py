"""What a portfolio's positions in one underlying are worth, now and in every scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.position_values import FIGURES, SUMS, Terms, positions_pnl, value_positions
from qflib.records import Instruments
from qflib.records.lots import is_inverse_future, lot_units
from qflib.records.schema import frozen
from qflib.steps.exposures.quotes import Quotes

F8 = NDArray[np.float64]
DAY_NS = 86_400 * 10**9
VOL_FLOOR = 0.01  # after a scenario's shift


@dataclass(frozen=True, slots=True)
class Shocks:
    """One underlying's part of a scenario set, with what every revaluation needs of it made once."""

    set_id: str
    horizon_ns: int
    spot_return: F8
    vol_shift: F8
    log_growth: F8

    @classmethod
    def of(cls, set_id: str, horizon_ns: int, spot_return: F8, vol_shift: F8) -> Shocks:
        """From the columns of a control."""
        return cls(set_id, horizon_ns, frozen(spot_return), frozen(vol_shift), frozen(np.log1p(spot_return)))

    def over(self, outcome_ns: int, session_ns: int) -> Shocks:
        """The same shocks over a shorter horizon: spread over the session by the square root of time."""
        scale = math.sqrt(outcome_ns * DAY_NS / (self.horizon_ns * session_ns))
        return Shocks.of(self.set_id, outcome_ns, self.spot_return * scale, self.vol_shift * scale)


@dataclass(frozen=True, slots=True)
class Valued:
    """Valued positions, in the order of the ledger's entries.

    Parameters
    ----------
    time_ns, forward
        When, and the underlying's mark.
    entries
        The ledger's rows.
    vol
        Of each option; NaN where none is known.
    figures
        float64 (len(FIGURES), n), as `value_positions` makes them; each also goes by its name.
    sums
        A column of `SUMS`, client and hedge book.
    unpriced
        Positions that nothing quoted prices: left out.
    """

    time_ns: int
    forward: float
    entries: NDArray[Any]
    vol: F8
    figures: F8
    sums: dict[str, F8]
    unpriced: int

    def __getattr__(self, name: str) -> F8:
        """A figure by its name."""
        try:
            row: F8 = self.figures[_ROW[name]]
        except KeyError:
            raise AttributeError(f"valued positions have no {name!r}; they have {', '.join(FIGURES)}") from None
        return row


def terms_of(instruments: Instruments, quotes: Quotes, rate: float, rates: dict[str, float]) -> Terms:
    """What each instrument is, as kernels take it.

    Parameters
    ----------
    instruments, quotes
        The instrument table, and what is known of its options.
    rate
        Continuously compounded, a year.
    rates
        Reporting currency a unit of each quote currency.
    """
    terms = Terms(
        right=quotes.right,
        strike=quotes.strike,
        expiry_ns=quotes.expiry_ns,
        units=lot_units(instruments),
        fx=np.array([rates.get(r.quote_currency, np.nan) for r in instruments]),
        carrier=quotes.carrier,
        inverse=quotes.inverse,
        inverse_future=np.array([is_inverse_future(r) for r in instruments], bool),
        # futures are worth what they have gained; spot and options what they would fetch
        valued=np.array([r.kind in ("option", "spot") for r in instruments], bool),
        # on a future, early exercise is worth nothing at a zero rate; else an American option is more than Black-76
        unpriced=np.array([r.style == "american" and rate != 0.0 for r in instruments], bool),
    )
    return Terms(*(frozen(a) for a in terms))  # the quotes' own columns too: nobody writes to them


class Revaluation:
    """Values entries of the ledger at the quotes known."""

    def __init__(
        self, instruments: Instruments, quotes: Quotes, rate: float, fx: dict[str, float], currency: str = "USD"
    ) -> None:
        self._quotes = quotes
        self._rate = rate
        self.terms = terms_of(instruments, quotes, rate, {currency: 1.0, **fx})

    def value(self, entries: NDArray[Any], underlying: int, time_ns: int) -> Valued | None:
        """Marks, values and Greeks of entries of one underlying; None while it has never been quoted.

        What cannot be priced counts as unpriced and weighs nothing. O(entries).
        """
        q = self._quotes
        forward = q.forward(underlying, time_ns)
        if not forward > 0:
            return None
        at = entries["instrument"]
        vol, options = np.full(len(at), np.nan), q.is_option[at]
        vol[options] = q.vols_of(at[options])
        figures, sums = np.empty((len(FIGURES), len(entries))), np.empty((2, len(SUMS)))
        unpriced = value_positions(entries, self.terms, q.mid, vol, forward, time_ns, self._rate, figures, sums)
        return Valued(
            time_ns, forward, entries, vol, figures, dict(zip(SUMS, sums.T.copy(), strict=True)), int(unpriced)
        )

    def vector(self, v: Valued, book: int, shocks: Shocks) -> F8:
        """Scenario P&L of one book's positions, gains positive; O(positions * scenarios)."""
        out = np.zeros(len(shocks.spot_return))
        self.add(v, book, shocks, np.zeros(len(v.entries), bool), out)
        return out

    def add(self, v: Valued, book: int, shocks: Shocks, on_grid: NDArray[np.bool_], out: F8) -> None:
        """As `vector`, added to `out`, of options on a grid less only what they are worth now."""
        positions_pnl(
            v.entries, book, self.terms, v.figures, v.vol, v.time_ns, shocks.horizon_ns, self._rate,
            shocks.log_growth, shocks.spot_return, shocks.vol_shift, VOL_FLOOR, on_grid, out,
        )  # fmt: skip

    def unit_delta(self, instrument: int, forward: float) -> float:
        """Reporting-currency delta of one lot of a future."""
        terms = self.terms
        unit = terms.units[instrument] * terms.fx[instrument]
        return float(unit / forward if terms.inverse_future[instrument] else unit)


_ROW = {name: i for i, name in enumerate(FIGURES)}
