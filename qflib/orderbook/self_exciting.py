"""Hawkes processes fitted to events, simulated and tested."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.kernels import hawkes as H
from qflib.orderbook.columns import F8, positive
from qflib.orderbook.result import Result

_STARTS = (0.3, 3.0, 30.0)  # decays tried, in events' mean rate
_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class HawkesFit(Result):
    """lambda(t) = mu + alpha * sum of exp(-beta (t - t_i)) over the events before t, in seconds.

    Attributes
    ----------
    mu, alpha, beta
        Base rate, jump at an event, decay.
    errors
        Standard errors of the three, from the inverse of the observed information; NaN where it is singular.
    log_likelihood
        At the maximum.
    rescaled
        The intensity's integral between successive events: independent unit exponentials if the model holds.
    ks, p_value
        Kolmogorov and Smirnov's distance of `rescaled` from them, and its probability if the model holds (the
        parameters' being fitted makes it too high).
    """

    mu: float
    alpha: float
    beta: float
    errors: tuple[float, float, float]
    log_likelihood: float
    rescaled: F8
    ks: float
    p_value: float

    @property
    def branching(self) -> float:
        """Alpha / beta: events that one event begets, on average; below 1, they cease."""
        return self.alpha / self.beta

    def to_frame(self) -> pd.DataFrame:
        """A row a parameter: value, standard error."""
        names = pd.Index(["mu", "alpha", "beta", "branching"], name="parameter")
        values = [self.mu, self.alpha, self.beta, self.branching]
        return pd.DataFrame({"value": values, "standard_error": [*self.errors, math.nan]}, index=names)

    def plot(self) -> Any:
        """Quantiles of `rescaled` against those of unit exponentials."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401

        n = len(self.rescaled)
        want = -np.log1p(-(np.arange(n) + 0.5) / n)
        points = hv.Scatter((want, np.sort(self.rescaled)), "unit exponential", "rescaled gap").opts(size=3)
        line = hv.Curve(([0, want[-1]], [0, want[-1]]), "unit exponential", "rescaled gap").opts(color="gray")
        title = f"Hawkes: KS {self.ks:.3f}, p {self.p_value:.2g}"
        return (line * points).opts(title=title, width=420, height=400, show_grid=True)


def fit_hawkes(times: pd.DatetimeIndex | NDArray[np.float64], end: float | pd.Timestamp | None = None) -> HawkesFit:
    """Fit by maximum likelihood.

    Parameters
    ----------
    times
        Of the events, rising: timestamps (the first one is the observation's beginning, not an event of it), or seconds
        from its beginning at 0.
    end
        Of the observation; by default the last event.

    Returns
    -------
    HawkesFit
        O(events) an evaluation, some fifty of them from each of three starts.

    Raises
    ------
    InputError
        If times are not finite or do not rise (several at one time are one event: drop duplicates), or `end` is before
        the last.
    DataError
        If there are fewer than 10 events, or no maximum is found.

    Notes
    -----
    Likelihood: Ozaki, "Maximum likelihood estimation of Hawkes' self-exciting point processes", Annals of the Institute
    of Statistical Mathematics 31 (1979), for the exponential kernel with his recursion
    A(i) = exp(-beta (t_i - t_i-1)) (1 + A(i-1)), and its gradient: log L = sum of log(mu + alpha A(i)) - mu T
    - alpha / beta * sum of (1 - exp(-beta (T - t_i))). Test: the time-rescaling theorem, Brown, Barbieri, Ventura, Kass
    and Frank, "The time-rescaling theorem and its application to neural spike train data analysis", Neural Computation
    14 (2002).

    A fit of all the events at once; the likelihood of given parameters (`qflib.kernels.hawkes`) folds event by event.

    Examples
    --------
    >>> from qflib.orderbook import fit_hawkes, simulate_hawkes
    >>> made = fit_hawkes(simulate_hawkes(mu=1.0, alpha=1.0, beta=2.0, end=2000.0, seed=7), end=2000.0)
    >>> bool(abs(made.branching - 0.5) < 0.1), bool(made.p_value > 0.01)
    (True, True)
    """
    from scipy.optimize import minimize
    from scipy.stats import kstest

    at, last = _seconds(times, end)
    rate = len(at) / last

    def loss(log_theta: F8) -> tuple[float, F8]:
        theta = np.exp(log_theta)
        value, *slopes = _likelihood(at, last, theta)
        return -value, -np.array(slopes) * theta

    found = [
        minimize(loss, np.log([rate / 2, start * rate / 2, start * rate]), jac=True, method="L-BFGS-B",
                 bounds=[(math.log(rate) + a, math.log(rate) + b) for a, b in ((-14, 2), (-14, 14), (-14, 14))])
        for start in _STARTS
    ]  # fmt: skip
    best = min(found, key=lambda r: r.fun)
    if not np.isfinite(best.fun):
        raise DataError("the likelihood has no maximum; are times in seconds from the observation's beginning?")
    theta = np.exp(best.x)
    gaps = np.empty(len(at))
    mu, alpha, beta = theta.tolist()
    H.fold_compensator(at, mu, alpha, beta, np.zeros(2), gaps)
    ks = kstest(gaps, "expon")
    return HawkesFit(
        mu, alpha, beta, _errors(at, last, theta), float(-best.fun), gaps, float(ks.statistic), float(ks.pvalue)
    )


def simulate_hawkes(mu: float, alpha: float, beta: float, end: float, *, seed: int = 0) -> F8:
    """Draw a Hawkes process exactly.

    Parameters
    ----------
    mu, alpha, beta
        Base rate, jump and decay; alpha below beta (0: a Poisson process).
    end
        Seconds to draw.
    seed
        Equal seeds give equal events.

    Returns
    -------
    times
        Seconds from 0, rising. O(events).

    Raises
    ------
    InputError
        If an argument is not finite and positive, or alpha is not below beta.

    Notes
    -----
    Dassios and Zhao, "Exact simulation of Hawkes process with exponentially decaying intensity", Electronic
    Communications in Probability 18 (2013), algorithm 3.1.

    Examples
    --------
    >>> from qflib.orderbook import simulate_hawkes
    >>> round(len(simulate_hawkes(1.0, 0.5, 1.0, 1000.0, seed=1)) / 1000)
    2
    """
    mu, beta, end = positive(mu, "mu"), positive(beta, "beta"), positive(end, "end")
    if not 0 <= alpha < beta:
        raise InputError(f"alpha is {alpha} and beta {beta}; give alpha of 0 or more, below beta: else events explode")
    rng, memory, parts = np.array([seed], np.int64), np.zeros(2), []
    while memory[0] < end:
        out = np.empty(_CHUNK)
        parts.append(out[: H.simulate(mu, float(alpha), beta, end, rng, memory, out)])
    return np.concatenate(parts)


def _likelihood(at: F8, end: float, theta: F8) -> tuple[float, float, float, float]:
    memory = np.zeros(H.N_MEMORY)
    mu, alpha, beta = theta.tolist()
    H.fold_likelihood(at, mu, alpha, beta, memory)
    return H.likelihood_of(memory, end, mu, alpha, beta)


def _errors(at: F8, end: float, theta: F8) -> tuple[float, float, float]:
    """From central differences of the gradient."""
    information = np.empty((3, 3))
    for j in range(3):
        step = np.zeros(3)
        step[j] = 1e-5 * theta[j]
        above, below = _likelihood(at, end, theta + step)[1:], _likelihood(at, end, theta - step)[1:]
        information[j] = -(np.array(above) - np.array(below)) / (2 * step[j])
    if not np.isfinite(information).all() or np.linalg.matrix_rank(information) < 3:
        return (math.nan, math.nan, math.nan)
    variance = np.diag(np.linalg.inv((information + information.T) / 2))
    made = np.sqrt(np.where(variance > 0, variance, np.nan)).tolist()
    return (made[0], made[1], made[2])


def _seconds(times: Any, end: Any) -> tuple[F8, float]:
    if isinstance(times, pd.DatetimeIndex):
        ns = times.as_unit("ns").asi8
        at = np.ascontiguousarray((ns - ns[:1])[1:] / 1e9)
        last = None if end is None else (pd.Timestamp(end) - times[0]).total_seconds()
    else:
        at, last = np.ascontiguousarray(times, np.float64), end
    if len(at) < 10:
        raise DataError(f"{len(at)} events are too few to fit; give 10 or more")
    if not np.isfinite(at).all() or at[0] < 0 or (np.diff(at) <= 0).any():
        raise InputError("times do not rise; sort them, and drop those that are the same: they are one event")
    made = float(at[-1] if last is None else last)
    if not made >= at[-1]:
        raise InputError(f"the observation ends at {made} s, before its last event at {at[-1]} s")
    return at, made
