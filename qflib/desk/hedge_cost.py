"""What a fill of a hedge order cost against the mid it was decided at: one rule, live and in the history."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.records import Instrument


def fill_cost(decided_qty: Any, price_expected: Any, cost_expected: Any, qty: Any, price: Any, one: Any) -> Any:
    """Cost of fills of decided orders, reporting currency.

    A decision tells its expected price and cost, and so its mid: a fill costs its share of the expected cost, and what
    its price is worse than the expected one. Fees are not in it.

    Parameters
    ----------
    decided_qty
        Signed quantity of the decision.
    price_expected, cost_expected
        Its expected average price, and its expected cost against the mid in reporting currency.
    qty
        What was filled, unsigned, in the unit of `decided_qty`.
    price
        Price of the fill.
    one
        What a 1.00 of price is worth of the quantity filled: `value_of_one` times the contracts.

    Returns
    -------
    float or array
        Numbers or arrays of one shape; O(fills).

    Examples
    --------
    >>> from qflib.desk.hedge_cost import fill_cost
    >>> fill_cost(-10, 99.5, 5.0, 4, 99.25, 4 * 10.0)  # sold 0.25 lower than expected
    12.0
    """
    worse = np.sign(decided_qty) * (np.asarray(price) - price_expected)
    made = cost_expected * qty / np.abs(decided_qty) + worse * one
    return made if np.ndim(made) else float(made)


def value_of_one(instrument: Instrument, fx: float = 1.0, price: float = float("nan")) -> float:
    """Reporting currency that a 1.00 of price of one contract is worth.

    Parameters
    ----------
    instrument
        The contract.
    fx
        Reporting currency a unit of its settlement currency.
    price
        About which; an inverse future's P&L is not linear in its price.

    Returns
    -------
    float
        Of an inverse future in its quote currency, whose rate is taken as 1: contract value / price.

    Examples
    --------
    >>> from qflib.records import Instrument
    >>> future = Instrument("BTC-PERPETUAL", kind="perpetual", underlying="BTC", inverse=True, contract_value=10.0)
    >>> value_of_one(future, price=80_000.0)
    0.000125
    """
    if instrument.inverse and instrument.kind in ("future", "perpetual"):
        return instrument.contract_value / price
    return instrument.multiplier * fx


def rates_of(positions: Any) -> dict[int, float]:
    """Reporting currency a unit of settlement currency, by instrument, of a risk report's positions."""
    return dict(zip(positions.instrument.tolist(), positions.fx.tolist(), strict=True))
