"""ES by a sample's moments: the normal law, and Cornish and Fisher's."""

from __future__ import annotations

import math

import numpy as np

from qflib.errors import InputError
from qflib.shortfall.cornish_fisher import cornish_fisher_figures, cornish_fisher_rises
from qflib.shortfall.estimated import F8, Estimated, Settings, beyond
from qflib.shortfall.laws import NormalLaw


def gaussian(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """The normal law of the mean and the standard deviation (n − 1): se² = σ² (1/n + k²/2n) of mean + k σ."""
    n = len(pnl)
    if n < 2:
        raise InputError("1 value gives no standard deviation; give 2 at least")
    law = NormalLaw(-float(np.mean(pnl)), float(np.std(pnl, ddof=1)))
    es, var = law.figures(levels)
    k = NormalLaw(0.0, 1.0).figures(levels)
    se, var_se = (law.scale * np.sqrt((1.0 + 0.5 * f * f) / n) for f in k)
    parameters = {"mean": law.loc, "sd": law.scale}
    return Estimated(es, var, beyond(pnl, var), se, var_se, parameters=parameters, law=law if law.scale > 0 else None)


def cornish_fisher(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """ES of the law with Cornish and Fisher's quantile, where that is a quantile; errors by the moments' own."""
    moments_of_a_law(pnl)
    return by_moments(pnl, levels, s)


def moments_of_a_law(pnl: F8) -> tuple[float, float, float, float]:
    """Mean, standard deviation (n), skewness and excess kurtosis, if Cornish and Fisher's quantile rises for them."""
    mean, sd, skew, excess = _moments(pnl)
    if not cornish_fisher_rises(skew, excess):
        raise InputError(
            f"the sample has skewness {skew:.4g} and excess kurtosis {excess:.4g} (gains positive), for which Cornish "
            f"and Fisher's quantile does not rise everywhere and is no law's (Maillard 2012); use method='skewed_t', "
            f"'student_t' or 'historical', or the unchecked figure of the peers by convention='modified'"
        )
    return mean, sd, skew, excess


def by_moments(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """As `cornish_fisher`, unchecked: for series redrawn from one that has passed."""
    mean, sd, skew, excess = _moments(pnl)
    y = (pnl - mean) / sd
    of_skew = y**3 - skew - 3.0 * y - 1.5 * skew * (y * y - 1.0)
    of_excess = y**4 - (excess + 3.0) - 4.0 * skew * y - 2.0 * (excess + 3.0) * (y * y - 1.0)
    out = np.empty((4, len(levels)))
    for i, c in enumerate(levels.tolist()):
        for row, (figure, in_skew, in_excess) in enumerate(cornish_fisher_figures(skew, excess, c)):
            influence = -y + 0.5 * figure * (y * y - 1.0) + in_skew * of_skew + in_excess * of_excess
            out[row, i] = sd * figure - mean
            out[row + 2, i] = sd * float(np.std(influence)) / math.sqrt(len(pnl))
    es, var, se, var_se = out
    parameters = {"mean": -mean, "sd": sd, "skewness": -skew, "excess_kurtosis": excess}
    return Estimated(es, var, beyond(pnl, var), se, var_se, parameters=parameters)


def _moments(pnl: F8) -> tuple[float, float, float, float]:
    mean, sd = float(np.mean(pnl)), float(np.std(pnl))
    if len(pnl) < 20 or sd <= 1e-14 * abs(mean):
        raise InputError(
            f"x holds {len(pnl)} values of standard deviation {sd:g}; skewness and kurtosis need 20 that differ"
        )
    y = (pnl - mean) / sd
    return mean, sd, float(np.mean(y**3)), float(np.mean(y**4)) - 3.0
