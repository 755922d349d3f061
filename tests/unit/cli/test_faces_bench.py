"""The bench of the faces fails where clients are lost, counts what came late, and gives its peer what we have."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from qflib.api import book_bytes
from qflib.cli.benches import faces
from qflib.cli.benches.faces import load, peer
from qflib.cli.benches.faces.market import SYMBOL, BookMarket
from qflib.errors import DataError


def frame(kind: str, **told: Any) -> bytes:
    text = json.dumps({"type": kind, **told}, separators=(",", ":")).encode()
    assert len(text) < 126
    return bytes([0x81, len(text)]) + text


UP = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Wire(asyncio.Transport):
    def write(self, data: Any) -> None:
        """To nobody."""


def opened(delays: list[int]) -> load.StreamClient:
    made = load.StreamClient(b"", b"", delays)
    made.connection_made(Wire())
    made.data_received(UP + frame("snapshot", seq=1))
    return made


def test_what_came_as_gap_and_snapshot_is_counted() -> None:
    delays: list[int] = []
    one = opened(delays)
    one.data_received(frame("delta", seq=2, prev_seq=1, time_ns=0))
    one.data_received(frame("gap", **{"from": 2, "to": 9}) + frame("snapshot", seq=9))
    one.data_received(frame("delta", seq=10, prev_seq=9, time_ns=0))
    assert (one.changes, len(delays), one.told, one.left_out, one.snapshots, one.silent) == (2, 2, 1, 7, 2, 0)
    one.data_received(frame("delta", seq=12, prev_seq=11, time_ns=0))
    assert one.silent == 1


def test_a_lost_socket_is_one_that_we_did_not_end() -> None:
    lost, ended = opened([]), opened([])
    lost.connection_lost(None)
    ended.ending = True
    ended.connection_lost(None)
    assert (lost.lost, ended.lost) == (True, False)
    with pytest.raises(SystemExit, match="unexpected answer"):
        load.StreamClient(b"", b"", []).data_received(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")


async def dropping(clients: int) -> dict[str, Any]:
    """A server that tells a book and hangs up on all but one."""
    met, serving = 0, []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        serving.append(asyncio.current_task())
        stays = met == 1
        writer.write(UP + frame("snapshot", seq=1))
        for seq in range(2, 100_000):
            writer.write(frame("delta", seq=seq, prev_seq=seq - 1, time_ns=0))
            if not stays or writer.is_closing():
                break
            await asyncio.sleep(0.01)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    told = {"port": server.sockets[0].getsockname()[1], "key": "k", "symbol": SYMBOL, "pid": os.getpid()}
    try:
        return await load.stream(told, clients, 1, 0.2)
    finally:
        server.close()
        await asyncio.gather(*serving)


def test_lost_clients_end_the_bench() -> None:
    told = asyncio.run(dropping(3))
    assert (told["lost"], told["quiet"]) == (2, 2)
    with pytest.raises(DataError, match="2 clients lost their socket and 2 got nothing"):
        faces.check(told)
    faces.check(told | {"lost": 0, "quiet": 0})
    with pytest.raises(DataError, match="1 messages were left out without a word"):
        faces.check(told | {"silent_gaps": 1})


def test_a_stream_with_and_without_a_stalled_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "CLIENTS", 3)
    monkeypatch.setattr(faces, "_WINDOWS", 1)
    monkeypatch.setattr(faces, "_WINDOW_S", 1)
    monkeypatch.setattr(faces, "_rates", lambda peers: iter(()))
    rows = {r.row: r for r in faces.rows(peers=False)}
    assert {"stream_3_p99", "stream_3_p99_none_stalled", "stream_left_out", "stream_late_snapshots"} <= set(rows)
    assert rows["stream_3_messages"].value > 0


def test_the_peer_has_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """One encodes at each call, the other keeps the bytes: they say the same."""
    market = BookMarket(1.0)
    anew, kept = peer.ways(market.views)
    encoded: list[Any] = []
    for module in (peer, book_bytes):
        monkeypatch.setattr(module, "encode", lambda form, was=module.encode: encoded.append(form) or was(form))
    made = [anew(SYMBOL), anew(SYMBOL), kept(SYMBOL), kept(SYMBOL), kept(SYMBOL)]
    assert len(encoded) == 3
    assert len({re.sub(rb'"age_ms":\d+', b"", body) for body in made}) == 1
    market.tell()
    assert kept(SYMBOL) != made[-1]
    assert len(encoded) == 4


def test_both_ways_of_the_peer_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(what: str, server: str, *_: str) -> dict[str, float]:
        return {"rate": {"get_kept": 400.0, "get": 100.0, "post": 50.0}[what] + (server == "qflib"), "cpu_us": 1.0}

    monkeypatch.setattr(faces, "_process", lambda module, which: nullcontext(which))
    monkeypatch.setattr(faces, "_load", asked)
    rows = {r.row: r for r in faces._rates(peers=True)}
    assert rows["get_book"].peers == {
        "starlette msgspec, encoded each time": 100.0,
        "starlette msgspec, kept bytes": 400.0,
    }
    assert rows["get_book_of_peer"].value == 101.0
    assert rows["get_book_of_peer_kept"].value == 100 * 101 / 400
    assert "post_order_of_peer_kept" not in rows


def test_few_quantities_of_a_book_move() -> None:
    market = BookMarket(1.0)
    for _ in range(50):
        before = market._qty.copy()
        market.tell()
        assert 0 < (before != market._qty).sum() <= 6
