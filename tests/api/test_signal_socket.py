"""Signals over a WebSocket, the real application under granian."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any
from unittest.mock import Mock

import pytest
from websockets.sync.client import ClientConnection, connect

from qflib.api.signal_socket import SignalSocket
from qflib.api.state import Ack
from tests.api.served import SENT_MS, served
from tests.api.stream.playing import Playing, playing
from tests.api.stream.talking import closed, due, told

SIGNAL = {"instrument": "ACME.F", "direction": "buy", "strategy": "mine", "strength": 0.5, "horizon": "5min"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    with playing(tmp_path_factory.mktemp("api"), n=300) as made:
        yield made


def _open(server: Playing, key: str | None = None) -> ClientConnection:
    headers = {"Authorization": f"Bearer {key}"} if key else server.headers
    return connect(server.ws.replace("/stream", "/signals"), additional_headers=headers)


@pytest.fixture
def ws(server: Playing) -> Iterator[ClientConnection]:
    with _open(server) as made:
        yield made


def _sent(server: Playing) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload, _ in server.sender.signals]


def test_each_is_answered_in_order(server: Playing, ws: ClientConnection) -> None:
    before = len(server.sender.signals)
    ids = [f"s{k}" for k in range(300)]
    for name in ids:
        ws.send(json.dumps(SIGNAL | {"signal_id": name}))
    assert [told(ws)["signal_id"] for _ in ids] == ids
    made = _sent(server)[before:]
    assert [m["signal_id"] for m in made] == ids
    assert made[0]["horizon_ns"] == 300_000_000_000


def test_a_wrong_one_is_answered_and_the_next_one_taken(server: Playing, ws: ClientConnection) -> None:
    before = len(server.sender.signals)
    for wrong, code in (
        ({"instrument": "NONE"}, "unknown_instrument"),
        ({"direction": "up"}, "malformed"),
        ({"strength": 2.0}, "malformed"),
        ({"valid_until": "9999-01-01T00:00:00Z"}, "bad_instant"),
        ({"more": 1}, "malformed"),
    ):
        ws.send(json.dumps(SIGNAL | {"signal_id": "x"} | wrong))
        answer = told(ws)
        assert (answer["type"], answer["code"]) == ("error", code)
        ws.send(json.dumps(SIGNAL))
        assert told(ws)["type"] == "accepted"
    assert len(server.sender.signals) == before + 5


def test_the_broker_is_away(server: Playing, ws: ClientConnection) -> None:
    from qflib.api.problems import away

    server.sender.fails = away("not now")
    try:
        for _ in range(10):  # no mistake of the client's
            ws.send(json.dumps(SIGNAL))
            assert told(ws)["code"] == "broker_unavailable"
    finally:
        server.sender.fails = None
    ws.send(json.dumps(SIGNAL))
    assert told(ws)["type"] == "accepted"


def test_frames_that_are_no_signals_end_it(server: Playing, ws: ClientConnection) -> None:
    for frame in ("{", b"\xff", "[" * 4_000, "1"):
        ws.send(frame)
    answers = closed(ws, 4400)
    assert [a["code"] for a in answers] == ["malformed"] * 3


def test_a_frame_that_is_too_long_ends_it(server: Playing, ws: ClientConnection) -> None:
    before = len(server.sender.signals)
    ws.send(json.dumps(SIGNAL | {"strategy": "x" * 5_000}))
    assert closed(ws, 4400) == []
    assert len(server.sender.signals) == before


def test_who_may(server: Playing) -> None:
    with _open(server, "qf_none") as ws:
        closed(ws, 4401)
    key, made = server.keys.create("reader", "read")
    with _open(server, key) as ws:
        closed(ws, 4403)
    key, made = server.keys.create("trader", "trade")
    with _open(server, key) as ws:
        ws.send(json.dumps(SIGNAL))
        assert told(ws)["type"] == "accepted"
        server.keys.revoke(made.key_id)
        ws.send(json.dumps(SIGNAL))
        closed(ws, 4401)
    while server.call(lambda: server.state.signalling[made.key_id]):  # the close frame comes before its end
        sleep(0.005)


def test_a_flood_stays_in_tcp_and_disturbs_nobody(server: Playing, ws: ClientConnection) -> None:
    """So many signals are under way, and no more are read until the first is answered."""
    before = len(server.sender.signals)
    server.sender.held = []
    try:
        body = json.dumps(SIGNAL | {"signal_id": "x" * 60}).encode()
        frames, sent = (bytes([0x81, 0xFE, 0, len(body), 0, 0, 0, 0]) + body) * 100, 0
        while select.select([], [ws.socket], [], 1.0)[1]:
            sent += ws.socket.send(frames[sent % len(frames) :], socket.MSG_DONTWAIT)
            assert sent < 1 << 28
        assert len(server.sender.signals) - before == 64
        with connect(server.ws, additional_headers=server.headers) as other:
            assert due(other) == []
    finally:
        held, server.sender.held = server.sender.held, None
        server.call(lambda: [f.cancel() for f in held])


def test_a_stop_is_told(tmp_path: Path) -> None:
    with playing(tmp_path, n=300) as server, _open(server) as ws:
        ws.send(json.dumps(SIGNAL))
        assert told(ws)["type"] == "accepted"
        server.call(server.state.ending.set)
        closed(ws, 1012)


def test_a_stop_waits_for_the_signal_under_way(tmp_path: Path) -> None:
    """The one that is waited for and those behind it are answered, in order, before the close frame."""
    with playing(tmp_path, n=300) as server, _open(server) as ws:
        held = server.sender.held = []
        for name in ("a", "b"):
            ws.send(json.dumps(SIGNAL | {"signal_id": name}))
        while len(held) < 2:
            sleep(0.005)

        def stopped() -> None:
            loop = asyncio.get_running_loop()
            server.state.ending.set()
            for k, f in enumerate(held):  # Kafka has them after the socket has begun to close
                loop.call_later(0.1, lambda f=f, k=k: f.done() or f.set_result(Ack(SENT_MS, 0, k, 0)))

        server.call(stopped)
        assert [(m["type"], m["signal_id"]) for m in closed(ws, 1012)] == [("accepted", "a"), ("accepted", "b")]
        assert not any(f.cancelled() for f in held)


def test_nothing_of_a_socket_outlives_it(tmp_path: Path) -> None:
    async def run() -> None:
        api = served(tmp_path)
        api.sender.held = []
        frames = [{"type": "websocket.receive", "text": json.dumps(SIGNAL)}]

        async def receive() -> Any:
            return frames.pop() if frames else await asyncio.Event().wait()

        async def send(signal: Any) -> Any:
            await api.sender.signal(b"{}", 0)

        socket = Mock(receive=receive)

        before = asyncio.all_tasks()
        serving = asyncio.create_task(SignalSocket(socket, api.state, "k", lambda: True, send).run())
        while not api.sender.held:
            await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert asyncio.all_tasks() - {serving} == before

    asyncio.run(run())
