"""A DataFrame of events as a feed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qflib.desk.feed import Feed, RecordedFeed
from qflib.errors import InputError
from qflib.records import Instruments
from qflib.venues.files import recording_of, rows_of


class FrameFeed(RecordedFeed):
    """Events in a DataFrame, as `Feed.to_frame` gives them.

    Parameters
    ----------
    frame
        Index or column ``receipt`` (time with a zone), columns symbol and kind; where told side, price, qty, order_id,
        last, snapshot, gap, venue_time. Rows are taken by receipt time, equal ones in the order of the frame.
    instruments
        The table of their symbols, ticks and lots.

    Raises
    ------
    InputError
        If `frame` is no DataFrame, has no rows or holds ticks (``to_frame(raw=True)``), or `instruments` is no table.
    DataError
        If a column is missing or a row is wrong.

    Notes
    -----
    O(n log n), and O(n) where the rows are sorted. All instruments are then of one source.

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.desk.frame_feed import FrameFeed
    >>> sim = qf.datasets.load("sim", seed=7, duration="1s")
    >>> FrameFeed(sim.to_frame(500), sim.instruments)
    FrameFeed(500 rows, 116 instruments)
    """

    def __init__(self, frame: pd.DataFrame, instruments: Instruments) -> None:
        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"frame is {type(frame).__name__}; give a DataFrame as Feed.to_frame makes")
        if not isinstance(instruments, Instruments):
            raise InputError(
                f"instruments of a DataFrame is {type(instruments).__name__}; give the table its symbols are in, "
                "as feed.instruments"
            )
        if not len(frame):
            raise InputError("the DataFrame has no rows; give one event at least")
        if frame.attrs.get("raw"):
            raise InputError("the DataFrame holds ticks and lots; give prices and quantities, as to_frame(raw=False)")
        in_index = frame.index.name == "receipt" or isinstance(frame.index, pd.DatetimeIndex)
        if "receipt" not in frame and in_index:
            frame = frame.rename_axis("receipt").reset_index()
        rows = rows_of(frame, instruments, "the DataFrame")
        super().__init__(recording_of(rows, instruments))
        self._rows = len(rows)

    def __repr__(self) -> str:
        return f"FrameFeed({self._rows} rows, {len(self.instruments)} instruments)"


def as_feed(thing: Any, instruments: Instruments | None = None) -> Feed:
    """What a desk reads from: a feed itself, or what can be one.

    Parameters
    ----------
    thing
        A `Feed`, a DataFrame of events, or a `qflib.market.SimulatedMarket`.
    instruments
        The table of a DataFrame; of the others it is their own.

    Raises
    ------
    InputError
        If it is none of these, or a DataFrame without a table.
    DataError
        If a row of a DataFrame is wrong.

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.desk.frame_feed import as_feed
    >>> as_feed("recording.csv")
    Traceback (most recent call last):
    qflib.errors.InputError: feed is str; give a Feed, as qf.read(...) or qf.datasets.load(...) makes, a DataFrame ...
    """
    from qflib.desk.sim_feed import SimFeed
    from qflib.market.simulator import SimulatedMarket

    if isinstance(thing, Feed):
        return thing
    if isinstance(thing, SimulatedMarket):
        return SimFeed(thing)
    if not isinstance(thing, pd.DataFrame):
        raise InputError(
            f"feed is {type(thing).__name__}; give a Feed, as qf.read(...) or qf.datasets.load(...) makes, a DataFrame "
            "of events or a SimulatedMarket"
        )
    if instruments is None:
        raise InputError("the feed is a DataFrame, and its symbols need a table; give qf.read(frame, instruments=...)")
    return FrameFeed(thing, instruments)
