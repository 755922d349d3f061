"""Hedging one short call under costs: expected shortfall and cost, in one cell and over many options and worlds."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from qflib.cli.bench import Row
from qflib.hedging import cost_grid, rules, simulate_hedges

_PATHS = 400_000
_COSTS = {"20bp": 0.002, "50bp": 0.005}


def rows(peers: bool) -> Iterator[Row]:
    """Figures, not times: of `rules.TUNED` at S = K = 100, half a year, 25 %; of `rules.STEADY` over `cost_grid`.

    Peers are other rules on the same paths. Losing cells go to stderr.
    """
    others = [rules.Delta(), rules.Leland(), rules.WhalleyWilmott(1.0), rules.Zakamouline(1.0)]
    for name, cost in _COSTS.items():
        made = simulate_hedges([rules.TUNED, *others] if peers else [rules.TUNED], cost=cost, paths=_PATHS).to_frame()
        for figure, column in (("es", "es"), ("cost", "mean_cost")):
            beside = {str(n): float(v) for n, v in made[column].items() if n != rules.TUNED.name}
            value = float(made[column].iloc[0])
            yield Row(f"tuned_{name}_{figure}", value, value, f"price, +-{made[column + '_se'].iloc[0]:.4f}", beside)
    for name, cost in _COSTS.items():
        grid = cost_grid(cost, paths=_PATHS, progress=True)
        print(f"losing cells at {name}:\n{grid.losing.round(3).to_string()}", file=sys.stderr)
        summed = {str(k): float(v) for k, v in grid.to_frame().iloc[-1].items()}
        share = summed["better"] / summed["cells"]
        yield Row(f"grid_{name}_better", share, share, f"of {int(summed['cells'])} cells")
        for figure in ("es_median", "cost_median", "es_worst", "cost_worst"):
            yield Row(f"grid_{name}_{figure}", summed[figure], summed[figure], "of the daily delta")
