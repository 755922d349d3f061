"""Expected shortfall of a sample, by every estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.shortfall.bootstrap import block_bootstrap
from qflib.shortfall.conventions import DEFAULT
from qflib.shortfall.estimated import Estimated, Settings
from qflib.shortfall.inputs import Kind, levels_of, pnl_of, share_of, whole
from qflib.shortfall.methods import method_of, redraws
from qflib.shortfall.result import ESResult

F8 = NDArray[np.float64]
_DRAWS = 1000


def expected_shortfall(
    x: ArrayLike | pd.Series[Any],
    level: float | Sequence[float] = 0.975,
    *,
    kind: Kind | None = None,
    method: str = "historical",
    convention: str = DEFAULT,
    weights: ArrayLike | None = None,
    decay: float | None = None,
    n: int | None = None,
    model: str | None = None,
    dist: str | None = None,
    horizon: int | None = None,
    threshold: float | None = None,
    confidence: float = 0.95,
    interval: Literal["analytic", "profile", "bootstrap"] = "analytic",
    block: float | None = None,
    draws: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> ESResult:
    """Expected shortfall and value at risk of a sample.

    By default exact for any n and level: the mean of the worst n(1 − level) observations, the last of them in part
    (Rockafellar and Uryasev 2002, Proposition 8; Acerbi and Tasche 2002, Definition 2.6). The other methods:

    - age_weighted: each value weighs `decay` (0.98) times the next one (Boudoukh, Richardson and Whitelaw 1998)
    - volatility_weighted: values brought to the next period's EWMA volatility of `decay` (0.94) (Hull and White 1998)
    - filtered: residuals of a fitted volatility `model` ("garch", "gjr_garch", "ewma") at the next period's
      volatility, over `horizon` periods (`qflib.shortfall.filtered.fhs_es`)
    - gaussian: the normal law of mean and standard deviation
    - student_t, skewed_t: by maximum likelihood (`qflib.shortfall.laws.SkewedTLaw`)
    - cornish_fisher: from mean to kurtosis, where these give a law (`qflib.shortfall.cornish_fisher`); the peers'
      figure, unchecked and of another integral, is `convention="modified"`
    - evt: a generalised Pareto tail beyond the `threshold` quantile (`qflib.shortfall.evt.fit_pot`)

    Parameters
    ----------
    x
        (n,) finite, newest last (which matters where a method takes age or volatility into account).
    level
        Confidence, or several.
    kind
        "pnl" or "return": gains positive. "loss": losses positive. There is no default: a sample does not tell.
    method
        One of the above, or "historical".
    convention
        How the tail of a sample is taken (historical, volatility_weighted, filtered): "rockafellar_uryasev", or a
        peer's rule by its name ("quantlib", "empyrical", "quantstats", "quarks", "performance_analytics", "ore",
        "skfolio", "riskfolio", "hull" and more): see `qflib.shortfall.conventions`.
    weights
        (n,) probabilities, not negative; scaled to sum to one. Historical, with the default convention only.
    decay
        Of the weights by age (historical, age_weighted, quarks_age) or of the EWMA volatility (volatility_weighted,
        filtered by "ewma", quarks_volatility).
    n
        How many observations there were, where x holds only the worst of them. Historical only.
    model, dist, horizon
        Of "filtered": by default "garch", "normal" ("student_t", "skewed_t"), one period.
    threshold
        Of "evt": a quantile of the losses, 0.9 by default, at or below the levels.
    confidence
        Of the intervals (low, high) and (var_low, var_high).
    interval
        "analytic"; "bootstrap" by blocks, for series whose values depend on each other, not where a method hangs on
        age, given weights or a volatility model; or "profile", of the likelihood of "evt", which is lopsided as a heavy
        tail's figures are: some 0.3 s a level, no high end of ES where a shape of 1 is likely enough.
    block
        Mean block of the stationary bootstrap (Politis and Romano 1994); by default that of Politis and White (2004)
        for the losses beyond the VaR.
    draws, seed
        Of the bootstrap (1,000), or paths of "filtered" over several periods (10,000); seed of the random numbers.
    progress
        Show a bar of the draws.

    Returns
    -------
    ESResult
        Analytic standard errors hold for independent observations. Samples: sd((L − VaR)₊) / ((1 − level) √n)
        (Trindade, Uryasev, Shapiro and Zrazhevsky 2007, Financial prediction with constrained tail risk, Theorem 2.2),
        with weights by age √Σ w²(…)², volatility_weighted as if the volatility were known, filtered with the error of
        the fit in it; the interval of VaR is by order statistics, which holds for any continuous law, and NaN (as its
        standard error, var_se) where values have weights or a volatility was fitted. Fitted laws, if they hold: by
        the delta method from the information. NaN where none is known: peers' rules, given weights (they are the law),
        n, several periods, fewer than two observations in the tail. Bootstrap: percentiles of the draws.

    Raises
    ------
    InputError
        If kind is missing; kind, level, method, convention or interval is unknown; a keyword is given that the method
        does not take; a value is NaN or infinite; x is empty; a rule's tail is empty; a law cannot be fitted: fewer
        than 20 values (filtered 100, evt 10 beyond the threshold), all of them (student_t, skewed_t: more than half)
        equal, moments outside Cornish and Fisher's domain, a level below evt's threshold, or a tail without a mean; one
        of these is so of a series that the bootstrap draws; or a figure overflows.

    Notes
    -----
    Fewer observations than 1 / (1 − level) are no error. The tail of a sample is then part of the worst one, and ES
    and VaR are that loss (n_tail 1, standard error NaN); a law goes on beyond the worst. The ES of a constant is the
    constant by historical, age_weighted and gaussian; the others refuse it.
    O(n + k log k), k = n(1 − level), for historical; a fit takes some tens of passes.

    Examples
    --------
    >>> import qflib.shortfall as shortfall
    >>> r = shortfall.expected_shortfall([0, 1, 2, 3, 4], level=0.75, kind="loss")
    >>> r.es, r.var  # (4 + 3/4) / 1.25, not the mean of the two worst
    (3.8, 3.0)
    >>> import numpy as np
    >>> x = np.random.default_rng(1).standard_t(4, 2000)
    >>> r = shortfall.expected_shortfall(x, 0.975, kind="return", method="student_t")
    >>> bool(r.low < 3.99 < r.high)  # what the law has
    True
    """
    if kind is None:
        raise InputError('kind is missing; give kind="pnl", "return" (gains positive) or "loss" (losses positive)')
    pnl, levels = pnl_of(x, kind), levels_of(level)
    confidence = share_of(confidence, "confidence", 0.95)
    if interval not in ("analytic", "profile", "bootstrap"):
        raise InputError(f"interval is {interval!r}; expected 'analytic', 'profile' or 'bootstrap'")
    if block is not None and interval != "bootstrap":
        raise InputError(f"block is given and interval is {interval!r}; leave it out, or use interval='bootstrap'")
    seed = whole(seed, "seed", 0)
    s = Settings(convention, confidence, weights, decay, n, model, dist, horizon, threshold, draws, seed, interval)
    how = method_of(method, s)
    if n is not None and whole(n, "n") < len(pnl):
        raise InputError(f"n is {n} and x holds {len(pnl)} values; n counts all, x the worst of them")
    with np.errstate(all="ignore"):  # what overflows is told below
        made = how.estimate(pnl, levels, s)
    if not (np.isfinite(made.es).all() and np.isfinite(made.var).all()):
        raise InputError(f"ES or VaR of values up to {np.max(np.abs(pnl)):g} overflows; give them in a larger unit")
    columns: dict[str, Any] = _intervals(made, s)
    parameters = dict(made.parameters)
    if interval == "bootstrap":
        series, estimate = redraws(method, pnl, levels, s)
        spread = block_bootstrap(
            series, estimate, made.var, block=block, draws=_DRAWS if draws is None else draws, seed=seed,
            confidence=confidence, progress=progress,
        )  # fmt: skip
        columns = {"se": spread.se[0], "low": spread.low[0], "high": spread.high[0]}
        columns |= {"var_se": spread.se[1], "var_low": spread.low[1], "var_high": spread.high[1]}
        parameters["block"] = spread.block
    columns |= {"es": made.es, "var": made.var, "level": levels, "n_tail": made.n_tail}
    shown = columns if np.ndim(level) else {k: v[0].item() for k, v in columns.items()}
    rule = convention if how.by_rule or method == "age_weighted" else method
    return ESResult(
        **shown,
        n=len(pnl) if n is None else n,
        confidence=confidence,
        convention=rule,
        method=method,
        interval=interval,
        parameters=parameters,
        pnl=pnl,
        law=made.law,
    )


def _intervals(made: Estimated, s: Settings) -> dict[str, Any]:
    """Normal intervals, but for figures that have their own."""
    z = float(special.ndtri(0.5 + 0.5 * s.confidence))
    var_low = made.var - z * made.var_se if made.var_low is None else made.var_low
    var_high = made.var + z * made.var_se if made.var_high is None else made.var_high
    low = made.es - z * made.se if made.low is None else made.low
    high = made.es + z * made.se if made.high is None else made.high
    return {"se": made.se, "low": low, "high": high, "var_se": made.var_se, "var_low": var_low, "var_high": var_high}
