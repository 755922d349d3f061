"""LOBSTER: message files (one line an event) and the orderbook file beside them, to order events.

Source of the layout: lobsterdata.com, "Output structure"; of type 6: help.lobsterdata.com, "Event type 6". Prices are
in 1/10,000 dollar. Levels that enter the file's window are never announced: orders of theirs are unknown, and counted
by the book. A cross (type 6) sums up executions that were told one by one: its pseudo order has id -1 (opening), -2
(closing) or -3 and -4 (others), and moves no book; what its direction says is not documented.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from qflib.errors import DataError
from qflib.records import (
    MARKET_EVENTS,
    DeadReason,
    EventFlag,
    EventKind,
    Header,
    Instrument,
    Instruments,
    Side,
    TradingStatus,
)
from qflib.venues.new_york import day_ns, midnight_ns
from qflib.venues.venue import Decoded, Recording, Refusal, State, frames_of, payloads_of

SOURCE = "lobster:0"
EMPTY = 9_999_999_999  # the price of a level that is not there, with its sign by side
_CHUNK_ROWS = 8192
_LONGEST = 65_536  # bytes of a line: 500 levels have fewer
_MOST = 1 << 60
_DAY_NS = 86_400 * 10**9
_LAST, _SNAPSHOT = int(EventFlag.LAST), int(EventFlag.SNAPSHOT)
_HALTS = {-1: TradingStatus.HALT, 0: TradingStatus.PRE_OPEN, 1: TradingStatus.CONTINUOUS}
_KINDS = {1: EventKind.ADD, 2: EventKind.CANCEL, 3: EventKind.CANCEL, 4: EventKind.EXECUTE}
#: Ids of ours, above all of LOBSTER's: the orders of a level older than the file, as one.
_OLD = 1 << 63

#: kind, flags, side, order id, price, quantity, venue time, receipt time.
Row = tuple[int, int, int, int, int, int, int, int]


class Decoder:
    """Lines of a message file to order events; a line of an orderbook file (4 fields a level) is a snapshot.

    A snapshot's level is one order older than the file, which takes what is cancelled from or executed at its price by
    ids that were not told.

    Parameters
    ----------
    instruments
        The table; the row of the venue "lobster" is the file's stock.
    source
        The connection, "lobster:0".

    Notes
    -----
    O(1) a message, O(levels) a snapshot, in Python: 1 µs to 2 µs a message.
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source
        mine = [i for (venue, _), i in instruments.by_venue_symbol.items() if venue == "lobster"]
        self._row = mine[0] if len(mine) == 1 else -1
        #: Quantity left by order id, ours among them.
        self._left: dict[int, int] = {}
        self._day = (0, 0)

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        rows: list[Row] = []
        refused: list[Refusal] = []
        for i, (payload, receipt_ns) in enumerate(zip(payloads_of(frames), frames.receipt_ns.tolist(), strict=False)):
            if self._row < 0:
                refused.append(Refusal(i, DeadReason.UNKNOWN_INSTRUMENT, "the table has not one row of venue lobster"))
                continue
            try:
                self._line(_numbers(payload), receipt_ns, rows)
            except ValueError as e:
                refused.append(Refusal(i, DeadReason.UNPARSABLE, str(e)))
            except OverflowError as e:
                refused.append(Refusal(i, DeadReason.BAD_VALUE, str(e)))
        return Decoded(_columns(rows, self._row), tuple(refused))

    def restart(self, receipt_ns: int) -> Decoded:
        """Nothing: a file has no snapshot to wait for."""
        return Decoded()

    @property
    def checks(self) -> dict[str, int]:
        """None: the format has no checksums."""
        return {}

    def state(self) -> State:
        """Live orders."""
        return {
            "id": np.array(list(self._left), np.uint64),
            "left": np.array(list(self._left.values()), np.int64),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._left = dict(zip(state["id"].tolist(), state["left"].tolist(), strict=True))

    def _line(self, numbers: list[int], receipt_ns: int, rows: list[Row]) -> None:
        if len(numbers) == 6:
            self._message(numbers, receipt_ns, rows)
        elif len(numbers) % 4 == 0:
            self._snapshot(numbers, receipt_ns, rows)
        else:
            raise ValueError(f"{len(numbers)} fields")

    def _message(self, numbers: list[int], receipt_ns: int, rows: list[Row]) -> None:
        since_midnight, kind, order_id, qty, price, direction = numbers
        if not 0 <= since_midnight < 2 * _DAY_NS:
            raise OverflowError(f"a time of {since_midnight} ns")
        venue_ns = self._midnight(receipt_ns) + since_midnight
        if kind == 7:
            if price not in _HALTS:
                raise OverflowError(f"a halt with price {price}")
            rows.append((EventKind.STATUS, _LAST, Side.NONE, 0, 0, _HALTS[price], venue_ns, receipt_ns))
            return
        if kind not in _KINDS and kind not in (5, 6):
            raise ValueError(f"type {kind}")
        if not (0 < qty < _MOST and 0 <= price < _MOST):
            raise OverflowError(f"order {order_id}: size {qty}, price {price}")
        if kind == 6:  # a cross has no aggressor, and its id and direction are no order's
            rows.append((EventKind.TRADE, _LAST, Side.NONE, 0, price, qty, venue_ns, receipt_ns))
            return
        if not (0 <= order_id < _OLD and direction in (-1, 1)):
            raise OverflowError(f"order {order_id}: direction {direction}")
        side = Side.BID if direction == 1 else Side.ASK
        if kind == 5:  # the order's side is told: who traded with it is on the other
            rows.append((EventKind.TRADE, _LAST, 3 - side, 0, price, qty, venue_ns, receipt_ns))
            return
        left = self._left
        if kind == 1:
            left.setdefault(order_id, qty)
        else:
            if order_id not in left and _old(side, price) in left:
                order_id = _old(side, price)
            if order_id in left:
                left[order_id] -= qty
                if left[order_id] <= 0:
                    del left[order_id]
        rows.append((_KINDS[kind], _LAST, side, order_id, price, qty, venue_ns, receipt_ns))

    def _snapshot(self, numbers: list[int], receipt_ns: int, rows: list[Row]) -> None:
        made: list[Row] = [(EventKind.CLEAR, _SNAPSHOT, Side.NONE, 0, 0, 0, 0, receipt_ns)]
        left: dict[int, int] = {}
        for k in range(0, len(numbers), 2):
            price, qty = numbers[k : k + 2]
            if abs(price) == EMPTY:
                continue
            side = Side.BID if k % 4 else Side.ASK
            order_id = _old(side, price)
            if not (0 < qty < _MOST and 0 <= price < _MOST) or order_id in left:
                raise OverflowError(f"a level of {qty} at {price}")
            left[order_id] = qty
            made.append((EventKind.ADD, _SNAPSHOT, side, order_id, price, qty, 0, receipt_ns))
        kind, flags, *rest = made[-1]
        made[-1] = (kind, flags | _LAST, *rest)  # type: ignore[assignment]
        rows += made
        self._left = left

    def _midnight(self, time_ns: int) -> int:
        if not self._day[0] <= time_ns < self._day[1]:
            self._day = day_ns(time_ns)
        return self._day[0]


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A message file, read through once; the orderbook file beside it seeds the book.

    The book after the first message comes as a snapshot behind that message: orders older than the file are in it.

    Parameters
    ----------
    path
        ``TICKER_YYYY-MM-DD_start_end_message_LEVEL.csv``, plain or gzipped; its name tells stock and day.
    instruments
        The table to use. By default one row: the stock.

    Raises
    ------
    DataError
        If the file is missing, truncated, or not a message file.
    """
    first = last = 0
    for frames in _chunks(path):
        first, last = first or int(frames.receipt_ns[0]), int(frames.receipt_ns[-1])
    if not first:
        raise DataError(f"{path} holds no message; give a file with data")
    symbol = path.name.split("_")[0].split(".")[0][:64]
    stock = Instrument(
        symbol, tick_schedule=(("0", "0.0001"), ("1", "0.01")), calendar="XNYS", venue="lobster", venue_symbol=symbol,
        source=SOURCE,
    )  # fmt: skip
    table = instruments if instruments is not None else Instruments((stock,))
    return Recording("lobster", SOURCE, table, lambda: _chunks(path), first, last)


def _chunks(path: Path) -> Iterator[Any]:
    """`FRAMES` columns: a line a frame, its number its position; the seed is at 0."""
    day = re.search(r"\d{4}-\d\d-\d\d", path.name)
    try:
        midnight = midnight_ns(date.fromisoformat(day[0]) if day else date(1970, 1, 1))
    except ValueError:
        midnight = midnight_ns(date(1970, 1, 1))
    receipt = midnight
    times: list[int] = []
    places: list[int] = []
    payloads: list[bytes] = []
    seed = _seed(path)
    for number, line in _lines(path):
        try:
            numbers = _numbers(line)
        except ValueError:
            numbers = []
        if number == 1 and len(numbers) != 6:
            if not numbers and line[:1].isalpha():  # a header
                continue
            raise DataError(f"{path} is not a LOBSTER message file: its first line is {line[:60]!r}")
        if numbers:
            receipt = max(receipt, midnight + min(numbers[0], _DAY_NS))
        times.append(receipt)
        places.append(number)
        payloads.append(line)
        if seed:
            times.append(receipt)
            places.append(0)
            payloads.append(seed)
            seed = b""
        if len(times) >= _CHUNK_ROWS:
            yield frames_of(times, places, payloads)
            times, places, payloads = [], [], []
    if times:
        yield frames_of(times, places, payloads)


def _seed(path: Path) -> bytes:
    """The first row of the orderbook file beside a message file; empty where there is none."""
    name = "orderbook".join(path.name.rsplit("message", 1))
    beside = path.with_name(name)
    if name == path.name or not beside.exists():
        return b""
    for _, line in _lines(beside):
        if line[:1].isdigit() or line[:1] == b"-":
            return line
    return b""


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; empty ones are left out."""
    try:
        with _opened(path) as f:
            number = 0
            while line := f.readline(_LONGEST):
                number += 1
                if len(line) == _LONGEST:
                    raise DataError(f"{path} is not a LOBSTER file: line {number} has {_LONGEST} bytes or more")
                if line := line.rstrip(b"\r\n"):
                    yield number, line
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a LOBSTER message file") from None
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None


def _opened(path: Path) -> Any:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _old(side: int, price: int) -> int:
    """The id of a level's orders that are older than the file."""
    return _OLD | (side - 1) << 62 | price


def _numbers(line: bytes) -> list[int]:
    """The fields; the first of six is a time in seconds, which becomes ns.

    Raises
    ------
    ValueError
        If a field is no number of digits.
    """
    fields = line.split(b",")
    if len(fields) == 6:
        seconds, _, rest = fields[0].partition(b".")
        fields[0] = seconds + rest[:9].ljust(9, b"0")
    for field in fields:
        if not field.removeprefix(b"-").isdigit() or len(field) > 20:
            raise ValueError(f"field {field[:20]!r} is not a number")
    return [int(field) for field in fields]


def _columns(rows: list[Row], instrument: int) -> Any:
    if not rows:
        return MARKET_EVENTS.empty
    kind, flags, side, order_id, price, qty, venue_ns, receipt_ns = zip(*rows, strict=True)
    return MARKET_EVENTS.make(
        kind=np.array(kind),
        flags=np.array(flags),
        instrument=np.full(len(rows), instrument, np.uint32),
        side=np.array(side),
        order_id=np.array(order_id, np.uint64),
        price_ticks=np.array(price),
        qty=np.array(qty),
        venue_ns=np.array(venue_ns),
        receipt_ns=np.array(receipt_ns),
    )
