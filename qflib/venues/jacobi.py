"""JACOBI's event files: 32-byte records of many books, without times or symbols.

Source of the layout: github.com/ngrodzitski/jacobi, README, "Events Data File". A record's number is its time in ns.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.kernels import jacobi as kernel
from qflib.kernels.order_memory import loaded, new_memory, saved, with_room
from qflib.records import FRAMES, MARKET_EVENTS, DeadReason, EventFlag, Header, Instrument, Instruments
from qflib.venues.venue import Decoded, Recording, Refusal, State, frame_offsets

SOURCE = "jacobi:0"
RECORD = np.dtype(
    [("book", "<u4"), ("op", "u1"), ("side", "u1"), ("r0", "<u2"), ("id", "<u8"), ("qty", "<u4"), ("r1", "<u4"),
     ("price", "<u8")]
)  # fmt: skip
_CHUNK_ROWS = 32_768
_MOST_BOOKS = 1 << 20


class Decoder:
    """Records of one file to order events.

    Parameters
    ----------
    instruments
        The table; a book is found by its number as venue symbol.
    source
        The connection, "jacobi:0".

    Notes
    -----
    One kernel call a batch, O(records).
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source
        mine = sorted(
            (int(symbol), row)
            for (venue, symbol), row in instruments.by_venue_symbol.items()
            if venue == "jacobi" and symbol.isascii() and symbol.isdigit()
        )
        self._books = np.array([book for book, _ in mine], np.int64)
        self._rows = np.array([row for _, row in mine], np.int64)
        self._memory = new_memory()

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        at, whole = frame_offsets(frames), frames.length == RECORD.itemsize
        whole &= at[1:] <= len(frames.payload)
        frame = np.flatnonzero(whole)
        if len(frame) == len(whole):
            data = frames.payload[: at[-1]]
        else:
            data = frames.payload[(at[:-1][frame, None] + np.arange(RECORD.itemsize)).reshape(-1)]
        records = np.frombuffer(data.tobytes(), RECORD)
        n = len(records)
        row = self._row(records["book"])
        why, kind, side = np.zeros(n, np.uint8), np.zeros(n, np.uint32), np.zeros(n, np.uint32)
        price, qty = np.zeros(n, np.int64), np.zeros(n, np.int64)
        done = 0
        while done < n:
            self._memory = with_room(self._memory, 1)
            done = kernel.decode(records, row, self._memory, done, why, kind, side, price, qty)
        refused = [Refusal(i, DeadReason.TORN, "not one record of 32 bytes") for i in np.flatnonzero(~whole).tolist()]
        bad = np.flatnonzero(why)
        refused += [Refusal(int(frame[i]), DeadReason(int(why[i])), f"{records[i]}") for i in bad.tolist()]
        good = np.flatnonzero(why == 0)
        return Decoded(
            MARKET_EVENTS.make(
                kind=kind[good],
                flags=np.full(len(good), EventFlag.LAST, np.uint32),
                instrument=row[good].astype(np.uint32),
                side=side[good],
                order_id=records["id"][good],
                price_ticks=price[good],
                qty=qty[good],
                receipt_ns=frames.receipt_ns[frame[good]],
            ),
            tuple(sorted(refused)),
        )

    def restart(self, receipt_ns: int) -> Decoded:
        """Nothing: a file has no snapshot to wait for."""
        return Decoded()

    @property
    def checks(self) -> dict[str, int]:
        """None: the format has no checksums."""
        return {}

    def state(self) -> State:
        """Live orders."""
        orders = saved(self._memory)
        return {name: orders[name].copy() for name in orders.dtype.names or ()}

    def load(self, state: State) -> None:
        """Go on from a state."""
        cells = np.zeros(len(state["id"]), self._memory.cells.dtype)
        for name in cells.dtype.names or ():
            cells[name] = state[name]
        self._memory = loaded(cells)

    def _row(self, book: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Each record's row of the table; -1 where it has none."""
        if not len(self._books):
            return np.full(len(book), -1, np.int64)
        at = np.minimum(np.searchsorted(self._books, book), len(self._books) - 1)
        made: NDArray[np.int64] = np.where(self._books[at] == book, self._rows[at], -1)
        return made


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """An event file, plain or gzipped, read through once to learn its books.

    Parameters
    ----------
    path
        The file.
    instruments
        The table to use. By default one row a book, by its number; a tick is 1.

    Raises
    ------
    DataError
        If the file is missing, truncated, or its first record is none of JACOBI's.
    """
    books: set[int] = set()
    last = 0
    for frames in _chunks(path):
        records = np.frombuffer(frames.payload, RECORD)
        if not last and (records[0]["op"] > 4 or records[0]["side"] > 1):
            raise DataError(f"{path} is not a JACOBI event file: its first record is {records[0]}")
        books.update(np.unique(records["book"]).tolist())
        if len(books) > _MOST_BOOKS:
            raise DataError(f"{path} has more than {_MOST_BOOKS} books; it is hardly a JACOBI event file")
        last = int(frames.receipt_ns[-1])
    if not last:
        raise DataError(f"{path} holds no record; give a file with data")
    table = instruments if instruments is not None else Instruments(
        tuple(
            Instrument(str(b), tick_schedule=(("0", "1"),), venue="jacobi", venue_symbol=str(b), source=SOURCE)
            for b in sorted(books)
        )
    )  # fmt: skip
    return Recording("jacobi", SOURCE, table, lambda: _chunks(path), 1, last)


def _chunks(path: Path) -> Iterator[Any]:
    """`FRAMES` columns: a record a frame, its number its position and, from 1, its time."""
    try:
        with path.open("rb") as f:
            packed = f.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as f:
            position = 0
            while data := f.read(_CHUNK_ROWS * RECORD.itemsize):
                n = len(data) // RECORD.itemsize
                if len(data) % RECORD.itemsize:
                    raise DataError(f"recording {path} is truncated inside record {position + n}; fetch it again")
                yield FRAMES.make(
                    receipt_ns=np.arange(position + 1, position + 1 + n),
                    position=np.arange(position, position + n, dtype=np.uint64),
                    length=np.full(n, RECORD.itemsize, np.uint32),
                    payload=data,
                )
                position += n
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a JACOBI event file") from None
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None
