"""ES by peaks over a threshold that is a quantile of the sample."""

from __future__ import annotations

import math

import numpy as np

from qflib.errors import InputError
from qflib.shortfall.evt import fit_pot
from qflib.shortfall.figures import F8, Figures, Settings, beyond


def evt(pnl: F8, levels: F8, s: Settings) -> Figures:
    """A generalised Pareto tail by maximum likelihood (`qflib.shortfall.evt.fit_pot`).

    Errors by the expected information of ξ and β, (1 + ξ)/k [[1 + ξ, −β], [−β, 2β²]] inverted, for ξ above −1/2
    (Smith 1987, Estimating tails of probability distributions, section 3), and the binomial one of the share beyond.
    """
    q = 0.9 if s.threshold is None else s.threshold
    if not 0.0 < q < 1.0:
        raise InputError(f"threshold is {q}; expected a quantile of the losses between 0 and 1, such as 0.9")
    if float(np.min(levels)) < q:
        raise InputError(
            f"level {float(np.min(levels)):g} lies below the threshold quantile {q:g}, where no tail is fitted; lower "
            f"the threshold or use 'historical'"
        )
    u = float(np.quantile(-pnl, q))
    fit = fit_pot(pnl, u, levels.tolist(), kind="pnl")
    if not fit.shape < 1.0:
        raise InputError(f"the tail's shape is {fit.shape:.3g}; from 1 on there is no ES: look at the largest losses")
    share = fit.n_exceed / fit.n
    at = np.array([fit.shape, fit.scale, share])
    cov = np.diag([0.0, 0.0, share * (1.0 - share) / fit.n])
    xi, beta = fit.shape, fit.scale
    scatter = np.array([[1.0 + xi, -beta], [-beta, 2.0 * beta * beta]])
    cov[:2, :2] = scatter * (1.0 + xi) / fit.n_exceed if xi > -0.5 else math.nan
    slopes = np.array([_slope(at, h, levels) for h in np.diag([1e-6, 1e-6 * beta, 1e-6 * share])])
    se, var_se = np.sqrt(np.einsum("ifl,ij,jfl->fl", slopes, cov, slopes))
    parameters = {"threshold": u, "shape": xi, "scale": beta, "n_exceed": float(fit.n_exceed)}
    return Figures(np.asarray(fit.es), np.asarray(fit.var), beyond(pnl, fit.var), se, var_se, parameters=parameters)


def _slope(at: F8, h: F8, levels: F8) -> F8:
    """(2, n_levels): the derivatives of ES and VaR; the threshold adds nothing to them."""
    return (_figures(at + h, levels) - _figures(at - h, levels)) / (2.0 * float(np.sum(h)))


def _figures(p: F8, levels: F8) -> F8:
    xi, beta, share = p
    log = np.log((1.0 - levels) / share)
    excess = -beta * log if abs(xi) < 1e-9 else beta * np.expm1(-xi * log) / xi
    return np.array([(excess + beta) / (1.0 - xi), excess])
