"""Currency options' deltas by convention (spot, forward, each adjusted for the premium), and the strikes of deltas."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from qflib.errors import InputError
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments

Convention = Literal["spot", "forward", "spot_premium", "forward_premium"]
CONVENTIONS = ("spot", "forward", "spot_premium", "forward_premium")
_HALVINGS = 200
_FARTHEST = 40.0


def fx_delta(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    foreign_rate: NumberLike,
    vol: NumberLike,
    convention: Convention = "spot",
) -> Any:
    """Delta of European currency options by a convention.

    Parameters
    ----------
    right, strike, years, vol
        As in `black_scholes`; years and vol positive.
    spot
        Domestic units a foreign unit.
    rate, foreign_rate
        Domestic and foreign, continuous, a year.
    convention
        "spot": foreign units of spot that hedge the domestic value of an option on one; "forward": of the forward.
        "spot_premium" and "forward_premium": less the premium, which is paid in the foreign currency; what an inverse
        option's coin P&L is hedged by (`inverse_greeks`).

    Returns
    -------
    float, ndarray or Series

    Raises
    ------
    InputError
        If a value is out of range or the convention is unknown.

    Notes
    -----
    O(n). phi e^(-rf t) N(phi d+), phi N(phi d+), phi e^(-rf t) (K / f) N(phi d-), phi (K / f) N(phi d-), f the forward.
    Source: Reiswich and Wystup 2010, "FX volatility smile construction", CPQF working paper 20, section 1.3.

    Examples
    --------
    >>> from qflib.pricing import fx_delta
    >>> [round(fx_delta("call", 1.31, 1.35, 0.25, 0.003, 0.02, 0.2, c), 4) for c in ("spot", "forward", "spot_premium")]
    [0.3827, 0.3847, 0.3574]
    """
    a = _arguments(
        right, convention, spot=spot, strike=strike, years=years, rate=rate, foreign_rate=foreign_rate, vol=vol
    )
    sign, price, strikes, years_, rates, foreign, vols = a.values
    forward, s = price * np.exp((rates - foreign) * years_), vols * np.sqrt(years_)
    d_minus = np.log(forward / strikes) / s - 0.5 * s
    share = np.exp(-foreign * years_) if convention.startswith("spot") else 1.0
    if convention.endswith("premium"):
        out = sign * share * strikes / forward * ndtr(sign * d_minus)
    else:
        out = sign * share * ndtr(sign * (d_minus + s))
    return a.restore(np.asarray(out), "delta")


def fx_strike(
    right: RightLike,
    delta: NumberLike,
    spot: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    foreign_rate: NumberLike,
    vol: NumberLike,
    convention: Convention = "spot",
) -> Any:
    """Strike of a delta.

    Parameters
    ----------
    right, spot, years, rate, foreign_rate, vol, convention
        As in `fx_delta`.
    delta
        Signed as `fx_delta` gives it: a 25-delta put is -0.25.

    Returns
    -------
    float, ndarray or Series
        `fx_delta` at it is the delta. A call's premium-adjusted delta rises to a greatest value and falls again: the
        strike is the one on the right of it, where markets quote.

    Raises
    ------
    InputError
        If a value is out of range, or no strike has the delta: the row and the greatest one are named.

    Notes
    -----
    O(n). Closed form for spot and forward; bisection in d- for the adjusted ones: a call's adjusted delta is greatest
    where sigma sqrt(t) N(d-) = n(d-). Source: Reiswich and Wystup 2010, section 1.4.

    Examples
    --------
    >>> from qflib.pricing import fx_strike
    >>> round(fx_strike("put", -0.25, 1.31, 0.25, 0.003, 0.02, 0.2, "forward_premium"), 6)
    1.219805
    """
    a = _arguments(
        right, convention, spot=spot, years=years, rate=rate, foreign_rate=foreign_rate, vol=vol, any_delta=delta
    )
    sign, price, years_, rates, foreign, vols, wanted = a.values
    forward, s = price * np.exp((rates - foreign) * years_), vols * np.sqrt(years_)
    size = sign * wanted * (np.exp(foreign * years_) if convention.startswith("spot") else 1.0)
    d_plus = _adjusted(sign, size, s) + s if convention.endswith("premium") else sign * ndtri(size)
    bad = ~(size > 0.0) | ~np.isfinite(d_plus)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        most = _greatest(sign, s)[i] if convention.endswith("premium") else 1.0
        share = float(np.exp(-foreign[i] * years_[i])) if convention.startswith("spot") else 1.0
        raise InputError(
            f"delta {wanted[i]} of row {i} has no strike; give one of the option's sign"
            + (f", less than {most * share:.6g} in size" if np.isfinite(most) else "")
        )
    return a.restore(np.asarray(forward * np.exp(0.5 * s * s - s * d_plus)), "strike")


def atm_strike(
    spot: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    foreign_rate: NumberLike,
    vol: NumberLike,
    convention: Convention = "spot",
    at: Literal["delta_neutral", "forward", "spot"] = "delta_neutral",
) -> Any:
    """At-the-money strike by convention.

    Parameters
    ----------
    spot, years, rate, foreign_rate, vol, convention
        As in `fx_delta`.
    at
        "delta_neutral": where call and put of the convention have one delta in size; "forward"; "spot".

    Raises
    ------
    InputError
        If a value is out of range or a convention unknown.

    Notes
    -----
    f e^(s^2 / 2), adjusted f e^(-s^2 / 2), s the total vol. Source: Reiswich and Wystup 2010, section 1.5.

    Examples
    --------
    >>> from qflib.pricing import atm_strike
    >>> round(atm_strike(1.3088, 31 / 365, 0.003525, 0.020113, 0.216215), 4)
    1.3096
    """
    a = _arguments("call", convention, spot=spot, years=years, rate=rate, foreign_rate=foreign_rate, vol=vol)
    _, price, years_, rates, foreign, vols = a.values
    forward, half = price * np.exp((rates - foreign) * years_), 0.5 * vols * vols * years_
    if at == "delta_neutral":
        out = forward * np.exp(-half if convention.endswith("premium") else half)
    elif at in ("forward", "spot"):
        out = forward if at == "forward" else np.array(price)
    else:
        raise InputError(f"at {at!r} is unknown; expected 'delta_neutral', 'forward' or 'spot'")
    return a.restore(np.asarray(out), "strike")


def _arguments(right: RightLike, convention: str, **given: NumberLike) -> Arguments:
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r} is unknown; expected {', '.join(CONVENTIONS)}")
    a = arguments(right, **given)
    named = dict(zip(("right", *given), a.values, strict=True))
    for name in ("years", "vol"):
        if not (named[name] > 0.0).all():
            raise InputError(f"{name} {named[name].min()} must be positive: a delta of no time or vol is a step")
    return a


def _top(s: Floats) -> Floats:
    """d- of a call's greatest adjusted delta: n(d) / N(d) = s, which falls in d."""
    low, high = -s - 1.0, np.full(len(s), _FARTHEST)
    for _ in range(_HALVINGS):
        mid = 0.5 * (low + high)
        over = -0.5 * mid * mid - 0.5 * np.log(2.0 * np.pi) - log_ndtr(mid) > np.log(s)
        low, high = np.where(over, mid, low), np.where(over, high, mid)
    return low


def _greatest(sign: Floats, s: Floats) -> Floats:
    d = _top(s)
    return np.where(sign > 0.0, np.exp(-s * d - 0.5 * s * s + log_ndtr(d)), np.inf)


def _adjusted(sign: Floats, size: Floats, s: Floats) -> Floats:
    """d- of an adjusted delta's size (K / f) N(sign d-), K / f = e^(-s d- - s^2 / 2); NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.log(size)
        # calls: the size rises in d- up to the top; puts: it falls, without bound to the left
        low = np.where(sign > 0.0, -_FARTHEST - s, -_FARTHEST - (np.maximum(wanted, 0.0) + 0.5 * s * s + 1.0) / s)
        high = np.where(sign > 0.0, _top(s), _FARTHEST)
        for _ in range(_HALVINGS):
            mid = 0.5 * (low + high)
            right_of = (-s * mid - 0.5 * s * s + log_ndtr(sign * mid) < wanted) == (sign > 0.0)
            low, high = np.where(right_of, mid, low), np.where(right_of, high, mid)
        none = (sign > 0.0) & (size > _greatest(sign, s))
    return np.where(none | ~np.isfinite(wanted), np.nan, 0.5 * (low + high))
