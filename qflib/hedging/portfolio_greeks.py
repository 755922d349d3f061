"""Greeks of positions, in reporting currency, summed over groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.revaluation import Valued
from qflib.pricing import greeks
from qflib.pricing.american_forward import greeks_on_forward
from qflib.pricing.sensitivities import to_trader

if TYPE_CHECKING:
    from qflib.pricing import Market

F8 = NDArray[np.float64]
Units = Literal["natural", "trader"]

#: orders in the forward
_ORDERS = {"delta": 1, "vanna": 1, "charm": 1, "gamma": 2, "zomma": 2, "color": 2, "speed": 3}
#: those that add up over strikes and expiries
ADDITIVE = (
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "vanna",
    "volga",
    "charm",
    "veta",
    "speed",
    "zomma",
    "color",
    "ultima",
)


def portfolio_greeks(
    valued: tuple[Valued, ...], labels: pd.DataFrame, qty: F8, units: Units, market: Market, currency: str
) -> pd.DataFrame:
    """Sums of the positions' Greeks by the columns of `labels` (a row a position); O(positions).

    Parameters
    ----------
    valued
        The positions, in `currency`.
    labels
        (n,) groups; with a column `currency` there is an fx_delta.
    qty
        (n,).
    units
        "natural" or "trader".
    market
        Rates of exchange, and whose price a coin is.
    currency
        Reported.

    Raises
    ------
    InputError
        If units are unknown.
    """
    if units not in ("natural", "trader"):
        raise InputError(f"units {units!r} are unknown; expected 'natural' or 'trader'")
    names = ("value", *ADDITIVE, *(("fx_delta",) if "currency" in labels else ()))
    out = {name: np.zeros(len(qty)) for name in names}
    for v in valued:
        made = greeks_of_positions(v, units, is_coin_of(currency, v, market))
        if "currency" in labels:
            made["fx_delta"] = _fx_delta(v, units, market, currency)
        for name, values in made.items():
            out[name][v.position] = values
    frame = pd.concat([labels, pd.DataFrame(out)], axis=1)
    return frame.groupby(list(labels.columns), dropna=False).sum()


def _fx_delta(v: Valued, units: Units, market: Market, currency: str) -> F8:
    held = [c or q for c, q in zip(v.coin, v.quote, strict=True)]
    rate = [1.0 if units == "trader" else market.fx_rate(c, currency) for c in held]
    return np.where([c == currency for c in held], 0.0, v.held / np.array(rate))


def is_coin_of(currency: str, v: Valued, market: Market) -> bool:
    """Whether a currency is the coin whose price the underlying is."""
    return market.coins.get(currency, ("", ""))[0] == v.underlying


def greeks_of_positions(v: Valued, units: Units, in_coin: bool) -> dict[str, F8]:
    """Value and Greeks of each position, in the currency it is valued in; of the coin value if that is the coin."""
    cash, forward = units == "trader", v.forward
    out = {name: np.zeros(len(v.cash_qty)) for name in ("value", *ADDITIVE)}
    o = v.option
    if o.any():
        by_unit: Units = "natural" if in_coin else units
        each = greeks(v.right[o], v.strike[o], v.years[o], v.vol[o], forward=forward, rate=v.rate, units=by_unit)
        for name in ADDITIVE:
            out[name][o] = v.cash_qty[o] * each[name].to_numpy()
        if v.american.any():
            _of_american(v, by_unit, out)
        out["value"][o] = v.cash_qty[o] * v.price[o]
    # what is linear in the forward: contracts, and (negative) the coin premium of inverse options
    out["delta"] += v.linear if cash and not in_coin else v.linear / forward
    out["value"][v.spot] = v.linear[v.spot]
    if in_coin:
        _over_the_forward(out, forward)
        if cash:
            to_trader({**out, "dividend_rho": np.zeros(len(o))}, np.full(len(o), forward))
    return out


def _of_american(v: Valued, units: Units, out: dict[str, F8]) -> None:
    """In the market's forward, a fixed share of their own but for rho; theta and charm at fixed forwards."""
    a = np.flatnonzero(v.american)
    one, own, carry = np.ones(len(a)), v.own_forward[a], v.rate - v.dividend_yield
    each = greeks_on_forward(v.right[a], own, v.strike[a], v.years[a], v.vol[a], v.rate * one, v.dividend_yield * one)
    share = own / v.forward
    if carry != 0.0:
        each["rho"] += each["delta"] * own * np.log(share) / carry
    for name, order in _ORDERS.items():
        each[name] *= share**order
    if units == "trader":
        to_trader(each, v.forward * one)
    for name in ADDITIVE:
        out[name][a] = v.cash_qty[a] * each[name]


def _over_the_forward(g: dict[str, F8], forward: float) -> None:
    """In the coin itself P&L is divided by the forward it depends on: Leibniz' rule, from the highest order down."""
    f, f2 = forward, forward * forward
    g["speed"] += -3.0 * g["gamma"] / f + 6.0 * g["delta"] / f2
    g["zomma"] += -2.0 * g["vanna"] / f + 2.0 * g["vega"] / f2
    g["color"] += -2.0 * g["charm"] / f + 2.0 * g["theta"] / f2
    g["gamma"] += -2.0 * g["delta"] / f
    g["vanna"] += -g["vega"] / f
    g["charm"] += -g["theta"] / f
