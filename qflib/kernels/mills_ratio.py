"""The Mills ratio M(z) = N(-z) / n(z) of the normal law, and differences of it that do not cancel.

Normal tails and option prices far from the money are an exponential times Mills ratios: written so, they keep
their relative accuracy down to the smallest double, where 1 - N(z) or N(d1) - N(d2) lose every digit.

Sources: Shepherd and Laframboise 1981, Math. Comp. 36 (the rational map); Gautschi 1967, SIAM Rev. 9 (three-term
recurrences and their stable direction); Jäckel 2015, "Let's be rational", Wilmott (the difference in a price).
"""

from __future__ import annotations

import math

import numpy as np

from qflib.kernels.jit import kernel
from qflib.kernels.special import INV_SQRT_2PI

#: below this the normal density, and with it every tail, is zero in doubles
NO_DENSITY = 39.0
#: pole of the map t = (z - 5) / (z + 5): the whole half line in one interval; 5 gives the fewest terms
_POLE = 5.0
#: (1 + z) M(z) in powers of t: the Chebyshev series of 28 terms, from 64 nodes with 50 digits; the absolute sum of
#: 1.7 shows that powers lose nothing here
_POWERS = np.array(
    (
        1.1568486282918946,
        -0.22948753825211288,
        0.07778159886873558,
        0.025072179301610414,
        -0.06617760077899622,
        0.06150504584106873,
        -0.03802659218770015,
        0.016348231268289524,
        -0.004201290311374602,
        1.953074162515575e-05,
        0.0004570438230350707,
        -0.00013437479745271,
        -2.480547954535769e-05,
        2.271132343460391e-05,
        -1.7717271036053674e-07,
        -3.2811016388183325e-06,
        3.218479730994642e-07,
        4.978094807204551e-07,
        -6.721394035045607e-08,
        -8.359770746895385e-08,
        9.926075661884747e-09,
        1.512694936824821e-08,
        -9.910078628955561e-10,
        -2.6750494057079106e-09,
        3.029780777567433e-11,
        3.8513993219383816e-10,
        5.013226273740375e-12,
        -3.1387280409109205e-11,
    )
)


@kernel
def density(z: float) -> float:
    """Normal density n(z)."""
    return INV_SQRT_2PI * math.exp(-0.5 * z * z)


@kernel
def mills(z: float) -> float:
    """Mills ratio M(z) of z >= 0, to 4 eps; O(1)."""
    if z > 1e8:
        return 1.0 / z
    t = (z - _POLE) / (z + _POLE)
    # four interleaved Horner chains: one chain would wait for itself 27 times
    t2 = t * t
    t4 = t2 * t2
    p0, p1, p2, p3 = _POWERS[24], _POWERS[25], _POWERS[26], _POWERS[27]
    for k in range(20, -1, -4):
        p0 = p0 * t4 + _POWERS[k]
        p1 = p1 * t4 + _POWERS[k + 1]
        p2 = p2 * t4 + _POWERS[k + 2]
        p3 = p3 * t4 + _POWERS[k + 3]
    value: float = (p0 + t * p1 + t2 * (p2 + t * p3)) / (1.0 + z)
    return value


@kernel
def cdf(z: float) -> float:
    """Normal distribution function, to a few eps times max(1, z^2) in the left tail."""
    if z < 0.0:
        return density(z) * mills(-z) if z > -NO_DENSITY else 0.0
    return 1.0 - density(z) * mills(z) if z <= NO_DENSITY else (1.0 if z > NO_DENSITY else math.nan)


@kernel
def mills_slope(z: float) -> float:
    """-M'(z) = 1 - z M(z) of z >= 0: positive, and accurate where the subtraction is not."""
    if z <= 2.0:
        return 1.0 - z * mills(z)
    return mills(z) * _first_ratio(z)


@kernel
def mills_difference(z: float, t: float) -> float:
    """M(z - t) - M(z + t) for z >= 0 and small t >= 0: the odd Taylor terms, all of one sign.

    The derivatives Y_n = (-1)^n M^(n) are positive and obey Y_(n+1) = n Y_(n-1) - z Y_n. Forward, errors grow as
    e^(z t), which is little where z t <= 1; beyond, the ratios Y_n / Y_(n-1) come from below (Miller).
    Converges for t <= max(1/2, z/10).
    """
    base = mills(z)
    if z <= 5.0 and z * t <= 1.0:
        before, here = base, 1.0 - z * base
        power, total = t, t * here
        for n in range(1, 40):
            before, here = here, n * before - z * here
            power *= t / (n + 1)
            if n % 2 == 0:
                total += power * here
                if power * here <= 1e-17 * total:
                    break
        return 2.0 * total
    ratio, tail = _start(z, _terms(z)), 1.0
    for n in range(_terms(z), 1, -1):
        above, ratio = ratio, n / (ratio + z)
        if n % 2 == 0:  # nested: 1 + r2 r3 t^2 / (2 3) (1 + r4 r5 t^2 / (4 5) (1 + ...))
            tail = 1.0 + ratio * above * t * t / (n * (n + 1)) * tail
    return 2.0 * base * t * tail / (ratio + z)


@kernel
def _first_ratio(z: float) -> float:
    ratio = _start(z, _terms(z))
    for n in range(_terms(z), 0, -1):
        ratio = n / (ratio + z)
    return ratio


@kernel
def _terms(z: float) -> int:
    """Start of the downward recurrence: the continued fraction needs about (36 / (2 sqrt 2 z))^2 terms."""
    return 2 * int(14.0 + 90.0 / (z * z))


@kernel
def _start(z: float, n: int) -> float:
    """Ratio at n + 1 where neighbours are alike: r (r + z) = n + 1."""
    return 0.5 * (math.sqrt(z * z + 4.0 * (n + 1)) - z)
