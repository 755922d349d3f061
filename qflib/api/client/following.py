"""A subject followed by its messages: the chain of sequences, the book kept by deltas, its checksum. No socket here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, cast, get_args

import pandas as pd

from qflib.api.client.api_error import ApiError, GapError
from qflib.api.client.results import LiveBook, book_of, executions_frame, risk_frame, trades_frame
from qflib.api.stream.checksum import book_checksum
from qflib.errors import ChecksumError, InputError

Channel = Literal["book", "trades", "executions", "risk"]
OnGap = Literal["yield", "raise"]


@dataclass(frozen=True, slots=True)
class Gap:
    """What a stream left out; a snapshot comes next.

    Parameters
    ----------
    channel, subject
        Of which stream.
    start, stop
        After which sequence, and up to which.
    reason
        "conflated" (this side read too slowly), "too_old" (it was away for too long), "broken" (what came did not
        hold together).

    Examples
    --------
    >>> gap = Gap("book", "ACME.F", 7, 19, "conflated")
    >>> f"{gap.subject} left out what lies after {gap.start} up to {gap.stop}"
    'ACME.F left out what lies after 7 up to 19'
    """

    channel: str
    subject: str
    start: int
    stop: int
    reason: str


class Follower:
    """One subscription.

    Parameters
    ----------
    channel
        "book", "trades", "executions" or "risk".
    subject
        An instrument, an underlying or a portfolio.
    on_gap
        Whether a gap is given, or raised.

    Raises
    ------
    InputError
        If the channel or `on_gap` is unknown.

    Examples
    --------
    >>> follower = Follower("trades", "ACME.F")
    >>> follower.request()
    '{"op": "subscribe", "channel": "trades", "subject": "ACME.F"}'
    """

    def __init__(self, channel: str, subject: str, on_gap: OnGap = "yield") -> None:
        if channel not in get_args(Channel):
            raise InputError(f"channel {channel!r} is unknown; expected one of {', '.join(get_args(Channel))}")
        if on_gap not in get_args(OnGap):
            raise InputError(f"on_gap {on_gap!r} is unknown; give yield or raise")
        self.channel, self.subject, self._on_gap = channel, subject, on_gap
        self.seq: int | None = None
        self._seen = -1  # rows up to here were given
        self._book: LiveBook | None = None

    def request(self) -> str:
        """What is sent at each connect: it goes on after the last message."""
        told: dict[str, Any] = {"op": "subscribe", "channel": self.channel, "subject": self.subject}
        return json.dumps(told if self.seq is None else told | {"resume_from": self.seq})

    def take(self, frame: str | bytes) -> Any:
        """What a frame gives; None: nothing.

        Raises
        ------
        ApiError
            If the server refuses.
        GapError
            If it tells of a gap, and that is to be raised.
        BrokenChainError, ChecksumError
            If a message is missing, or the book is not the server's: connect anew, from a snapshot.
        """
        m = json.loads(frame)
        kind = m.get("type")
        if kind == "error":
            raise ApiError(m["detail"], m["code"])
        if kind == "gap":
            return self._left_out(Gap(m["channel"], m["subject"], m["from"], m["to"], m["reason"]))
        if kind == "snapshot":
            self._seen = self._seen if m["seq"] >= self._seen else -1  # another stream, that began anew
            self.seq = m["seq"]
            return self._whole(m["data"])
        if kind == "delta":
            if m["prev_seq"] != self.seq:
                raise BrokenChainError(
                    f"{self.channel} of {self.subject}: message {m['seq']} follows {m['prev_seq']}, and {self.seq} is "
                    "the last one here"
                )
            self.seq = m["seq"]
            return self._change(m["data"])
        return None

    def broken(self) -> Gap:
        """Begin anew from a snapshot: what came did not hold together.

        Raises
        ------
        GapError
            If gaps are to be raised.
        """
        gap = Gap(self.channel, self.subject, self._seen, -1 if self.seq is None else self.seq, "broken")
        self.seq, self._book = None, None
        return self._left_out(gap)

    def _left_out(self, gap: Gap) -> Gap:
        if self._on_gap == "raise":
            raise GapError(
                f"{gap.channel} of {gap.subject} left out what lies after sequence {gap.start} up to {gap.stop} "
                f"({gap.reason}); read faster, or take gaps with on_gap='yield'"
            )
        return gap

    def _whole(self, data: Any) -> Any:
        if self.channel == "book":
            self._book = self._verified(book_of(data), data["checksum"])
            return self._book
        return self._rows(data)

    def _change(self, data: Any) -> Any:
        if self.channel != "book":
            return self._rows(data)
        assert self._book is not None
        last = data["last"]
        made = replace(
            self._book, seq=cast(int, self.seq), time=pd.Timestamp(data["time_ns"], unit="ns", tz="UTC"),
            append_ns=data["append_ns"], status=data["status"],
            last=None if last is None else (last["price"], last["qty"]),
            bids=_moved(self._book.bids, data["bids"], True), asks=_moved(self._book.asks, data["asks"], False),
        )  # fmt: skip
        self._book = self._verified(made, data["checksum"])
        return self._book

    def _verified(self, book: LiveBook, checksum: int) -> LiveBook:
        if book_checksum(book.bids, book.asks) != checksum:
            raise ChecksumError(f"the book of {book.instrument} at sequence {self.seq} is not the server's")
        self._seen = book.seq
        return book

    def _rows(self, data: Any) -> pd.DataFrame | None:
        before, self._seen = self._seen, cast(int, self.seq)
        if self.channel == "risk":
            return None if data is None else risk_frame(data)
        items = [row for row in data["items"] if row["seq"] > before]  # a snapshot shows some again
        return (trades_frame if self.channel == "trades" else executions_frame)(items)


class BrokenChainError(ChecksumError):
    """A message of a stream did not come."""


def _moved(levels: Any, changed: Any, falling: bool) -> tuple[tuple[str, str], ...]:
    """Levels after a delta, best first."""
    held = dict(levels) | dict(changed)
    there = [(p, q) for p, q in held.items() if q != "0"]
    return tuple(sorted(there, key=lambda x: Decimal(x[0]), reverse=falling))
