"""A live venue's connections, one after the other, as one stream of what was heard on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import Enum, auto
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidURI, WebSocketException

from qflib.errors import InputError
from qflib.records import DeadReason
from qflib.venues.venue import LiveVenue, answer_frame

#: A frame longer than this ends the connection: memory is bounded, and a record holds any frame. Coinbase tells a whole
#: book in one.
_MAX_FRAME = 6 << 20

#: Wait before the first reconnect, and the longest one.
BACK_OFF_S = (0.5, 30.0)

#: What a connection that is to be trusted does not send.
DAMAGED = (DeadReason.BAD_CHECKSUM, DeadReason.UNPARSABLE, DeadReason.GAP)


class What(Enum):
    """What was heard."""

    OPENED = auto()
    SENT = auto()  # by us: a subscription
    FRAME = auto()
    CLOSED = auto()  # or never opened; the bytes say why


class Heard(NamedTuple):
    """One thing that happened on the connection, and when; receipt times never fall."""

    what: What
    receipt_ns: int
    data: bytes


class Session:
    """Connects, subscribes, listens; connects again after silence or an error, waiting ever longer.

    Parameters
    ----------
    venue
        How it is listened to.
    symbols
        The venue's own.
    back_off_s
        Wait before the first reconnect, doubled up to the second figure while connections bring nothing, or end by
        `reconnect`. There is no jitter: one desk is no herd.

    Attributes
    ----------
    frames, connections : int
        So far.
    trouble : str
        Why the last connection ended.
    """

    def __init__(self, venue: LiveVenue, symbols: Sequence[str], back_off_s: tuple[float, float] = BACK_OFF_S) -> None:
        self.venue, self.symbols, self.back_off_s = venue, list(symbols), back_off_s
        self.frames = self.connections = 0
        self.trouble = "no answer"
        self._refused = ""
        self._last_ns = 0
        self._socket: ClientConnection | None = None

    def reconnect(self, why: str) -> None:
        """End this connection, whose frames cannot be trusted; the next thing heard is that it is closed."""
        self._refused = self._refused or why
        if self._socket is not None:
            self._socket.transport.abort()

    async def heard(self) -> AsyncGenerator[Heard, None]:
        """What is heard, until the reader leaves off.

        Raises
        ------
        InputError
            If the venue's address is none.
        """
        wait = self.back_off_s[0]
        while True:
            before, self._refused = self.frames, ""
            try:
                async with aclosing(self._connection()) as connection:
                    async for one in connection:
                        yield one
                        if self._refused:
                            break
                self.trouble = self._refused or "the venue hung up"
            except TimeoutError:
                self.trouble = f"silence for {self.venue.heartbeat_s:g} s"
            except (OSError, WebSocketException) as e:
                if isinstance(e, InvalidURI):
                    raise InputError(f"{self.venue.url!r} is no websocket address: {e}") from None
                self.trouble = self._refused or f"{type(e).__name__}: {e}"
            finally:
                self._socket = None
            yield self._now(What.CLOSED, self.trouble.encode())
            fruitless = self._refused or self.frames == before
            wait = min(2 * wait, self.back_off_s[1]) if fruitless else self.back_off_s[0]
            await asyncio.sleep(wait)

    async def _connection(self) -> AsyncGenerator[Heard, None]:
        url, silence = self.venue.url, self.venue.heartbeat_s
        async with connect(url, max_size=_MAX_FRAME, open_timeout=silence) as socket:
            self.connections += 1
            self._socket = socket
            yield self._now(What.OPENED, url.encode())
            for message in self.venue.subscribe(self.symbols):
                yield self._now(What.SENT, message.encode())
                await socket.send(message)
            async with aclosing(self._frames(socket, silence)) as frames:
                async for one in frames:
                    yield one
                    reply = self.venue.reply(one.data) if self.venue.reply else None
                    if reply is not None:
                        yield self._now(What.SENT, reply.encode())
                        await socket.send(reply)

    async def _frames(self, socket: ClientConnection, silence: float) -> AsyncGenerator[Heard, None]:
        """Frames for ever; once the first has come, what REST is asked is answered among them."""
        yield await self._frame(socket, silence)
        paths = self.venue.asks(self.symbols) if self.venue.asks else []
        frame = asyncio.create_task(self._frame(socket, silence))
        answer: asyncio.Task[Heard] | None = None
        try:
            for path in paths:  # one at a time: venues count requests
                answer = asyncio.create_task(self._answer(f"{self.venue.rest}{path}", silence))
                while not answer.done():
                    await asyncio.wait({frame, answer}, return_when=asyncio.FIRST_COMPLETED)
                    if frame.done():
                        yield frame.result()
                        frame = asyncio.create_task(self._frame(socket, silence))
                yield answer.result()
            yield await frame
        finally:
            waiting = [frame] if answer is None else [frame, answer]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        while True:
            yield await self._frame(socket, silence)

    async def _answer(self, address: str, patience: float) -> Heard:
        import httpx  # slow to load, and most venues need none

        try:
            async with httpx.AsyncClient(timeout=patience) as client:
                told = await client.get(address)
                told.raise_for_status()
        except httpx.HTTPError as e:
            raise OSError(f"{address} is not answered: {e!r}") from None
        if len(told.content) > _MAX_FRAME:
            raise OSError(f"{address} is answered with {len(told.content):,} bytes")
        self.frames += 1
        return self._now(What.FRAME, answer_frame(address, told.content))

    async def _frame(self, socket: ClientConnection, silence: float) -> Heard:
        async with asyncio.timeout(silence):
            frame = await socket.recv(decode=False)
        self.frames += 1
        return self._now(What.FRAME, frame)

    def _now(self, what: What, data: bytes) -> Heard:
        # The wall clock may be set back; a recording's receipt times may not fall.
        self._last_ns = max(self._last_ns, time.time_ns())
        return Heard(what, self._last_ns, data)
