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
from qflib.venues.session import BACK_OFF_S, Heard, Session, What
from qflib.venues.table import live_venue
from qflib.venues.venue import LiveVenue


@dataclass(frozen=True, slots=True)
class Captured:
    """What a recording holds: its file, frames received, and connections made."""

    path: Path
    frames: int
    connections: int


def record(
    venue: str,
    symbols: Sequence[str],
    path: str | Path,
    duration: float,
    *,
    url: str | None = None,
    rest: str | None = None,
    heartbeat_s: float | None = None,
    back_off_s: tuple[float, float] = BACK_OFF_S,
) -> Captured:
    """Record a venue's messages, byte for byte with their receipt times, until the time is over.

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
        If there are no symbols, the duration is not positive, or the file exists or cannot be written.
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
    if file.exists():
        raise InputError(f"file {file} exists; a recording never overwrites one, give another name")
    made = row.elsewhere(url, rest, heartbeat_s)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_record(made, list(symbols), file, duration, back_off_s))).result()


async def _record(
    venue: LiveVenue, symbols: list[str], path: Path, duration: float, back_off_s: tuple[float, float]
) -> Captured:
    session = Session(venue, symbols, back_off_s)
    with _opened(path) as out:
        try:
            async with asyncio.timeout(duration), aclosing(session.heard()) as heard:
                async for one in heard:
                    out.write(_line(venue.url, one))
        except TimeoutError:
            pass  # the time is over
    if not session.connections:
        raise DataError(f"{venue.url} could not be reached in {duration} s ({session.trouble}); check the network")
    return Captured(path, session.frames, session.connections)


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
