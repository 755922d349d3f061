"""Cornish–Fisher quantiles, where they are a law's, and the ES of that law and of the Edgeworth expansion."""

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


def cornish_fisher_rises(skew: float, excess: float) -> bool:
    """Whether the quantile rises with z, as a law's must, for all |z| ≤ 6.

    Maillard (2012), A user's guide to the Cornish Fisher expansion, section 2, asks it of every z: the slope, a
    quadratic in z, has no root where S²/9 ≤ 4 (K/8 − S²/6) (1 − K/8 + 5S²/36). That admits no K below 0, so half of
    all normal samples would fail by a fold at a z of 20; beyond 6 lies 1e-9 of the mass, and what happens there does
    not matter.

    Parameters
    ----------
    skew, excess
        S and K. Kurtosis goes to 8 at S = 0; |S| to 6 (√2 − 1) = 2.49.

    Examples
    --------
    >>> from qflib.shortfall.cornish_fisher import cornish_fisher_rises
    >>> cornish_fisher_rises(-0.5, 3.0), cornish_fisher_rises(-2.0, 1.0), cornish_fisher_rises(0.0, 9.0)
    (True, False, False)
    """
    a = excess / 8.0 - skew * skew / 6.0
    b = skew / 3.0
    c = 1.0 - excess / 8.0 + 5.0 * skew * skew / 36.0
    lowest = min(a * z * z + b * z + c for z in (-6.0, 6.0))
    at = -0.5 * b / a if a > 0.0 else 6.0
    if abs(at) < 6.0:
        lowest = min(lowest, c - 0.25 * b * b / a)
    return lowest >= 0.0


def cornish_fisher_figures(
    skew: float, excess: float, level: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """ES and VaR of a standardised P&L whose quantile is Cornish and Fisher's.

    ES = φ(z)/α (1 + zS/6 + (z² − 1)K/24 − (2z² − 1)S²/36), z the normal quantile of α = 1 − level: the quantile
    integrated over the tail (Maillard 2012, section 4). It never lies below the VaR, and differs from `modified_es`,
    which integrates the Edgeworth density beyond the same VaR.

    Parameters
    ----------
    skew, excess
        Of the P&L (gains positive).
    level
        Confidence.

    Returns
    -------
    ((es, in_skew, in_excess), (var, in_skew, in_excess))
        Positive losses in standard deviations from the mean, and their derivatives.

    Examples
    --------
    >>> from qflib.shortfall.cornish_fisher import cornish_fisher_figures
    >>> es, var = cornish_fisher_figures(0.0, 0.0, 0.975)
    >>> round(es[0], 6), round(var[0], 6)
    (2.337803, 1.959964)
    """
    alpha = 1.0 - level
    z = float(special.ndtri(alpha))
    mills = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / alpha
    in_skew = mills * (z / 6.0 - (2.0 * z * z - 1.0) * skew / 18.0)
    in_excess = mills * (z * z - 1.0) / 24.0
    es = mills * (1.0 + z * skew / 6.0 + (z * z - 1.0) * excess / 24.0 - (2.0 * z * z - 1.0) * skew * skew / 36.0)
    var_in_skew = -((z * z - 1.0) / 6.0 - (2.0 * z**3 - 5.0 * z) * skew / 18.0)
    return (es, in_skew, in_excess), (-cornish_fisher(z, skew, excess), var_in_skew, -(z**3 - 3.0 * z) / 24.0)


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
