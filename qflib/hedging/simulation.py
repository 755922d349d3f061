"""What hedging an option costs and leaves, by simulation: rules side by side on the same paths."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.paths import GBM, Model
from qflib.hedging.rules import Rule, Terms
from qflib.kernels.hedge_paths import hedge_along
from qflib.pricing.inputs import arguments
from qflib.progress import bar
from qflib.shortfall import expected_shortfall
from qflib.shortfall.inputs import levels_of

Floats = NDArray[np.float64]
_CHUNK = 8_192  # paths that are made and hedged together


@dataclass(frozen=True, eq=False)
class HedgeSimulation:
    """P&L of selling one option and hedging it, by rule.

    Parameters
    ----------
    rules
        Their names.
    pnl, costs
        (rules, paths): P&L at expiry, and the present value of what was paid in costs.
    level
        Confidence of expected shortfall.
    times
        (paths,) of a backtest: when each option was sold.

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta()], paths=20_000, cost=0.002)
    >>> made.to_frame()["mean_cost"].round(1).tolist()
    [0.9]
    """

    rules: tuple[str, ...]
    pnl: Floats = field(repr=False)
    costs: Floats = field(repr=False)
    level: float
    times: pd.Index[Any] | None = field(repr=False, default=None)

    def by_path(self) -> pd.DataFrame:
        """P&L, a row a path (in a backtest a sale, by its time), a column a rule."""
        index = pd.RangeIndex(self.pnl.shape[1], name="path") if self.times is None else self.times
        return pd.DataFrame(self.pnl.T, index=index, columns=list(self.rules))

    def to_frame(self) -> pd.DataFrame:
        """A row a rule: mean_pnl, std, es, mean_cost, and their standard errors.

        Errors are those of independent paths; es and its error are `expected_shortfall`'s.
        """
        rows = [self._row(i) for i in range(len(self.rules))]
        return pd.DataFrame(rows, index=pd.Index(self.rules, name="rule"))

    def _row(self, i: int) -> dict[str, float]:
        pnl, cost = self.pnl[i], self.costs[i]
        n = len(pnl)
        es = expected_shortfall(pnl, level=self.level, kind="pnl")
        return {
            "mean_pnl": float(pnl.mean()),
            "std": float(pnl.std()),
            "es": float(es.es),
            "mean_cost": float(cost.mean()),
            "mean_pnl_se": float(pnl.std() / math.sqrt(n)),
            "es_se": float(es.se),
            "mean_cost_se": float(cost.std() / math.sqrt(n)),
        }

    def plot(self) -> Any:
        """Expected shortfall over mean cost, a dot a rule."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        frame = self.to_frame().reset_index()
        dots = frame.hvplot.scatter(
            x="mean_cost", y="es", by="rule", size=70, xlabel="mean cost", ylabel=f"ES {self.level:.1%}",
            title=f"{self.pnl.shape[1]:,} paths", width=760, height=420, grid=True, legend="right",
        )  # fmt: skip
        bars = frame.hvplot.errorbars(x="mean_cost", y="es", yerr1="es_se")
        return dots * bars

    def _repr_html_(self) -> str:
        return str(self.to_frame().round(4).to_html())

    def __repr__(self) -> str:
        return f"HedgeSimulation({len(self.rules)} rules, {self.pnl.shape[1]:,} paths, ES {self.level:.1%})"


def simulate_hedges(
    rules: Sequence[Rule],
    model: Model | None = None,
    *,
    right: str = "call",
    spot: float = 100.0,
    strike: float = 100.0,
    years: float = 0.5,
    rate: float = 0.02,
    vol: float = 0.25,
    cost: float = 0.002,
    looks: int = 126,
    paths: int = 100_000,
    seed: int = 1,
    level: float = 0.975,
    progress: bool = False,
) -> HedgeSimulation:
    """Sell one option at its Black-Scholes premium and hedge it to expiry on simulated paths.

    Parameters
    ----------
    rules
        Of `qflib.hedging.rules`; all see the same paths.
    model
        Of `qflib.hedging.paths`; by default geometric Brownian motion at `vol` that drifts by `rate`.
    right, spot, strike, years, rate, vol
        The option; `vol` is the one that premium and deltas are from, which paths need not have.
    cost
        One way, as a share of what is traded; the unwind at expiry is charged too.
    looks
        Even in time, the first at the sale.
    paths
        Rounded up to whole chunks of 8,192; the halves of a chunk are antithetic.
    seed
        The same seed gives the same paths, whatever the machine's cores.
    level
        Confidence of expected shortfall.
    progress
        Show a bar.

    Returns
    -------
    HedgeSimulation
        `to_frame()`, `plot()`: the frontier of expected shortfall and cost.

    Raises
    ------
    InputError
        If there is no rule, or a figure is out of its range.

    Notes
    -----
    O(paths * looks * rules), on all cores.
    Sources: Boyle and Emanuel 1980, J. Financial Economics 8 (hedging at times); Leland 1985, J. Finance 40 (costs);
    those of the rules and models.

    Examples
    --------
    >>> from qflib.hedging import rules, simulate_hedges
    >>> made = simulate_hedges([rules.Delta(), rules.WhalleyWilmott(risk_aversion=30.0)], paths=20_000)
    >>> bool(made.to_frame()["mean_cost"].is_monotonic_decreasing)
    True
    """
    if isinstance(rules, Rule) or not rules:
        raise InputError("rules is no list of rules, or an empty one; give such as [qflib.hedging.rules.Delta()]")
    levels_of(level)
    if not (0 <= cost < 1 and int(looks) == looks >= 1 and int(paths) == paths >= 1):
        raise InputError(
            f"cost {cost}, looks {looks}, paths {paths}: a cost is a share from 0 to 1, looks and paths are "
            "whole numbers from 1"
        )
    a = arguments(right, spot=spot, strike=strike, years=years, rate=rate, vol=vol)
    if a.shape:
        raise InputError("one option is hedged at a time; give scalars")
    sign = float(a.values[0][0])
    if years <= 0 or vol <= 0:
        raise InputError(f"years {years} and vol {vol}: an option to hedge has both above 0")
    made = model or GBM(vol, rate)
    left = np.asarray(years - years / looks * np.arange(looks), np.float64)
    tables = [np.ascontiguousarray(r.table(Terms(left, rate, vol, cost))) for r in rules]
    chunks = -(-paths // _CHUNK)
    pnl, costs = np.empty((len(rules), chunks * _CHUNK)), np.empty((len(rules), chunks * _CHUNK))
    seeds = np.random.SeedSequence(seed).spawn(chunks)

    def work(k: int) -> None:
        prices = made.paths(spot, years, looks, _CHUNK, np.random.default_rng(seeds[k]))
        at = slice(k * _CHUNK, (k + 1) * _CHUNK)
        for i, table in enumerate(tables):
            hedge_along(prices, sign, strike, years, rate, vol, table, cost, pnl[i, at], costs[i, at])

    with ThreadPoolExecutor(os.cpu_count()) as pool, bar(total=chunks, desc="hedging", disable=not progress) as shown:
        for _ in pool.map(work, range(chunks)):
            shown.update(1)
    return HedgeSimulation(tuple(r.name for r in rules), pnl, costs, level)
