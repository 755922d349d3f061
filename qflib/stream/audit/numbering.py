"""Numbered streams of one partition: what is missing, doubled, or came late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from qflib.records import Header
from qflib.records.codec import decode
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING
from qflib.stream.audit.tally import Fault, Tally

#: Sources outside the desk begin new epochs at a reconnect or restart; a stage never does.
_OUTSIDE = (MARKET_RAW, ORDERS_INCOMING)


@dataclass(slots=True)
class _Stream:
    """A source: where its numbering stands, and the numbers that have not come, as (first, after the last, offset)."""

    epoch: int
    next: int
    former: int = -2  # last number of the former epoch, until a raw batch has named it; -2: none is awaited
    gaps: list[tuple[int, int, int]] = field(default_factory=list)

    def fill(self, seq: int) -> bool:
        """Take a number out of the gap that it lies in; whether there was one."""
        for i, (first, after, at) in enumerate(self.gaps):
            if first <= seq < after:
                self.gaps[i : i + 1] = [g for g in ((first, seq, at), (seq + 1, after, at)) if g[0] < g[1]]
                return True
        return False


class Numbering:
    """Checks that the numbers of each (source, epoch) rise by 1 from 0.

    Parameters
    ----------
    topic, partition
        Which one.
    whole
        Whether the partition's beginning is kept; else the first number seen is where a source begins.
    tally
        Where faults are counted.
    unsent
        (source, epoch, seq) of records that were too long to be sent, as dead letters say; looked at when the numbers
        of an epoch are over.

    Notes
    -----
    O(1) a record; memory is a row a source, and one a gap.
    """

    def __init__(
        self, topic: str, partition: int, whole: bool, tally: Tally, unsent: Iterable[tuple[str, int, int]] = ()
    ) -> None:
        self._topic, self._partition, self._whole, self._tally = topic, partition, whole, tally
        self._unsent = unsent
        self._streams: dict[str, _Stream] = {}

    def take(self, offset: int, kind: str, h: Header, value: bytes) -> bool:
        """Take the next record in; whether it has not been there before."""
        s = self._streams.get(h.source)
        if s is None:
            s = self._streams[h.source] = _Stream(h.epoch, 0 if self._whole else h.seq)
        elif h.epoch != s.epoch:
            if h.epoch < s.epoch or self._topic not in _OUTSIDE:
                self._found(offset, "reordered", f"epoch {h.epoch} of {h.source!r} after epoch {s.epoch}")
                return False
            self._missing(h.source, s)
            s.former, s.epoch, s.next = s.next - 1, h.epoch, 0
        if s.former >= -1 and kind == "raw":
            self._former(offset, s, h, value)
        if h.seq >= s.next:
            if h.seq > s.next:
                s.gaps.append((s.next, h.seq, offset))
            s.next = h.seq + 1
            return True
        return self._late(offset, s, h)

    def finish(self) -> None:
        """Count what has not come."""
        for source, s in self._streams.items():
            self._missing(source, s)

    def _late(self, offset: int, s: _Stream, h: Header) -> bool:
        if s.fill(h.seq):
            self._found(offset, "reordered", f"seq {h.seq} of {h.source!r} after seq {s.next - 1}")
            return True
        self._found(offset, "duplicated", f"seq {h.seq} of {h.source!r}, epoch {h.epoch}")
        return False

    def _former(self, offset: int, s: _Stream, h: Header, value: bytes) -> None:
        named = decode(value).connection.former_seq.tolist()
        said, seen, s.former = named[0] if named else -1, s.former, -2
        if said == seen:
            return
        what = f"{h.source!r} begins epoch {h.epoch} after seq {said}, and seq {seen} is the last one of the former"
        self._found(offset, "lost" if said > seen else "reordered", what, abs(said - seen))

    def _missing(self, source: str, s: _Stream) -> None:
        for name, epoch, seq in self._unsent if s.gaps else ():
            if (name, epoch) == (source, s.epoch):
                s.fill(seq)
        for first, after, at in s.gaps:
            which = f"seq {first}" if after == first + 1 else f"seq {first} to {after - 1}"
            self._found(at, "lost", f"{which} of {source!r}, epoch {s.epoch}, before this offset", after - first)
        s.gaps = []

    def _found(self, offset: int, fault: Fault, what: str, n: int = 1) -> None:
        self._tally.found(self._topic, self._partition, offset, fault, what, n)
