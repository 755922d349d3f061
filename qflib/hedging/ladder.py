"""P&L on a grid of spot and volatility moves, and of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging.currencies import priced
from qflib.hedging.scenario_table import add_scenario_pnl
from qflib.kernels.position_values import YEAR_NS
from qflib.records.schema import frozen

if TYPE_CHECKING:
    from qflib.hedging.portfolio import Portfolio
    from qflib.pricing import Market

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ladder:
    """P&L by relative move of the forwards and shift of all vols, and by time that passes.

    Parameters
    ----------
    spot, vol
        (n_spot,), (n_vol,): moves.
    pnl
        (n_spot, n_vol), with times (n_time, n_spot, n_vol): gains positive, in `currency`.
    time
        (n_time,) that passes; None: none does.
    """

    spot: F8
    vol: F8
    pnl: F8
    currency: str
    time: tuple[pd.Timedelta, ...] | None = None

    def to_frame(self) -> pd.DataFrame:
        """Indexed by `spot`, with times by (`time`, `spot`); a column a `vol`."""
        rows: pd.Index[Any] = pd.Index(self.spot, name="spot")
        if self.time is not None:
            rows = pd.MultiIndex.from_product([self.time, self.spot], names=["time", "spot"])
        return pd.DataFrame(self.pnl.reshape(-1, len(self.vol)), rows, pd.Index(self.vol, name="vol"))

    def plot(self) -> Any:
        """P&L over spot, a line a vol shift, a panel a time; markers are the moves revalued, lines only join them."""
        import holoviews as hv
        import hvplot.pandas  # noqa: F401  (loads HoloViews' Bokeh backend)

        if self.time is None:
            return self._panel(self.pnl, "")
        panels = [self._panel(p, f", {t} on") for p, t in zip(self.pnl, self.time, strict=True)]
        return hv.Layout(panels).cols(1)

    def _panel(self, pnl: F8, when: str) -> Any:
        import holoviews as hv
        from bokeh.models import NumeralTickFormatter

        order, parts = np.argsort(self.spot, kind="stable"), []
        colors = hv.Cycle("Category10").values
        for j, vol in enumerate(self.vol.tolist()):
            at, label = (100 * self.spot[order], pnl[order, j]), f"{100 * vol:+g} vol points"
            color = colors[j % len(colors)]
            parts.append(hv.Curve(at, "spot", "pnl", label=label).opts(color=color, line_width=2))
            parts.append(hv.Scatter(at, "spot", "pnl", label=label).opts(color=color, size=6))
        return hv.Overlay([hv.HLine(0).opts(color="grey", line_width=1), *parts]).opts(
            title=f"P&L by move of spot and shift of vol{when}", xlabel="spot move, %", ylabel=f"P&L, {self.currency}",
            yformatter=NumeralTickFormatter(format="0,0.[00]"), legend_position="right", show_grid=True,
            width=900, height=380,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format=lambda x: f"{x:,.2f}"))


@dataclass(frozen=True, eq=False)
class _SameMoves:
    """Every underlying moves alike; a coin with its underlying, other currencies stay."""

    held: tuple[str, ...]
    still: tuple[str, ...]
    spot: F8
    vol: F8

    @property
    def underlyings(self) -> tuple[str, ...]:
        """Those of positions and coins, and pairs."""
        return (*self.held, *self.still)

    def shocks(self, underlying: str) -> tuple[F8, F8]:
        """Returns and vol shifts."""
        return (frozen(np.zeros(self.spot.size)) if underlying in self.still else self.spot), self.vol


def ladder(
    pf: Portfolio,
    market: Market,
    spot: Sequence[float],
    vol: Sequence[float] = (0.0,),
    time: Sequence[str | pd.Timedelta] | None = None,
) -> Ladder:
    """Full revaluation on a grid: every underlying moves by the same `spot` and `vol`.

    Parameters
    ----------
    pf, market
        What is revalued, from which market.
    spot
        Relative moves of the forwards, above -1. Coins move with their underlyings; other currencies stay.
    vol
        Shifts of all vols.
    time
        That pass, as "0D" or "7D": a matrix of spot by vol for each. None: one matrix, no time passing.

    Raises
    ------
    InputError
        If a grid is empty, a move is not finite, a spot move is −1 or less, or a time is negative or not one.

    Notes
    -----
    O(options · n_spot · n_vol · n_time).
    """
    spots, vols = np.array(spot, np.float64, ndmin=1), np.array(vol, np.float64, ndmin=1)
    for name, grid in (("spot", spots), ("vol", vols)):
        if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
            raise InputError(f"{name} is {grid.tolist()}; give one finite move at least")
    if (spots <= -1.0).any():
        raise InputError(f"spot holds {spots.min()}; give relative moves above -1")
    times = _times(time)
    valued = pf.value(market)
    held = {v.underlying for v in valued}
    names = (*held, *(u for u, _ in market.coins.values() if u not in held))
    known = {*market.fx, pf.currency} - {*market.coins, market.base}
    still = tuple(p for p in (f"{c}/{market.base}" for c in known) if p not in names)
    moves = _SameMoves(names, still, frozen(np.repeat(spots, vols.size)), frozen(np.tile(vols, spots.size)))
    out = np.zeros((len(times), spots.size * vols.size))
    for i, passed in enumerate(times):
        years = passed.as_unit("ns").value / YEAR_NS
        parts = list(priced(valued, market, moves, pf.currency, years))
        add_scenario_pnl(tuple(v for v, _ in parts), tuple(m for _, m in parts), out[i])
    made = out.reshape(len(times), spots.size, vols.size)
    return Ladder(spots, vols, made[0], pf.currency) if time is None else Ladder(spots, vols, made, pf.currency, times)


def _times(time: Sequence[str | pd.Timedelta] | None) -> tuple[pd.Timedelta, ...]:
    if time is None:
        return (pd.Timedelta(0),)
    try:
        times = () if isinstance(time, str) else tuple(pd.Timedelta(t) for t in time)
    except (ValueError, TypeError):
        times = ()
    if not times or not all(t >= pd.Timedelta(0) for t in times):
        raise InputError(f"time is {time!r}; give a list of times that pass, as ['0D', '7D']")
    return times
