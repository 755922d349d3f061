"""One connection: what it follows, what it asks, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from litestar.exceptions import WebSocketDisconnect
from msgspec import json

from qflib.api.sockets import FLOOD, LATER, MALFORMED, SLOW, UNKNOWN
from qflib.api.stream.bucket import Bucket
from qflib.api.stream.channels import SUBJECTS
from qflib.api.stream.log import Cursor, Event, event
from qflib.api.stream.requests import Ping, RequestError, Subscribe, request_of

if TYPE_CHECKING:
    from litestar.connection import WebSocket

    from qflib.api.stream.hub import Hub

_QUIET_S = 0.05
_GONE = (WebSocketDisconnect, RuntimeError, OSError)  # what a transport raises whose other end has left


class Connection:
    """A reader of the stream: one task reads its requests, one writes what is due.

    The server awaits each frame until the socket has taken it, so that a client which does not read holds up its own
    writer alone; what it misses meanwhile is in the logs, or gone from them.

    Parameters
    ----------
    hub
        Whose.
    socket
        Accepted.
    key_id
        Who it is.
    admitted
        Whether its key is still in force; asked at each heartbeat.
    """

    def __init__(
        self,
        hub: Hub,
        socket: WebSocket[Any, Any, Any],
        key_id: str,
        admitted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.key_id, self._admitted = key_id, admitted
        self.ended = asyncio.Event()
        self._hub, self._socket = hub, socket
        self._limits = limits = hub.limits
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self._answers: deque[Event] = deque()
        self._wake, self._closing = asyncio.Event(), asyncio.Event()
        self._bucket = Bucket(limits.rate, limits.burst)
        self._mistakes = 0
        self._close: tuple[int, str] | None = None
        self._sending_since: float | None = None
        self._beat = asyncio.get_running_loop().time() + limits.heartbeat_s

    async def run(self) -> None:
        """Serve it until it leaves, or is made to."""
        self._hub.connections.add(self)
        tasks = [asyncio.ensure_future(work) for work in (self._read(), self._write(), self._closing.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.connections.discard(self)
            for cursor in self._cursors.values():
                cursor.log.leave(self)
            for task in tasks:
                task.cancel()
            told = await asyncio.gather(*tasks, return_exceptions=True)
            await self._say_goodbye()
            self.ended.set()
        for one in told:
            if isinstance(one, Exception) and not isinstance(one, _GONE):
                raise one

    def end(self, code: int, reason: str) -> None:
        """Have it closed; the first reason counts."""
        if self._close is None:
            self._close = code, reason
            self._closing.set()

    def tick(self, now: float) -> None:
        """Send a heartbeat when it is time; end it when it does not read."""
        if (since := self._sending_since) is not None:
            if now - since > self._limits.send_s:
                self.end(SLOW, f"no message was read for {self._limits.send_s:g} s")
            return
        if now >= self._beat:
            self._beat = now + self._limits.heartbeat_s
            if not self._admitted():
                self.end(UNKNOWN, "the key is no longer in force")
            self._answer({"type": "heartbeat", "time_ns": time.time_ns()})

    def wake(self) -> None:
        """Have it look for what is due."""
        self._wake.set()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            busy = True
            while busy:
                answers = bool(self._answers)  # before the round: what it asks about is in it
                busy = answers
                for key, cursor in tuple(self._cursors.items()):  # in turn: none waits for another's backlog
                    if self._cursors.get(key) is cursor and (one := cursor.next()) is not None:
                        busy = True
                        await self._send(one)
                if answers:  # one a round: no backlog holds up a heartbeat, nor do answers hold up what is due
                    await self._send(self._answers.popleft())

    async def _send(self, one: Event) -> None:
        self._sending_since = asyncio.get_running_loop().time()
        await self._socket.send(one)  # type: ignore[arg-type]
        self._sending_since = None

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message: Any = await self._socket.receive()
            if message["type"] != "websocket.receive":
                return
            if not self._bucket.take(loop.time()):
                self._refuse("flood", f"more than {self._limits.rate:g} requests a second; send fewer")
                self.end(FLOOD, "too many requests")
                return
            text = message.get("text")
            try:
                self._take(text if text is not None else message.get("bytes") or b"")
                self._mistakes = 0
            except RequestError as e:
                self._mistakes += 1
                self._refuse(e.code, e.detail)
                if e.fatal or self._mistakes >= self._limits.mistakes:
                    self.end(MALFORMED, e.code)
                    return

    def _take(self, frame: str | bytes) -> None:
        request = request_of(frame)
        if isinstance(request, Ping):
            self._answer({"type": "pong", "id": request.id})
            return
        key = request.channel, request.subject
        if not isinstance(request, Subscribe):
            if (cursor := self._cursors.pop(key, None)) is None:
                raise RequestError("not_subscribed", f"{request.channel} of {request.subject!r} is not followed here")
            cursor.log.leave(self)
            return
        if key not in self._cursors and len(self._cursors) >= self._limits.subscriptions:
            raise RequestError("too_many_subscriptions", f"{len(self._cursors)} are followed; open another connection")
        log = self._hub.log(*key)
        if log is None and request.channel == "risk" and not self._hub.has_read():
            self.end(LATER, "reports are still being read; connect again")
            return
        if log is None:
            of = SUBJECTS[request.channel]
            raise RequestError("unknown_subject", f"there is no {request.subject!r}; {request.channel} is of {of}")
        self._cursors[key] = Cursor(log, request.resume_from, self._hub.settled)
        log.listen(self, self._wake.set)
        self._wake.set()

    def _refuse(self, code: str, detail: str) -> None:
        self._answer({"type": "error", "code": code, "detail": detail})

    def _answer(self, told: dict[str, Any]) -> None:
        self._answers.append(event(json.encode(told)))
        self._wake.set()
        if len(self._answers) > self._limits.answers:
            self.end(FLOOD, f"more than {self._limits.answers} answers wait to be read")

    async def _say_goodbye(self) -> None:
        """Send what was answered last, and the close frame; a client that does not read is left without."""
        if self._close is None:
            return
        try:
            async with asyncio.timeout(self._limits.close_s):
                while self._answers:
                    await self._send(self._answers.popleft())
            if self._close[0] == FLOOD:
                await self._let_run_dry()
            async with asyncio.timeout(self._limits.close_s):
                await self._socket.close(*self._close)
        except (TimeoutError, *_GONE):
            return

    async def _let_run_dry(self) -> None:
        """Read what a flood has left: TCP resets a socket closed over unread data, and the client sees no reason."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.close_s
        try:
            while loop.time() < end:
                async with asyncio.timeout(_QUIET_S):
                    if (await self._socket.receive())["type"] != "websocket.receive":
                        return
        except TimeoutError:
            return
