"""Signals over a WebSocket: a frame a signal, answered in the order in which they came.

Who sends faster than its key may is read slower, so that TCP holds it back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar.exceptions import WebSocketDisconnect

from qflib.api.body import decoded
from qflib.api.problems import ProblemError, problem_of
from qflib.api.requests import NewSignal
from qflib.api.sockets import MALFORMED, RESTARTS, SLOW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar.connection import WebSocket

    from qflib.api.state import ApiState

#: Open sockets a key.
SOCKETS = 64
_LONGEST = 4_096  # bytes of a frame
_UNDER_WAY = 64  # signals a socket; the next one is read when the first of them is answered
_MISTAKES = 3  # in a row
_SEND_S = 10.0  # how long an answer may wait for the client to read
_GONE = (WebSocketDisconnect, RuntimeError, OSError)  # what a transport raises whose other end has left
_log = structlog.get_logger("qflib.api")


class SignalSocket:
    """A client that sends signals; one that does not read its answers is read no further, and closed after a while.

    Parameters
    ----------
    socket
        Accepted.
    state
        Keys, rates.
    key_id
        Whose it is.
    admitted
        Whether its key is still in force.
    send
        Sends a signal; what it gives is told to the client.
    """

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        state: ApiState,
        key_id: str,
        admitted: Callable[[], bool],
        send: Callable[[NewSignal], Awaitable[msgspec.Struct]],
    ) -> None:
        self._socket, self._state, self._key_id = socket, state, key_id
        self._admitted, self._send = admitted, send
        self._room = asyncio.Semaphore(_UNDER_WAY)
        self._answers: asyncio.Queue[asyncio.Task[bytes]] = asyncio.Queue()
        self._due: asyncio.Task[bytes] | None = None  # the answer that is waited for
        self._signals: set[asyncio.Task[bytes]] = set()
        self._mistakes = 0

    async def run(self) -> None:
        """Serve it until it leaves, or is made to."""
        works = (self._read(), self._answer(), self._until_the_end())
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            told = next(iter(done))
            await _ended(tasks)
            error = told.exception()
            if error is not None and not isinstance(error, _GONE):
                raise error
            close = None if error is not None else told.result()
            if close is not None:
                await self._close(*close)
            elif self._signals:  # what it sent before it left is sent
                await asyncio.wait(self._signals, timeout=self._state.settings.acknowledge_s)
        finally:
            await _ended([*tasks, *self._signals])

    async def _read(self) -> tuple[int, str] | None:
        while True:
            message: Any = await self._socket.receive()
            if message["type"] != "websocket.receive":
                return None
            text = message.get("text")
            frame = (message.get("bytes") or b"") if text is None else text.encode(errors="surrogatepass")
            if len(frame) > _LONGEST:
                return MALFORMED, f"a signal has {_LONGEST} bytes at most"
            if not self._admitted():
                return UNKNOWN, "the key is no longer in force"
            while waits := self._state.rates.take(self._key_id):
                await asyncio.sleep(waits)
            if self._mistakes >= _MISTAKES:
                return MALFORMED, f"{_MISTAKES} frames in a row were no signals"
            await self._room.acquire()
            made = asyncio.ensure_future(self._made(frame))
            self._signals.add(made)
            made.add_done_callback(self._signals.discard)
            self._answers.put_nowait(made)

    async def _made(self, frame: bytes) -> bytes:
        """What a signal is answered."""
        signal_id = None
        try:
            signal = decoded(frame, NewSignal)
            signal_id = signal.signal_id
            accepted = await self._send(signal)
        except Exception as e:  # the one exception map
            problem = problem_of(e)
            if problem.status >= 500 and not isinstance(e, ProblemError):
                _log.error("signal failed", exc_info=e)
            self._mistakes += problem.status == 400
            told = {"type": "error", "code": problem.code, "detail": problem.detail, "signal_id": signal_id}
            return msgspec.json.encode(told)
        self._mistakes = 0
        return msgspec.json.encode({"type": "accepted"} | msgspec.structs.asdict(accepted))

    async def _answer(self) -> tuple[int, str] | None:
        while True:
            told = await self._next()
            try:
                async with asyncio.timeout(_SEND_S):
                    await self._socket.send_text(told)
            except TimeoutError:
                return SLOW, f"no answer was read for {_SEND_S:g} s"
            self._room.release()

    async def _next(self) -> bytes:
        """The next answer. Who is made to wait no more must not take the signal with it: it may be on its way."""
        if self._due is None:
            self._due = await self._answers.get()
        told = await asyncio.shield(self._due)
        self._due = None
        return told

    async def _until_the_end(self) -> tuple[int, str] | None:
        await self._state.ending.wait()
        return RESTARTS, "the server ends; connect again, and send again what was not answered"

    async def _close(self, code: int, reason: str) -> None:
        """The answers that are due, then the close frame."""
        try:
            async with asyncio.timeout(self._state.settings.acknowledge_s):
                while self._due is not None or not self._answers.empty():
                    await self._socket.send_text(await self._next())
        except (TimeoutError, *_GONE):
            pass
        try:
            async with asyncio.timeout(1.0):
                await self._socket.close(code, reason)
        except (TimeoutError, *_GONE):
            return


async def _ended(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
