"""Cornish–Fisher quantiles and the ES of the Edgeworth expansion."""

from __future__ import annotations

import math

from scipy import special


def cornish_fisher(z: float, skew: float, excess: float) -> float:
    """The quantile of a standardised law with this skewness and excess kurtosis, from the normal quantile z.

    Cornish and Fisher (1938), third order.

    Examples
    --------
    >>> from qflib.shortfall.cornish_fisher import cornish_fisher
    >>> cornish_fisher(-1.6448536269514722, 0.0, 0.0)
    -1.6448536269514722
    """
    return (
        z + (z * z - 1.0) * skew / 6.0 + (z**3 - 3.0 * z) * excess / 24.0 - (2.0 * z**3 - 5.0 * z) * skew * skew / 36.0
    )


def modified_es(skew: float, excess: float, level: float) -> tuple[float, float]:
    """ES and VaR of a standardised P&L by the second-order Edgeworth expansion.

    Boudt, Peterson and Croux (2008), Estimation and decomposition of downside risk for portfolios with non-normal
    returns, equations 13 and 17. With g the Cornish–Fisher quantile of the P&L, α = 1 − level and
    I_q = g^q φ(g) + q I_{q−2}, I₀ = φ(g), I₋₁ = −Φ(g):
    ES = (φ + (I₄ − 6I₂ + 3φ) K/24 + (I₃ − 3I₁) S/6 + (I₆ − 15I₄ + 45I₂ − 15φ) S²/72) / α.

    Parameters
    ----------
    skew, excess
        Of the P&L (gains positive).
    level
        Confidence.

    Returns
    -------
    (es, var)
        Positive losses, in standard deviations from the mean.

    Examples
    --------
    >>> from qflib.shortfall.cornish_fisher import modified_es
    >>> [round(x, 6) for x in modified_es(0.0, 0.0, 0.975)]
    [2.337803, 1.959964]
    """
    alpha = 1.0 - level
    g = cornish_fisher(float(special.ndtri(alpha)), skew, excess)
    density = math.exp(-0.5 * g * g) / math.sqrt(2.0 * math.pi)
    i = {-1: -float(special.ndtr(g)), 0: density}
    for q in range(1, 7):
        i[q] = g**q * density + q * i[q - 2]
    mean = (
        density
        + (i[4] - 6.0 * i[2] + 3.0 * density) * excess / 24.0
        + (i[3] - 3.0 * i[1]) * skew / 6.0
        + (i[6] - 15.0 * i[4] + 45.0 * i[2] - 15.0 * density) * skew * skew / 72.0
    )
    return mean / alpha, -g


def modified_es_slopes(skew: float, excess: float, level: float) -> tuple[float, float]:
    """Derivatives of `modified_es`'s ES in skewness and excess kurtosis.

    Boudt, Peterson and Croux (2008), appendix A. Since dI_q/dg = −g^{q+1} φ(g), all terms are polynomials times φ.

    Examples
    --------
    >>> from qflib.shortfall.cornish_fisher import modified_es, modified_es_slopes
    >>> h = 1e-6
    >>> slope = (modified_es(0.1 + h, 0.5, 0.95)[0] - modified_es(0.1 - h, 0.5, 0.95)[0]) / (2 * h)
    >>> abs(modified_es_slopes(0.1, 0.5, 0.95)[0] - slope) < 1e-8
    True
    """
    alpha = 1.0 - level
    z = float(special.ndtri(alpha))
    g = cornish_fisher(z, skew, excess)
    density = math.exp(-0.5 * g * g) / math.sqrt(2.0 * math.pi)
    i = {-1: -float(special.ndtr(g)), 0: density}
    for q in range(1, 7):
        i[q] = g**q * density + q * i[q - 2]
    in_g = density * (
        -g
        + (-(g**5) + 6.0 * g**3 - 3.0 * g) * excess / 24.0
        + (-(g**4) + 3.0 * g * g) * skew / 6.0
        + (-(g**7) + 15.0 * g**5 - 45.0 * g**3 + 15.0 * g) * skew * skew / 72.0
    )
    in_skew = (i[3] - 3.0 * i[1]) / 6.0 + (i[6] - 15.0 * i[4] + 45.0 * i[2] - 15.0 * density) * skew / 36.0
    in_excess = (i[4] - 6.0 * i[2] + 3.0 * density) / 24.0
    g_skew = (z * z - 1.0) / 6.0 - (2.0 * z**3 - 5.0 * z) * skew / 18.0
    g_excess = (z**3 - 3.0 * z) / 24.0
    return (in_skew + in_g * g_skew) / alpha, (in_excess + in_g * g_excess) / alpha
