"""A server on this machine that plays a twin as its venue would: subscriptions, REST, heartbeats, and faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

#: What a connection does to its frames, one connection after the other; the last one is left alone.
Fault = Callable[[list[bytes]], list[bytes]]


def dropped(frames: list[bytes]) -> list[bytes]:
    return frames[:4] + frames[5:]


def doubled(frames: list[bytes]) -> list[bytes]:
    return frames[:4] + frames[3:]


def reordered(frames: list[bytes]) -> list[bytes]:
    return [*frames[:4], frames[5], frames[4], *frames[6:]]


def undisturbed(frames: list[bytes]) -> list[bytes]:
    return frames


class LiveVenueServer:
    """Plays a twin's book: a snapshot as the venue gives it, and changes; each connection has its fault.

    Attributes
    ----------
    over : asyncio.Event
        Set once the last connection has sent everything.
    asked : list of str
        What was asked of REST.
    answered : list of str
        What a client sent.
    """

    def __init__(self, book: Any, faults: list[Fault], heartbeat: bytes = b"") -> None:
        self.book, self.faults, self.heartbeat = book, faults, heartbeat
        self.over = asyncio.Event()
        self.asked: list[str] = []
        self.sent: list[str] = []
        self._snapshot = asyncio.Event()
        self._connections = iter(range(1000))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address, without the scheme."""
        async with serve(self._play, "127.0.0.1", 0, process_request=self._rest) as server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _rest(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/":
            return None
        self.asked.append(request.path)
        if "exchangeInfo" in request.path:
            return connection.respond(200, json.dumps(rules(self.book.symbol)))
        self._snapshot.set()
        return connection.respond(200, json.dumps(json.loads(self.book.snapshot())["body"]))

    async def _play(self, socket: ServerConnection) -> None:
        n = next(self._connections)
        with suppress(ConnectionClosed):
            self.sent.append(str(await socket.recv()))
            if self.heartbeat:
                await socket.send(self.heartbeat.decode())
                while '"public/test"' not in self.sent[-1]:
                    self.sent.append(str(await socket.recv()))
            await self._frames(socket, self.faults[n] if n < len(self.faults) else undisturbed)
            if n >= len(self.faults) - 1:
                self.over.set()
            await socket.wait_closed()

    async def _frames(self, socket: ServerConnection, fault: Fault) -> None:
        by_rest = self.book.venue.startswith("binance")
        if by_rest:
            self._snapshot.clear()
            await socket.send('{"result":null,"id":1}')
            for _ in range(3):  # kept for the snapshot, or older than it
                await socket.send(self.book.update().decode())
            await self._asked_or_gone(socket)
        else:
            if self.book.venue == "coinbase":
                self.book.number = -1
            await socket.send(self.book.snapshot().decode())
        for payload in fault([self.book.update() for _ in range(12)]):
            await socket.send(payload.decode())

    async def _asked_or_gone(self, socket: ServerConnection) -> None:
        ends = [asyncio.ensure_future(self._snapshot.wait()), asyncio.ensure_future(socket.wait_closed())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()


def rules(symbol: str) -> dict[str, Any]:
    """Binance's exchangeInfo of one symbol."""
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00010000"},
    ]
    return {"symbols": [{"symbol": symbol, "baseAsset": "ETH", "quoteAsset": "USDT", "filters": filters}]}
