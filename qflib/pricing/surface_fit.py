"""Fit of an SSVI surface to a chain: least squares in half-spreads, inside the region without arbitrage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from qflib.errors import DataError, InputError
from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.kernels.lognormal_blocks import greeks_batch
from qflib.kernels.ssvi import ssvi_gradient_batch, ssvi_variance_batch
from qflib.pricing.chain import chain_implied_vol, checked_chain
from qflib.pricing.inputs import Floats, arguments, frozen
from qflib.pricing.surface import YEAR, Surface

#: no quote counts for more than one with this half-spread in vol: the model is not better than that
_FINEST_VOL = 0.001
_FEWEST_QUOTES = 3  # an expiry: a level, a slope and something to check


def fit_surface(chain: pd.DataFrame, model: str = "ssvi") -> Surface:
    """Fit a surface to an option chain.

    Parameters
    ----------
    chain
        A chain frame: columns underlying, right, strike, expiry, years, forward, bid, ask, mid, rate. Vols are taken
        from a column `iv` where there is one, else implied from `mid`.
    model
        "ssvi".

    Returns
    -------
    Surface
        Frozen; `vol`, `total_variance`, `plot`, `to_frame`, `rmse`, `butterfly_free`, `calendar_free`.

    Raises
    ------
    InputError
        If columns are missing, the model is unknown, or the chain is of several underlyings.
    DataError
        If no expiry has three quotes with a vol.

    Notes
    -----
    Out-of-the-money quotes, errors in half-spreads of vol. O(quotes times expiries) an iteration.
    Source: Gatheral and Jacquier 2014, sections 4 and 5.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.pricing import black76, fit_surface
    >>> chain = pd.DataFrame({"strike": np.arange(80.0, 121.0, 5.0), "forward": 100.0, "years": 0.25, "rate": 0.0})
    >>> chain["right"] = np.where(chain["strike"] < 100, "put", "call")
    >>> chain["expiry"] = pd.Timestamp("2026-03-20T21:00Z")
    >>> chain["mid"] = black76(chain["right"], 100.0, chain["strike"], 0.25, 0.2)
    >>> surface = fit_surface(chain)
    >>> round(surface.vol(100.0, 0.25), 3), surface.butterfly_free
    (0.2, True)
    """
    if model != "ssvi":
        raise InputError(f"model {model!r} is unknown; expected 'ssvi'")
    quotes = _quotes(checked_chain(chain))
    names = chain["underlying"].astype(str).unique() if "underlying" in chain else np.array([""])
    if len(names) > 1:
        raise InputError(f"the chain is of {len(names)} underlyings ({', '.join(names[:3])}); fit one at a time")
    by = quotes.groupby("expiry")
    years, forwards = by["years"].median().to_numpy(), by["forward"].median().to_numpy()
    slot = by.ngroup().to_numpy()
    k, iv = frozen(quotes["k"].to_numpy()), quotes["iv"].to_numpy()
    t = years[slot]
    rho, eta, gamma, theta = _fit(k, iv, t, slot, quotes["half_spread"].to_numpy(), years)
    fitted = np.sqrt(_variance(k, theta[slot], rho, eta, gamma) / t)
    error = fitted - iv
    first = quotes.iloc[0]
    for a in (years, forwards, theta):
        a.flags.writeable = False
    return Surface(
        underlying=str(names[0]),
        at=first["expiry"] - first["years"] * YEAR,
        years=years,
        forwards=forwards,
        theta=theta,
        rho=rho,
        eta=eta,
        gamma=gamma,
        quotes=quotes[["expiry", "years", "k", "iv"]].assign(fitted=fitted),
        rmse=float(np.sqrt(np.mean(error**2))),
        max_error=float(np.max(np.abs(error))),
    )


def _quotes(chain: pd.DataFrame) -> pd.DataFrame:
    """Rows that carry a vol, out of the money, with k and the half-spread in vol; expiries with too few left out."""
    iv = chain["iv"] if "iv" in chain else chain_implied_vol(chain)["iv"]
    k = pd.Series(np.log(chain["strike"] / chain["forward"]), index=chain.index)
    wing = np.where(chain["right"].isin(["call", "c", "C"]), k >= 0.0, k <= 0.0)
    usable = (iv > 0.0) & wing & (chain["years"] > 0.0) & k.notna()
    made: pd.DataFrame = chain.assign(iv=iv, k=k)[usable].sort_values(["expiry", "strike"])
    made = made.loc[made.groupby("expiry")["iv"].transform("size") >= _FEWEST_QUOTES]
    if made.empty:
        raise DataError(
            f"of {len(chain)} chain rows {int(usable.sum())} are out of the money with a vol, and no expiry has "
            f"{_FEWEST_QUOTES}; check bid, ask and forward"
        )
    return made.assign(half_spread=_half_spread(made))


def _half_spread(chain: pd.DataFrame) -> Floats:
    """Half the bid-ask spread in vol, at least `_FINEST_VOL`; a vol's weight is its inverse."""
    if not {"bid", "ask"} <= set(chain):
        return np.full(len(chain), _FINEST_VOL)
    a = arguments(
        chain["right"].to_numpy(),
        forward=chain["forward"].to_numpy(),
        strike=chain["strike"].to_numpy(),
        years=chain["years"].to_numpy(),
        rate=chain["rate"].to_numpy(),
        vol=chain["iv"].to_numpy(),
    )
    sign, forward, strike, years, rate, vol = a.values
    out = np.empty((len(GREEKS), a.size))
    greeks_batch(sign, forward, strike, years, rate, rate, vol, out)
    width = 0.5 * (chain["ask"] - chain["bid"]).to_numpy(np.float64)
    if "inverse" in chain:
        width = np.where(chain["inverse"].to_numpy(bool), width * forward, width)
    vega = np.maximum(out[GREEKS.index("vega")], 1e-12 * forward)
    # a one-sided or crossed quote tells little: it weighs as a wide one
    return np.asarray(np.maximum(np.where(width > 0.0, width / vega, 0.1), _FINEST_VOL))


def _fit(
    k: Floats, iv: Floats, t: Floats, slot: Any, half_spread: Floats, years: Floats
) -> tuple[float, float, float, Floats]:
    at_money = np.array([iv[slot == i][np.argmin(np.abs(k[slot == i]))] for i in range(len(years))])
    theta = np.maximum.accumulate(at_money**2 * years)
    steps = np.maximum(np.diff(theta, prepend=0.0), 1e-6 * theta[-1])
    scale = steps.copy()  # the solver sees numbers near 1

    def unpack(p: Floats) -> tuple[float, float, float, Floats]:
        rho = float(p[0])
        return rho, 2.0 * float(p[1]) / (1.0 + abs(rho)), float(p[2]), np.cumsum(p[3:] * scale)

    table = np.empty((5, k.size))

    def residuals(p: Floats) -> Floats:
        rho, eta, gamma, levels = unpack(p)
        ssvi_gradient_batch(k, frozen(levels[slot]), rho, eta, gamma, table)
        return np.asarray((np.sqrt(table[0] / t) - iv) / half_spread)

    reached = slot[:, None] >= np.arange(len(years))  # the steps that a level is made of

    def slopes(p: Floats) -> Floats:
        rho, eta, gamma, levels = unpack(p)
        ssvi_gradient_batch(k, frozen(levels[slot]), rho, eta, gamma, table)
        w, by_theta, by_rho, by_eta, by_gamma = table
        wing = 1.0 + abs(rho)
        out = np.empty((k.size, len(p)))
        out[:, 0] = by_rho - by_eta * eta * np.sign(rho) / wing
        out[:, 1] = by_eta * 2.0 / wing
        out[:, 2] = by_gamma
        out[:, 3:] = np.where(reached, by_theta[:, None] * scale, 0.0)
        out /= (2.0 * np.sqrt(w * t) * half_spread)[:, None]
        return out

    n = len(years)
    start = np.concatenate([[-0.3, 0.5, 0.4], np.ones(n)])
    low = np.concatenate([[-0.999, 1e-4, 1e-3], np.full(n, 1e-9)])
    high = np.concatenate([[0.999, 1.0, 0.5], np.full(n, np.inf)])
    found = least_squares(residuals, start, slopes, bounds=(low, high), max_nfev=200)
    return unpack(np.asarray(found.x, np.float64))


def _variance(k: Floats, theta: Floats, rho: float, eta: float, gamma: float) -> Floats:
    out = np.empty(k.size)
    ssvi_variance_batch(k, frozen(theta), rho, eta, gamma, out)
    return out
