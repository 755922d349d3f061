"""Who does not read holds up nobody, is told what it missed, and is closed at last."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from qflib.api.stream import StreamLimits
from qflib.views.books import TRADE_ROW, BookState, Trades
from qflib.views.changed import Changed
from qflib.views.stamp import Stamp
from tests.api.stream.playing import Playing, playing
from tests.api.stream.talking import Book, ask, closed, told

_PATIENT = StreamLimits(send_s=60.0, heartbeat_s=60.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Playing]:
    with playing(tmp_path, _PATIENT, n=300) as made:
        yield made


@contextmanager
def sleepy(server: Playing) -> Iterator[ClientConnection]:
    """A client that takes little before it reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    sock.connect(("127.0.0.1", server.port))
    with connect(server.ws, sock=sock, additional_headers=server.headers, max_queue=1, close_timeout=0.2) as made:
        yield made


def awaited(what: Callable[[], bool], timeout: float = 10) -> None:
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def moved(state: BookState, k: int) -> BookState:
    """The book after k: every level another."""
    bids, asks = state.bids.copy(), state.asks.copy()
    bids[:, 1] += 1 + k % 7
    asks[:, 1] += 1 + k % 5
    stamp = state.stamp._replace(seq=state.stamp.seq + 1, prev_seq=state.stamp.seq)
    return replace(state, stamp=stamp, bids=bids, asks=asks)


def flow(server: Playing, n: int) -> BookState:
    """n books, one after the other, in turns with what else the loop does."""
    state = server.views.books.latest("ACME.F")
    assert state is not None
    seq = server.call(lambda: server.hub.log("book", "ACME.F").last_seq)  # type: ignore[union-attr]
    state = replace(state, stamp=state.stamp._replace(seq=seq))
    for k in range(n):
        state = moved(state, k)
        server.hub._hear(Changed(books=(state,)))
        if k % 4 == 3:
            awaited(lambda: server.call(server.hub.settled))
    return state


def stalls(server: Playing) -> bool:
    return any(server.call(lambda: [c._sending_since is not None for c in server.hub.connections]))


def test_a_slow_reader_is_told_of_the_gap_and_others_have_none(server: Playing) -> None:
    with sleepy(server) as slow, connect(server.ws, additional_headers=server.headers) as fast:
        for ws in (slow, fast):
            ask(ws, "subscribe", channel="book", subject="ACME.F")
        quick, late, sent = Book(), Book(), 0
        quick.take(told(fast))
        while sent < 200 or not stalls(server):
            last = flow(server, 8)
            sent += 8
            while quick.seq < last.stamp.seq:
                quick.take(told(fast))  # asserts an unbroken chain
            assert sent < 20_000
        last = flow(server, 100)
        gaps = []
        while late.seq < last.stamp.seq:
            m = told(slow)
            if m["type"] == "gap":
                assert (m["reason"], m["from"]) == ("conflated", late.seq)
                gaps.append(m)
            else:
                late.take(m)
        assert len(gaps) == 1
        assert gaps[0]["to"] - gaps[0]["from"] >= 100
        while quick.seq < last.stamp.seq:
            m = told(fast)
            if m["type"] != "gap":
                quick.take(m)
        assert late.shown() == quick.shown()


def trades(n: int, seq: int, instrument: int) -> Changed:
    rows = np.zeros(n, TRADE_ROW)
    rows["seq"], rows["price_ticks"], rows["qty"], rows["side"] = seq, 10_000, np.arange(1, n + 1), 1
    return Changed(trades=(Trades(instrument, Stamp(seq, seq - 1, 0, 0), rows),))


def test_trades_wait_for_a_slow_reader_up_to_what_is_kept(server: Playing) -> None:
    f = server.views.instruments.id("ACME.F")
    log = server.call(lambda: server.hub.log("trades", "ACME.F"))
    with sleepy(server) as slow:
        ask(slow, "subscribe", channel="trades", subject="ACME.F")
        seq = told(slow)["seq"]
        n = 0
        while n < 1_000 or not stalls(server):
            n += 1
            server.hub._hear(trades(20, seq + n, f))
            if n % 50 == 0:
                awaited(lambda: server.call(server.hub.settled))
        for k in range(1, n + 1):  # nothing is left out
            m = told(slow)
            assert (m["type"], m["seq"], m["prev_seq"]) == ("delta", seq + k, seq + k - 1)
        seq += n
        for k in range(1, 3 * log.behind + 1):
            server.hub._hear(trades(20, seq + k, f))
            if k % 50 == 0:
                awaited(lambda: server.call(server.hub.settled))
        chain, gaps = seq, []
        while chain < seq + 3 * log.behind:
            m = told(slow)
            if m["type"] == "gap":
                assert m["from"] == chain
                gaps.append(m)
            elif m["type"] == "delta":
                assert m["prev_seq"] == chain
            chain = m.get("seq", chain)
        assert len(gaps) == 1  # more than is kept: told, not silent


def test_who_never_reads_is_closed_and_leaves_nothing(tmp_path: Path) -> None:
    with playing(tmp_path, replace(_PATIENT, send_s=0.5, close_s=0.2), n=300) as server, ExitStack() as stack:
        fds = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        stalled = [stack.enter_context(sleepy(server)) for _ in range(5)]
        with connect(server.ws, additional_headers=server.headers) as other:
            for ws in stalled:
                ask(ws, "subscribe", channel="book", subject="ACME.F")
            ask(other, "subscribe", channel="book", subject="ACME.F")
            book, beside = Book(), 0
            book.take(told(other))
            end = time.monotonic() + 20
            while server.call(lambda: len(server.hub.connections)) > 1:
                assert time.monotonic() < end
                last = flow(server, 4)
                stalled_before = stalls(server)
                while book.seq < last.stamp.seq:
                    book.take(told(other))
                beside += stalled_before and stalls(server)
            assert beside  # it read all there was while the others' writers waited
            log = server.call(lambda: server.hub.log("book", "ACME.F"))
            awaited(lambda: log.readers == 1)
            assert log.end - log.first <= 1_024
        for ws in stalled:
            closed(ws, None)
        stack.close()
        if fds:
            awaited(lambda: len(os.listdir("/proc/self/fd")) <= fds + 2)


def test_a_slow_reader_that_wakes_sees_why_it_was_closed(tmp_path: Path) -> None:
    with playing(tmp_path, replace(_PATIENT, send_s=0.3, close_s=30.0), n=300) as server, sleepy(server) as slow:
        ask(slow, "subscribe", channel="book", subject="ACME.F")
        assert told(slow)["type"] == "snapshot"
        end = time.monotonic() + 20
        while server.call(lambda: len(server.hub.connections)):
            assert time.monotonic() < end
            flow(server, 8)
        closed(slow, 4408)
