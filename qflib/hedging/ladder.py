"""P&L on a grid of spot and volatility moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.revaluation import Moves

if TYPE_CHECKING:
    from qflib.hedging.portfolio import Portfolio
    from qflib.pricing import Market

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ladder:
    """P&L by relative move of the forwards and shift of all vols.

    Parameters
    ----------
    spot, vol
        (n_spot,), (n_vol,): moves.
    pnl
        (n_spot, n_vol): gains positive, in `currency`.
    """

    spot: F8
    vol: F8
    pnl: F8
    currency: str

    def to_frame(self) -> pd.DataFrame:
        """Indexed by `spot`, a column a `vol`."""
        return pd.DataFrame(self.pnl, pd.Index(self.spot, name="spot"), pd.Index(self.vol, name="vol"))

    def plot(self) -> Any:
        """P&L over spot, a line a vol shift; markers are the moves revalued, lines only join them."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)
        from bokeh.models import NumeralTickFormatter

        order, parts = np.argsort(self.spot, kind="stable"), []
        colors = hv.Cycle("Category10").values
        for j, vol in enumerate(self.vol.tolist()):
            at, label = (100 * self.spot[order], self.pnl[order, j]), f"{100 * vol:+g} vol points"
            color = colors[j % len(colors)]
            parts.append(hv.Curve(at, "spot", "pnl", label=label).opts(color=color, line_width=2))
            parts.append(hv.Scatter(at, "spot", "pnl", label=label).opts(color=color, size=6))
        return hv.Overlay([hv.HLine(0).opts(color="grey", line_width=1), *parts]).opts(
            title="P&L by move of spot and shift of vol", xlabel="spot move, %", ylabel=f"P&L, {self.currency}",
            yformatter=NumeralTickFormatter(format="0,0.[00]"), legend_position="right", show_grid=True,
            width=900, height=380,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format=lambda x: f"{x:,.2f}"))


def ladder(pf: Portfolio, market: Market, spot: Sequence[float], vol: Sequence[float] = (0.0,)) -> Ladder:
    """Full revaluation on a grid: every underlying moves by the same `spot` and `vol`, no time passing.

    Raises
    ------
    InputError
        If a grid is empty, a move is not finite, or a spot move is −1 or less.

    Notes
    -----
    O(options · n_spot · n_vol).
    """
    spots, vols = np.array(spot, np.float64, ndmin=1), np.array(vol, np.float64, ndmin=1)
    for name, grid in (("spot", spots), ("vol", vols)):
        if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
            raise InputError(f"{name} is {grid.tolist()}; give one finite move at least")
    if (spots <= -1.0).any():
        raise InputError(f"spot holds {spots.min()}; give relative moves above -1")
    out = np.zeros(spots.size * vols.size)
    moves = Moves.of(np.repeat(spots, vols.size), np.tile(vols, spots.size), 0.0)
    for v in pf.value(market):
        v.add_pnl(moves, out)
    return Ladder(spots, vols, out.reshape(spots.size, vols.size), pf.currency)
