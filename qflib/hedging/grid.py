"""A rule beside the daily delta over many options and worlds: where it is better, and where it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.hedging.paths import GBM, HestonModel, JumpModel, Model
from qflib.hedging.rules import STEADY, Delta, Rule
from qflib.hedging.simulation import simulate_hedges

STRIKES, YEARS, VOLS = (90.0, 100.0, 110.0), (0.1, 0.5, 1.0), (0.15, 0.25, 0.6)
#: Vol of the paths over the one that premium and deltas are from.
REALISED = (0.8, 1.0, 1.2)
_RATE = 0.02


@dataclass(frozen=True, eq=False)
class CostGrid:
    """Ratios of a rule's expected shortfall and cost to those of the daily delta, a row a cell.

    Parameters
    ----------
    cells
        Columns world, strike, years, vol, es, cost (of the rule), es_delta, cost_delta, es_ratio, cost_ratio, es_se.
    rule
        Its name.
    cost
        One way.
    """

    cells: pd.DataFrame = field(repr=False)
    rule: str
    cost: float

    @property
    def better(self) -> pd.Series[bool]:
        """Cells where neither expected shortfall nor cost is above the daily delta's."""
        return (self.cells["es_ratio"] <= 1.0) & (self.cells["cost_ratio"] <= 1.0)

    @property
    def losing(self) -> pd.DataFrame:
        """The other cells, the worst first."""
        return self.cells[~self.better].sort_values("es_ratio", ascending=False)

    def to_frame(self) -> pd.DataFrame:
        """A row a kind of world: cells, better, and medians and worst of both ratios; the last row is of all."""
        parts = [(name, part) for name, part in self.cells.groupby("world", sort=False)]
        rows = {name: self._summed(part) for name, part in [*parts, ("all", self.cells)]}
        return pd.DataFrame(rows.values(), index=pd.Index(rows, name="world"))

    def _summed(self, part: pd.DataFrame) -> dict[str, float]:
        return {
            "cells": len(part),
            "better": int(self.better[part.index].sum()),
            "es_median": float(part["es_ratio"].median()),
            "cost_median": float(part["cost_ratio"].median()),
            "es_worst": float(part["es_ratio"].max()),
            "cost_worst": float(part["cost_ratio"].max()),
        }

    def plot(self) -> Any:
        """Both ratios, a dot a cell; below and left of one is better."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        dots = self.cells.hvplot.scatter(
            x="cost_ratio", y="es_ratio", by="world", hover_cols=["strike", "years", "vol"], grid=True, width=760,
            height=420, title=f"{self.rule}, {self.cost * 1e4:g} bp", xlabel="cost over the daily delta's",
            ylabel="ES over the daily delta's", legend="right", logy=True,
        )  # fmt: skip
        return dots * hv.HLine(1.0).opts(color="gray") * hv.VLine(1.0).opts(color="gray")

    def _repr_html_(self) -> str:
        return str(self.to_frame().round(3).to_html())

    def __repr__(self) -> str:
        return f"CostGrid({self.rule}, {self.cost * 1e4:g} bp, better in {int(self.better.sum())} of {len(self.cells)})"


def cost_grid(
    cost: float, rule: Rule = STEADY, *, strikes: Sequence[float] = STRIKES, years: Sequence[float] = YEARS,
    vols: Sequence[float] = VOLS, paths: int = 400_000, seed: int = 1, progress: bool = False,
) -> CostGrid:  # fmt: skip
    """Hedge short calls by a rule and by the daily delta, on common paths: 135, where nothing else is asked for.

    Each strike, time and vol, on paths of geometric Brownian motion at 0.8, 1 and 1.2 times the vol, of Heston's model
    and with Merton's jumps; 252 looks a year, rate and drift 2 %.

    Parameters
    ----------
    cost
        One way, as a share of what is traded.
    rule
        The same in every cell.
    strikes
        On a price of 100.
    years
        To expiry.
    vols
        A year, 0.25 for 25 %.
    paths, seed, progress
        As of `simulate_hedges`, each cell.

    Returns
    -------
    CostGrid

    Raises
    ------
    InputError
        If there is no strike, time or vol, or `simulate_hedges` refuses one.

    Notes
    -----
    O(cells · paths): five minutes for 135 cells of 400,000 on two cores.
    Sources: the rule's; Heston 1993 and Merton 1976 (the worlds).

    Examples
    --------
    >>> from qflib.hedging import cost_grid, rules
    >>> made = cost_grid(0.005, rules.FixedBand(0.02), strikes=[100.0], years=[0.1, 0.5], vols=[0.25], paths=8_192)
    >>> len(made.cells), bool((made.cells["cost_ratio"] < 1).all())
    (10, True)
    """
    from qflib.progress import bar

    rows = []
    cells = [(world, model, k, t, v) for k in strikes for t in years for v in vols for world, model in _worlds(v)]
    if not cells:
        raise InputError(f"strikes, years, vols are {strikes!r}, {years!r}, {vols!r}; expected one of each at least")
    with bar(total=len(cells), desc="cells", disable=not progress) as shown:
        for world, model, strike, time, vol in cells:
            made = simulate_hedges(
                [Delta(), rule], model, strike=strike, years=time, rate=_RATE, vol=vol, cost=cost,
                looks=max(5, round(252 * time)) if math.isfinite(time) else 5, paths=paths, seed=seed,
            ).to_frame()  # fmt: skip
            first, other = made.iloc[0], made.iloc[1]
            rows.append(
                {
                    "world": world, "strike": strike, "years": time, "vol": vol, "es": other["es"],
                    "cost": other["mean_cost"], "es_delta": first["es"], "cost_delta": first["mean_cost"],
                    "es_ratio": other["es"] / first["es"], "cost_ratio": other["mean_cost"] / first["mean_cost"],
                    "es_se": float(np.hypot(other["es_se"], first["es_se"])) / first["es"],
                }
            )  # fmt: skip
            shown.update(1)
    order = {name: i for i, name in enumerate(dict.fromkeys(world for world, *_ in cells))}
    frame = pd.DataFrame(rows).sort_values("world", key=lambda s: s.map(order), kind="stable", ignore_index=True)
    return CostGrid(frame, rule.name, cost)


def _worlds(vol: float) -> Iterator[tuple[str, Model]]:
    """Paths by what they are; jumps and the vol of variance grow with the vol."""
    for realised in REALISED:
        yield f"GBM at {realised:g} of the vol", GBM(vol * realised, _RATE)
    yield "Heston", HestonModel(vol, vol, reversion=2.0, vol_of_variance=3.0 * vol * vol, drift=_RATE)
    yield "jumps", JumpModel(0.8 * vol, intensity=1.0, jump_mean=-0.4 * vol, jump_std=0.4 * vol, drift=_RATE)
