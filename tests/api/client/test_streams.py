"""Streams of `qf.Live`: they go on over broken connections and restarts, and verify what comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

import qflib as qf
from qflib.api.client import ApiError, Gap, GapError, Live, LiveBook, connect_async
from qflib.api.client.following import BrokenChainError, Follower
from qflib.api.stream.checksum import book_checksum
from qflib.errors import ChecksumError, InputError
from tests.api.stream.playing import Playing, playing


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Playing]:
    with playing(tmp_path, n=300) as made:
        yield made


@pytest.fixture
def live(desk: Playing) -> Iterator[Live]:
    with qf.connect(desk.url, key=desk.key) as made:
        yield made


def played(desk: Playing) -> None:
    """Play until the book has moved."""
    before = desk.views.books.latest("ACME.F")
    desk.play(until=lambda _: desk.views.books.latest("ACME.F") is not before)


def test_books_come_and_are_the_views(desk: Playing, live: Live) -> None:
    stream = live.stream("book", "ACME.F")
    first = next(stream)
    assert first.seq == live.book("ACME.F").seq
    for _ in range(5):
        played(desk)
        book: LiveBook = next(stream)
        state = desk.views.books.latest("ACME.F")
        assert state is not None
        assert book.seq == state.stamp.seq
        assert book.bid == desk.views.instruments.to_price(state.instrument, int(state.bids[0, 0]))


def test_rows_come_once_each(desk: Playing, live: Live) -> None:
    stream = live.stream("executions", "ACME")
    frames = [next(stream)]
    desk.play()
    want = [
        x
        for x in desk.views.orders.executions(limit=10_000)
        if desk.views.instruments[x.instrument].underlying == "ACME"
    ]
    while sum(map(len, frames)) < len(want):
        frames.append(next(stream))
    ids = pd.concat(frames)["exec_id"].tolist()
    assert ids == sorted(x.exec_id for x in want)
    report = next(live.stream("risk", "DESK1"))
    assert report["es_current"].tolist() == live.risk("DESK1")["es_current"].tolist()


def test_a_stream_goes_on_over_a_restart(desk: Playing, live: Live) -> None:
    stream = live.stream("book", "ACME.F")
    seqs = [next(stream).seq]
    for _ in range(3):
        played(desk)
        seqs.append(next(stream).seq)
    n = desk.played
    restart = Thread(target=desk.restart, args=(n,))
    restart.start()
    restart.join()
    state = desk.views.books.latest("ACME.F")
    assert state is not None
    assert seqs[-1] == state.stamp.seq
    played(desk)
    book = next(stream)  # no snapshot again, no gap: exactly what follows
    assert isinstance(book, LiveBook)
    after = desk.views.books.latest("ACME.F")
    assert after is not None
    assert (book.seq, after.stamp.prev_seq) == (after.stamp.seq, seqs[-1])


def test_a_stream_that_began_anew_is_a_gap(desk: Playing, live: Live) -> None:
    stream, strict = live.stream("book", "ACME.F"), live.stream("book", "ACME.F", on_gap="raise")
    last = next(stream).seq
    assert next(strict).seq == last
    desk.restart(30)  # another desk at the same address: it is not that far
    gap = next(stream)
    assert isinstance(gap, Gap)
    assert (gap.start, gap.reason) == (last, "too_old")
    assert next(stream).seq < last
    with pytest.raises(GapError, match="left out"):
        next(strict)


def test_async_streams(desk: Playing) -> None:
    async def read() -> list[Any]:
        made = []
        async with connect_async(desk.url, desk.key) as live:
            async for book in live.stream("book", "ACME.F"):
                made.append(book.seq)
                if len(made) == 4:
                    break
                await asyncio.to_thread(played, desk)
        return made

    seqs = asyncio.run(read())
    assert seqs == sorted(set(seqs))
    assert len(seqs) == 4


def test_what_patience_does_not_mend_is_raised(desk: Playing, live: Live) -> None:
    with pytest.raises(ApiError) as e:
        next(live.stream("book", "NONE"))
    assert e.value.code == "unknown_subject"
    with qf.connect(desk.url, key="qf_no_key") as other, pytest.raises(ApiError) as e:
        next(other.stream("book", "ACME.F"))
    assert (e.value.code, e.value.status) == ("unauthorised", 4401)
    with qf.connect("http://127.0.0.1:1", key="x") as nobody, pytest.raises(ApiError) as e:
        next(nobody.stream("book", "ACME.F", patience=0.05))
    assert e.value.code == "unreachable"
    with pytest.raises(InputError, match="channel 'books'"):
        live.stream("books", "ACME.F")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="on_gap"):
        live.stream("book", "ACME.F", on_gap="sulk")  # type: ignore[arg-type]


def message(kind: str, seq: int, prev: int, bids: Any, checksum: int | None = None) -> str:
    told = book_checksum(bids, []) if checksum is None else checksum
    data = {"instrument": "A", "seq": seq, "time_ns": 0, "append_ns": 1, "age_ms": 0, "status": "continuous"}
    data |= {"bids": bids, "asks": [], "last": None, "checksum": told}
    return json.dumps({"type": kind, "channel": "book", "subject": "A", "seq": seq, "prev_seq": prev, "data": data})


def test_a_follower_sees_what_does_not_hold_together() -> None:
    follower = Follower("book", "A")
    assert follower.take(message("snapshot", 5, -1, [("2", "1"), ("1", "4")])).bid == 2.0
    checksum = book_checksum([("10", "1"), ("2", "1")], [])
    book = follower.take(message("delta", 7, 5, [("1", "0"), ("10", "1")], checksum))
    assert book.bids == (("10", "1"), ("2", "1"))
    assert '"resume_from": 7' in follower.request()
    with pytest.raises(BrokenChainError, match="message 9 follows 8, and 7 is the last"):
        follower.take(message("delta", 9, 8, []))
    with pytest.raises(ChecksumError, match="is not the server's"):
        follower.take(message("delta", 8, 7, [("3", "1")], 1))
    assert follower.broken() == Gap("book", "A", 7, 8, "broken")
    assert "resume_from" not in follower.request()
    assert follower.take('{"type":"heartbeat","time_ns":1}') is None
