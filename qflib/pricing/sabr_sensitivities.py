"""Greeks of options priced at SABR's vols: through the smile, with the vol moved as the model moves it, or held."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.special import ndtr

from qflib.errors import InputError
from qflib.pricing.european import bachelier, black76
from qflib.pricing.greek_table import check_units, table
from qflib.pricing.inputs import Floats, NumberLike, RightLike, arguments
from qflib.pricing.jets import Jet, black, exp, log, log1p, normal, power, select, sqrt, variables
from qflib.pricing.sabr import Kind, sabr_vol
from qflib.pricing.sensitivities import Units

Dynamics = Literal["bartlett", "hagan"]
_F, _K, _T, _R, _ALPHA, _BETA, _RHO, _NU = range(8)
_NODES, _MASSES = np.polynomial.legendre.leggauss(12)
_SMALL = 0.3  # of |z|: below, x(z) / z is taken by quadrature, in which nothing cancels


def sabr_greeks(
    right: RightLike,
    strike: NumberLike,
    forward: NumberLike,
    years: NumberLike,
    alpha: NumberLike,
    beta: NumberLike,
    rho: NumberLike,
    nu: NumberLike,
    *,
    rate: NumberLike = 0.0,
    shift: float = 0.0,
    kind: Kind = "lognormal",
    dynamics: Dynamics = "bartlett",
    units: Units = "natural",
) -> Any:
    """Price and Greeks of European options on a forward at the vols of the SABR model.

    Parameters
    ----------
    right
        "call" or "put", or an array of them.
    strike, forward, years, alpha, beta, rho, nu, shift, kind
        As in `sabr_vol`.
    rate
        Discounts the premium.
    dynamics
        "bartlett": alpha moves with the forward by rho nu / forward^beta, and the forward with alpha by
        rho forward^beta / nu, as the model has them do on average; "hagan": the other one is held.
    units
        As in `greeks`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, one row an option, columns price,
        vol, delta and gamma (in the forward, along the smile), vega (in alpha, per 1.00; what moves the forward is left
        to delta), vanna (forward and alpha), volga (alpha twice), theta, rho (the rate, the forward held), dual_delta,
        dual_gamma, correlation_slope (in rho), nu_slope, beta_slope, elasticity. NaN beside the price without time; the
        vega of "bartlett" where nu is 0, the beta_slope of the normal kind where beta is.

    Raises
    ------
    InputError
        If a value is out of range, dynamics or units are unknown, or shapes do not fit.

    Notes
    -----
    O(n). The formulas of `sabr_vol` and of the price, differentiated exactly (second-order forward mode). Of the second
    dynamics' gamma: the change of the delta where alpha has moved too.
    Sources: Hagan, Kumar, Lesniewski and Woodward 2002, equations 2.17 and A.59, and the section on hedging; Bartlett
    2006, "Hedging under SABR model", Wilmott.

    Examples
    --------
    >>> from qflib.pricing import sabr_greeks
    >>> terms = ("call", 105.0, 100.0, 0.5, 2.0, 0.5, -0.3, 0.8)
    >>> [round(sabr_greeks(*terms, dynamics=d)["delta"], 4) for d in ("bartlett", "hagan")]
    [0.3302, 0.3952]
    """
    check_units(units)
    if dynamics not in ("bartlett", "hagan"):
        raise InputError(f"dynamics {dynamics!r} is unknown; expected 'bartlett' or 'hagan'")
    vol = sabr_vol(strike, forward, years, alpha, beta, rho, nu, shift=shift, kind=kind)
    a = arguments(
        right, normal_forward=forward, normal_strike=strike, years=years, rate=rate, alpha=alpha, beta=beta, rho=rho,
        nu=nu, any_vol=vol,
    )  # fmt: skip
    sign, f, k, t, r, *_, vols = a.values
    x = variables(f + shift, k + shift, *a.values[3:9])
    with np.errstate(all="ignore"):
        if kind == "lognormal":
            price = black76(sign.astype(int), f + shift, k + shift, t, vols, r)
            total = _lognormal(x) * sqrt(x[_T])
            value = black(sign, x[_F], x[_K], total)
            held = sign * ndtr(sign * (np.log(x[_F].value / x[_K].value) / total.value + 0.5 * total.value))
        else:
            price = bachelier(sign.astype(int), f, k, t, vols, r)
            total = _normal(x) * sqrt(x[_T])
            value = normal(sign, x[_F] - x[_K], total)
            held = sign * ndtr(sign * (f - k) / total.value)
        found = _named(exp(-x[_R] * x[_T]) * value, np.exp(-r * t) * held, x, dynamics)
    for column in found.values():
        column[t == 0.0] = np.nan
    if kind == "normal":
        found["beta_slope"][x[_BETA].value == 0.0] = np.nan
    return table(a, {"price": np.asarray(price, np.float64), "vol": np.array(vols)} | found, f, units)


def _named(p: Jet, held: Floats, x: list[Jet], dynamics: Dynamics) -> dict[str, Floats]:
    """Columns; `p` is the price along the smile, `held` the delta at a vol that does not move."""
    forward, beta, rho, nu = (x[i].value for i in (_F, _BETA, _RHO, _NU))
    delta, gamma, vega = p.slope[_F], p.bend[_F, _F], p.slope[_ALPHA]
    if dynamics == "bartlett":
        level = np.where(beta == 0.0, 1.0, np.abs(forward) ** beta)
        moved = rho * nu / level  # alpha a unit of forward
        bend = np.where(beta == 0.0, 0.0, -beta * moved / forward) * vega
        gamma = gamma + 2.0 * moved * p.bend[_F, _ALPHA] + moved * moved * p.bend[_ALPHA, _ALPHA] + bend
        delta = delta + moved * vega
        vega = vega + (p.slope[_F] - held) * np.where(nu > 0.0, rho * level / nu, np.nan)
    return {
        "delta": np.array(delta), "gamma": np.array(gamma), "vega": np.array(vega),
        "vanna": p.bend[_F, _ALPHA].copy(), "volga": p.bend[_ALPHA, _ALPHA].copy(), "theta": -p.slope[_T],
        "rho": p.slope[_R].copy(), "dual_delta": p.slope[_K].copy(), "dual_gamma": p.bend[_K, _K].copy(),
        "correlation_slope": p.slope[_RHO].copy(), "nu_slope": p.slope[_NU].copy(),
        "beta_slope": p.slope[_BETA].copy(),
    }  # fmt: skip


def _angle(z: Jet, rho: Jet) -> Jet:
    """Z / x(z): see `qflib.kernels.sabr`."""
    near = z * 0.0
    for node, mass in zip(0.5 * _NODES + 0.5, 0.5 * _MASSES, strict=True):
        u = z * node
        near = near + power(u * u - rho * u * 2.0 + 1.0, -0.5) * mass
    side = np.where(z.value < 0.0, -1.0, 1.0)
    far, corr = z * side, rho * side
    root = sqrt(far * far - corr * far * 2.0 + 1.0)
    long = log1p((far + far * (far - corr * 2.0) / (root + 1.0)) / (1.0 - corr))
    return select(np.abs(z.value) < _SMALL, 1.0 / near, far / long)


def _lognormal(x: list[Jet]) -> Jet:
    """Equation 2.17."""
    forward, strike, years, _, alpha, beta, rho, nu = x
    apart, rest = log(forward / strike), 1.0 - beta
    level = exp(log(forward * strike) * rest * 0.5)
    bend, of_vol = rest * rest * apart * apart, (2.0 - rho * rho * 3.0) * nu * nu * (1.0 / 24.0)
    shape = bend * (1.0 / 24.0) + bend * bend * (1.0 / 1920.0) + 1.0
    ratio = alpha / level
    grown = years * (rest * rest * ratio * ratio * (1.0 / 24.0) + rho * beta * nu * ratio * 0.25 + of_vol) + 1.0
    return ratio / shape * _angle(nu / ratio * apart, rho) * grown


def _normal(x: list[Jet]) -> Jet:
    """Equation A.59; with beta 0 of forwards of any sign."""
    forward, strike, years, _, alpha, beta, rho, nu = x
    of_vol = (2.0 - rho * rho * 3.0) * nu * nu * (1.0 / 24.0)
    flat = alpha * _angle(nu / alpha * (forward - strike), rho) * (years * of_vol + 1.0)
    apart, rest, mean = log(forward / strike), 1.0 - beta, log(forward * strike)
    square, bend = apart * apart, rest * rest * apart * apart
    shape = (square * (1.0 / 24.0) + square * square * (1.0 / 1920.0) + 1.0) / (
        bend * (1.0 / 24.0) + bend * bend * (1.0 / 1920.0) + 1.0
    )
    ratio = alpha / exp(mean * rest * 0.5)
    drift = rho * beta * nu * ratio * 0.25 - beta * (2.0 - beta) * ratio * ratio * (1.0 / 24.0)
    curved = alpha * exp(mean * beta * 0.5) * shape * _angle(nu / ratio * apart, rho) * (years * (drift + of_vol) + 1.0)
    return select(beta.value == 0.0, flat, curved)
