"""A server on this machine that plays a twin as its venue would: subscriptions and REST; `faulty_server` does wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


class LiveVenueServer:
    """Plays a twin's book to each connection: a snapshot as the venue gives it, and changes."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self._snapshot = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address, without the scheme."""
        async with serve(self._play, "127.0.0.1", 0, process_request=self._rest) as server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _rest(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/":
            return None
        if "exchangeInfo" in request.path:
            return connection.respond(200, json.dumps(rules(self.book.symbol)))
        self._snapshot.set()
        return connection.respond(200, json.dumps(json.loads(self.book.snapshot())["body"]))

    async def _play(self, socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await socket.recv()
            await self._frames(socket)
            await socket.wait_closed()

    async def _frames(self, socket: ServerConnection) -> None:
        if self.book.venue.startswith("binance"):
            self._snapshot.clear()
            await socket.send('{"result":null,"id":1}')
            for _ in range(3):  # kept for the snapshot, or older than it
                await socket.send(self.book.update().decode())
            await self._asked_or_gone(socket)
        else:
            if self.book.venue == "coinbase":
                self.book.number = -1
            await socket.send(self.book.snapshot().decode())
        for _ in range(12):
            await socket.send(self.book.update().decode())

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
