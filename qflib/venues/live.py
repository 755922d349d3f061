"""Recording a venue's live websocket into the lines that its reader reads."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from qflib.errors import DataError, InputError, UnknownVenueError
from qflib.venues.table import VENUES
from qflib.venues.venue import LiveVenue

#: A frame longer than this ends the connection: memory is bounded.
_MAX_FRAME = 16 << 20


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
    back_off_s: tuple[float, float] = (0.5, 30.0),
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
    made = LiveVenue(url or row.url, row.subscribe, heartbeat_s or row.heartbeat_s)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_record(made, list(symbols), file, duration, back_off_s))).result()


async def _record(
    venue: LiveVenue, symbols: list[str], path: Path, duration: float, back_off_s: tuple[float, float]
) -> Captured:
    with _opened(path) as out:
        session = _Session(venue, symbols, out)
        ends = time.monotonic() + duration
        wait = back_off_s[0]
        while (left := ends - time.monotonic()) > 0:
            before = session.frames
            try:
                async with asyncio.timeout(left):
                    await session.listen()
            except TimeoutError:
                if time.monotonic() >= ends:
                    break
            except (OSError, WebSocketException, InvalidHandshake) as e:
                session.trouble = f"{type(e).__name__}: {e}"
            except InvalidURI as e:
                raise InputError(f"{venue.url!r} is no websocket address: {e}") from None
            wait = back_off_s[0] if session.frames > before else min(2 * wait, back_off_s[1])
            await asyncio.sleep(min(wait, max(0.0, ends - time.monotonic())))
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


class _Session:
    """The connections of one recording, one after the other."""

    def __init__(self, venue: LiveVenue, symbols: list[str], out: BinaryIO) -> None:
        self.venue, self.symbols, self.out = venue, symbols, out
        self.frames = self.connections = 0
        self.trouble = "no answer"

    async def listen(self) -> None:
        """One connection, until it ends, is silent for too long, or is cancelled."""
        url = self.venue.url
        async with connect(url, max_size=_MAX_FRAME, open_timeout=self.venue.heartbeat_s) as socket:
            self.connections += 1
            self._line(f"{url} <-> {_now()}\n".encode())
            for message in self.venue.subscribe(self.symbols):
                self._line(f"{url} <- {_now()}: {message}\n".encode())
                await socket.send(message)
            while True:
                await self._one(socket)

    async def _one(self, socket: ClientConnection) -> None:
        async with asyncio.timeout(self.venue.heartbeat_s):
            frame = await socket.recv(decode=False)
        self.frames += 1
        # JSON has no bare newline that means anything; a line is a frame.
        self._line(_now().encode() + b": " + frame.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")

    def _line(self, line: bytes) -> None:
        self.out.write(line)


def _now() -> str:
    """Receipt time in seconds, to the nanosecond."""
    ns = time.time_ns()
    return f"{ns // 10**9}.{ns % 10**9:09d}"
