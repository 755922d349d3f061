"""Option chains that settle in coin, some hours apart, with the marks of the futures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.pricing import fit_surface, greeks, implied_vol
from qflib.pricing.surface import YEAR

_OF_MOVE = ("price", "years", "vol", "forward", "perpetual")


@dataclass(frozen=True, eq=False)
class CoinChains:
    """Snapshots of inverse option chains.

    Parameters
    ----------
    options
        A row a contract and snapshot, in order of time: time, symbol, underlying, right, strike, expiry, forward; bid,
        ask and mark in coin, NaN where there is none.
    futures
        Marks in quote currency: index time, a column a term future or perpetual, NaN where it was not traded. Its rows
        may begin before the chains.

    Raises
    ------
    DataError
        If a column is missing, or a snapshot has no row of futures.

    Examples
    --------
    >>> import qflib as qf
    >>> chains = qf.datasets.load("coin-sim", seed=7).chains
    >>> chains.options[["right", "years", "vol"]].shape[1], len(chains.times)
    (3, 80)
    """

    options: pd.DataFrame = field(repr=False)
    futures: pd.DataFrame = field(repr=False)

    def __post_init__(self) -> None:
        needed = ("time", "symbol", "underlying", "right", "strike", "expiry", "forward", "bid", "ask", "mark")
        for column in needed:
            if column not in self.options:
                raise DataError(f"chains have no column {column!r}; expected {', '.join(needed)}")
        times = {c: pd.DatetimeIndex(self.options[c]).as_unit("ns") for c in ("time", "expiry")}
        object.__setattr__(self, "options", self.options.assign(**times))
        stamps = pd.DatetimeIndex(self.futures.index).as_unit("ns").rename("time")
        object.__setattr__(self, "futures", self.futures.set_axis(stamps))
        if len(missing := pd.Index(self.options["time"].unique()).difference(self.futures.index)):
            raise DataError(f"the futures have no row at {missing[0]}; every snapshot needs one")
        if not {"years", "vol"} <= set(self.options):
            object.__setattr__(self, "options", _with_vols(self.options))

    @property
    def times(self) -> pd.DatetimeIndex:
        """When the snapshots were taken."""
        return pd.DatetimeIndex(self.options["time"].unique())

    @property
    def underlyings(self) -> tuple[str, ...]:
        """The coins, in the order of the alphabet."""
        return tuple(sorted(self.options["underlying"].unique()))

    def between(self, start: str | pd.Timestamp, end: str | pd.Timestamp) -> CoinChains:
        """The snapshots from one instant to another, both with a time zone; the futures stay whole.

        Raises
        ------
        DataError
            If there is none.
        """
        first, last = pd.Timestamp(start), pd.Timestamp(end)
        if first.tzinfo is None or last.tzinfo is None:
            raise InputError(f"{start} and {end} need a time zone each; write 2026-02-01T00:00Z")
        found = self.options[self.options["time"].between(first, last)]
        if found.empty:
            raise DataError(
                f"no snapshot between {start} and {end}; there are from {self.times[0]} to {self.times[-1]}"
            )
        return replace(self, options=found.reset_index(drop=True))

    def chain(self, underlying: str, at: pd.Timestamp) -> pd.DataFrame:
        """One snapshot of one coin as a chain frame, as `fit_surface` takes it; index symbol.

        Raises
        ------
        DataError
            If there is none.
        """
        rows = self.options[(self.options["underlying"] == underlying) & (self.options["time"] == at)]
        if rows.empty:
            raise DataError(f"no snapshot of {underlying} at {at}; the coins are {', '.join(self.underlyings)}")
        made = rows.drop(columns=["time", "mark"]).set_index("symbol")
        return made.rename(columns={"vol": "iv"}).assign(mid=rows["mark"].to_numpy(), rate=0.0, inverse=True)

    @cached_property
    def moves(self) -> pd.DataFrame:
        """Each contract from each snapshot to its next one.

        Columns time, symbol, underlying, right, strike, expiry; price (the mark, coin), years, vol, forward, perpetual
        and future (the mark of the term future that expires with the option, or next after it), each also at the
        period's end with `_next`; time_next; delta (Black's). Rows whose vol is not known at both ends are left out.
        """
        o = self.options
        columns = ["time", "symbol", "underlying", "right", "strike", "expiry", "years", "vol", "forward"]
        made = o[columns].assign(price=o["mark"], perpetual=self._perpetuals())
        made = made.sort_values(["symbol", "time"], kind="stable")
        later = made.groupby("symbol", sort=False)[["time", *_OF_MOVE]].shift(-1)
        made = made.join(later.add_suffix("_next")).dropna(subset=["vol", "vol_next"])
        made = self._with_futures(made).sort_values(["time", "symbol"], kind="stable").reset_index(drop=True)
        a = [made[c].to_numpy() for c in ("right", "strike", "years", "vol")]
        return made.assign(delta=greeks(*a, forward=made["forward"].to_numpy(), rate=0.0)["delta"])

    def surface_vols(self) -> pd.Series[float]:
        """Vols of an SSVI surface fitted to each snapshot of each coin, a value a row of `options`; O(snapshots) fits.

        NaN where a snapshot has too few quotes.
        """
        parts = []
        for (_, underlying), rows in self.options.groupby(["time", "underlying"], sort=False):
            try:
                surface = fit_surface(self.chain(str(underlying), rows["time"].iloc[0]))
            except DataError:
                parts.append(pd.Series(np.nan, rows.index))
                continue
            k = np.log(rows["strike"] / rows["forward"])
            parts.append(np.sqrt(surface.total_variance(k, rows["years"]) / rows["years"]))
        return pd.concat([pd.Series(p, copy=False) for p in parts]).reindex(self.options.index).rename("surface_vol")

    def _perpetuals(self) -> Any:
        names = self.options["underlying"] + "-PERPETUAL"
        return _looked_up(self.futures, self.options["time"], names)

    def _with_futures(self, moves: pd.DataFrame) -> pd.DataFrame:
        """The term future of each option at the period's start, and its mark at both ends."""
        expiries = future_expiries(self.futures.columns)
        names = pd.Series("", moves.index)
        for (_, underlying), rows in moves.groupby(["time", "underlying"], sort=False):
            there = self.futures.loc[rows["time"].iloc[0]].dropna().index
            term = sorted((expiries[s], s) for s in there if s in expiries and s.startswith(f"{underlying}-"))
            if term:
                at = pd.DatetimeIndex([e for e, _ in term]).searchsorted(pd.DatetimeIndex(rows["expiry"]), side="left")
                names[rows.index] = np.array([*(s for _, s in term), ""])[at]
        return moves.assign(
            future_symbol=names,
            future=_looked_up(self.futures, moves["time"], names),
            future_next=_looked_up(self.futures, moves["time_next"], names),
        )


def future_expiries(symbols: Sequence[str] | pd.Index[Any]) -> dict[str, pd.Timestamp]:
    """Instants at which term futures expire, by names as BTC-27MAR26: 08:00 UTC; perpetuals have none.

    Parameters
    ----------
    symbols
        Names of futures and perpetuals.

    Returns
    -------
    dict

    Examples
    --------
    >>> future_expiries(["BTC-27MAR26", "BTC-PERPETUAL"])
    {'BTC-27MAR26': Timestamp('2026-03-27 08:00:00+0000', tz='UTC')}
    """
    term = [s for s in symbols if not s.endswith("-PERPETUAL")]
    told = pd.to_datetime([s.partition("-")[2] + " 08:00" for s in term], format="%d%b%y %H:%M", utc=True)
    return dict(zip(term, told, strict=True))


def _with_vols(options: pd.DataFrame) -> pd.DataFrame:
    """Years to expiry (ACT/365), and the vol that each mark implies."""
    left = pd.DatetimeIndex(options["expiry"]) - pd.DatetimeIndex(options["time"])
    years = np.asarray(left / YEAR, np.float64)
    forward = options["forward"].to_numpy(np.float64)
    a = options["right"].to_numpy(), options["strike"].to_numpy(np.float64), years
    vol, status = implied_vol(options["mark"].to_numpy() * forward, *a, forward=forward, rate=0.0)
    return options.assign(years=years, vol=vol, iv_status=status)


def _looked_up(futures: pd.DataFrame, time: Any, symbol: Any) -> Any:
    """Marks by time and symbol; NaN where there is none."""
    row = futures.index.get_indexer(pd.DatetimeIndex(time))
    column = futures.columns.get_indexer(pd.Index(symbol))
    found = futures.to_numpy(np.float64)[row, column]
    return np.where((row >= 0) & (column >= 0), found, np.nan)
