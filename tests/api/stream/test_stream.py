"""The stream as a client sees it: the real application under granian."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.sync.client import ClientConnection, connect

from qflib.api.stream import StreamLimits
from tests.api.stream.playing import Playing, playing
from tests.api.stream.talking import Book, ask, closed, drained, due, told

LIMITS = StreamLimits(heartbeat_s=0.3, rate=50.0, burst=80.0, subscriptions=6, connections=40)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    with playing(tmp_path_factory.mktemp("api"), LIMITS, n=300) as made:
        yield made


@pytest.fixture
def ws(server: Playing) -> Iterator[ClientConnection]:
    with connect(server.ws, additional_headers=server.headers) as made:
        yield made


def test_a_book_kept_by_deltas_is_the_views(server: Playing, ws: ClientConnection) -> None:
    ask(ws, "subscribe", channel="book", subject="ACME.F")
    book, n = Book(), 0
    book.take(told(ws))
    while n < 12:
        assert server.play(40)
        drained(server)
        for m in due(ws):
            book.take(m)
            n += 1
    state = server.views.books.latest("ACME.F")
    assert state is not None
    table = server.views.instruments
    bids, asks = book.shown()
    assert [(float(p), float(q)) for p, q in bids] == [
        (table.to_price(state.instrument, int(p)), table.to_qty(state.instrument, int(q))) for p, q in state.bids
    ]
    assert len(asks) == len(state.asks)
    assert book.seq == state.stamp.seq


def test_trades_executions_and_risk_are_told_a_record(server: Playing, ws: ClientConnection) -> None:
    heard: list[Any] = []
    end = server.views.listen(heard.append)
    for channel, subject in (("trades", "ACME.F"), ("executions", "ACME"), ("risk", "DESK1")):
        ask(ws, "subscribe", channel=channel, subject=subject)
        assert told(ws)["type"] == "snapshot"
    server.play(until=lambda _: bool(heard) and any(c.executions for c in heard) and any(c.report for c in heard))
    end()
    drained(server)
    made = due(ws)
    f = server.views.instruments.id("ACME.F")
    trades = [m for m in made if m["channel"] == "trades"]
    assert sum(len(m["data"]["items"]) for m in trades) == sum(
        len(t.rows) for c in heard for t in c.trades if t.instrument == f
    )
    rows = [x for c in heard for x in c.executions if x.underlying == "ACME" for x in x.rows]
    ours = [x for m in made if m["channel"] == "executions" for x in m["data"]["items"]]
    assert [x["exec_id"] for x in ours] == [x.exec_id for x in rows]
    report = [c.report for c in heard if c.report is not None][-1]
    last = [m for m in made if m["channel"] == "risk"][-1]
    assert last["seq"] == report.stamp.seq
    assert last["data"]["levels"][0]["es_current"] == report.figure("es_current")


def test_an_instrument_of_which_nothing_was_told(tmp_path: Path) -> None:
    with playing(tmp_path, LIMITS) as server, connect(server.ws, additional_headers=server.headers) as ws:
        for channel in ("book", "trades", "executions", "risk"):
            subject = {"executions": "ACME", "risk": "DESK1"}.get(channel, "ACME.F")
            ask(ws, "subscribe", channel=channel, subject=subject)
            assert told(ws)["seq"] == -1
        server.play(until=lambda _: server.views.books.latest("ACME.F") is not None)
        drained(server)
        first = next(m for m in due(ws) if m["channel"] == "book")
        assert (first["type"], first["prev_seq"]) == ("delta", -1)
        book = Book()
        book.take(first)
        assert book.sides["bids"]


def test_resume_goes_on_exactly_over_connections_and_a_restart(tmp_path: Path) -> None:
    with playing(tmp_path, LIMITS, n=500) as server:
        book = Book()
        with connect(server.ws, additional_headers=server.headers) as ws:
            ask(ws, "subscribe", channel="book", subject="ACME.F")
            book.take(told(ws))
        server.play(150)
        drained(server)
        with connect(server.ws, additional_headers=server.headers) as ws:
            ask(ws, "subscribe", channel="book", subject="ACME.F", resume_from=book.seq)
            made = due(ws)
            assert {m["type"] for m in made} == {"delta"}
            for m in made:
                book.take(m)
        # a new process that has not read as far yet: nothing older comes, and then exactly what follows
        server.settled = False
        server.restart(400)
        with connect(server.ws, additional_headers=server.headers) as ws:
            ask(ws, "subscribe", channel="book", subject="ACME.F", resume_from=book.seq)
            assert due(ws) == []
            server.play(1_000)
            server.settled = True
            drained(server)
            made = due(ws)
            assert made
            assert {m["type"] for m in made} <= {"delta", "gap", "snapshot"}
            if made[0]["type"] == "gap":  # so much at once, that the newest book alone is told
                assert made[0]["reason"] == "conflated"
            for m in made:
                if m["type"] != "gap":
                    book.take(m)
            assert book.seq == server.views.books.latest("ACME.F").stamp.seq  # type: ignore[union-attr]


@pytest.mark.parametrize("seq", [0, 1, 10**12])
def test_a_sequence_that_is_not_kept_is_a_gap(server: Playing, ws: ClientConnection, seq: int) -> None:
    ask(ws, "subscribe", channel="book", subject="ACME.F", resume_from=seq)
    gap, snapshot = told(ws), told(ws)
    assert (gap["type"], gap["reason"], gap["from"]) == ("gap", "too_old", seq)
    assert gap["to"] == snapshot["seq"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        ("[" * 4_000, "bad_request"),
        ("null", "bad_request"),
        ('{"op":"buy"}', "unknown_op"),
        ("{}", "unknown_op"),
        ('{"op":"subscribe","channel":"books","subject":"ACME.F"}', "unknown_channel"),
        ('{"op":"subscribe","channel":"book","subject":"NONE"}', "unknown_subject"),
        ('{"op":"subscribe","channel":"risk","subject":"NONE"}', "unknown_subject"),
        ('{"op":"subscribe","channel":"book","subject":7}', "bad_request"),
        ('{"op":"subscribe","channel":"book","subject":"ACME.F","x":1}', "unknown_field"),
        ('{"op":"subscribe","channel":"book","subject":"ACME.F","resume_from":1e400}', "bad_request"),
        ('{"op":"subscribe","channel":"book","subject":"ACME.F","resume_from":99999999999999999999}', "bad_request"),
        ('{"op":"subscribe","channel":"book","subject":"ACME.F","resume_from":NaN}', "malformed_json"),
        ('{"op":"unsubscribe","channel":"book","subject":"ACME.F"}', "not_subscribed"),
    ],
)
def test_what_is_wrong_is_told_and_closed_after_a_few(ws: ClientConnection, frame: str | bytes, code: str) -> None:
    for _ in range(LIMITS.mistakes):
        ws.send(frame)
    made = closed(ws, 4400)
    assert [(m["type"], m["code"]) for m in made] == [("error", code)] * LIMITS.mistakes
    assert len(made[0]["detail"]) < 600
    assert "Traceback" not in made[0]["detail"]


def test_a_huge_request_ends_the_connection(ws: ClientConnection) -> None:
    ws.send("x" * 5_000_000)
    assert [m["code"] for m in closed(ws, 4400)] == ["too_large"]


def test_a_flood_ends_the_connection_and_nobody_elses(server: Playing, ws: ClientConnection) -> None:
    with connect(server.ws, additional_headers=server.headers) as other:
        try:
            for k in range(3_000):
                ask(ws, "ping", id=k)
        except ConnectionClosed:
            pass
        made = closed(ws, 4429)
        assert made[-1]["code"] == "flood"
        ask(other, "subscribe", channel="book", subject="ACME.F")
        assert told(other)["type"] == "snapshot"


def test_subscriptions_are_bounded_and_end(server: Playing, ws: ClientConnection) -> None:
    symbols = [r.symbol for r in server.views.instruments.rows[: LIMITS.subscriptions + 1]]
    for symbol in symbols:
        ask(ws, "subscribe", channel="trades", subject=symbol)
    made = [told(ws) for _ in symbols]
    assert sorted(m["type"] for m in made) == ["error", *["snapshot"] * LIMITS.subscriptions]
    assert next(m["code"] for m in made if m["type"] == "error") == "too_many_subscriptions"
    for symbol in symbols[:-1]:
        ask(ws, "unsubscribe", channel="trades", subject=symbol)
    ask(ws, "subscribe", channel="trades", subject=symbols[-1])
    assert told(ws)["subject"] == symbols[-1]
    assert server.call(lambda: server.hub.log("trades", symbols[0]).readers) == 0  # type: ignore[union-attr]


def test_heartbeats_come(ws: ClientConnection) -> None:
    assert [json.loads(ws.recv(2))["type"] for _ in range(2)] == ["heartbeat"] * 2


@pytest.mark.parametrize("how", ["none", "wrong", "subprotocol"])
def test_a_key_is_needed(server: Playing, how: str) -> None:
    key = f"{server.key[:-1]}{'0' if server.key[-1] != '0' else '1'}"
    headers = {"wrong": {"Authorization": f"Bearer {key}"}}.get(how)
    protocols: Any = ["qflib.v1", f"bearer.{key}"] if how == "subprotocol" else None
    with connect(server.ws, additional_headers=headers, subprotocols=protocols) as ws:
        assert closed(ws, 4401) == []


def test_a_browser_shows_its_key_as_a_subprotocol(server: Playing) -> None:
    protocols: Any = ["qflib.v1", f"bearer.{server.key}"]
    with connect(server.ws, subprotocols=protocols) as ws:
        assert ws.subprotocol == "qflib.v1"
        ask(ws, "subscribe", channel="book", subject="ACME.F")
        assert told(ws)["type"] == "snapshot"


def test_a_revoked_key_is_out_at_the_next_heartbeat(server: Playing) -> None:
    text, key = server.keys.create("leaver")
    with connect(server.ws, additional_headers={"Authorization": f"Bearer {text}"}) as ws:
        ask(ws, "ping")
        assert told(ws)["type"] == "pong"
        server.keys.revoke(key.key_id)
        assert closed(ws, 4401) == []


def test_connections_a_key_are_bounded_and_leave_nothing(server: Playing) -> None:
    import asyncio

    def alive() -> tuple[int, int, int]:
        log = server.hub.log("book", "ACME.F")
        assert log is not None
        return len(asyncio.all_tasks()), len(server.hub.connections), log.readers

    def settled(target: int) -> tuple[int, int, int]:
        end = time.monotonic() + 5
        while (now := server.call(alive))[0] > target and time.monotonic() < end:
            time.sleep(0.01)
        return now  # type: ignore[no-any-return]

    before = server.call(alive)
    text, _ = server.keys.create("many")
    headers = {"Authorization": f"Bearer {text}"}
    for _ in range(200 // LIMITS.connections):
        stack = ExitStack()
        many = [stack.enter_context(connect(server.ws, additional_headers=headers)) for _ in range(LIMITS.connections)]
        for one in many:
            ask(one, "subscribe", channel="book", subject="ACME.F")
            assert told(one)["type"] == "snapshot"
        with connect(server.ws, additional_headers=headers) as surplus:
            closed(surplus, 4429)
        for k, one in enumerate(many):
            if k % 2:
                one.close()
            else:
                one.socket.close()  # without a word
        stack.close()
        assert settled(before[0])[1:] == before[1:]
    assert settled(before[0])[0] <= before[0]
    assert len(server.views._listeners) == 1


def test_the_end_of_the_server_is_told(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with playing(tmp_path, LIMITS) as server:
            ws = stack.enter_context(connect(server.ws, additional_headers=server.headers))
            ask(ws, "ping", id=1)
            assert told(ws)["type"] == "pong"
        closed(ws, 1012)


def test_a_closed_socket_is_a_normal_end(server: Playing) -> None:
    with connect(server.ws, additional_headers=server.headers) as ws:
        ask(ws, "ping", id=1)
        assert told(ws)["type"] == "pong"
    with pytest.raises(ConnectionClosedOK):
        ws.recv()
