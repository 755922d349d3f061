"""`qf.read`: a recording or a file as a feed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import pandas as pd

from qflib.desk.feed import FileFeed
from qflib.errors import DataError, InputError, UnknownVenueError
from qflib.records import Instruments
from qflib.venues.table import VENUES
from qflib.venues.table import venue as venue_row

if TYPE_CHECKING:
    from qflib.desk.frame_feed import FrameFeed
    from qflib.desk.history_feed import HistoryFeed
    from qflib.history import History

#: Not a venue, but asked for like one: the folder that the archive of a running desk writes.
HISTORY = "history"
_Table: TypeAlias = Instruments | str | Path | None


@overload
def read(path: str | Path | History, venue: Literal["history"], instruments: None = None) -> HistoryFeed: ...  # type: ignore[overload-overlap]
@overload
def read(path: str | Path, venue: str = "file", instruments: _Table = None) -> FileFeed: ...
@overload
def read(path: pd.DataFrame, venue: str = "file", instruments: _Table = None) -> FrameFeed: ...
def read(
    path: str | Path | pd.DataFrame | History, venue: str = "file", instruments: _Table = None
) -> FileFeed | FrameFeed | HistoryFeed:
    """A recording, the history of a running desk, or a DataFrame of events, as a feed.

    Parameters
    ----------
    path
        The file, or a DataFrame as `Feed.to_frame` gives it.
    venue
        A name of the table of venues: "kraken", "binance", "databento", "itch", "lobster", "signals", "file" (our own
        CSV, Parquet, Arrow), ...; or "history": `path` is then the folder that ``qflib up`` archives into,
        or the history itself.
    instruments
        The table, or a file of it: TOML, or the venue's own definitions. By default what the recording tells;
        a DataFrame tells none.

    Returns
    -------
    FileFeed, FrameFeed or HistoryFeed

    Raises
    ------
    InputError
        If a DataFrame comes without `instruments`, or with a venue other than "file"; a history with `instruments`.
    UnknownVenueError
        If there is no such venue, or it has no recordings.
    DataError
        If a file is missing, truncated, unreadable or of another venue.

    Notes
    -----
    The file is read through once: O(bytes).

    Examples
    --------
    >>> from qflib.desk.read import read
    >>> read("es.mbo.dbn.zst", venue="nyse")
    Traceback (most recent call last):
    qflib.errors.UnknownVenueError: venue 'nyse' is unknown; expected one of kraken, binance, ...
    """
    if isinstance(path, pd.DataFrame):
        from qflib.desk.frame_feed import FrameFeed  # Arrow loads slowly, and a recording may need none

        if venue != "file":
            raise InputError(f"a DataFrame is of no venue, and venue is {venue!r}; leave it out")
        table = table_from(instruments, venue)
        if table is None:
            raise InputError("a DataFrame tells no ticks and lots; give instruments=, the table its symbols are in")
        return FrameFeed(path, table)
    if venue == HISTORY:
        from qflib.desk.history_feed import HistoryFeed

        if instruments is not None:
            raise InputError("a history keeps the instrument table it was written with; leave instruments= out")
        return HistoryFeed(path)
    if not isinstance(path, str | Path):
        raise InputError(f'a history is of no venue, and venue is {venue!r}; give venue="history"')
    if venue not in VENUES:
        known = ", ".join([*(name for name, row in VENUES.items() if row.reads), HISTORY])
        raise UnknownVenueError(f"venue {venue!r} is unknown; expected one of {known}")
    row = VENUES[venue]
    file = Path(path)
    if not file.exists():
        raise DataError(f"recording {file} does not exist; give the path of a recording")
    if file.is_dir():
        raise DataError(f"recording {file} is a folder; give a file in it")
    return FileFeed(file, row.name, table_from(instruments, row.name))


def table_from(instruments: Instruments | str | Path | None, venue: str) -> Instruments | None:
    """The table itself, or read from TOML (``.toml``) or the venue's definitions.

    Raises
    ------
    DataError
        If the file is missing, truncated or wrong.
    UnknownVenueError
        If the venue has no definitions to read.
    """
    if instruments is None or isinstance(instruments, Instruments):
        return instruments
    file = Path(instruments)
    if file.suffix == ".toml" or not file.exists():
        return Instruments.from_toml(file)
    return venue_row(venue).instruments(file)
