"""American options on a forward: prices, Greeks in the forward, implied vols, as Black-76 has them for Europeans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.pricing.american_inversion import american_implied_vol
from qflib.pricing.american_options import american, american_greeks
from qflib.pricing.inputs import Floats
from qflib.pricing.inversion import Model, Policy, implied_vol
from qflib.pricing.sensitivities import greeks

#: Steps of the differences that the premium's higher Greeks are made of: of vol, of years, of the total vol (forward).
_VOL, _YEARS, _FORWARD = 0.02, 0.02, 0.05


def carried_spot(forward: Any, years: Any, rate: Any, dividend_yield: Any) -> Any:
    """The spot that carries to a forward: F e^(-(r - q) T). With the yield at the rate it is the forward (a future).

    Examples
    --------
    >>> float(carried_spot(102.0, 0.5, 0.05, 0.01).round(6))
    99.980265
    """
    return forward * np.exp((np.asarray(dividend_yield) - rate) * years)


def carried_forward(forward: Any, forward_years: Any, years: Any, rate: Any, dividend_yield: Any) -> Any:
    """The forward of `years` from the one of `forward_years`, a spot's 0: F e^((r - q) (T - T_F)).

    Parameters
    ----------
    forward, forward_years
        What is known and when it expires; NaN: with the option, so that the forward stands.
    years, rate, dividend_yield
        As in `american_on_forward`.

    Examples
    --------
    >>> float(carried_forward(100.0, 0.0, 1.0, 0.05, 0.01).round(6)), float(carried_forward(100.0, 1.0, 1.0, 0.05, 0.0))
    (104.081077, 100.0)
    """
    later = np.where(np.isnan(forward_years), 0.0, np.asarray(years) - forward_years)
    return forward * np.exp((rate - np.asarray(dividend_yield)) * later)


def american_on_forward(
    right: Any, forward: Any, strike: Any, years: Any, vol: Any, rate: Any, dividend_yield: Any
) -> Any:
    """Price of American options by the forward of their expiry.

    Parameters
    ----------
    right, strike, years, vol
        As in `american`.
    forward
        At the option's expiry.
    rate, dividend_yield
        Continuous, a year; the yield at the rate makes it an option on a future.

    Raises
    ------
    InputError
        As `american`.

    Examples
    --------
    >>> from qflib.pricing import black76
    >>> price = american_on_forward("put", 100.0, 110.0, 0.5, 0.2, 0.05, 0.05)
    >>> round(price, 4), round(black76("put", 100.0, 110.0, 0.5, 0.2, 0.05), 4)
    (12.0054, 11.9097)
    """
    spot = carried_spot(forward, years, rate, dividend_yield)
    return american(right, spot, strike, years, rate, dividend_yield, vol)


def implied_vol_on_forward(
    price: Any,
    right: Any,
    strike: Any,
    years: Any,
    *,
    forward: Any,
    rate: Any,
    dividend_yield: Any,
    policy: Policy = "nan",
) -> tuple[Any, Any]:
    """Implied vols of American prices by the forward of their expiry, and why where there is none.

    Parameters
    ----------
    price, right, strike, years, policy
        As in `american_implied_vol`.
    forward, rate, dividend_yield
        As in `american_on_forward`.

    Raises
    ------
    InputError
        As `american_implied_vol`.

    Examples
    --------
    >>> price = american_on_forward("put", 100.0, 110.0, 0.5, 0.2, 0.05, 0.05)
    >>> iv, status = implied_vol_on_forward(price, "put", 110.0, 0.5, forward=100.0, rate=0.05, dividend_yield=0.05)
    >>> round(iv, 8), status
    (0.2, 'ok')
    """
    spot = carried_spot(forward, np.maximum(years, 0.0), rate, dividend_yield)
    return american_implied_vol(
        price, right, strike, years, spot=spot, rate=rate, dividend_yield=dividend_yield, policy=policy
    )


def implied_vol_by_style(
    early: NDArray[np.bool_],
    price: pd.Series[float],
    right: NDArray[Any],
    strike: Floats,
    years: Floats,
    forward: Floats,
    rate: Floats,
    dividend_yield: Floats,
    model: Model = "lognormal",
    policy: Policy = "nan",
) -> tuple[Floats, NDArray[Any]]:
    """Implied vols and statuses of a mixed chain: of American prices where `early`, of European ones elsewhere.

    Parameters
    ----------
    early
        bool (n,).
    price
        (n,): errors name its rows.
    right, strike, years, forward, rate, dividend_yield
        (n,): as in `implied_vol_on_forward`.
    model, policy
        As in `implied_vol`; American options are lognormal.

    Raises
    ------
    InputError
        As `implied_vol`; or if American options meet the normal model.
    """
    if not early.any():
        iv, status = implied_vol(price, right, strike, years, forward=forward, rate=rate, model=model, policy=policy)
        return iv.to_numpy(), status.to_numpy()
    if model != "lognormal":
        raise InputError(f"model {model!r} has no American options; take 'lognormal', or the European rows alone")
    vols, statuses = np.full(len(price), np.nan), np.full(len(price), "", object)
    for american_rows in (False, True):
        at = np.flatnonzero(early == american_rows)
        if not len(at):
            continue
        own = price.iloc[at]
        more: Any = {"forward": forward[at], "rate": rate[at], "policy": policy}
        if american_rows:
            found = implied_vol_on_forward(
                own, right[at], strike[at], years[at], dividend_yield=dividend_yield[at], **more
            )
        else:
            found = implied_vol(own, right[at], strike[at], years[at], **more)
        vols[at], statuses[at] = (x.to_numpy() for x in found)
    return vols, statuses


def greeks_on_forward(
    right: Floats, forward: Floats, strike: Floats, years: Floats, vol: Floats, rate: Floats, dividend_yield: Floats
) -> dict[str, Floats]:
    """Price and Greeks of American options in the forward, natural units, with the names of `greeks`.

    Parameters
    ----------
    right, forward, strike, years, vol, rate, dividend_yield
        float64 (n,): as in `american_on_forward`, right +1 or -1.

    Returns
    -------
    dict
        As `greeks(forward=)` gives for Europeans: theta and charm at a fixed forward, rho at a fixed forward and yield
        (both move where the yield is the rate), dividend_rho 0.

    Raises
    ------
    InputError
        As `american`.

    Notes
    -----
    O(n), seven prices an option. Price, delta, gamma, vega, theta and rho are `american_greeks`'; vanna, volga, charm,
    veta, speed, zomma, color and ultima are the European ones, exact, and central differences of the premium for early
    exercise: some 1e-3 of the premium's own. Gamma jumps at the boundary, so that within a step of it (2 % of vol or
    time, 5 % of the total vol) those that differentiate it are averages.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> g = greeks_on_forward(-one, 100 * one, 110 * one, 0.5 * one, 0.2 * one, 0.05 * one, 0.05 * one)
    >>> round(float(g["delta"][0]), 4), round(float(g["vega"][0]), 3)
    (-0.7196, 22.882)
    """
    terms = (forward, strike, years, vol, rate, dividend_yield)
    made = _first(right, *terms)
    european = greeks(right, strike, years, vol, forward=forward, rate=rate)
    d_vol, d_years = _VOL * vol, _YEARS * years
    d_forward = _FORWARD * forward * np.minimum(vol * np.sqrt(years), 1.0)
    over_vol = [_premium(right, forward, strike, years, vol + d, rate, dividend_yield) for d in (d_vol, -d_vol)]
    over_years = [_premium(right, forward, strike, years + d, vol, rate, dividend_yield) for d in (d_years, -d_years)]
    over_forward = [
        _premium(right, forward + d, strike, years, vol, rate, dividend_yield) for d in (d_forward, -d_forward)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, of, moved, step in (
            ("vanna", "delta", over_vol, d_vol), ("volga", "vega", over_vol, d_vol),
            ("zomma", "gamma", over_vol, d_vol), ("speed", "gamma", over_forward, d_forward),
            ("charm", "delta", over_years, -d_years), ("veta", "vega", over_years, -d_years),
            ("color", "gamma", over_years, -d_years),
        ):  # fmt: skip
            made[name] = european[name].to_numpy() + np.nan_to_num((moved[0][of] - moved[1][of]) / (2.0 * step))
        bent = over_vol[0]["vega"] + over_vol[1]["vega"] - 2.0 * (made["vega"] - european["vega"].to_numpy())
        made["ultima"] = european["ultima"].to_numpy() + np.nan_to_num(bent / d_vol**2)
        made["dual_delta"] = (made["price"] - forward * made["delta"]) / strike
        made["dual_gamma"] = made["gamma"] * (forward / strike) ** 2
        made["elasticity"] = np.where(made["price"] != 0.0, made["delta"] * forward / made["price"], np.nan)
    made["dividend_rho"] = np.zeros(len(forward))
    return {name: np.array(made[name]) for name in european.columns}  # to be written to


def _first(
    right: Floats, forward: Floats, strike: Floats, years: Floats, vol: Floats, rate: Floats, dividend_yield: Floats
) -> dict[str, Floats]:
    """What `american_greeks` gives in the spot, in the forward."""
    spot = carried_spot(forward, years, rate, dividend_yield)
    g = {n: x.to_numpy() for n, x in american_greeks(right, spot, strike, years, rate, dividend_yield, vol).items()}
    share = spot / forward
    cash = spot * g["delta"]
    on_future = np.equal(rate, dividend_yield)
    return {
        "price": g["price"],
        "delta": share * g["delta"],
        "gamma": share * share * g["gamma"],
        "vega": g["vega"],
        "theta": g["theta"] + (rate - dividend_yield) * cash,
        "rho": g["rho"] + np.where(on_future, g["dividend_rho"], -years * cash),
    }


def _premium(
    right: Floats, forward: Floats, strike: Floats, years: Floats, vol: Floats, rate: Floats, dividend_yield: Floats
) -> dict[str, Floats]:
    """Delta, gamma and vega of the premium for early exercise."""
    whole = _first(right, forward, strike, years, vol, rate, dividend_yield)
    part = greeks(right, strike, years, vol, forward=forward, rate=rate)
    return {name: whole[name] - part[name].to_numpy() for name in ("delta", "gamma", "vega")}
