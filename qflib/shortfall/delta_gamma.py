"""Expected shortfall of one risk factor in the delta-gamma approximation, exact and by Cornish–Fisher."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import optimize, special

from qflib.errors import InputError
from qflib.figures import Figures
from qflib.shortfall.cornish_fisher import cornish_fisher
from qflib.shortfall.inputs import levels_of


@dataclass(frozen=True, slots=True)
class DeltaGamma(Figures):
    """ES and VaR of the loss, and the quantile of the loss (equal to VaR) as a P&L quantile."""

    es: float
    var: float
    pnl_quantile: float


def delta_gamma_es(delta: float, gamma: float, cov: float, level: float = 0.99) -> DeltaGamma:
    """ES and VaR of the loss δu + γu²/2 with u normal of variance `cov`, exactly.

    With s = √cov the loss is a parabola in z = u/s: those beyond a bound v lie outside (γ > 0) or inside (γ < 0) an
    interval of z, whose probability and partial moments are closed (Britten-Jones and Schaefer 1999, Non-linear value
    at risk, section 2). VaR by Brent's method on that probability.

    Parameters
    ----------
    delta, gamma
        First and second derivative of the loss.
    cov
        Variance of the factor.
    level
        Confidence.

    Raises
    ------
    InputError
        If the variance is not above 0, or delta and gamma are both 0.

    Examples
    --------
    >>> from qflib.shortfall.delta_gamma import delta_gamma_es
    >>> round(delta_gamma_es(0.0, 10000.0, 1.0, level=0.99).var, 3)
    33174.483
    """
    c = float(levels_of(level)[0])
    if not cov > 0 or (delta == 0 and gamma == 0):
        raise InputError(f"cov is {cov}, delta {delta}, gamma {gamma}; expected cov above 0 and a loss that moves")
    d, g = delta * math.sqrt(cov), 0.5 * gamma * cov
    if g == 0.0:
        z = float(special.ndtri(c))
        return DeltaGamma(abs(d) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) / (1 - c), abs(d) * z, abs(d) * z)
    # The loss is g (z − centre)² less g centre²: beyond a bound lie all z farther (g > 0) or nearer (g < 0) than h.
    centre = -d / (2.0 * g)
    h = float(optimize.brentq(lambda h: _beyond(g, centre, h)[0] - (1.0 - c), 0.0, abs(centre) + 38.0, xtol=1e-15))
    var = g * (h * h - centre * centre)
    probability, mean = _beyond(g, centre, h)
    return DeltaGamma(mean / probability, var, var)


def cornish_fisher_var(delta: float, gamma: float, cov: float, level: float = 0.99) -> float:
    """VaR of the same loss by Cornish–Fisher from its first four moments; poor where gamma dominates.

    Cumulants of d z + g z²: g, d² + 2g², 6d²g + 8g³, 48d²g² + 48g⁴ (Jaschke 2002, The Cornish-Fisher expansion in the
    context of delta-gamma-normal approximations, equation 2.4).

    Examples
    --------
    >>> from qflib.shortfall.delta_gamma import cornish_fisher_var
    >>> round(cornish_fisher_var(0.0, -10000.0, 1.0, level=0.99), 1)
    -4707.9
    """
    c = float(levels_of(level)[0])
    d, g = delta * math.sqrt(cov), 0.5 * gamma * cov
    variance = d * d + 2.0 * g * g
    if not variance > 0:
        raise InputError(f"cov is {cov}, delta {delta}, gamma {gamma}; expected cov above 0 and a loss that moves")
    skew = (6.0 * d * d * g + 8.0 * g**3) / variance**1.5
    excess = (48.0 * d * d * g * g + 48.0 * g**4) / variance**2
    return g + math.sqrt(variance) * cornish_fisher(float(special.ndtri(c)), skew, excess)


def _beyond(g: float, centre: float, h: float) -> tuple[float, float]:
    """Probability and E[loss; tail] of the tail of the loss g (z² − 2 centre z) that h bounds."""
    lo, hi = centre - h, centre + h
    at_lo, at_hi = (math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in (lo, hi))
    first, edges = at_lo - at_hi, lo * at_lo - hi * at_hi  # E[z; inside], and E[z²; inside] − P(inside)
    if g > 0:
        outside = float(special.ndtr(lo) + special.ndtr(-hi))
        return outside, g * (outside - edges + 2.0 * centre * first)
    inside = float(special.ndtr(hi) - special.ndtr(lo))
    return inside, g * (inside + edges - 2.0 * centre * first)
