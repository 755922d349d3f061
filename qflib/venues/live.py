"""Recording a venue's live websocket into the lines that its reader reads."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qflib.errors import DataError, InputError
from qflib.records import Header, Instrument, Instruments
from qflib.venues.session import BACK_OFF_S, DAMAGED, Heard, Session, What
from qflib.venues.table import live_venue
from qflib.venues.table import venue as venue_row
from qflib.venues.venue import Decoder, LiveVenue, frames_of

#: Frames kept until every symbol is known.
_MOST_WAITING = 4096


@dataclass(frozen=True, slots=True)
class Captured:
    """What a recording holds: its file, frames received, connections made, and how many of them ended by a gap, a wrong
    checksum, or bytes that could not be read.
    """

    path: Path
    frames: int
    connections: int
    damaged: int


def record(
    venue: str,
    symbols: Sequence[str],
    path: str | Path,
    duration: float,
    *,
    frames: int | None = None,
    url: str | None = None,
    rest: str | None = None,
    heartbeat_s: float | None = None,
    back_off_s: tuple[float, float] = BACK_OFF_S,
) -> Captured:
    """Record a venue's messages, byte for byte with their receipt times, until the time is over.

    A gap, a wrong checksum or bytes that cannot be read end the connection, once every symbol has made itself known:
    the next one begins with snapshots, so that the recording's books live again.

    Parameters
    ----------
    venue
        A venue that can be listened to: "kraken".
    symbols
        The venue's own symbols, as "XBT/USD".
    path
        A new file; gzipped where its name ends with ``.gz``. `qflib.read` reads it.
    duration
        Seconds of wall time.
    frames
        End earlier, with so many of them; None: by time alone.
    url, rest, heartbeat_s
        Instead of the venue's own.
    back_off_s
        Wait before the first reconnect, doubled up to the second figure while connecting fails.

    Returns
    -------
    Captured

    Raises
    ------
    UnknownVenueError
        If the venue is unknown or cannot be listened to.
    InputError
        If there are no symbols, duration or frames is not positive, or the file exists or cannot be written.
    DataError
        If no connection could be made in all the time.

    Notes
    -----
    Works inside a notebook's running event loop too: the recording has its own thread.
    """
    row = live_venue(venue)
    file = Path(path)
    if not symbols:
        raise InputError(f"no symbols to record; give the venue's own, as {list(row.usual)}")
    if not duration > 0:
        raise InputError(f"duration {duration} must be positive seconds")
    if frames is not None and not frames > 0:
        raise InputError(f"frames {frames} must be a positive number, or None")
    if file.exists():
        raise InputError(f"file {file} exists; a recording never overwrites one, give another name")
    made = row.elsewhere(url, rest, heartbeat_s)
    watch = _Watch(venue, made, symbols)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_record(watch, file, duration, back_off_s, frames))).result()


class _Watch:
    """Decodes what is recorded, to tell when it cannot be trusted any more.

    The decoder begins once all symbols have made themselves known, with the connection's first frame; of a symbol that
    is not heard of in some thousands of frames those before are let go, and nothing is told until the next connection
    begins with its snapshots.
    """

    def __init__(self, name: str, row: LiveVenue, symbols: Sequence[str]) -> None:
        self.name, self.row, self.symbols = name, row, list(symbols)
        self.damaged = 0
        self._found: dict[str, Instrument] = {}
        self._waiting: list[Heard] = []
        self._decoder: Decoder | None = None

    def hear(self, one: Heard) -> str:
        """Why the connection must end; empty: it may go on."""
        if one.what is What.OPENED:
            self._waiting.clear()
            if self._decoder is not None:
                self._decoder.restart(one.receipt_ns)
        if one.what is not What.FRAME:
            return ""
        if self._decoder is None:
            if len(self._waiting) == _MOST_WAITING:
                self._waiting.clear()
            self._waiting.append(one)
            self.row.discover(one.data, self._found)
            if not self._found.keys() >= set(self.symbols):
                return ""
            self._decoder = venue_row(self.name).decoder(Instruments(tuple(self._found.values())), self.row.source)
            told, self._waiting = self._waiting, []
        else:
            told = [one]
        frames = frames_of([h.receipt_ns for h in told], list(range(len(told))), [h.data for h in told])
        for refused in self._decoder.decode(frames, Header(self.row.source)).refused:
            if refused.reason in DAMAGED:
                self.damaged += 1
                return f"{refused.reason.name}: {refused.detail}"
        return ""


async def _record(
    watch: _Watch, path: Path, duration: float, back_off_s: tuple[float, float], frames: int | None = None
) -> Captured:
    venue = watch.row
    session = Session(venue, watch.symbols, back_off_s)
    with _opened(path) as out:
        try:
            async with asyncio.timeout(duration), aclosing(session.heard()) as heard:
                async for one in heard:
                    out.write(_line(venue.url, one))
                    if why := watch.hear(one):
                        session.reconnect(why)
                    if frames is not None and session.frames >= frames:
                        break
        except TimeoutError:
            pass  # the time is over
    if not session.connections:
        raise DataError(f"{venue.url} could not be reached in {duration} s ({session.trouble}); check the network")
    return Captured(path, session.frames, session.connections, watch.damaged)


def _opened(path: Path) -> BinaryIO:
    try:
        return gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb")  # type: ignore[return-value]
    except OSError as e:
        raise InputError(
            f"file {path} cannot be written ({e.strerror}); give a name in a folder that exists and is yours"
        ) from None


def _line(url: str, heard: Heard) -> bytes:
    """A thing heard as a line of the capture; that a connection ended needs none."""
    seconds = f"{heard.receipt_ns // 10**9}.{heard.receipt_ns % 10**9:09d}".encode()
    if heard.what is What.FRAME:
        # JSON has no bare newline that means anything; a line is a frame.
        return seconds + b": " + heard.data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
    if heard.what is What.OPENED:
        return b"%s <-> %s\n" % (url.encode(), seconds)
    if heard.what is What.SENT:
        return b"%s <- %s: %s\n" % (url.encode(), seconds, heard.data)
    return b""
