"""Filtered historical simulation: ES of the next periods, given today's volatility."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import InputError
from qflib.shortfall.estimated import Estimated, Law, Settings
from qflib.shortfall.historical import historical
from qflib.shortfall.inputs import Kind, levels_of, pnl_of, share_of, whole
from qflib.shortfall.laws import NormalLaw, SkewedTLaw

if TYPE_CHECKING:
    from arch.univariate.base import ARCHModel, ARCHModelFixedResult

F8 = NDArray[np.float64]
MODELS = ("garch", "gjr_garch", "ewma")
#: Names of the laws in arch.
LAWS = {"normal": "normal", "student_t": "t", "skewed_t": "skewt"}
LEAST = 100
PATHS = 10_000


@dataclass(frozen=True, eq=False)
class FilteredES:
    """The fit and ES over the next periods (n_levels,), by the fitted law and by the residuals that happened.

    Parameters
    ----------
    params, loglik
        In the unit of the values; `nu` and `skew` belong to the law of the residuals (of gains).
    sigma_next
        The next period's volatility.
    es_parametric
        By the fitted law; NaN over several periods.
    es_fhs, var_fhs, se
        By the residuals. The standard error has the fit's in it; NaN over several periods, where the fit ends on a
        bound (no effect of shocks, say), and by conventions without one.
    residuals
        (n,) standardised, gains positive.
    """

    params: dict[str, float]
    loglik: float
    sigma_next: float
    level: F8
    es_parametric: F8
    es_fhs: F8
    var_fhs: F8
    se: F8
    model: str
    dist: str
    horizon: int
    residuals: F8 = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        columns = {"es": self.es_fhs, "var": self.var_fhs, "se": self.se, "es_parametric": self.es_parametric}
        return pd.DataFrame(columns, index=pd.Index(self.level, name="level"))

    def plot(self, bins: int = 60) -> Any:
        """Histogram of the standardised residuals."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = pd.DataFrame({"residual": self.residuals})
        title = f"Residuals of {self.model}, {self.dist}"
        return frame.hvplot.hist("residual", bins=bins, color="lightgray", title=title, width=800, height=340)

    def _repr_html_(self) -> str:
        told = ", ".join(f"{k} {v:.5g}" for k, v in (self.params | {"sigma_next": self.sigma_next}).items())
        return f"<p>{self.model}, {self.dist}, {self.horizon} period(s): {told}</p>" + str(self.to_frame().to_html())


def fhs_es(
    x: ArrayLike,
    level: float | Sequence[float] = 0.975,
    *,
    kind: Kind,
    model: str = "garch",
    dist: str = "normal",
    decay: float | None = None,
    horizon: int = 1,
    draws: int = PATHS,
    seed: int = 0,
) -> FilteredES:
    """ES of the next periods from a volatility model and its standardised residuals.

    Barone-Adesi, Giannopoulos and Vosper (1999), VaR without correlations: ES = −μ + σ_{n+1} ES(z), z the residuals
    over their volatility; parametric with ES of the unit-variance law instead. The models are fitted by the arch
    package: Bollerslev (1986), equation 4, σ²ₜ = ω + α e²ₜ₋₁ + β σ²ₜ₋₁, and Glosten, Jagannathan and Runkle (1993),
    with γ e²ₜ₋₁ more after a loss, both about a constant mean; RiskMetrics' EWMA about 0, its λ given.

    Parameters
    ----------
    x
        (n,), 100 values at least, newest last.
    level, kind
        As in `expected_shortfall`.
    model
        "garch", "gjr_garch" or "ewma".
    dist
        Likelihood: "normal", "student_t" or "skewed_t" (Hansen 1994), of unit variance.
    decay
        λ of "ewma", 0.94 by default.
    horizon
        Periods; over several, ES of their sum, along `draws` paths of residuals drawn with `seed`.

    Raises
    ------
    InputError
        If there are fewer than 100 values, they are constant, the model or law is unknown, or the fit did not end.

    Notes
    -----
    A fit takes some 20 ms for 5,000 values; the first call loads arch, which takes a second.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.filtered import fhs_es
    >>> r = fhs_es(np.random.default_rng(1).normal(size=500), 0.975, kind="return")
    >>> 2.0 < float(r.es_fhs[0]) < 2.8
    True
    """
    pnl, levels = pnl_of(x, kind), levels_of(level)
    settings = Settings("rockafellar_uryasev", 0.95, None, decay, None, model, dist, horizon, None, draws, seed)
    return _filtered(pnl, levels, settings)


def filtered(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """Filtered historical simulation, as an estimator of `expected_shortfall`."""
    made = _filtered(pnl, levels, s)
    beyond = np.array([np.count_nonzero(-made.residuals >= v) for v in _tail(made.residuals, levels, s).var], np.int64)
    unknown = np.full(len(levels), np.nan)
    parameters = made.params | {"sigma_next": made.sigma_next}
    return Estimated(made.es_fhs, made.var_fhs, beyond, made.se, unknown, parameters=parameters)


def _filtered(pnl: F8, levels: F8, s: Settings) -> FilteredES:
    model, dist, horizon = s.model or "garch", s.dist or "normal", 1 if s.horizon is None else s.horizon
    _check(pnl, model, dist, horizon, s)
    spread = float(np.std(pnl))
    y = pnl / spread  # arch's optimiser wants numbers near 1
    volatility, fit = _fit(y, model, dist, s.decay)
    z = np.asarray(fit.std_resid, np.float64)
    mean, sigma = _next(fit)
    es, var = sigma * _tail(z, levels, s).es - mean, sigma * _tail(z, levels, s).var - mean
    parametric, se = sigma * _law(fit, dist).figures(levels)[0] - mean, _errors(volatility, fit, levels, s)
    if horizon > 1:
        paths = _paths(fit, horizon, s)
        made = _tail(paths, levels, s)
        es, var = made.es, made.var
        parametric, se = np.full(len(levels), np.nan), np.full(len(levels), np.nan)
    loglik = float(fit.loglikelihood) - len(y) * math.log(spread)
    figures = (spread * f for f in (parametric, es, var, se))
    parametric, es, var, se = figures
    params = {k: float(v) * _unit(k, spread) for k, v in fit.params.items()}
    named = {_NAMES.get(k, k): v for k, v in params.items()}
    if model == "ewma":
        named["decay"] = 0.94 if s.decay is None else s.decay
    return FilteredES(named, loglik, sigma * spread, levels, parametric, es, var, se, model, dist, horizon, residuals=z)


_NAMES = {"eta": "nu", "lambda": "skew"}


def _unit(name: str, spread: float) -> float:
    return {"mu": spread, "omega": spread**2}.get(name, 1.0)


def _check(pnl: F8, model: str, dist: str, horizon: int, s: Settings) -> None:
    spread = float(np.std(pnl))
    if len(pnl) < LEAST or spread <= 1e-14 * float(np.max(np.abs(pnl))):
        raise InputError(
            f"x holds {len(pnl)} values of standard deviation {spread:g}; expected {LEAST} values that differ: a "
            f"volatility cannot be told from fewer"
        )
    if model not in MODELS:
        raise InputError(f"model is {model!r}; expected one of {', '.join(MODELS)}")
    if dist not in LAWS:
        raise InputError(f"dist is {dist!r}; expected one of {', '.join(LAWS)}")
    if s.decay is not None and model != "ewma":
        raise InputError(f"model {model!r} is fitted and takes no decay; leave it out, or use model='ewma'")
    if s.decay is not None:
        share_of(s.decay, "decay", 0.94)
    whole(horizon, "horizon")
    whole(s.seed, "seed", 0)
    if s.draws is not None:
        whole(s.draws, "draws")


def _fit(y: F8, model: str, dist: str, decay: float | None) -> tuple[ARCHModel, Any]:
    from arch import arch_model
    from arch.univariate import EWMAVariance

    mean = "Zero" if model == "ewma" else "Constant"
    made = arch_model(y, mean=mean, p=1, o=int(model == "gjr_garch"), q=1, dist=LAWS[dist], rescale=False)  # type: ignore[arg-type]
    if model == "ewma":
        made.volatility = EWMAVariance(0.94 if decay is None else decay)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what arch warns of is asked below
        fit = made.fit(disp="off", show_warning=False, options={"ftol": 1e-10, "maxiter": 500}, cov_type="classic")
    if fit.params.size and (fit.convergence_flag != 0 or not np.isfinite(fit.params).all()):
        raise InputError(
            f"the fit of {model} with {dist} residuals did not end: {fit.optimization_result.message}; give more "
            f"values, or use model='ewma', which is not fitted"
        )
    return made, fit


def _next(fit: ARCHModelFixedResult) -> tuple[float, float]:
    """Mean and volatility of the next period."""
    ahead = fit.forecast(horizon=1, reindex=False)
    return float(np.asarray(ahead.mean)[-1, 0]), math.sqrt(float(np.asarray(ahead.variance)[-1, 0]))


def _tail(z: F8, levels: F8, s: Settings) -> Estimated:
    return historical(z, levels, Settings(s.convention, s.confidence))


def _law(fit: Any, dist: str) -> Law:
    """Of the standardised losses."""
    p = fit.params
    if dist == "normal":
        return NormalLaw(0.0, 1.0)
    df = float(p["nu"] if dist == "student_t" else p["eta"])
    return SkewedTLaw.hansen(df, -float(p["lambda"]) if dist == "skewed_t" else 0.0)


def _paths(fit: Any, horizon: int, s: Settings) -> F8:
    draws = PATHS if s.draws is None else s.draws
    random = np.random.RandomState(np.random.SeedSequence(s.seed).generate_state(4))
    ahead = fit.forecast(horizon=horizon, method="bootstrap", simulations=draws, random_state=random, reindex=False)
    return np.ascontiguousarray(np.asarray(ahead.simulations.values)[-1].sum(axis=1))


def _errors(model: ARCHModel, fit: Any, levels: F8, s: Settings) -> F8:
    """Standard errors of the next period's ES, the fit's own error in them.

    As Gao and Song (2008), Estimation risk in GARCH VaR and ES estimates, theorem 3.3, by influences: each value moves
    the residuals' tail mean, and the parameters by its score times the inverse information, which moves ES by its
    slope. Only the exact ES has the first.
    """
    z = np.asarray(fit.std_resid, np.float64)
    tail = _tail(z, levels, s)
    if not np.isfinite(tail.se).all() or _on_a_bound(fit.params.to_dict()):
        return np.full(len(levels), np.nan)
    sigma, n = _next(fit)[1], len(z)
    excess = np.maximum(-z[:, None] - tail.var, 0.0) / (1.0 - levels)
    influence = sigma * (excess - np.mean(excess, axis=0))
    p = np.asarray(fit.params, np.float64)
    if p.size:
        scores, slopes = [], []
        for h in np.diag(1e-4 * np.maximum(np.abs(p), 1e-2)):
            (up, es_up), (down, es_down) = (_at(model, p + side * h, levels, s) for side in (1.0, -1.0))
            scores.append((up - down) / (2.0 * np.sum(h)))
            slopes.append((es_up - es_down) / (2.0 * np.sum(h)))
        influence = influence + n * np.array(scores).T @ np.asarray(fit.param_cov) @ np.array(slopes)
    return np.asarray(np.sqrt(np.sum(influence**2, axis=0)) / n, np.float64)


def _on_a_bound(p: dict[str, float]) -> bool:
    """Whether a parameter lies where the likelihood is cut off: its bend there says nothing of its error."""
    alpha, beta, gamma = (p.get(k, 0.0) for k in ("alpha[1]", "beta[1]", "gamma[1]"))
    variance = "omega" in p and (min(alpha, beta, alpha + gamma) < 1e-5 or alpha + beta + 0.5 * gamma > 1.0 - 1e-6)
    return variance or min(p.get("nu", 3.0), p.get("eta", 3.0)) < 2.06 or abs(p.get("lambda", 0.0)) > 0.99


def _at(model: ARCHModel, p: F8, levels: F8, s: Settings) -> tuple[F8, F8]:
    """Log-likelihood of each value (n,) and ES (n_levels,) at other parameters."""
    fit = model.fix(p)
    resid, volatility = (np.asarray(a, np.float64) for a in (fit.resid, fit.conditional_volatility))
    law = p[len(p) - model.distribution.num_params :]
    each = model.distribution.loglikelihood(law, resid, volatility**2, individual=True)
    mean, sigma = _next(fit)
    return np.asarray(each, np.float64), sigma * _tail(resid / volatility, levels, s).es - mean
