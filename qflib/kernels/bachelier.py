"""European prices under normal dynamics (Bachelier): forwards and strikes of any sign.

The out-of-the-money price is s n(d) (1 - d M(d)), d = |forward - strike| / s, s = vol sqrt(T): one positive term.

Sources: Bachelier 1900; Haug 2007, section 1.3.1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.mills_ratio import NO_DENSITY, density, mills_slope

Floats = NDArray[np.float64]


@kernel
def normal_otm_value(distance: float, s: float) -> float:
    """Undiscounted out-of-the-money price at a distance >= 0 from the strike, total normal vol s >= 0."""
    if not (distance >= 0.0 and s >= 0.0):
        return math.nan
    if s == 0.0 or distance > NO_DENSITY * s:
        return 0.0
    d = distance / s
    return s * density(d) * mills_slope(d)


@kernel
def bachelier_price(sign: float, forward: float, strike: float, years: float, rate: float, vol: float) -> float:
    """Bachelier price; `vol` in price units a square-root year; `sign` +1 for a call, -1 for a put. O(1)."""
    gain = sign * (forward - strike)
    value = normal_otm_value(abs(gain), vol * math.sqrt(years))
    return math.exp(-rate * years) * (value + gain if gain > 0.0 else value)


@kernel
def bachelier_batch(
    sign: Floats, forward: Floats, strike: Floats, years: Floats, rate: Floats, vol: Floats, out: Floats
) -> None:
    """`bachelier_price` of float64 arrays of one length into `out`; O(n)."""
    for i in range(out.size):
        out[i] = bachelier_price(sign[i], forward[i], strike[i], years[i], rate[i], vol[i])
