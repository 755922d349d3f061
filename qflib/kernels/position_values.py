"""Positions in one underlying at the quotes known: value, Greeks, and P&L in scenarios, position after position.

What a contract is (`Terms`) and what was last quoted are arrays over the instrument table; positions are the ledger's
rows. Inverse contracts pay in coin, which is converted at the scenario's own spot: a coin premium held moves with the
coin, so the delta is premium-adjusted.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.kernels.jit import kernel
from qflib.kernels.lognormal_blocks import greeks_batch
from qflib.kernels.scenario_pnl import linear_pnl, option_pnl

F = NDArray[np.float64]
I8 = NDArray[np.int64]

YEAR_NS = 365 * 86_400 * 10**9  # ACT/365
HEDGE = 2  # the book whose sums stand second
#: Greeks that add up over positions.
SUMMED = ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")
#: Rows of `value_positions`' output, a figure a position.
FIGURES = (
    "mark", "price", "own_forward", "fx", "lot_value", "value", "unrealised", "realised", "fees", "avg_price",
    "cash_qty", "linear", *SUMMED, "charm", "veta",
)  # fmt: skip
(
    _MARK, _PRICE, _OWN_FORWARD, _FX, _LOT_VALUE, _VALUE, _UNREALISED, _REALISED, _FEES, _AVG_PRICE, _CASH_QTY, _LINEAR,
) = range(12)  # fmt: skip
_FIRST_GREEK = 12
#: Columns of its sums, a row a book.
SUMS = (*SUMMED, "value", "realised", "unrealised")

_SUMMED = len(SUMMED)
_VALUED, _BOOKED, _OPEN = range(_SUMMED, len(SUMS))

# of what `greeks` returns
_UNIT_PRICE, _DIVIDEND_RHO = GREEKS.index("price"), GREEKS.index("dividend_rho")
_DELTA, _GAMMA, _VEGA, _THETA, _RHO, _VANNA, _VOLGA = (GREEKS.index(name) for name in SUMMED)
_CHARM, _VETA = GREEKS.index("charm"), GREEKS.index("veta")

_TOLD = len(GREEKS) - 1  # all but elasticity


class Terms(NamedTuple):
    """What each instrument of the table is.

    Parameters
    ----------
    right, strike, expiry_ns
        float64 (m,), +1 call, −1 put, 0 no option; float64 (m,); int64 (m,), 0: never.
    units
        float64 (m,): what a lot stands for, in underlying; of an inverse future in quote currency.
    fx
        float64 (m,): reporting currency a unit of quote currency; NaN: not known.
    carrier
        int64 (m,): the future that carries an option's forward; −1: none.
    inverse, inverse_future, valued, unpriced
        bool (m,): settled in coin; and linear; worth what it fetches, not what it has gained; not to be priced.
    """

    right: F
    strike: F
    expiry_ns: I8
    units: F
    fx: F
    carrier: I8
    inverse: NDArray[np.bool_]
    inverse_future: NDArray[np.bool_]
    valued: NDArray[np.bool_]
    unpriced: NDArray[np.bool_]


@kernel
def value_positions(
    entries: NDArray[Any], terms: Terms, mid: F, vol: F, forward: float, time_ns: int, rate: float, out: F, sums: F
) -> int:
    """Value n positions in one underlying; how many nothing quoted prices: they weigh nothing.

    Parameters
    ----------
    entries
        The ledger's rows (n,): instrument, book, qty, avg_value, realised, fees.
    terms, mid
        Of the m instruments; `mid` float64 (m,), NaN: never quoted.
    vol
        float64 (n,): each option's volatility, NaN: not known.
    forward
        The underlying's mark, above 0; of an option whose future is not quoted, too.
    time_ns
        Now.
    rate
        Continuously compounded, a year.
    out, sums
        float64 (len(FIGURES), n) and (2, len(SUMS)): overwritten; reporting currency where not said otherwise. `mark`
        is as quoted (coin for inverse options); `price` and `own_forward` (a future's own price) in quote currency;
        `fx` reporting currency a unit of settlement currency; `lot_value` in settlement currency; `cash_qty` in
        underlying times the quote currency's rate; `linear` P&L a 1.00 of relative move.

    Notes
    -----
    O(n). Black (1976), which is Black–Scholes–Merton on a forward that pays the rate.
    """
    sums[:] = 0.0
    missing, n = 0, len(entries)
    asked, told = np.empty((6, n)), np.empty((_TOLD, n))
    for i in range(n):
        at, sigma = entries[i].instrument, vol[i]
        carrier = terms.carrier[at]
        asked[4, i] = rate
        if terms.right[at] != 0.0:
            asked[0, i], asked[2, i] = terms.right[at], terms.strike[at]
            asked[1, i] = mid[carrier] if carrier >= 0 and math.isfinite(mid[carrier]) else forward
            asked[3, i] = max(terms.expiry_ns[at] - time_ns, 0) / YEAR_NS
            asked[5, i] = 0.0 if math.isnan(sigma) else sigma
        else:  # any option: what is told of it is not looked at
            asked[0, i], asked[1, i], asked[2, i], asked[3, i], asked[5, i] = 1.0, 1.0, 1.0, 1.0, 0.2
    greeks_batch(asked[0], asked[1], asked[2], asked[3], asked[4], asked[4], asked[5], told)
    for i in range(n):
        entry = entries[i]
        at, qty = entry.instrument, float(entry.qty)
        option, coin, coins = terms.right[at] != 0.0, terms.inverse[at], terms.inverse_future[at]
        sigma, quote_fx, units = vol[i], terms.fx[at], terms.units[at]
        unknown = (
            (option and terms.expiry_ns[at] > time_ns and math.isnan(sigma))
            or terms.unpriced[at]
            or math.isnan(quote_fx)
        )
        weight = 0.0 if unknown else qty
        missing += unknown and qty != 0.0
        if math.isnan(quote_fx):
            quote_fx = 0.0
        row = told[:, i]
        if option:
            own, price = asked[1, i], row[_UNIT_PRICE]
        else:
            price = mid[at] if math.isfinite(mid[at]) else forward
            own = price
        mark = price / own if option and coin else price
        lot_value = -units / price if coins else units * mark
        fx = quote_fx * (forward if coin else 1.0)
        cash_qty = weight * quote_fx * (units / own if coins else units)
        unrealised = weight * (lot_value - entry.avg_value) * fx
        premium = price if option and coin else 0.0
        average = -units / entry.avg_value if coins else entry.avg_value / units
        out[_MARK, i], out[_PRICE, i], out[_OWN_FORWARD, i], out[_FX, i] = mark, price, own, fx
        out[_LOT_VALUE, i], out[_UNREALISED, i] = lot_value, unrealised
        out[_VALUE, i] = weight * lot_value * fx if terms.valued[at] else unrealised
        out[_REALISED, i], out[_FEES, i] = entry.realised * fx, entry.fees * fx
        out[_AVG_PRICE, i] = 0.0 if entry.qty == 0 else average
        out[_CASH_QTY, i], out[_LINEAR, i] = cash_qty, cash_qty * (-premium if option else own)
        held = cash_qty if option else 0.0
        g = out[_FIRST_GREEK:, i]
        g[0] = cash_qty * (row[_DELTA] - premium / own if option else 1.0)
        g[1], g[2], g[3] = held * row[_GAMMA], held * row[_VEGA], held * row[_THETA]
        g[4] = held * (row[_RHO] + row[_DIVIDEND_RHO])  # at a fixed forward only the discounting moves
        g[5], g[6] = held * row[_VANNA], held * row[_VOLGA]
        g[7], g[8] = held * row[_CHARM], held * row[_VETA]
        of_book = sums[1 if entry.book == HEDGE else 0]
        for k in range(_SUMMED):
            of_book[k] += g[k]
        of_book[_VALUED] += out[_VALUE, i]
        of_book[_BOOKED] += (entry.realised - entry.fees) * fx
        of_book[_OPEN] += unrealised
    return missing


@kernel
def positions_pnl(
    entries: NDArray[Any],
    book: int,
    terms: Terms,
    figures: F,
    vol: F,
    time_ns: int,
    horizon_ns: int,
    rate: float,
    log_growth: F,
    spot_return: F,
    vol_shift: F,
    vol_floor: float,
    on_grid: NDArray[np.bool_],
    out: F,
) -> None:
    """Scenario P&L of one book's positions, gains positive, added to `out`.

    Parameters
    ----------
    entries, terms, vol, time_ns, rate
        As `value_positions` had them.
    book
        Which positions.
    figures
        What it made of them.
    horizon_ns
        How long the scenarios take.
    log_growth, spot_return, vol_shift, vol_floor, out
        As of `option_pnl`.
    on_grid
        bool (n,): options whose value after the scenario is added elsewhere; here it is what they are worth now.

    Notes
    -----
    O(n · scenarios), options first, in the order of the entries; what is linear is summed before.
    """
    one = np.empty((7, 1))
    linear, worth = 0.0, 0.0
    for i in range(len(entries)):
        at, cash_qty = entries[i].instrument, figures[_CASH_QTY, i]
        if entries[i].book != book or cash_qty == 0.0:
            continue
        linear += figures[_LINEAR, i]
        if terms.right[at] == 0.0:
            continue
        if on_grid[i]:
            worth += cash_qty * figures[_PRICE, i]
            continue
        _add_option(
            i, at, terms, figures, vol, time_ns, horizon_ns, rate, log_growth, spot_return, vol_shift, vol_floor, one,
            out,
        )  # fmt: skip
    if linear != 0.0:
        linear_pnl(linear, spot_return, out)
    if worth != 0.0:
        for j in range(out.size):
            out[j] -= worth


@kernel
def positions_tail(
    entries: NDArray[Any],
    terms: Terms,
    figures: F,
    vol: F,
    time_ns: int,
    horizon_ns: int,
    rate: float,
    log_growth: F,
    spot_return: F,
    vol_shift: F,
    vol_floor: float,
    weight: F,
    out: F,
) -> None:
    """What each of n positions adds to the expected shortfall: minus its P&L, weighted over the tail's scenarios.

    Parameters
    ----------
    entries, terms, figures, vol, time_ns, horizon_ns, rate, log_growth, spot_return, vol_shift, vol_floor
        As of `positions_pnl`; scenarios are those of the tail alone, k of them.
    weight
        float64 (k,): of the scenarios (`qflib.kernels.expected_shortfall.tail_weights`).
    out
        float64 (n,): overwritten; positive adds to the shortfall.

    Notes
    -----
    O(n k); each position alone, so its figure does not depend on those beside it. Tasche (1999), Risk contributions and
    performance measurement.
    """
    one, pnl = np.empty((7, 1)), np.empty(weight.size)
    for i in range(len(entries)):
        at, total = entries[i].instrument, 0.0
        if figures[_CASH_QTY, i] != 0.0:
            pnl[:] = 0.0
            if terms.right[at] != 0.0:
                _add_option(
                    i, at, terms, figures, vol, time_ns, horizon_ns, rate, log_growth, spot_return, vol_shift,
                    vol_floor, one, pnl,
                )  # fmt: skip
            linear_pnl(figures[_LINEAR, i], spot_return, pnl)
            for j in range(weight.size):
                total += weight[j] * pnl[j]
        out[i] = 0.0 - total


@kernel
def _add_option(
    i: int,
    at: int,
    terms: Terms,
    figures: F,
    vol: F,
    time_ns: int,
    horizon_ns: int,
    rate: float,
    log_growth: F,
    spot_return: F,
    vol_shift: F,
    vol_floor: float,
    one: F,
    out: F,
) -> None:
    """Scenario P&L of the option in row i, of instrument `at`; `one` is scratch, (7, 1)."""
    years = max(terms.expiry_ns[at] - time_ns - horizon_ns, 0) / YEAR_NS
    one[0, 0], one[1, 0], one[2, 0], one[3, 0] = terms.strike[at], years, vol[i], terms.right[at]
    one[4, 0], one[5, 0], one[6, 0] = figures[_CASH_QTY, i], math.exp(-rate * years), figures[_PRICE, i]
    option_pnl(
        figures[_OWN_FORWARD, i], log_growth, spot_return, vol_shift,
        one[0], one[1], one[2], one[3], one[4], one[5], one[6], vol_floor, out,
    )  # fmt: skip
