"""Plain twin of the revaluation kernels: one option and one scenario vector at a time, SciPy's normal distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

F = NDArray[np.float64]


def black(forward: F, strike: float, years: float, vol: F, right: float) -> F:
    """Undiscounted Black-76 value; intrinsic where no time is left."""
    if years <= 0:
        return np.maximum(right * (forward - strike), 0.0)
    s = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / s + 0.5 * s
    return right * (forward * ndtr(right * d1) - strike * ndtr(right * (d1 - s)))


def option_values(
    forward: float, spot_return: F, vol_shift: F, strike: float, years: float, vol: float, right: float, floor: float
) -> F:
    """Undiscounted values at the scenarios' forwards and volatilities."""
    return black(forward * (1 + spot_return), strike, years, np.maximum(vol + vol_shift, floor), right)
