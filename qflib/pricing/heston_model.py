"""The Heston model: prices, Greeks, and the fit to vols."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from qflib.errors import DataError, InputError
from qflib.kernels.heston import HESTON_VALUES, heston_batch
from qflib.pricing.european import black76
from qflib.pricing.inputs import Arguments, Floats, NumberLike, RightLike, arguments, frozen
from qflib.pricing.sensitivities import greeks

_TERMS = ("spot", "strike", "years", "rate", "dividend_yield", "v0", "kappa", "theta", "sigma", "rho")


def heston(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    v0: NumberLike,
    kappa: NumberLike,
    theta: NumberLike,
    sigma: NumberLike,
    rho: NumberLike,
) -> Any:
    """Price of European options in the Heston model.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield
        As in `black_scholes`. A NaN spot gives a NaN price.
    v0, theta
        Variance now and in the long run: vol squared, at least 0.
    kappa
        Speed of return to theta, a year, at least 0.
    sigma
        Vol of variance, at least 0; the Feller condition is not needed.
    rho
        Correlation of price and variance, within -1 and 1.

    Returns
    -------
    float, ndarray or Series
        float64, of the arguments' broadcast shape; a Series where one was given.

    Raises
    ------
    InputError
        If a value is out of range, not a number, or shapes do not fit.

    Notes
    -----
    O(n), 20 to 200 us an option. Error about 1e-13 of the spot, for any maturity.
    Sources: Heston 1993; Lewis 2000, ch. 2.

    Examples
    --------
    >>> from qflib.pricing import heston
    >>> round(heston("call", 100, 100, 1.0, 0.01, 0.02, v0=0.04, kappa=4.0, theta=0.25, sigma=1.0, rho=-0.5), 9)
    16.070154917
    """
    a = heston_arguments(right, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho)
    return a.restore(_values(a)[0], "price")


def heston_greeks(
    right: RightLike,
    spot: NumberLike,
    strike: NumberLike,
    years: NumberLike,
    rate: NumberLike,
    dividend_yield: NumberLike,
    v0: NumberLike,
    kappa: NumberLike,
    theta: NumberLike,
    sigma: NumberLike,
    rho: NumberLike,
) -> Any:
    """Price and Greeks of European options in the Heston model, the variance held where the spot moves.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho
        As in `heston`.

    Returns
    -------
    dict or DataFrame
        Scalars give a dict of floats; arrays (flattened) and Series a DataFrame, columns price, delta, gamma, theta
        (a year), rho, dividend_rho, variance_delta, variance_gamma, variance_vanna (derivatives in v0, v0 twice, spot
        and v0), vega (in sqrt(v0), per 1.00).

    Raises
    ------
    InputError
        As `heston`.

    Notes
    -----
    O(n). All under the same integral; theta follows from the differential equation.
    Source: Heston 1993, equation 6.

    Examples
    --------
    >>> from qflib.pricing import heston_greeks
    >>> g = heston_greeks("call", 100, 100, 1.0, 0.01, 0.02, 0.04, 4.0, 0.25, 1.0, -0.5)
    >>> round(g["delta"], 6), round(g["vega"], 4)
    (0.599471, 4.0717)
    """
    a = heston_arguments(right, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho)
    found = dict(zip(HESTON_VALUES, _values(a), strict=True))
    found["vega"] = 2.0 * np.sqrt(a.values[6]) * found["variance_delta"]
    if not a.shape:
        return {name: float(column[0]) for name, column in found.items()}
    return pd.DataFrame(found, index=a.index)


@dataclass(frozen=True, eq=False)
class HestonFit:
    """A Heston model fitted to vols.

    Parameters
    ----------
    v0, kappa, theta, sigma, rho
        As in `heston`.
    quotes
        What it was fitted to: columns strike, years, forward, vol, error (model less quote, in vol to first order).
    rmse
        Of the errors.
    """

    v0: float
    kappa: float
    theta: float
    sigma: float
    rho: float
    quotes: pd.DataFrame = field(repr=False)
    rmse: float

    @property
    def feller(self) -> bool:
        """Whether the variance never reaches 0: 2 kappa theta >= sigma^2."""
        return 2.0 * self.kappa * self.theta >= self.sigma**2

    def price(
        self,
        right: RightLike,
        spot: NumberLike,
        strike: NumberLike,
        years: NumberLike,
        rate: NumberLike = 0.0,
        dividend_yield: NumberLike = 0.0,
    ) -> Any:
        """Prices in the fitted model.

        Parameters
        ----------
        right, spot, strike, years, rate, dividend_yield
            As in `heston`.
        """
        terms = (self.v0, self.kappa, self.theta, self.sigma, self.rho)
        return heston(right, spot, strike, years, rate, dividend_yield, *terms)

    def to_frame(self) -> pd.DataFrame:
        """The quotes and the fit's errors, a row a quote."""
        return self.quotes.copy()

    def plot(self) -> Any:
        """Vols over strike, an expiry a colour: quotes as dots, the model's to first order as lines."""
        import hvplot.pandas  # noqa: F401  (gives DataFrames their hvplot)

        rows: Any = self.quotes.assign(
            model=self.quotes["vol"] + self.quotes["error"], expiry=self.quotes["years"].round(4)
        )
        rows = rows.sort_values(["expiry", "strike"])
        size = {"width": 700, "height": 360, "grid": True, "legend": "right"}
        lines = rows.hvplot.line(x="strike", y="model", by="expiry", ylabel="vol", title="Heston, by years", **size)
        return lines * rows.hvplot.scatter(x="strike", y="vol", by="expiry", size=20, **size)

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>Heston</b> v0 {self.v0:.5g}, kappa {self.kappa:.4g}, theta {self.theta:.5g}, sigma "
            f"{self.sigma:.4g}, rho {self.rho:.4f}, rmse {100 * self.rmse:.3f} points, Feller {self.feller}</p>"
        )
        return head + self.quotes.to_html(float_format=lambda v: f"{v:.6g}")


def fit_heston(strike: NumberLike, years: NumberLike, vol: NumberLike, forward: NumberLike) -> HestonFit:
    """Fit the Heston model to Black vols of several strikes and expiries.

    Parameters
    ----------
    strike, years, vol, forward
        Quotes, broadcast; at least five with a vol. NaN vols and forwards are left out.

    Returns
    -------
    HestonFit
        Frozen; `price`, `rmse`, `feller`, `to_frame`.

    Raises
    ------
    InputError
        If a value is out of range.
    DataError
        If fewer than five vols are there.

    Notes
    -----
    Least squares of price errors over vega, that is errors in vol; two starts. O(quotes) a step, a second or so for a
    hundred quotes. kappa and sigma are told apart by the term structure alone: give more than one expiry.
    Source: Heston 1993; Cui, del Bano Rollin and Germano 2017, EJOR 263, on the shape of the problem.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing import fit_heston, heston, implied_vol
    >>> strikes, years = np.tile([80.0, 90.0, 100.0, 110.0, 125.0], 3), np.repeat([0.25, 1.0, 3.0], 5)
    >>> prices = heston("call", 100, strikes, years, 0, 0, 0.05, 1.5, 0.07, 0.5, -0.6)
    >>> vols, _ = implied_vol(prices, "call", strikes, years, forward=100.0)
    >>> fit = fit_heston(strikes, years, vols, 100.0)
    >>> round(fit.kappa, 3), round(fit.rho, 3), fit.rmse < 1e-6
    (1.5, -0.6, True)
    """
    a = arguments("call", strike=strike, years=years, vol=vol, forward=forward)
    k, t, v, f = (x[np.isfinite(a.values[3] + a.values[4]) & (a.values[2] > 0.0)] for x in a.values[1:])
    if k.size < 5:
        raise DataError(f"{k.size} vols cannot tell five parameters; give at least five, of more than one expiry")
    sign = np.where(k >= f, 1.0, -1.0)
    right = sign.astype(int)
    wanted = black76(right, f, k, t, v)
    vega = np.maximum(greeks(right, k, t, v, forward=f)["vega"].to_numpy(), 1e-4 * f)
    fixed = [frozen(x) for x in (sign, f, k, t, np.zeros(k.size), np.zeros(k.size))]

    def terms(x: Floats) -> Floats:
        return np.append(np.exp(x[:4]), np.tanh(x[4]))

    def errors(x: Floats) -> Floats:
        values = [frozen(np.full(k.size, p)) for p in terms(x)]
        return np.asarray((_values(Arguments((*fixed, *values), k.shape, None))[0] - wanted) / vega)

    level = float(np.median(v)) ** 2
    low = np.append(np.log([1e-6, 1e-2, 1e-6, 1e-2]), -4.0)
    high = np.append(np.log([25.0, 50.0, 25.0, 20.0]), 4.0)
    starts = [np.append(np.log([level, speed, level, noise]), -0.6) for speed, noise in ((1.5, 0.5), (5.0, 1.5))]
    tried = [least_squares(errors, np.clip(s, low, high), bounds=(low, high), max_nfev=100) for s in starts]
    best = tried[0] if tried[0].cost <= tried[1].cost else tried[1]
    v0, kappa, theta, sigma, rho = (float(p) for p in terms(np.asarray(best.x, np.float64)))
    left = errors(np.asarray(best.x, np.float64))
    quotes = pd.DataFrame({"strike": k, "years": t, "forward": f, "vol": v, "error": left})
    return HestonFit(v0, kappa, theta, sigma, rho, quotes, float(np.sqrt(np.mean(left**2))))


def _values(a: Arguments) -> Floats:
    sign, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho = a.values
    out = np.empty((len(HESTON_VALUES), a.size))
    heston_batch(sign, spot, strike, years, rate, dividend_yield, v0, kappa, theta, sigma, rho, out)
    return out


def heston_arguments(right: RightLike, *terms: NumberLike, **more: NumberLike) -> Arguments:
    """A model's arguments, checked and broadcast: `terms` are spot to rho in their order, `more` those that follow.

    Raises
    ------
    InputError
        As `arguments`, or if v0, kappa, theta, sigma or rho is out of its range.

    Examples
    --------
    >>> from qflib.pricing.heston_model import heston_arguments
    >>> heston_arguments("put", 100.0, [90.0, 95.0], 1.0, 0.02, 0.0, 0.04, 1.5, 0.06, 0.6, -0.7, hurst=0.1).shape
    (2,)
    """
    a = arguments(right, **dict(zip(_TERMS, terms, strict=True)), **more)
    for name, x in zip(("v0", "kappa", "theta", "sigma"), a.values[6:10], strict=True):
        if not (x >= 0.0).all():
            raise InputError(f"Heston {name} {x[x < 0.0][0]} is out of range; it must be at least 0")
    rho = a.values[10]
    if not (np.abs(rho) < 1.0).all():
        raise InputError(f"Heston rho {rho[np.abs(rho) >= 1.0][0]} is out of range; it must be within -1 and 1")
    return a
