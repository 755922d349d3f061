"""Futures and perpetuals: P&L, funding rates and payments by the venues' formulas, the price that funding holds."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.pricing.inputs import NumberLike
from qflib.records.instrument import Instrument

_HOUR_NS = 3_600 * 10**9


def futures_pnl(instrument: Instrument, qty: NumberLike, entry: NumberLike, price: NumberLike) -> Any:
    """P&L of futures and perpetuals in what they settle in.

    Parameters
    ----------
    instrument
        Linear: qty · multiplier · (price − entry), in quote currency; inverse: qty · contract_value · (1 / entry −
        1 / price), in coin.
    qty
        Signed contracts.
    entry, price
        As quoted, positive where inverse.

    Returns
    -------
    float or ndarray

    Raises
    ------
    InputError
        If the instrument is an option, or a price of an inverse one is not positive.

    Notes
    -----
    O(n). Source: Deribit's and Binance's contract specifications.

    Examples
    --------
    >>> from qflib.records import Instrument
    >>> from qflib.pricing import futures_pnl
    >>> perpetual = Instrument("BTC.P", kind="perpetual", underlying="BTC", inverse=True, contract_value=10.0)
    >>> round(futures_pnl(perpetual, 1_000, entry=50_000.0, price=55_000.0), 8)
    0.01818182
    """
    _linear(instrument)
    q, one, other = (np.asarray(x, np.float64) for x in (qty, entry, price))
    if instrument.inverse:
        for name, x in (("entry", one), ("price", other)):
            if (x <= 0.0).any():
                raise InputError(f"{name} {x.min()} of inverse {instrument.symbol!r} is not positive; give one that is")
        out = q * instrument.contract_value * (1.0 / one - 1.0 / other)
    else:
        out = q * instrument.multiplier * (other - one)
    return out if out.ndim else float(out)


def deribit_funding_rate(mark: NumberLike, index: NumberLike, cap: float = 0.005, damper: float = 0.00025) -> Any:
    """Deribit's funding rate: the mark's premium over the index, damped and capped.

    Parameters
    ----------
    mark, index
        Prices, positive.
    cap
        The greatest rate of either sign, an instrument's own.
    damper
        Premiums up to it cost nothing.

    Returns
    -------
    float or ndarray
        For eight hours, accrued all the time; positive: longs pay shorts.

    Raises
    ------
    InputError
        If an index is not positive.

    Notes
    -----
    O(n). min(cap, max(−cap, max(damper, p) + min(−damper, p))), p = (mark − index) / index.
    Source: Deribit, "Funding specifications".

    Examples
    --------
    >>> from qflib.pricing import deribit_funding_rate
    >>> round(deribit_funding_rate(10_010.0, 10_000.0), 8)
    0.00075
    """
    premium = _premium(mark, index)
    out = np.clip(np.maximum(damper, premium) + np.minimum(-damper, premium), -cap, cap)
    return out if out.ndim else float(out)


def binance_funding_rate(
    premium: NumberLike, interest: float = 0.0001, hours: float = 8.0, clamp: float = 0.0005, cap: float = np.inf
) -> Any:
    """Binance's funding rate of an interval from its average premium.

    Parameters
    ----------
    premium
        Averages, as `average_premium` gives.
    interest
        For eight hours.
    hours
        Between payments.
    clamp
        How far interest less premium counts.
    cap
        The greatest rate of either sign.

    Returns
    -------
    float or ndarray
        For the interval; positive: longs pay shorts.

    Raises
    ------
    InputError
        If hours are not positive.

    Notes
    -----
    O(n). (P + clamp(I − P, −0.05 %, 0.05 %)) · hours / 8. Source: Binance, "Introduction to funding rates".

    Examples
    --------
    >>> from qflib.pricing import binance_funding_rate
    >>> [round(binance_funding_rate(p), 6) for p in (0.0, 0.0004, 0.002)]
    [0.0001, 0.0001, 0.0015]
    """
    if not hours > 0.0:
        raise InputError(f"hours {hours} are not positive; give those between payments, 8 or 4")
    p = np.asarray(premium, np.float64)
    out = np.clip((p + np.clip(interest - p, -clamp, clamp)) * (hours / 8.0), -cap, cap)
    return out if out.ndim else float(out)


def premium_index(impact_bid: NumberLike, impact_ask: NumberLike, index: NumberLike) -> Any:
    """Binance's premium index: how far the prices of a given size lie off the index.

    Parameters
    ----------
    impact_bid, impact_ask
        Average prices of selling and buying the impact margin notional (`OrderBook.cost_to_trade`).
    index
        Price index, positive.

    Raises
    ------
    InputError
        If an index is not positive.

    Notes
    -----
    O(n). (max(0, bid − index) − max(0, index − ask)) / index. Source: Binance, "Introduction to funding rates".

    Examples
    --------
    >>> from qflib.pricing import premium_index
    >>> premium_index(100.2, 100.3, 100.0) > 0, premium_index(99.9, 100.1, 100.0)
    (True, 0.0)
    """
    _premium(index, index)
    bid, ask, i = (np.asarray(x, np.float64) for x in (impact_bid, impact_ask, index))
    out = (np.maximum(0.0, bid - i) - np.maximum(0.0, i - ask)) / i
    return out if out.ndim else float(out)


def average_premium(premiums: NumberLike) -> float:
    """Binance's average of an interval's premiums: the k-th has the weight k.

    Raises
    ------
    InputError
        If there is none, or one is not finite.

    Notes
    -----
    O(n). Source: Binance, "Introduction to funding rates".

    Examples
    --------
    >>> from qflib.pricing import average_premium
    >>> round(average_premium([0.001, 0.002, 0.003]), 8)
    0.00233333
    """
    p = np.asarray(premiums, np.float64).reshape(-1)
    if not p.size or not np.isfinite(p).all():
        raise InputError(f"{p.size} premiums, {int((~np.isfinite(p)).sum())} of them not finite; give one at least")
    return float(np.average(p, weights=np.arange(1, p.size + 1)))


def funding_payments(
    instrument: Instrument,
    positions: pd.Series[float],
    rates: pd.Series[float],
    prices: pd.Series[float],
    *,
    accrual: Literal["discrete", "continuous"] = "discrete",
    rate_hours: float = 8.0,
) -> pd.DataFrame:
    """What a position in a perpetual pays and receives through time.

    Parameters
    ----------
    instrument
        The perpetual.
    positions
        Signed contracts from each time on; none before the first.
    rates
        Funding rates by time, positive: longs pay. "discrete": each is paid at its time, whole, on the position held
        then (Binance). "continuous": each is for `rate_hours` and accrues from its time to the next rate's (Deribit);
        the last one is where it ends.
    prices
        Marks by time, the last one at or before a payment counts; of inverse perpetuals the index or mark that turns
        contracts into coin.
    accrual, rate_hours
        See `rates`.

    Returns
    -------
    DataFrame
        A row a payment, indexed by time (continuous: where it begins; split where position or price changes): position,
        price (NaN where nothing is held and none is told yet), rate, share (of `rate_hours`; 1 where discrete),
        notional (settlement currency, signed), payment (settlement currency, positive: received).

    Raises
    ------
    InputError
        If the instrument is no perpetual, a Series is not one by rising tz-aware times, accrual is unknown, or a price
        is missing where a position is held.

    Notes
    -----
    O(n log n). payment = −rate · notional · share; notional = qty · multiplier · price, inverse qty · contract_value /
    price. Sources: Deribit, "Funding specifications"; Binance, "Introduction to funding rates".

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.records import Instrument
    >>> from qflib.pricing import funding_payments
    >>> btc = Instrument("BTC.P", kind="perpetual", underlying="BTC", inverse=True, contract_value=10.0)
    >>> at = pd.date_range("2026-02-01", periods=2, freq="1min", tz="UTC")
    >>> paid = funding_payments(btc, pd.Series([1_000.0], at[:1]), pd.Series([0.00075, 0.0], at),
    ...                         pd.Series([10_000.0], at[:1]), accrual="continuous")
    >>> f"{paid['payment'].sum():.10f}"                      # one coin for a minute
    '-0.0000015625'
    """
    _linear(instrument)
    if instrument.kind != "perpetual":
        raise InputError(f"instrument {instrument.symbol!r} is a {instrument.kind}, which pays no funding")
    if accrual not in ("discrete", "continuous"):
        raise InputError(f"accrual is {accrual!r}; expected 'discrete' or 'continuous'")
    if not rate_hours > 0.0:
        raise InputError(f"rate_hours {rate_hours} are not positive; give the hours a rate is for, as 8")
    held, told, quoted = (_series(n, s) for n, s in (("positions", positions), ("rates", rates), ("prices", prices)))
    when = told.index
    if accrual == "continuous":
        last = told.index[-1]
        changes = held.index.union(quoted.index)
        when = told.index.union(changes[(changes > told.index[0]) & (changes < last)])[:-1]
    position = held.reindex(when, method="ffill").fillna(0.0)
    price = quoted.reindex(when, method="ffill")
    if (lacking := price.isna() & (position != 0.0)).any():
        raise InputError(f"no price at or before {price.index[lacking][0]}; give prices from the first position on")
    if instrument.inverse and (price <= 0.0).any():
        raise InputError(f"price {price.min()} of inverse {instrument.symbol!r} is not positive; give one that is")
    rate = told.reindex(when, method="ffill")
    share: NDArray[np.float64] = np.ones(len(when))
    if accrual == "continuous":
        ends = np.append(_ns(when)[1:], _ns(told.index)[-1:])
        share = (ends - _ns(when)) / (rate_hours * _HOUR_NS)
    unit = instrument.contract_value / price if instrument.inverse else instrument.multiplier * price
    made = pd.DataFrame({"position": position, "price": price, "rate": rate, "share": share})
    made["notional"] = (position * unit).where(position != 0.0, 0.0)
    made["payment"] = 0.0 - made["rate"] * made["notional"] * made["share"]
    return made


def perpetual_fair_price(
    index: NumberLike, rate: NumberLike, coin_rate: NumberLike, hours: float = 8.0, *, inverse: bool = False
) -> Any:
    """The perpetual's price at which nobody gains by carrying it against spot, were funding its whole premium.

    Parameters
    ----------
    index
        Spot.
    rate, coin_rate
        Continuous, a year: of the quote currency, and of the coin (or yield).
    hours
        In which a premium is paid once.
    inverse
        Whether P&L and funding are in coin.

    Returns
    -------
    float or ndarray

    Raises
    ------
    InputError
        If hours are not positive, or funding is slower than the carry.

    Notes
    -----
    With k payments a year: index · k / (k − (r − c)), inverse index · (k + r − c) / k. A damper leaves the price free
    within it. Sources: Ackerer, Hugonnier and Jermann 2023, "Perpetual futures pricing"; He, Manela, Ross and von
    Wachter 2022, "Fundamentals of perpetual futures".

    Examples
    --------
    >>> from qflib.pricing import perpetual_fair_price
    >>> round(perpetual_fair_price(50_000.0, 0.05, 0.0), 4)
    50002.2832
    """
    if not hours > 0.0:
        raise InputError(f"hours {hours} are not positive; give those in which a premium is paid once, as 8")
    often, carry = 365.0 * 24.0 / hours, np.asarray(rate, np.float64) - np.asarray(coin_rate, np.float64)
    if (np.abs(carry) >= often).any():
        raise InputError(f"carry {carry.max()} outruns {often} payments a year; there is no price then")
    share = (often + carry) / often if inverse else often / (often - carry)
    out = np.asarray(index, np.float64) * share
    return out if out.ndim else float(out)


def _linear(instrument: Instrument) -> None:
    if instrument.kind == "option":
        raise InputError(f"instrument {instrument.symbol!r} is an option; give a future, perpetual or spot")


def _premium(price: NumberLike, index: NumberLike) -> NDArray[np.float64]:
    p, i = np.asarray(price, np.float64), np.asarray(index, np.float64)
    if not (i > 0.0).all():
        raise InputError(f"index {i.min()} is not positive; give the price index")
    return np.asarray((p - i) / i)


def _series(name: str, given: object) -> pd.Series[float]:
    if not isinstance(given, pd.Series) or not isinstance(given.index, pd.DatetimeIndex) or given.index.tz is None:
        raise InputError(f"{name} are no Series by time with a time zone; give one")
    if not len(given) or not given.index.is_monotonic_increasing or given.index.has_duplicates:
        raise InputError(f"{name} are empty or not in order of time, or have a time twice; sort them, drop doubles")
    values = given.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{name} hold {values[~np.isfinite(values)].iloc[0]}; give finite numbers")
    return values


def _ns(index: pd.Index[Any]) -> NDArray[np.int64]:
    return np.asarray(pd.DatetimeIndex(index).as_unit("ns").asi8)
