"""ES by peaks over a threshold that is a quantile of the sample."""

from __future__ import annotations

import dataclasses

import numpy as np

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import tail_mass
from qflib.shortfall.estimated import F8, Estimated, Settings, beyond
from qflib.shortfall.evt import fit_pot
from qflib.shortfall.inputs import share_of


def evt(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """`qflib.shortfall.evt.fit_pot`: its errors by the delta method, or its intervals by the profile likelihood."""
    q = 0.9 if s.threshold is None else share_of(s.threshold, "threshold", 0.9)
    lowest = float(np.min(levels))
    if lowest < q:
        raise InputError(
            f"level {lowest:g} lies below the threshold quantile {q:g}, where no tail is fitted; lower the threshold "
            f"or use 'historical'"
        )
    u = float(np.quantile(-pnl, q))
    fit = fit_pot(pnl, u, levels.tolist(), kind="pnl", confidence=s.confidence)
    if tail_mass(fit.n, lowest) > fit.n_exceed:
        raise InputError(
            f"{fit.n_exceed} of {fit.n} losses exceed the threshold {u:g}, for others tie with it, so that level "
            f"{lowest:g} lies below it; move the threshold or use 'historical'"
        )
    parameters = {"threshold": u, "shape": fit.shape, "scale": fit.scale, "n_exceed": float(fit.n_exceed)}
    made = Estimated(fit.es, fit.var, beyond(pnl, fit.var), fit.es_se, fit.var_se, parameters=parameters)
    if s.interval != "profile":
        return made
    return dataclasses.replace(made, low=fit.es_low, high=fit.es_high, var_low=fit.var_low, var_high=fit.var_high)
