"""Where each source stands: read from its own last record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from qflib.broker.reading import read, watermarks
from qflib.errors import DataError
from qflib.records import TICK, Batch, Header, Partitions
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import MARKET_RAW

if TYPE_CHECKING:
    from confluent_kafka import Message

    from qflib.broker.clients import Connection

#: Records looked back at first; each further look takes four times as many.
_WINDOW = 64


class Position(NamedTuple):
    """The last record of a source: its number, time, and bytes (none where this process sent it)."""

    epoch: int = 0
    seq: int = -1
    time_ns: int = 0
    closed: bool = False
    value: bytes = b""

    def has(self, header: Header) -> bool:
        """Whether the record of this number was sent."""
        return (header.epoch, header.seq) <= (self.epoch, self.seq)

    def checked(self, batch: Batch, value: bytes) -> None:
        """Refuse a feed that no longer gives the record that was sent last.

        Raises
        ------
        DataError
            If it gives other bytes under the same number.
        """
        if self.value and value != self.value:
            raise DataError(
                f"record {batch.header.seq} of {batch.header.source!r} is not what it was when it was sent: file, "
                "seed, rate or cut have changed; give the former ones, or begin anew with --fresh"
            )


def position_of(batch: Batch, value: bytes = b"") -> Position:
    """Where a source stands once this record is sent. O(1)."""
    if batch.kind == "clock":
        tick = batch.tick
        return Position(batch.header.epoch, batch.header.seq, int(tick.time_ns[0]), bool(tick.closing[0]), value)
    times = batch.frames.receipt_ns
    return Position(batch.header.epoch, batch.header.seq, int(times[-1]) if len(times) else 0, False, value)


def closing_clock(source: str, last: Position, time_ns: int) -> Batch:
    """The record that ends a source: its number follows the last one's, its time never falls."""
    tick = TICK.make(time_ns=[max(last.time_ns, time_ns)], closing=[1])
    return Batch.of("clock", Header(source, last.epoch, last.seq + 1), MARKET_RAW, source, tick=tick)


def positions(c: Connection, table: Partitions, sources: Iterable[str]) -> tuple[dict[str, Position], set[str]]:
    """Each source's last record in its partition; the sources that have none, and whose first ones retention took.

    Parameters
    ----------
    c
        The cluster.
    table
        Where names lie.
    sources
        The connections of the desk.

    Returns
    -------
    dict
        Only sources that have a record.
    set
        Sources without one in a partition whose beginning is gone.

    Notes
    -----
    Looks back from the end in growing windows: O(records since the last one of the source longest silent).
    """
    wanted: dict[int, set[str]] = {}
    for source in sources:
        wanted.setdefault(table.place(source), set()).add(source)
    found: dict[str, Position] = {}
    trimmed: set[str] = set()
    for partition, names in wanted.items():
        low, _ = watermarks(c, MARKET_RAW, partition, committed=False)
        for window in _windows(c, partition):
            last = {name: m for m in window if (name := name_of(m.key() or b"")) in names}
            for name, message in last.items():
                found[name] = position_of(decode(message.value()), message.value())
                names.discard(name)
            if not names:
                break
        trimmed |= names if low > 0 else set()
    return found, trimmed


def ended(c: Connection, table: Partitions, sources: Iterable[str]) -> bool:
    """Whether the last record of each source is its closing clock."""
    names = set(sources)
    at, _ = positions(c, table, names)
    return all(name in at and at[name].closed for name in names)


def _windows(c: Connection, partition: int) -> Iterator[Iterator[Message]]:
    """Records from the end back to the beginning, a window at a time, each in its order."""
    low, high = watermarks(c, MARKET_RAW, partition, committed=False)
    width = _WINDOW
    while high > low:
        start = max(low, high - width)
        yield read(c, MARKET_RAW, partition, start, high, committed=False)
        high, width = start, 4 * width
