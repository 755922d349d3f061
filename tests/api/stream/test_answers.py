"""Answers beside a busy stream, and who asks before the views have read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from websockets.sync.client import connect

from qflib.api.stream import StreamLimits
from qflib.api.stream.connection import Connection
from qflib.api.stream.log import ChannelLog
from tests.api.stream.playing import playing
from tests.api.stream.talking import ask, closed, told

SUBSCRIBE = '{"op":"subscribe","channel":"book","subject":"x"}'


def _log() -> ChannelLog[int]:
    return ChannelLog("book", "x", lambda _, now: now, lambda last: last[-1] if last else None, kept=8)


def _played(
    frames: list[str], sent: Callable[[ChannelLog[int], list[Any]], bool], limits: StreamLimits
) -> tuple[list[Any], Mock]:
    """What a connection sends until `sent` says that it is enough."""

    async def run() -> tuple[list[Any], Mock]:
        log, made, enough = _log(), list[Any](), asyncio.Event()

        async def receive() -> Any:
            if frames:
                return {"type": "websocket.receive", "text": frames.pop(0)}
            await asyncio.Event().wait()

        async def send(event: Any) -> None:
            made.append(json.loads(event["text"]))
            if sent(log, made):
                enough.set()
            await asyncio.sleep(0)

        closing = asyncio.Future[tuple[int, str]]()

        async def close(code: int, reason: str) -> None:
            closing.set_result((code, reason))

        hub = Mock(limits=limits, connections=set(), log=lambda *_: log, settled=lambda: True)
        socket = Mock(receive=receive, send=send, close=close)
        one = Connection(hub, socket, "k")
        serving = asyncio.create_task(one.run())
        await asyncio.wait([asyncio.create_task(enough.wait()), serving], return_when=asyncio.FIRST_COMPLETED)
        one.end(1000, "enough")
        await serving
        return made, Mock(code=closing.result()[0])

    return asyncio.run(run())


def test_a_busy_subscription_does_not_hold_up_an_answer() -> None:
    def sent(log: ChannelLog[int], made: list[Any]) -> bool:
        log.append(log.last_seq + 1, 0)  # there is always another one due
        return len(made) >= 100

    made, _ = _played([SUBSCRIBE, '{"op":"ping","id":1}', '{"op":"ping","id":2}'], sent, StreamLimits())
    kinds = [m["type"] for m in made[:10]]
    assert kinds.count("pong") == 2
    at = [k for k, kind in enumerate(kinds) if kind == "pong"]
    assert at[1] - at[0] == 2  # and answers do not hold up what is due


def test_answers_that_wait_are_bounded_in_number() -> None:
    frames = ['{"op":"ping"}'] * 200
    _, end = _played(frames, lambda log, made: False, replace(StreamLimits(), answers=20))
    assert end.code == 4429


def test_a_portfolio_that_may_be_read_yet_is_to_be_asked_for_again(tmp_path: Path) -> None:
    with playing(tmp_path) as server:
        server.settled = False
        with connect(server.ws, additional_headers=server.headers) as ws:
            ask(ws, "subscribe", channel="risk", subject="OTHER")
            assert closed(ws, 1013) == []
        server.settled = True
        with connect(server.ws, additional_headers=server.headers) as ws:
            ask(ws, "subscribe", channel="risk", subject="OTHER")
            assert told(ws)["code"] == "unknown_subject"
