"""Our own market events in CSV, Parquet and Arrow files: ticks and lots, or float prices with symbols.

Two layouts, told apart by their columns:

- raw: the columns of `MARKET_EVENTS`; instrument numbers refer to the table in the file's metadata, or to one given;
- plain: the columns of `Feed.to_frame`: receipt, symbol, kind, and where told side, price, qty, order_id, last,
  snapshot, venue_time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.records import FRAMES, MARKET_EVENTS, DeadReason, EventKind, Header, Instruments, Side
from qflib.venues.plain_events import discovered, plain_events
from qflib.venues.tables_in_files import pieces, table_in
from qflib.venues.venue import Decoded, Recording, Refusal, State, frame_offsets

SOURCE = "file:0"
_ROW = MARKET_EVENTS.dtype
_NAMES = set(_ROW.names or ())
_CHUNK = 65_536  # rows a piece of frames
_LAST_KIND, _LAST_SIDE = max(EventKind), max(Side)


def write_events(path: str | Path, events: Any, instruments: Instruments, *, raw: bool = True) -> None:
    """Market events to a file of the kind its name ends with.

    Parameters
    ----------
    path
        ``.csv``, ``.parquet`` or ``.arrow``.
    events
        `MARKET_EVENTS` columns.
    instruments
        The table they refer to; Parquet and Arrow files carry it. A CSV file does not: keep it beside, or write
        with ``raw=False``.
    raw
        Ticks and lots (exact), or float prices with symbols.

    Raises
    ------
    InputError
        If the name ends otherwise.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from qflib.records import Instrument, Instruments, MARKET_EVENTS
    >>> from qflib.venues.files import read, write_events
    >>> table = Instruments((Instrument("ACME.F"),))
    >>> path = pathlib.Path(tempfile.mkdtemp(), "events.parquet")
    >>> write_events(path, MARKET_EVENTS.make(kind=[6], side=[1], price_ticks=[100], qty=[5], receipt_ns=[7]), table)
    >>> read(path).instruments["ACME.F"].tick_schedule
    (('0', '0.01'),)
    """
    path = Path(path)
    columns = MARKET_EVENTS.to_struct(events)
    frame = pd.DataFrame({n: columns[n] for n in _ROW.names or ()}) if raw else _plain(events, instruments)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
        return
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({b"qflib.instruments": instruments.to_toml().encode()})
    if path.suffix == ".parquet":
        pq.write_table(table, path, compression="zstd")
    elif path.suffix in (".arrow", ".feather", ".ipc"):
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
            out.write_table(table, max_chunksize=65_536)
    else:
        raise InputError(f"file name {path.name!r} ends with {path.suffix!r}; expected .csv, .parquet or .arrow")


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A file of market events, read through once.

    Parameters
    ----------
    path
        ``.csv`` (``.csv.gz``), ``.parquet`` or ``.arrow``.
    instruments
        The table; by default the one in the file, or for the plain layout one row a symbol whose tick is the greatest
        common divisor of its prices.

    Raises
    ------
    DataError
        If the file is missing, unreadable, has neither layout, or a row is wrong.

    Notes
    -----
    O(rows). Rows whose receipt times fall, as where several connections were kept one after the other, are sorted,
    equal times in the order of the file; the file is then held in memory.
    """
    table = instruments if instruments is not None else table_in(path)
    if table is None:
        table = discovered(path)
    first = last = 0
    for events in _events(path, table):
        times = events["receipt_ns"]
        if len(times):
            if int(times[0]) < last or (times[1:] < times[:-1]).any():
                return recording_of(np.concatenate(list(_events(path, table))), table)
            first, last = first or int(times[0]), int(times[-1])
    if not last:
        raise DataError(f"{path} holds no event; give a file with data")
    return Recording("file", SOURCE, table, lambda: _chunks(_events(path, table)), first, last)


def recording_of(events: NDArray[Any], table: Instruments) -> Recording:
    """Rows of `MARKET_EVENTS.dtype`, one at least, as a recording: sorted by receipt time, equal ones as they stand."""
    times = events["receipt_ns"]
    if (times[1:] < times[:-1]).any():
        events = events[np.argsort(times, kind="stable")]
    pieces_of = range(0, len(events), _CHUNK)
    return Recording(
        "file", SOURCE, table, lambda: _chunks(events[i : i + _CHUNK] for i in pieces_of),
        int(events["receipt_ns"][0]), int(events["receipt_ns"][-1]),
    )  # fmt: skip


def _chunks(pieces_of_rows: Iterable[NDArray[Any]]) -> Iterator[Any]:
    position = 0
    for events in pieces_of_rows:
        n = len(events)
        yield FRAMES.make(
            receipt_ns=events["receipt_ns"],
            position=np.arange(position, position + n, dtype=np.uint64),
            length=np.full(n, _ROW.itemsize, np.uint32),
            payload=events.tobytes(),
        )
        position += n


def _events(path: Path, table: Instruments) -> Iterator[NDArray[Any]]:
    """Rows of `MARKET_EVENTS.dtype`, whichever the layout."""
    first = 0
    for piece in pieces(path):
        yield rows_of(piece, table, str(path), first)
        first += len(piece)


def rows_of(frame: pd.DataFrame, table: Instruments, where: str, first: int = 0) -> NDArray[Any]:
    """Rows of `MARKET_EVENTS.dtype` from a frame of either layout.

    Raises
    ------
    DataError
        If it has neither, or a row is wrong; `where` begins the sentence, rows count from 1 after `first` before.
    """
    if set(frame.columns) >= _NAMES:
        rows = np.empty(len(frame), _ROW)
        for name in _ROW.names or ():
            values = frame[name].to_numpy()
            if values.dtype.kind not in "iu":
                raise DataError(f"{where}: column {name!r} holds {values.dtype}; the raw layout has integers")
            rows[name] = values
        return rows
    if {"receipt", "symbol", "kind"} <= set(frame.columns):
        return plain_events(frame, table, where, first)
    raise DataError(
        f"{where} has columns {', '.join(map(str, frame.columns[:8]))}; expected those of MARKET_EVENTS, "
        "or at least receipt, symbol and kind"
    )


def _plain(events: Any, table: Instruments) -> pd.DataFrame:
    at = events.instrument
    names = np.array([r.symbol for r in table])
    kinds = np.array(["", *(k.name.lower() for k in EventKind)])
    sides = np.array([s.name.lower() if s else "" for s in Side])
    return pd.DataFrame(
        {
            "receipt": pd.to_datetime(events.receipt_ns, utc=True),
            "symbol": names[at],
            "kind": kinds[events.kind],
            "side": sides[events.side],
            "price": table.to_price(at, events.price_ticks),
            "qty": table.to_qty(at, events.qty),
            "order_id": events.order_id,
            "last": (events.flags & 1).astype(bool),
            "snapshot": (events.flags & 2).astype(bool),
            "venue_time": pd.to_datetime(events.venue_ns, utc=True),
        }
    )


class Decoder:
    """Frames that are rows of `MARKET_EVENTS`, little-endian, checked.

    Parameters
    ----------
    instruments
        The table that instrument numbers refer to.
    source
        The connection, "file:0".

    Notes
    -----
    O(rows); it has no state.
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        whole = frames.length == _ROW.itemsize
        payload = frames.payload
        if not whole.all() or len(payload) != len(whole) * _ROW.itemsize:
            at = frame_offsets(frames)
            whole &= at[1:] <= len(payload)
            parts = [payload[at[i] : at[i + 1]] for i in np.flatnonzero(whole).tolist()]
            payload = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
        rows = np.frombuffer(payload, _ROW)
        frame = np.flatnonzero(whole)
        why = np.zeros(len(rows), np.uint8)
        why[(rows["side"] > _LAST_SIDE) | (rows["qty"] < 0)] = DeadReason.BAD_VALUE
        why[rows["instrument"] >= len(self.instruments)] = DeadReason.UNKNOWN_INSTRUMENT
        why[(rows["kind"] == 0) | (rows["kind"] > _LAST_KIND)] = DeadReason.UNKNOWN_KIND
        refused = [Refusal(i, DeadReason.TORN, "not one row of events") for i in np.flatnonzero(~whole).tolist()]
        bad = np.flatnonzero(why).tolist()
        refused += [Refusal(int(frame[i]), DeadReason(int(why[i])), f"{rows[i]}") for i in bad]
        good = rows[why == 0] if bad else rows
        return Decoded(MARKET_EVENTS.from_struct(good), tuple(sorted(refused)))

    def restart(self, receipt_ns: int) -> Decoded:
        """Nothing: a file has no snapshot to wait for."""
        return Decoded()

    @property
    def checks(self) -> dict[str, int]:
        """None: the format has no checksums."""
        return {}

    def state(self) -> State:
        """Nothing."""
        return {}

    def load(self, state: State) -> None:
        """Nothing to go on from."""
