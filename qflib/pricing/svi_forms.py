"""The three parametrisations of an SVI slice, carried into each other, and the fit of a raw slice."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from qflib.errors import DataError, InputError
from qflib.pricing.inputs import Floats, NumberLike
from qflib.pricing.svi import svi_durrleman, svi_total_variance


def svi_from_jump_wings(v: float, psi: float, p: float, c: float, vtilde: float, years: float) -> dict[str, float]:
    """Raw parameters of a slice given by its jump wings: the inverse of `svi_jump_wings`.

    Parameters
    ----------
    v, psi, p, c, vtilde
        Variance at the money, its skew, slopes of the put and call wing, least variance.
    years
        Time to expiry, positive.

    Returns
    -------
    dict
        `a`, `b`, `rho`, `m`, `sigma`.

    Raises
    ------
    InputError
        If no raw slice has them: v, vtilde or years not positive, v below vtilde, wings that do not open, or a skew
        beyond them; or if many have: v = vtilde with psi = 0 and p = c.

    Notes
    -----
    O(1). Source: Gatheral and Jacquier 2014, lemma 3.2.

    Examples
    --------
    >>> from qflib.pricing.svi import svi_jump_wings
    >>> from qflib.pricing.svi_forms import svi_from_jump_wings
    >>> wings = svi_jump_wings(-0.041, 0.1331, 0.306, 0.3586, 0.4153, 1.0)
    >>> {k: round(x, 6) for k, x in svi_from_jump_wings(**wings, years=1.0).items()}
    {'a': -0.041, 'b': 0.1331, 'rho': 0.306, 'm': 0.3586, 'sigma': 0.4153}
    """
    if not (years > 0.0 and v > 0.0 and vtilde > 0.0 and v >= vtilde and p >= 0.0 and c >= 0.0 and p + c > 0.0):
        raise InputError(
            f"jump wings v {v}, vtilde {vtilde}, p {p}, c {c} at {years} years are no slice; variances and years must "
            "be positive, v at least vtilde, wings at least 0 and not both 0"
        )
    root = math.sqrt(v * years)
    b = 0.5 * root * (c + p)
    rho = 1.0 - p * root / b
    beta = rho - 2.0 * psi * root / b  # m / sqrt(m^2 + sigma^2)
    if not abs(beta) < 1.0:
        raise InputError(f"skew psi {psi} is beyond the wings -p/2 {-p / 2} and c/2 {c / 2}; it must lie between")
    flat = math.sqrt(max(1.0 - rho * rho, 0.0))
    steep = math.sqrt(1.0 - beta * beta)
    # w(0) less the least w, over b sigma; the lemma divides by m instead and has no answer at 0
    opening = (1.0 - rho * beta) / steep - flat
    if opening <= 0.0:
        raise InputError(f"psi {psi} puts the least variance at the money: sigma is not told; give another skew")
    sigma = (v - vtilde) * years / (b * opening)
    if not sigma > 0.0:
        raise InputError(f"v {v} equals vtilde {vtilde} away from the least variance; give a smaller vtilde")
    return {
        "a": vtilde * years - b * sigma * flat,
        "b": b,
        "rho": rho,
        "m": sigma * beta / steep,
        "sigma": sigma,
    }


def svi_natural(a: float, b: float, rho: float, m: float, sigma: float) -> dict[str, float]:
    """Natural parameters of a raw slice.

    With x = zeta (k - mu): w = delta + omega/2 (1 + rho x + sqrt((x + rho)^2 + 1 - rho^2)).

    Parameters
    ----------
    a, b, rho, m, sigma
        As in `svi_total_variance`, |rho| < 1.

    Returns
    -------
    dict
        `delta`, `mu`, `rho`, `omega`, `zeta`.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Notes
    -----
    O(1). Source: Gatheral and Jacquier 2014, equations 3.2 to 3.4.

    Examples
    --------
    >>> from qflib.pricing.svi_forms import svi_from_natural, svi_natural
    >>> natural = svi_natural(-0.041, 0.1331, 0.306, 0.3586, 0.4153)
    >>> round(natural["zeta"], 4), round(svi_from_natural(**natural)["m"], 6)
    (2.2924, 0.3586)
    """
    if not (b >= 0.0 and abs(rho) < 1.0 and sigma > 0.0):
        raise InputError(f"SVI b {b}, rho {rho}, sigma {sigma} are out of range; b >= 0, |rho| < 1, sigma > 0")
    flat = math.sqrt(1.0 - rho * rho)
    omega = 2.0 * b * sigma / flat
    return {
        "delta": a - 0.5 * omega * flat * flat,
        "mu": m + rho * sigma / flat,
        "rho": rho,
        "omega": omega,
        "zeta": flat / sigma,
    }


def svi_from_natural(delta: float, mu: float, rho: float, omega: float, zeta: float) -> dict[str, float]:
    """Raw parameters of a slice given by its natural ones.

    Parameters
    ----------
    delta, mu, rho, omega, zeta
        As `svi_natural` gives them; omega at least 0, |rho| < 1, zeta positive.

    Returns
    -------
    dict
        `a`, `b`, `rho`, `m`, `sigma`.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Notes
    -----
    O(1). Source: Gatheral and Jacquier 2014, equation 3.3.

    Examples
    --------
    >>> from qflib.pricing.svi_forms import svi_from_natural
    >>> {k: round(x, 4) for k, x in svi_from_natural(0.0, 0.0, -0.5, 0.04, 2.0).items()}
    {'a': 0.015, 'b': 0.04, 'rho': -0.5, 'm': 0.25, 'sigma': 0.433}
    """
    if not (omega >= 0.0 and abs(rho) < 1.0 and zeta > 0.0):
        raise InputError(f"SVI omega {omega}, rho {rho}, zeta {zeta} are out of range; omega >= 0, |rho| < 1, zeta > 0")
    flat = math.sqrt(1.0 - rho * rho)
    return {
        "a": delta + 0.5 * omega * flat * flat,
        "b": 0.5 * omega * zeta,
        "rho": rho,
        "m": mu - rho / zeta,
        "sigma": flat / zeta,
    }


@dataclass(frozen=True, eq=False)
class SviSlice:
    """A fitted raw SVI slice.

    Parameters
    ----------
    a, b, rho, m, sigma
        As in `svi_total_variance`.
    quotes
        What it was fitted to: columns k, variance, fitted.
    rmse
        Of fitted minus quoted total variance.

    Notes
    -----
    Source: Gatheral and Jacquier 2014, section 3.1; Gatheral 2004, "A parsimonious arbitrage-free implied volatility
    parameterization".

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.pricing.svi_forms import SviSlice
    >>> quotes = pd.DataFrame({"k": [-1.5, 1.5], "variance": [0.1, 0.1], "fitted": [0.1, 0.1]})
    >>> vogt = SviSlice(-0.041, 0.1331, 0.306, 0.3586, 0.4153, quotes, rmse=0.0)
    >>> vogt.butterfly_free, round(vogt.total_variance(0.0), 6)
    (False, 0.017426)
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    quotes: pd.DataFrame = field(repr=False)
    rmse: float

    @property
    def butterfly_free(self) -> bool:
        """Whether Durrleman's g is nowhere negative on 801 points of the quotes' range, twice as wide."""
        k = self.quotes["k"]
        wide = np.linspace(min(2.0 * k.min(), -0.1), max(2.0 * k.max(), 0.1), 801)
        return bool((svi_durrleman(wide, self.a, self.b, self.rho, self.m, self.sigma) >= 0.0).all())

    def total_variance(self, k: NumberLike) -> Any:
        """Total variance at ln(strike / forward); O(n)."""
        return svi_total_variance(k, self.a, self.b, self.rho, self.m, self.sigma)

    def to_frame(self) -> pd.DataFrame:
        """The quotes and the fit, a row a strike."""
        return self.quotes.copy()

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>SVI</b> a {self.a:.5g}, b {self.b:.5g}, rho {self.rho:.4f}, m {self.m:.4f}, sigma "
            f"{self.sigma:.4f}, rmse {self.rmse:.3g}, butterfly-free {self.butterfly_free}</p>"
        )
        return head + self.quotes.to_html(float_format=lambda v: f"{v:.6g}")


def _cost(found: Any) -> float:
    return float(found.cost)


def fit_svi(
    k: NumberLike,
    variance: NumberLike,
    *,
    weights: NumberLike | None = None,
    start: tuple[float, float] | None = None,
) -> SviSlice:
    """Fit a raw SVI slice to total variances of one expiry.

    Parameters
    ----------
    k
        ln(strike / forward); at least five.
    variance
        Total variance, vol squared times years; NaN is left out.
    weights
        Of the errors; default: alike.
    start
        m and sigma near the answer, as of the slice a moment before: a quarter of the time. Default: four beginnings.

    Returns
    -------
    SviSlice
        Frozen; `total_variance`, `rmse`, `butterfly_free`, `to_frame`. The least variance is not negative.

    Raises
    ------
    InputError
        If shapes do not fit or the start's sigma is not positive.
    DataError
        If fewer than five variances are there.

    Notes
    -----
    For each m and sigma the rest is a linear problem of three unknowns, so that only two are searched. O(n) a step.
    Source: Zeliade Systems 2009, "Quasi-explicit calibration of Gatheral's SVI model".

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.pricing.svi import svi_total_variance
    >>> from qflib.pricing.svi_forms import fit_svi
    >>> k = np.linspace(-0.6, 0.4, 21)
    >>> fit = fit_svi(k, svi_total_variance(k, 0.01, 0.1, -0.4, 0.05, 0.2))
    >>> round(fit.b, 6), round(fit.rho, 6), fit.butterfly_free
    (0.1, -0.4, True)
    """
    at, want = np.atleast_1d(np.asarray(k, np.float64)), np.atleast_1d(np.asarray(variance, np.float64))
    if at.shape != want.shape or at.ndim != 1:
        raise InputError(f"k of shape {at.shape} does not go with variances of {want.shape}; give one each")
    w = np.ones_like(want) if weights is None else np.broadcast_to(np.asarray(weights, np.float64), want.shape)
    there = np.isfinite(want) & np.isfinite(at)
    at, want, w = at[there], want[there], w[there]
    if at.size < 5:
        raise DataError(f"{at.size} variances cannot tell five parameters; give at least five")
    spread = max(float(np.ptp(at)), 1e-3)

    def inner(x: Floats) -> tuple[Floats, Floats]:
        m, sigma = float(x[0]), float(np.exp(x[1]))
        y = (at - m) / sigma
        base = np.column_stack([np.ones_like(y), y, np.hypot(y, 1.0)])
        level, turn, bend = np.linalg.lstsq(base * w[:, None], want * w, rcond=None)[0]
        bend = max(bend, 0.0)
        turn = float(np.clip(turn, -0.9999 * bend, 0.9999 * bend))
        least = -math.sqrt(max(bend * bend - turn * turn, 0.0))
        # given the clipped shape the level is a mean, and no lower than where the least variance is 0
        level = max(float(np.average(want - turn * y - bend * base[:, 2], weights=w * w)), least)
        found = np.array([level, bend / sigma, turn / bend if bend > 0.0 else 0.0, m, sigma])
        return found, (level + turn * y + bend * base[:, 2] - want) * w

    def errors(x: Floats) -> Floats:
        return inner(x)[1]

    middle = float(at[np.argmin(want)])
    begun = [(m, s * spread) for m in (middle, 0.0) for s in (0.1, 0.5)] if start is None else [start]
    if not all(s > 0.0 for _, s in begun):
        raise InputError(f"start {start} has no positive sigma; give m and sigma of a slice")
    tried = [
        least_squares(errors, [m, math.log(s)], max_nfev=200, xtol=1e-14, ftol=1e-14, gtol=1e-14) for m, s in begun
    ]
    best = min(tried, key=_cost)
    a, b, rho, m, sigma = (float(x) for x in inner(np.asarray(best.x, np.float64))[0])
    fitted = svi_total_variance(at, a, b, rho, m, sigma)
    quotes = pd.DataFrame({"k": at, "variance": want, "fitted": fitted})
    return SviSlice(a, b, rho, m, sigma, quotes, float(np.sqrt(np.mean((fitted - want) ** 2))))
