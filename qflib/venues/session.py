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
from qflib.venues.venue import LiveVenue

#: A frame longer than this ends the connection: memory is bounded, and a record holds any frame. Coinbase tells a whole
#: book in one.
_MAX_FRAME = 6 << 20

#: Wait before the first reconnect, and the longest one.
BACK_OFF_S = (0.5, 30.0)


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
            while True:
                yield await self._frame(socket, silence)

    async def _frame(self, socket: ClientConnection, silence: float) -> Heard:
        async with asyncio.timeout(silence):
            frame = await socket.recv(decode=False)
        self.frames += 1
        return self._now(What.FRAME, frame)

    def _now(self, what: What, data: bytes) -> Heard:
        # The wall clock may be set back; a recording's receipt times may not fall.
        self._last_ns = max(self._last_ns, time.time_ns())
        return Heard(what, self._last_ns, data)
