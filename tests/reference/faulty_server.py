"""A websocket and REST server on this machine that plays a script and does wrong as it is told, a connection a fault.

A fault counts once it was done: a connection that ends before is followed by another try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

#: Frames between two faults, beside the answers to the subscription.
STRETCH = 60
#: Heartbeats come after so many frames.
_BEAT = 25


class FaultyServer:
    """Plays a script to its end; every fault has its place on the way.

    Parameters
    ----------
    script
        What the venue says, `venue_scripts.Script`.
    faults
        In order: "dropped", "reordered", "doubled", "broken" (the line), "silent", "flipped" (a digit), "stale" (the
        snapshot is older than the changes).

    Attributes
    ----------
    over : asyncio.Event
        Set once everything was sent.
    done : list of (str, int)
        Each fault done, with the number of its connection, from 1.
    last : bytes
        The newest frame of the script that was sent.
    sent, asked : list of str
        What clients sent, and what they asked of REST.
    """

    def __init__(self, script: Any, faults: list[str]) -> None:
        self.script, self.faults = script, list(faults)
        self.over = asyncio.Event()
        self.done: list[tuple[str, int]] = []
        self.sent: list[str] = []
        self.asked: list[str] = []
        self.connections = 0
        self.last = b""
        self._stale = b""
        self._snapshot = asyncio.Event()
        self._replied = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address, without the scheme."""
        async with serve(self._play, "127.0.0.1", 0, process_request=self._rest) as server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _rest(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/":
            return None
        self.asked.append(request.path)
        body = self.script.answer(request.path)
        if "/depth?" in request.path:
            if self._stale:
                body, self._stale = self._stale, b""
                self._done("stale")
            self._snapshot.set()
        return connection.respond(200, body.decode())

    def _done(self, fault: str) -> None:
        assert self.faults.pop(0) == fault
        self.done.append((fault, self.connections))

    async def _play(self, socket: ServerConnection) -> None:
        self.connections += 1
        self._snapshot.clear()
        listening = asyncio.create_task(self._listen(socket))
        with suppress(ConnectionClosed):
            await self._connection(socket)
        await socket.wait_closed()
        await listening

    async def _listen(self, socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in socket:
                self.sent.append(str(message))
                if '"public/test"' in self.sent[-1]:
                    self._replied.set()

    async def _connection(self, socket: ServerConnection) -> None:
        s = self.script
        if self.faults[:1] == ["stale"]:
            self._stale = s.answer(f"/depth?symbol={s.symbols[0]}")
            for _ in range(STRETCH):
                s.play()
        if s.at or not s.begins:
            for frame in s.opening():
                await socket.send(frame.decode())
        if s.venue.startswith("binance"):
            await self._some(socket, 3)  # kept for the snapshot
            await self._heard(self._snapshot, socket)
        while self.faults:
            await self._some(socket, STRETCH)
            fault = self.faults[0]
            if fault == "stale":
                return  # found when the snapshot came
            await getattr(self, f"_{fault}")(socket)
            if fault != "doubled":
                return
        while s.at < len(s.frames):
            await self._some(socket, STRETCH)
        self.over.set()

    async def _heard(self, event: asyncio.Event, socket: ServerConnection) -> None:
        """Wait for what the client is to do, or for its end."""
        ends = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(socket.wait_closed())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def _send(self, socket: ServerConnection, frame: bytes) -> None:
        self.last = self.script.sent(frame)
        await socket.send(self.last.decode())
        await asyncio.sleep(0)  # the client shares the loop

    async def _some(self, socket: ServerConnection, frames: int) -> None:
        for _ in range(min(frames, len(self.script.frames) - self.script.at)):
            await self._send(socket, self.script.play())
            if self.script.at % _BEAT == 0:
                await self._beat(socket)

    async def _beat(self, socket: ServerConnection) -> None:
        beat = self.script.beat
        if beat:
            self._replied.clear()
            await socket.send(beat.decode())
            if b"test_request" in beat:  # no answer, no more
                await self._heard(self._replied, socket)

    async def _pair(self, socket: ServerConnection) -> tuple[int, int]:
        """Play on to a change whose loss the next one of its book will show: where both are."""
        s = self.script
        while True:
            first = s.change(s.frames[s.at])
            if first is not None and not first.whole:
                for j in range(s.at + 1, len(s.frames)):
                    then = s.change(s.frames[j])
                    if then is not None and then.symbol == first.symbol:
                        if s.shows(first, then):
                            return s.at, j
                        break
            await self._some(socket, 1)

    async def _dropped(self, socket: ServerConnection) -> None:
        _, j = await self._pair(socket)
        self.script.sent(self.script.play())  # numbered, and lost
        self._done("dropped")
        await self._some(socket, j + 1 - self.script.at)

    async def _reordered(self, socket: ServerConnection) -> None:
        i, j = await self._pair(socket)
        made = [self.script.sent(self.script.play()) for _ in range(i, j + 1)]
        self._done("reordered")
        for frame in [made[-1], *made[:-1]]:
            await socket.send(frame.decode())

    async def _doubled(self, socket: ServerConnection) -> None:
        await self._pair(socket)
        frame = self.script.sent(self.script.play())
        self._done("doubled")
        for _ in range(2):
            await socket.send(frame.decode())

    async def _flipped(self, socket: ServerConnection) -> None:
        await self._pair(socket)
        frame = self.script.play()
        self._done("flipped")
        at = frame.rindex(b'"c":"') + 5
        await socket.send((frame[:at] + (b"1" if frame[at : at + 1] != b"1" else b"2") + frame[at + 1 :]).decode())

    async def _broken(self, socket: ServerConnection) -> None:
        self._done("broken")
        socket.transport.abort()

    async def _silent(self, socket: ServerConnection) -> None:
        self._done("silent")
        await socket.wait_closed()
