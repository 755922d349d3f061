"""Streams that go on: they connect again with growing patience, resume, and verify what comes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from qflib.api.client.api_error import ApiError, unreachable
from qflib.api.client.finding import Place
from qflib.api.client.following import Follower
from qflib.errors import ChecksumError

_FIRST_S, _LONGEST_S = 0.1, 5.0
_QUIET_S = 20.0  # without a heartbeat the connection is taken for dead
_FINAL = {4400: "malformed", 4401: "unauthorised", 4403: "missing_scope", 4429: "flood"}
_FRAME = 16 << 20
_CHANCE = random.SystemRandom()  # not the generator that a user may have seeded, nor one that a fork doubles


def follow(place: Place, follower: Follower, patience_s: float, closed: Callable[[], bool]) -> Iterator[Any]:
    """What a subject gives, over connections, until `closed` says so; see `Live.stream`."""
    from websockets.sync.client import connect

    pause, tls = _Pause(patience_s), place.tls
    while not closed():
        try:
            with connect(place.stream, additional_headers=_headers(place), max_size=_FRAME, ssl=tls) as ws:
                ws.send(follower.request())
                while not closed():  # a quiet subject has its heartbeats
                    made = follower.take(ws.recv(_QUIET_S))
                    pause.reset()
                    if made is not None:
                        yield made
        except ChecksumError:
            yield follower.broken()
        except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as e:
            time.sleep(pause.after(e, place.url))


async def afollow(
    place: Place, follower: Follower, patience_s: float, closed: Callable[[], bool]
) -> AsyncIterator[Any]:
    """As `follow`, without a thread that waits."""
    from websockets.asyncio.client import connect

    pause, tls = _Pause(patience_s), place.tls
    while not closed():
        try:
            async with connect(place.stream, additional_headers=_headers(place), max_size=_FRAME, ssl=tls) as ws:
                await ws.send(follower.request())
                while not closed():  # a quiet subject has its heartbeats
                    async with asyncio.timeout(_QUIET_S):
                        frame = await ws.recv()
                    made = follower.take(frame)
                    pause.reset()
                    if made is not None:
                        yield made
        except ChecksumError:
            yield follower.broken()
        except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as e:
            await asyncio.sleep(pause.after(e, place.url))


class _Pause:
    """How long to wait before the next try; random, so that many do not come at once."""

    def __init__(self, patience_s: float) -> None:
        self._patience, self._since, self._n = patience_s, time.monotonic(), 0

    def reset(self) -> None:
        self._since, self._n = time.monotonic(), 0

    def after(self, why: Exception, url: str) -> float:
        """Seconds; what no patience mends is raised."""
        if isinstance(why, ConnectionClosed) and why.rcvd is not None and why.rcvd.code in _FINAL:
            code = why.rcvd.code
            raise ApiError(f"the stream was closed: {why.rcvd.reason or _FINAL[code]}", _FINAL[code], code) from None
        if isinstance(why, InvalidStatus) and why.response.status_code < 500:
            status = why.response.status_code
            raise ApiError(f"{url} has no stream (status {status}); is this the API?", "foreign", status) from None
        if time.monotonic() - self._since > self._patience:
            raise unreachable(url, why) from None
        self._n += 1
        return min(_LONGEST_S, _FIRST_S * 2.0**self._n) * (0.5 + _CHANCE.random() / 2)


def _headers(place: Place) -> dict[str, str]:
    return {"Authorization": f"Bearer {place.key}"}
