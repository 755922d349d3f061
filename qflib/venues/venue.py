"""What a venue is: a decoder of its frames, and a reader of its recordings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qflib.records import FRAMES, MARKET_EVENTS, SIGNALS, DeadReason, Header, Instrument, Instruments

State = dict[str, NDArray[Any]]


class Refusal(NamedTuple):
    """A frame that could not be used: its row in the batch, why, and what exactly."""

    frame: int
    reason: DeadReason
    detail: str


class Decoded(NamedTuple):
    """What frames said: `MARKET_EVENTS` columns in frame order, refused frames, and `SIGNALS` columns."""

    events: Any = MARKET_EVENTS.empty
    refused: tuple[Refusal, ...] = ()
    signals: Any = SIGNALS.empty


class Decoder(Protocol):
    """Bytes to records for one connection: a pure function of the frames so far, with its own state.

    It never raises on bad bytes: it refuses the frame. The events are the same however frames are batched.
    """

    def __init__(self, instruments: Instruments, source: str) -> None: ...

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; `header` is the batch's, so that a refusal can name it."""

    def restart(self, receipt_ns: int) -> Decoded:
        """Frames were lost, or the connection is new: forget what can no longer be trusted.

        Events (a CLEAR a book) are stamped with `receipt_ns`.
        """

    def state(self) -> State:
        """The whole state as named arrays."""

    def load(self, state: State) -> None:
        """Go on from a state."""

    @property
    def checks(self) -> dict[str, int]:
        """Counters: ``right`` and ``wrong`` checksums, ``gaps``."""


@dataclass(frozen=True)
class Recording:
    """A venue's recording, opened: its instruments, and its frames as often as asked for.

    Parameters
    ----------
    venue, source
        The venue's name and the connection it was recorded from ("kraken:0").
    instruments
        What the recording itself says of them.
    chunks
        Called once a pass: `FRAMES` columns in the order of the file, a bounded number of rows each.
    start_ns, end_ns
        Receipt time of the first and the last frame.
    """

    venue: str
    source: str
    instruments: Instruments
    chunks: Callable[[], Iterator[Any]]
    start_ns: int
    end_ns: int
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LiveVenue:
    """How a venue is listened to.

    Parameters
    ----------
    url
        Its websocket.
    subscribe
        The messages that ask for some symbols.
    heartbeat_s
        Silence longer than this means that the connection is dead.
    source
        The name of its connection, where there is one.
    discover
        Adds to a table by symbol the instrument that a frame makes known, if it does.
    usual
        Symbols to follow where nobody names any.
    rest, asks
        Where its REST is, and what is asked of it once the first frame of a connection has come, by path and query:
        each answer becomes a frame (`answer_frame`).
    reply
        What a frame is answered with, if anything.
    """

    url: str
    subscribe: Callable[[Sequence[str]], list[str]]
    heartbeat_s: float
    source: str
    discover: Callable[[bytes, dict[str, Instrument]], None]
    usual: tuple[str, ...] = ()
    rest: str = ""
    asks: Callable[[Sequence[str]], list[str]] | None = None
    reply: Callable[[bytes], str | None] | None = None

    def elsewhere(self, url: str | None = None, rest: str | None = None, heartbeat_s: float | None = None) -> LiveVenue:
        """The same protocol at other addresses, or with another patience; None: its own."""
        return replace(self, url=url or self.url, rest=rest or self.rest, heartbeat_s=heartbeat_s or self.heartbeat_s)


def answer_frame(address: str, body: bytes) -> bytes:
    """What a REST request was answered, as a frame that says what was asked.

    Examples
    --------
    >>> answer_frame("https://api.example.com/depth?symbol=A", b'{"bids": []}')
    b'{"url":"https://api.example.com/depth?symbol=A","body":{"bids": []}}'
    """
    return b'{"url":%s,"body":%s}' % (json.dumps(address).encode(), body)


def frames_of(receipt_ns: list[int], position: list[int], payloads: list[bytes]) -> Any:
    """`FRAMES` columns of payloads."""
    return FRAMES.make(
        receipt_ns=np.array(receipt_ns, np.int64),
        position=np.array(position, np.uint64),
        length=np.array([len(p) for p in payloads], np.uint32),
        payload=b"".join(payloads),
    )


def payloads_of(frames: Any) -> Iterator[bytes]:
    """Each frame's bytes, in order; a frame whose length passes the end of the blob is cut there."""
    blob = frames.payload.tobytes()
    at = 0
    for length in frames.length.tolist():
        yield blob[at : at + length]
        at += length


def slice_frames(frames: Any, start: int, stop: int, offsets: NDArray[np.int64] | None = None) -> Any:
    """Rows start to stop with their bytes, as views; `offsets` (rows + 1) saves summing the lengths again."""
    at = frame_offsets(frames) if offsets is None else offsets
    return FRAMES.Columns(
        frames.receipt_ns[start:stop],
        frames.position[start:stop],
        frames.length[start:stop],
        frames.payload[at[start] : at[stop]],
    )


def frame_offsets(frames: Any) -> NDArray[np.int64]:
    """Where each frame's bytes begin, and where the last ends; O(rows)."""
    at = np.zeros(len(frames.length) + 1, np.int64)
    np.cumsum(frames.length, dtype=np.int64, out=at[1:])
    return at
