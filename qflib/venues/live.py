"""Recording a venue's live websocket into the lines that its reader reads."""

from __future__ import annotations

import asyncio
import gzip
import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from qflib.errors import DataError, InputError, UnknownVenueError
from qflib.records import Instrument, Instruments
from qflib.venues.session import BACK_OFF_S, Heard, Session, What
from qflib.venues.table import VENUES
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
    url, heartbeat_s
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
    if venue not in VENUES:
        raise UnknownVenueError(f"venue {venue!r} is unknown; expected one of {', '.join(_heard())}")
    row = VENUES[venue].live()
    file = Path(path)
    if not symbols:
        raise InputError("no symbols to record; give the venue's own, as ['XBT/USD']")
    if not duration > 0:
        raise InputError(f"duration {duration} must be positive seconds")
    if file.exists():
        raise InputError(f"file {file} exists; a recording never overwrites one, give another name")
    made = replace(row, url=url or row.url, heartbeat_s=heartbeat_s or row.heartbeat_s)
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


def _heard() -> list[str]:
    """Venues that can be listened to."""
    return [name for name, row in VENUES.items() if hasattr(importlib.import_module(row.module), "LIVE")]


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


def live_instruments(
    venue: str, symbols: Sequence[str], *, url: str | None = None, timeout_s: float = 15.0
) -> Instruments:
    """The instrument table of a live venue's symbols, as its first messages tell it: ticks and lots.

    Raises
    ------
    UnknownVenueError
        If the venue cannot be listened to.
    DataError
        If a symbol was not told of in time; it is named.
    """
    row = VENUES[venue].live() if venue in VENUES else None
    if row is None:
        raise UnknownVenueError(f"venue {venue!r} is unknown; expected one of {', '.join(_heard())}")
    session = Session(replace(row, url=url or row.url), symbols)
    found: dict[str, Instrument] = {}

    async def ask() -> None:
        try:
            async with asyncio.timeout(timeout_s), aclosing(session.heard()) as heard:
                async for one in heard:
                    if one.what is What.FRAME:
                        row.discover(one.data, found)
                    if found.keys() >= set(symbols):
                        return
        except TimeoutError:
            missing = ", ".join(s for s in symbols if s not in found)
            raise DataError(
                f"{session.venue.url} told nothing of {missing} in {timeout_s:g} s ({session.trouble}); check the "
                "symbols and the network"
            ) from None

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(ask())).result()
    return Instruments(tuple(found[s] for s in symbols))
