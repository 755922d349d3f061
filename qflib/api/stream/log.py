"""The messages of one channel and subject: kept once for all connections, read by each at its own pace."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, TypeVar

from msgspec import json

Told = TypeVar("Told")
Event = dict[str, str]  # what ASGI sends: one object for all connections
GapReason = Literal["conflated", "too_old"]


class Message:
    """A message that is made when the first reader wants it, and then kept as text."""

    __slots__ = ("_event", "_make", "prev_seq", "seq")

    def __init__(self, seq: int, prev_seq: int, make: Callable[[], bytes]) -> None:
        self.seq, self.prev_seq = seq, prev_seq
        self._make: Callable[[], bytes] | None = make
        self._event: Event | None = None

    @property
    def event(self) -> Event:
        """As ASGI sends it."""
        if self._event is None:
            assert self._make is not None
            self._event = event(self._make())
            self._make = None  # lets go of what it was made from
        return self._event


def event(text: bytes) -> Event:
    """A text frame."""
    return {"type": "websocket.send", "text": text.decode()}


class ChannelLog(Generic[Told]):
    """The newest messages of one channel and subject, chained by sequence.

    A reader holds a `Cursor` and nothing else: memory does not grow with readers, nor with slow ones.

    Parameters
    ----------
    channel, subject
        What it tells of.
    delta
        What changed from the former to the new, as data of a message; the former is None at first.
    snapshot
        All of it as data of a message, from the newest ones told (at most `recent`, oldest first).
    kept
        How many messages are kept.
    behind
        How many messages a reader may be behind before it is given a snapshot in place of them; None: as many as are
        kept, for what must not be left out.
    recent
        How many a snapshot is made from.

    Examples
    --------
    >>> log = ChannelLog("n", "x", lambda before, now: now, lambda last: last[-1] if last else None, kept=8, behind=2)
    >>> cursor = Cursor(log)
    >>> log.append(3, "three"); log.append(7, "seven")
    >>> [e["text"] for e in cursor.due()][1:]
    ['{"type":"delta","channel":"n","subject":"x","seq":3,"prev_seq":-1,"data":"three"}',
     '{"type":"delta","channel":"n","subject":"x","seq":7,"prev_seq":3,"data":"seven"}']
    """

    def __init__(
        self,
        channel: str,
        subject: str,
        delta: Callable[[Told | None, Told], Any],
        snapshot: Callable[[list[Told]], Any],
        *,
        kept: int,
        behind: int | None = None,
        recent: int = 1,
    ) -> None:
        self.channel, self.subject = channel, subject
        self.behind = kept if behind is None else min(behind, kept)
        self.last_seq = -1
        self.end = 0  # how many messages there were
        self._delta, self._full = delta, snapshot
        self._kept: deque[Message] = deque(maxlen=kept)
        self._recent: deque[Told] = deque(maxlen=recent)
        self._snapshot: Message | None = None
        self._wakes: dict[object, Callable[[], None]] = {}

    @property
    def first(self) -> int:
        """Place of the oldest message kept."""
        return self.end - len(self._kept)

    def seed(self, seq: int, told: Told) -> None:
        """What stood before the first message; O(1)."""
        if seq > self.last_seq or (seq == self.last_seq and not self.end):
            self.last_seq, self._snapshot = seq, None
            self._recent.append(told)

    def append(self, seq: int, told: Told) -> None:
        """Add a message and wake the readers; one that was told already is passed over. O(readers)."""
        if seq <= self.last_seq:
            return
        before, prev = (self._recent[-1] if self._recent else None), self.last_seq
        self._kept.append(Message(seq, prev, lambda: self._text("delta", seq, prev, self._delta(before, told))))
        self._recent.append(told)
        self.last_seq, self._snapshot = seq, None
        self.end += 1
        for wake in self._wakes.values():
            wake()

    def snapshot(self) -> Message:
        """All of it as of now; sequence -1 where nothing was told yet. Made once a sequence."""
        if self._snapshot is None:
            seq, last = self.last_seq, list(self._recent)
            self._snapshot = Message(seq, seq, lambda: self._text("snapshot", seq, -1, self._full(last)))
        return self._snapshot

    def gap(self, start: int, reason: GapReason) -> Event:
        """What a reader is told that misses all from after `start` to the newest."""
        told = {"from": start, "to": self.last_seq, "reason": reason}
        return event(json.encode({"type": "gap", "channel": self.channel, "subject": self.subject} | told))

    def after(self, seq: int) -> int | None:
        """Place of the message that follows a sequence; None where that is not known. O(log kept)."""
        if seq == self.last_seq:
            return self.end
        if self._kept and seq == self._kept[0].prev_seq != -1:  # -1: what came before is not known
            return self.first
        at = bisect_left(self._kept, seq, key=lambda m: m.seq)
        return self.first + at + 1 if at < len(self._kept) and self._kept[at].seq == seq else None

    def at(self, place: int) -> Message:
        """The message at a place; O(1) near either end."""
        return self._kept[place - self.first]

    def listen(self, who: object, wake: Callable[[], None]) -> None:
        """Have `wake` called at each new message."""
        self._wakes[who] = wake

    def leave(self, who: object) -> None:
        """Call it no more."""
        self._wakes.pop(who, None)

    @property
    def readers(self) -> int:
        """How many are woken."""
        return len(self._wakes)

    def _text(self, kind: str, seq: int, prev: int, data: Any) -> bytes:
        head = {"type": kind, "channel": self.channel, "subject": self.subject, "seq": seq, "prev_seq": prev}
        return json.encode(head | {"data": data})


class Cursor:
    """Where one reader stands in a log.

    Parameters
    ----------
    log
        What is read.
    resume_from
        The last sequence the reader has; None: it has nothing and begins with a snapshot.
    settled
        Whether the log is up to date. While it is not (the process has just begun, and reads), a sequence ahead of the
        log is waited for; afterwards it is one of a stream that is no more.
    """

    __slots__ = ("_at", "_pending", "_resume", "_sent", "_settled", "log")

    def __init__(
        self, log: ChannelLog[Any], resume_from: int | None = None, settled: Callable[[], bool] = lambda: True
    ) -> None:
        if resume_from == -1:  # it has nothing
            resume_from = None
        self.log, self._settled = log, settled
        self._resume = resume_from
        self._sent = -1 if resume_from is None else resume_from
        self._at = log.end
        self._pending: Message | None = log.snapshot() if resume_from is None else None
        if self._pending is not None:
            self._sent = self._pending.seq

    def due(self) -> Iterator[Event]:
        """What is to be sent now, in order; asks anew after each, so that a slow reader skips as it falls behind."""
        while (one := self.next()) is not None:
            yield one

    def next(self) -> Event | None:
        """What is to be sent next; None: nothing is new."""
        if self._pending is not None:
            made, self._pending = self._pending.event, None
            return made
        log = self.log
        if self._resume is not None:
            if log.last_seq < self._resume and not self._settled():
                return None
            place, self._resume = log.after(self._resume), None
            if place is None:
                return self._skip("too_old")
            self._at = place
        if self._at >= log.end:
            return None
        if log.end - self._at > log.behind:
            return self._skip("conflated")
        message = log.at(self._at)
        self._at += 1
        self._sent = message.seq
        return message.event

    def _skip(self, reason: GapReason) -> Event:
        """Tell of a gap; the snapshot comes next."""
        gap = self.log.gap(self._sent, reason)
        self._pending = self.log.snapshot()
        self._at, self._sent = self.log.end, self.log.last_seq
        return gap
