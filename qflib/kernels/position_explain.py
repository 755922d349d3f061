"""Where the P&L of positions came from, by the Greeks they had at the start of a period, position after position.

A position's P&L is fx * (qty * lot_value + account), the account holding what was realised less what the quantity held
has cost. Its change has three parts: the held quantity's new value, trades against the mark, and P&L that stands in a
currency which moved. The first is expanded in Greeks to second order. Coin contracts need no expansion of their own:
their Greeks are premium-adjusted and the conversion is at the underlying's mark, which enters as a factor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.position_values import FIGURES, HEDGE, YEAR_NS, Terms

F = NDArray[np.float64]
I8 = NDArray[np.int64]

#: Parts of a change of P&L, the order of the columns.
PARTS = (
    "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "veta", "carry", "fees", "slippage",
)  # fmt: skip
_DELTA_PART, _GAMMA_PART, _VEGA_PART, _THETA_PART, _, _VANNA_PART, _VOLGA_PART, _CHARM_PART, _VETA_PART = range(9)
_CARRY_PART, _FEES_PART, _SLIPPAGE_PART = range(9, 12)
#: Rows of what is kept of a period's start: whole numbers, and figures.
KEYS = ("instrument", "book", "qty")
KEPT = (
    "account", "fees", "pnl", "own_forward", "fx", "vol", "cash_qty", "delta", "gamma", "vega", "theta", "vanna",
    "volga", "charm", "veta",
)  # fmt: skip
#: What a trade that has just come is: its difference to the mark is slippage, brought in, or left unexplained.
SLIPPAGE, BROUGHT, LEFT = 1, 2, 0

_INSTRUMENT, _BOOK, _QTY = range(3)
_ACCOUNT, _FEES, _PNL, _OWN, _FX, _VOL, _CASH_QTY = range(7)
_FIRST = 7
_GREEK_ROWS = tuple(FIGURES.index(name) for name in KEPT[_FIRST:])
_NOW_OWN, _NOW_FX, _NOW_LOT, _NOW_OPEN, _NOW_CASH = (
    FIGURES.index(name) for name in ("own_forward", "fx", "lot_value", "unrealised", "cash_qty")
)


@kernel
def keep_start(entries: NDArray[Any], figures: F, vol: F, keys: I8, kept: F) -> None:
    """Note what the next call of `explain_positions` starts from.

    Parameters
    ----------
    entries, figures, vol
        As `value_positions` had and made them, n positions.
    keys, kept
        int64 (len(KEYS), n) and float64 (len(KEPT), n): overwritten. O(n).
    """
    for i in range(len(entries)):
        e, fx = entries[i], figures[_NOW_FX, i]
        keys[_INSTRUMENT, i], keys[_BOOK, i], keys[_QTY, i] = e.instrument, e.book, e.qty
        kept[_ACCOUNT, i] = e.realised - float(e.qty) * e.avg_value
        kept[_FEES, i] = e.fees
        kept[_PNL, i] = (e.realised - e.fees) * fx + figures[_NOW_OPEN, i]
        kept[_OWN, i], kept[_FX, i], kept[_VOL, i] = figures[_NOW_OWN, i], fx, vol[i]
        kept[_CASH_QTY, i] = figures[_NOW_CASH, i]
        for k in range(len(_GREEK_ROWS)):
            kept[_FIRST + k, i] = figures[_GREEK_ROWS[k], i]


@kernel
def explain_positions(
    keys: I8,
    kept: F,
    entries: NDArray[Any],
    terms: Terms,
    figures: F,
    vol: F,
    start_ns: int,
    time_ns: int,
    forward_move: float,
    trade: int,
    parts: F,
    brought: F,
) -> None:
    """Add what explains the P&L since the start.

    Parameters
    ----------
    keys, kept
        The start: m positions by instrument and book, a subset of the entries in their order.
    entries, terms, figures, vol
        The end, as `value_positions` had and made them: n positions.
    start_ns, time_ns
        Start and end.
    forward_move
        Of the underlying's mark. What an own forward moves beyond it is carry: the basis.
    trade
        SLIPPAGE, BROUGHT or LEFT: what the trade between was, which came upon the marks of the end.
    parts
        float64 (2, len(PARTS)), client and hedge book: added to, reporting currency.
    brought
        float64 (2,): added to: P&L that nobody made meanwhile, of a position booked, or priced for the first time.

    Notes
    -----
    O(n). delta dF + gamma dF^2 / 2 + vega dv + volga dv^2 / 2 + vanna dF dv + theta dt + charm dF dt + veta dv dt, as
    `qflib.hedging.explain_by_greeks`; dF is the own forward's move. Rates are settings and do not move: rho adds 0.
    """
    j = 0
    for i in range(len(entries)):
        e = entries[i]
        at, qty, b = e.instrument, float(e.qty), 1 if e.book == HEDGE else 0
        fx, own, lot = figures[_NOW_FX, i], figures[_NOW_OWN, i], figures[_NOW_LOT, i]
        pnl = (e.realised - e.fees) * fx + figures[_NOW_OPEN, i]
        account = e.realised - qty * e.avg_value
        was = j < keys.shape[1] and keys[_INSTRUMENT, j] == at and keys[_BOOK, j] == e.book
        held, account_was, fees_was, pnl_was, fx_was, priced = 0.0, 0.0, 0.0, 0.0, fx, True
        if was:
            held, account_was = float(keys[_QTY, j]), kept[_ACCOUNT, j]
            fees_was, pnl_was, fx_was = kept[_FEES, j], kept[_PNL, j], kept[_FX, j]
            priced = held == 0.0 or kept[_CASH_QTY, j] != 0.0
        fee = (fees_was - e.fees) * fx
        currency = (fx / fx_was - 1.0) * pnl_was if fx_was not in (fx, 0.0) else 0.0
        parts[b, _FEES_PART] += fee
        parts[b, _CARRY_PART] += currency
        if qty != 0.0 and figures[_NOW_CASH, i] == 0.0:
            priced = False
        elif not priced:
            brought[b] += pnl - pnl_was - fee - currency
        if priced and (account != account_was or qty != held):
            edge = fx * ((qty - held) * lot + (account - account_was))
            if trade == SLIPPAGE:
                parts[b, _SLIPPAGE_PART] += edge
            elif trade == BROUGHT:
                brought[b] += edge
        if priced and held != 0.0:
            coin = terms.inverse[at]
            scale = fx / (terms.fx[at] * own) if coin else 1.0
            moved = own - kept[_OWN, j]
            shift = vol[i] - kept[_VOL, j]
            if math.isnan(shift):
                shift = 0.0
            years = (time_ns - start_ns) / YEAR_NS
            if terms.right[at] != 0.0:
                years = min(years, max(terms.expiry_ns[at] - start_ns, 0) / YEAR_NS)
            g = kept[_FIRST:, j]
            parts[b, _DELTA_PART] += scale * g[0] * forward_move
            parts[b, _CARRY_PART] += scale * g[0] * (moved - forward_move)
            parts[b, _GAMMA_PART] += scale * 0.5 * g[1] * moved * moved
            parts[b, _VEGA_PART] += scale * g[2] * shift
            parts[b, _THETA_PART] += scale * g[3] * years
            parts[b, _VANNA_PART] += scale * g[4] * moved * shift
            parts[b, _VOLGA_PART] += scale * 0.5 * g[5] * shift * shift
            parts[b, _CHARM_PART] += scale * g[6] * moved * years
            parts[b, _VETA_PART] += scale * g[7] * shift * years
        if was:
            j += 1
