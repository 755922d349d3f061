"""Monte Carlo scenarios: draws of the joint law of all factors' moves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.shortfall.draws import student_t_draws
from qflib.shortfall.horizon import horizon_ns
from qflib.shortfall.inputs import whole
from qflib.shortfall.margins import Margins, quantiles
from qflib.shortfall.moves import FactorName, Factors, MoveKind
from qflib.shortfall.scenario_set import ScenarioSet
from qflib.shortfall.volatility_filter import VolatilityLaw, fit_volatility

F8 = NDArray[np.float64]
Law: TypeAlias = Literal["t_copula", "gaussian_copula", "student_t", "gaussian", "bootstrap"]


def simulated(
    history: pd.DataFrame,
    horizon: str | pd.Timedelta = "1D",
    n: int = 10_000,
    seed: int = 7,
    *,
    law: Law = "t_copula",
    margins: Margins = "gpd",
    volatility: VolatilityLaw | None = None,
    decay: float = 0.94,
    moves: Mapping[FactorName, MoveKind] | None = None,
    fx: Sequence[str] = (),
) -> ScenarioSet:
    """Draws of the joint law of spots and vols that a history shows, centred on no move.

    Parameters
    ----------
    history, horizon, fx
        As in `historical`.
    n
        How many.
    seed
        Of NumPy's PCG64.
    law
        "t_copula", "gaussian_copula": each factor's own law, joined by a copula (`fit_t_copula`). "student_t": one
        multivariate t with the moves' covariance and tails (`default`); "gaussian": one normal law. "bootstrap": whole
        rows of what happened, drawn again.
    margins
        Each factor's own law under a copula, no matter elsewhere: "gpd", with generalised Pareto tails; "empirical",
        within what happened.
    volatility
        None: moves are drawn as they were, over the whole horizon. "ewma", "garch", "gjr": moves of one row are divided
        by their volatility (`fit_volatility`), the law is that of these innovations, and each scenario is a path of as
        many rows as the horizon spans, from the volatility of now, which goes on changing with what is drawn: with
        law="bootstrap" filtered historical simulation.
    decay
        Of "ewma".
    moves
        As in `historical`, but both "relative" and "log" factors are drawn as log moves, and so stay above 0.

    Returns
    -------
    ScenarioSet
        None of them historical.

    Raises
    ------
    InputError
        If an argument is unknown or out of range, the history too short for what is asked, two factors move as one
        under a copula, or as in `historical`.

    Notes
    -----
    Sums are in a fixed order, and shocks are rounded to 1e-10, so that a seed gives the same set whatever threads NumPy
    has. Parameters found by optimisation (ν, Pareto tails, GARCH) may differ in the last digits between versions of
    SciPy and arch, and then so does the `set_id`. O(n d² + n d steps).
    McNeil, Frey and Embrechts (2015), Quantitative Risk Management, chapters 7 and 9.2; Barone-Adesi, Giannopoulos and
    Vosper (1999), VaR without correlations for portfolios of derivative securities; Demarta and McNeil (2005).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.shortfall import scenarios
    >>> rng = np.random.default_rng(1)
    >>> days = pd.date_range("2020-01-01", periods=500, tz="UTC")
    >>> r = rng.standard_t(4, 500) * 0.01
    >>> spot, vol = 100 * np.exp(np.cumsum(r)), 0.2 * np.exp(-2 * r + rng.normal(0, 0.01, 500))
    >>> history = pd.DataFrame({("ACME", "spot"): spot, ("ACME", "atm_vol"): vol}, days)
    >>> s = scenarios.simulated(history, "5D", n=1000, law="bootstrap", volatility="ewma")
    >>> s.n, s.n_historical, bool(np.corrcoef(s.spot_return[:, 0], s.vol_shift[:, 0])[0, 1] < 0)
    (1000, 0, True)
    """
    n, seed = whole(n, "n"), whole(seed, "seed", least=0)
    if margins not in get_args(Margins):
        raise InputError(f"margins is {margins!r}; expected one of {', '.join(get_args(Margins))}")
    if not 0.0 < decay < 1.0:
        raise InputError(f"decay is {decay}; expected a number above 0 and below 1, such as 0.94")
    if law not in get_args(Law):
        raise InputError(f"law is {law!r}; expected one of {', '.join(get_args(Law))}")
    factors, length = Factors.of(history, fx, moves), horizon_ns(horizon)
    factors = replace(factors, kinds=tuple("relative" if k == "log" else k for k in factors.kinds))
    as_log = np.array([k == "relative" for k in factors.kinds], bool)
    rows, scale = factors.span(length)
    x = factors.moves(length) if volatility is None else factors.moves_over(1)
    x[:, as_log] = np.log1p(x[:, as_log])
    if volatility is None:
        drawn = _draws(x, n, seed, law, margins, factors.names)
    else:
        fit = fit_volatility(x, volatility, decay, factors.names)
        z = _draws(fit.innovations(x), n * rows, seed, law, margins, factors.names)
        drawn = fit.paths(z.reshape(n, rows, z.shape[1])) * scale
    drawn[:, as_log] = np.maximum(np.expm1(drawn[:, as_log]), -0.999)
    spot, vol = factors.shocks(drawn)
    # Rounded, because exp and log differ in the last bit between machines and the set's id must not.
    return ScenarioSet(factors.underlyings, np.round(spot, 10), np.round(vol, 10), length)


def _draws(x: F8, n: int, seed: int, law: Law, margins: Margins, names: Sequence[str]) -> F8:
    """(n, d) draws of the law of x, centred; a factor that never moves stays."""
    if law in ("student_t", "gaussian"):
        return student_t_draws(x, n, seed, math.inf if law == "gaussian" else None)
    rng = np.random.Generator(np.random.PCG64(seed))
    x = x - x.mean(axis=0)
    if law == "bootstrap":
        return x[rng.integers(0, len(x), n)]
    frame = pd.DataFrame(x, columns=list(names))
    return _joined(frame, n, rng, math.inf if law == "gaussian_copula" else None, margins)


def _joined(frame: pd.DataFrame, n: int, rng: np.random.Generator, df: float | None, margins: Margins) -> F8:
    """(n, d) draws of each factor's own law, joined by a t copula."""
    from qflib.shortfall.copula import TCopula, fit_t_copula  # SciPy's statistics take half a second

    x = frame.to_numpy()
    moving = np.flatnonzero(np.ptp(x, axis=0) > 0.0)
    out = np.zeros((n, x.shape[1]))
    if len(moving) == 0:
        return out
    alone = TCopula(np.eye(1), math.inf, math.nan, ("x0",))
    u = (alone if len(moving) == 1 else fit_t_copula(frame.iloc[:, moving], df)).draw(n, rng)
    for i, j in enumerate(moving.tolist()):
        out[:, j] = quantiles(x[:, j], u[:, i], margins)
    return out
