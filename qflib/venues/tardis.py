"""Tardis CSV files of any exchange: incremental_book_L2, book_snapshot_N, trades.

Source of the columns: docs.tardis.dev, "Downloadable CSV files". A frame is the rows of one message: those with the
same symbol and times one after the other. Nothing is numbered: a missing row cannot be seen.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from qflib.errors import DataError
from qflib.records import DeadReason, Instrument, Instruments, Side
from qflib.venues.decimal_text import exact, significant
from qflib.venues.inferred import infer
from qflib.venues.level_decoder import Frame, LevelDecoder
from qflib.venues.rows import Refused, send
from qflib.venues.venue import Recording, frames_of

SOURCE = "tardis:0"
_CHUNK_FRAMES = 4096
_LAST_MICROS = 9_000_000_000_000_000
_SIDES = {"bid": Side.BID, "ask": Side.ASK, "buy": Side.BID, "sell": Side.ASK, "unknown": Side.NONE}
_HEADS = (
    b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount",
    b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
    b"exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount",
)


class Decoder(LevelDecoder):
    """Tardis rows to LEVEL rows, and trades; rows of another day's snapshot make the book anew.

    Notes
    -----
    A row that cannot be used clears the book, which waits for a snapshot.
    """

    venue = "tardis"

    @property
    def numbered(self) -> bool:
        """It is not."""
        return False

    def _frame(self, payload: bytes, f: Frame) -> None:
        rows = [line.split(",") for line in payload.decode("ascii").split("\n")]
        _, symbol, time, *rest = rows[0]
        at = self._at(symbol)
        ns = _micros(time) * 1000
        wide = len(rows[0]) > 8
        if not wide and any(len(r) != 8 or r[1:5] != rows[0][1:5] for r in rows):
            raise ValueError("rows of several messages, or of another width, in a frame")
        if not wide and rest[1] not in ("true", "false"):
            aggressor = _SIDES[rest[2]]
            self._trade(f, at, aggressor, rest[3], rest[4], ns)
            return
        s = self._of(symbol)
        f.symbols.append(symbol)
        if wide:
            self._snapshot(f, at, _wide(rest[1:]), ns)
            s.live = 1
        elif rest[1] == "true":
            sides = {_SIDES[n]: [(r[6], r[7]) for r in rows if r[5] == n] for n in ("ask", "bid")}
            if sum(map(len, sides.values())) != len(rows):
                raise ValueError("a level of neither side")
            self._snapshot(f, at, sides, ns)
            s.live = 1
        elif not s.live:
            raise Refused(DeadReason.BEFORE_SNAPSHOT, f"{symbol} waits for a snapshot")
        else:
            levels = [(_SIDES[r[5]], r[6], r[7]) for r in rows]
            send(f.made, [row for side, p, q in levels for row in self._levels(f, at, side, [(p, q)], ns)])


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A file, plain or gzipped, read through once; by default the table has a row a symbol, as fine as its decimals.

    Raises
    ------
    DataError
        If the file is missing, truncated, or not of a kind that is read.
    """
    found: dict[str, Instrument] = {}
    first = last = 0
    for receipt_ns, payload in _frames(path):
        first, last = first or receipt_ns, receipt_ns
        _discover(payload, found)
    if not found:
        raise DataError(f"{path} holds no row; give a file with data")
    table = instruments if instruments is not None else Instruments(tuple(found.values()))
    return Recording("tardis", SOURCE, table, lambda: _chunks(path), first, last)


def _chunks(path: Path) -> Iterator[Any]:
    receipt: list[int] = []
    payloads: list[bytes] = []
    first = 0
    for t, payload in _frames(path):
        receipt.append(t)
        payloads.append(payload)
        if len(receipt) == _CHUNK_FRAMES:
            yield frames_of(receipt, list(range(first, first + _CHUNK_FRAMES)), payloads)
            first += _CHUNK_FRAMES
            receipt, payloads = [], []
    if receipt:
        yield frames_of(receipt, list(range(first, first + len(receipt))), payloads)


def _frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """(receipt time, rows of one message); receipt times never fall."""
    last = 0
    try:
        with _opened(path) as f:
            head = f.readline().strip()
            if not head.startswith(_HEADS):
                raise DataError(f"{path} is no Tardis CSV of books or trades; its first line is {head!r:.80}")
            for _, rows in groupby((line.strip() for line in f), key=_key(head)):
                payload = b"\n".join(rows)
                with suppress(ValueError, IndexError):  # the decoder refuses the frame and says why
                    last = max(last, _micros(payload.split(b",", 4)[3].decode()) * 1000)
                yield last, payload
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a Tardis CSV file") from None
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None


def _key(head: bytes) -> Callable[[bytes], Any]:
    """What rows of one message share; a row of trades or of a whole book is a message of its own."""
    if head.startswith(_HEADS[0]):
        return lambda line: line.split(b",", 5)[1:5]
    number = iter(range(1 << 62))
    return lambda line: next(number)


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _discover(payload: bytes, found: dict[str, Instrument]) -> None:
    try:
        for line in payload.decode("ascii").split("\n"):
            _, symbol, _, _, *rest = line.split(",")
            levels = [lv for side in _wide(rest).values() for lv in side] if len(rest) > 4 else [(rest[2], rest[3])]
            infer(found, symbol, levels, significant, _instrument)
    except (ValueError, IndexError):
        return  # the decoder refuses the frame and says why


def _wide(values: list[str]) -> dict[Side, list[tuple[str, str]]]:
    """The levels of a whole book in one row: ask price and amount, bid price and amount, from the best; empty: none."""
    if len(values) % 4:
        raise ValueError(f"{len(values)} columns of levels")
    quads = [values[k : k + 4] for k in range(0, len(values), 4)]
    return {Side.ASK: [(q[0], q[1]) for q in quads if q[0]], Side.BID: [(q[2], q[3]) for q in quads if q[2]]}


def _instrument(symbol: str) -> Instrument:
    return Instrument(symbol, underlying=symbol, venue="tardis", venue_symbol=symbol, source=SOURCE, levels=True)


def _micros(text: str) -> int:
    made = exact(text, 0)
    if made > _LAST_MICROS:
        raise ValueError(f"{text!r:.24} is no time that can be")
    return made
