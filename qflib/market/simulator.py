"""The simulated market: a feed of several underlyings, seeded, streamed a slice at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.market.history import daily_history
from qflib.market.instruments import START, simulated_instruments
from qflib.market.signals import external_signals
from qflib.market.simulated_run import PERIOD_NS, SimulatedRun
from qflib.market.source import Left, Source
from qflib.records import Batch, Instruments

LONGEST = pd.Timedelta("5D")  # before the first options expire
FASTEST = 5_000_000.0


class SimulatedMarket:
    """Seeded, realistic market data: futures with L3 order flow and options quoted off a moving surface.

    Parameters
    ----------
    seed
        0 to 2**63 - 1. Equal seeds give equal bytes.
    duration
        Market time, a `pandas.Timedelta` or what makes one: above 0, at most 5 days.
    rate
        Mean rows a market second over all underlyings; about 70 % are the futures' order flow. Prices move by the
        clock, not by the row, so a higher rate is a busier market at the same volatility.
    underlyings
        The first so many of ACME, BETA, GAMA and DELT.

    Raises
    ------
    InputError
        If an argument is out of its range.

    Examples
    --------
    >>> feed = SimulatedMarket(seed=7, duration="2s")
    >>> feed.instruments.underlyings
    ('ACME', 'BETA', 'GAMA', 'DELT')
    >>> first = next(feed.raw())
    >>> first.kind, first.header.source
    ('raw', 'sim:ACME')
    """

    def __init__(
        self, seed: int = 7, duration: str | pd.Timedelta = "10min", rate: float = 20_000, underlyings: int = 4
    ) -> None:
        self.seed = _seed(seed)
        self.duration = _duration(duration)
        self.rate = _rate(rate)
        self._table = simulated_instruments(underlyings)
        self._count = underlyings

    def __repr__(self) -> str:
        return (
            f"SimulatedMarket(seed={self.seed}, duration={str(self.duration)!r}, rate={self.rate:g}, "
            f"underlyings={self._count})"
        )

    @property
    def instruments(self) -> Instruments:
        """The instrument table."""
        return self._table

    @property
    def start(self) -> pd.Timestamp:
        """First instant of the market."""
        return START

    @property
    def end(self) -> pd.Timestamp:
        """Every receipt time lies before it."""
        return START + self.duration

    @cached_property
    def history(self) -> pd.DataFrame:
        """1,500 business days before the start.

        Index tz-aware UTC; columns (underlying, "spot" | "atm_vol"), price and annual volatility.
        """
        return daily_history(self.seed).loc[:, list(self._table.underlyings)]

    @cached_property
    def positions(self) -> pd.DataFrame:
        """The opening book: instrument, qty (signed lots), avg_price (quote currency); short options."""
        with resources.as_file(resources.files("qflib.market") / "positions.csv") as path:
            book = pd.read_csv(path)
        return book[[s in self._table for s in book["instrument"]]].reset_index(drop=True)

    def raw(self, period_ns: int = PERIOD_NS) -> Iterator[Batch]:
        """Raw batches in time order: a period and source, the rows received, then that source's clock.

        Parameters
        ----------
        period_ns
            Periods end at multiples of it in receipt time; the events do not depend on it.

        Yields
        ------
        Batch
            Kind "raw" (one frame; none where nothing came) and "clock"; at the end a closing clock a source.

        Raises
        ------
        InputError
            If `period_ns` is not a positive whole number.
        """
        for batches in self.run(period_ns).periods():
            yield from batches

    def run(self, period_ns: int = PERIOD_NS, left: Mapping[str, NDArray[Any]] | None = None) -> SimulatedRun:
        """The batches of `raw` a period at a time, from the start or from where a run was `left`.

        Raises
        ------
        InputError
            If `period_ns` is not a positive whole number.
        """
        return SimulatedRun(self, period_ns, left)

    def events(self, period_ns: int = PERIOD_NS) -> Iterator[Any]:
        """`MARKET_EVENTS` columns of all instruments, a period and source at a time, in the order of `raw`."""
        for slices in self.run(period_ns).slices():
            for events in slices:
                if len(events.kind):
                    yield events

    def signals(self, every: str | pd.Timedelta = "5s", strategy: str = "momentum") -> Any:
        """`SIGNALS` columns of a seeded external strategy on the futures, in order of receipt.

        Raises
        ------
        InputError
            If `every` is not a positive time.
        """
        return external_signals(self._table, self.seed, START.as_unit("ns").value, self.duration, every, strategy)

    def sources(self, left: Sequence[Left] = ()) -> list[Source]:
        """A stream of rows an underlying, from the start or from where they were left."""
        start_ns, end_ns = self.start.as_unit("ns").value, self.end.as_unit("ns").value
        a_source = self.rate / self._count
        return [
            Source(i, self._table, self.seed, a_source, start_ns, end_ns, left[i] if left else None)
            for i in range(self._count)
        ]


def _seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed!r} is not a whole number from 0 to 2**63 - 1; give one, as 7")
    return int(seed)


def _duration(duration: Any) -> pd.Timedelta:
    try:
        made = pd.Timedelta(duration)
    except (ValueError, TypeError):
        raise InputError(f"duration {duration!r} is not a time span; give one, as '10min'") from None
    if not pd.Timedelta(0) < made <= LONGEST:  # also for NaT
        raise InputError(f"duration {duration!r} must be above 0 and at most 5 days; give a span, as '10min'")
    return made.as_unit("ns")


def _rate(rate: object) -> float:
    made = float(rate) if isinstance(rate, int | float | np.integer | np.floating) else float("nan")
    if isinstance(rate, bool) or not 1.0 <= made <= FASTEST:
        raise InputError(f"rate {rate!r} must be 1 to {FASTEST:,.0f} rows a market second; give one, as 20_000")
    return made
