"""Raw SVI slices: total variance, the density test, jump-wing parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qflib.errors import InputError
from qflib.kernels.ssvi import svi_batch
from qflib.pricing.inputs import NumberLike, frozen


def svi_total_variance(
    k: NumberLike, a: NumberLike, b: NumberLike, rho: NumberLike, m: NumberLike, sigma: NumberLike
) -> Any:
    """Total variance of a raw SVI slice: a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)).

    Parameters
    ----------
    k
        ln(strike / forward).
    a, b, rho, m, sigma
        Level, slope (>= 0), rotation (|rho| <= 1), shift and curvature (> 0).

    Returns
    -------
    float or ndarray
        Total variance, vol squared times years.

    Raises
    ------
    InputError
        If b < 0, |rho| > 1, sigma <= 0, or shapes do not broadcast.

    Notes
    -----
    O(n). Source: Gatheral and Jacquier 2014, equation 3.1.

    Examples
    --------
    >>> from qflib.pricing.svi import svi_total_variance
    >>> round(svi_total_variance(0.0, a=-0.041, b=0.1331, rho=0.306, m=0.3586, sigma=0.4153), 6)
    0.017426
    """
    return _both(k, a, b, rho, m, sigma)[0]


def svi_durrleman(
    k: NumberLike, a: NumberLike, b: NumberLike, rho: NumberLike, m: NumberLike, sigma: NumberLike
) -> Any:
    """Durrleman's g(k) of a raw SVI slice: a butterfly is an arbitrage where it is negative.

    Parameters
    ----------
    k, a, b, rho, m, sigma
        As in `svi_total_variance`.

    Returns
    -------
    float or ndarray
        g(k).

    Raises
    ------
    InputError
        As `svi_total_variance`.

    Notes
    -----
    O(n). Source: Gatheral and Jacquier 2014, equation 2.1.

    Examples
    --------
    >>> from qflib.pricing.svi import svi_durrleman
    >>> svi_durrleman(1.0, a=-0.041, b=0.1331, rho=0.306, m=0.3586, sigma=0.4153) < 0
    True
    """
    return _both(k, a, b, rho, m, sigma)[1]


def svi_jump_wings(a: float, b: float, rho: float, m: float, sigma: float, years: float) -> dict[str, float]:
    """Jump-wing parameters of a raw SVI slice.

    Parameters
    ----------
    a, b, rho, m, sigma
        As in `svi_total_variance`.
    years
        Time to expiry, positive.

    Returns
    -------
    dict
        `v` variance at the money, `psi` its skew, `p` and `c` slopes of the put and call wing, `vtilde` least variance.

    Raises
    ------
    InputError
        If years or the total variance at the money is not positive.

    Notes
    -----
    O(1). Source: Gatheral and Jacquier 2014, equation 3.5.

    Examples
    --------
    >>> from qflib.pricing.svi import svi_jump_wings
    >>> round(svi_jump_wings(-0.041, 0.1331, 0.306, 0.3586, 0.4153, 1.0)["p"], 6)
    0.699738
    """
    w = float(svi_total_variance(0.0, a, b, rho, m, sigma))
    if not (years > 0.0 and w > 0.0):
        raise InputError(f"years {years} and at-the-money total variance {w} must be positive; check the slice")
    root = math.sqrt(w)
    return {
        "v": w / years,
        "psi": b / (2.0 * root) * (rho - m / math.hypot(m, sigma)),
        "p": b * (1.0 - rho) / root,
        "c": b * (1.0 + rho) / root,
        "vtilde": (a + b * sigma * math.sqrt(1.0 - rho * rho)) / years,
    }


def _both(*given: NumberLike) -> tuple[Any, Any]:
    try:
        arrays = np.broadcast_arrays(*(np.asarray(g, np.float64) for g in given))
    except (TypeError, ValueError):
        raise InputError("k, a, b, rho, m, sigma must be numbers or arrays of shapes that broadcast") from None
    for name, at, holds, expected in (
        ("b", 2, np.greater_equal(arrays[2], 0.0), "at least 0"),
        ("rho", 3, np.abs(arrays[3]) <= 1.0, "within -1 and 1"),
        ("sigma", 5, np.greater(arrays[5], 0.0), "positive"),
    ):
        if not holds.all():
            raise InputError(f"SVI {name} {arrays[at][~holds].flat[0]} is out of range; it must be {expected}")
    k, a, b, rho, m, sigma = (frozen(np.array(x)).reshape(-1) for x in arrays)
    variance, factor = np.empty(k.size), np.empty(k.size)
    svi_batch(k, a, b, rho, m, sigma, variance, factor)
    shape = arrays[0].shape
    if not shape:
        return float(variance[0]), float(factor[0])
    return variance.reshape(shape), factor.reshape(shape)
