"""LOBSTER lines made here: seven types, the seed, orders older than the file, and lines that are none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import DataError
from qflib.records import DeadReason, EventKind, Header, Instrument, Instruments, Side, TradingStatus
from qflib.venues.lobster import Decoder, read
from qflib.venues.venue import frames_of

TABLE = Instruments((Instrument("AMZN", tick_schedule=(("0", "0.0001"),), venue="lobster", source="lobster:0"),))
MIDNIGHT_NS = 1_340_251_200_000_000_000  # 21 June 2012, New York
OLD_BID = 1 << 63 | 990_000


def decode(*lines: str, decoder: Decoder | None = None) -> Any:
    n, receipt = len(lines), MIDNIGHT_NS + 40_000 * 10**9
    frames = frames_of([receipt] * n, list(range(n)), [line.encode() for line in lines])
    return (decoder or Decoder(TABLE, "s")).decode(frames, Header())


def rows(made: Any) -> list[tuple[int, ...]]:
    e = made.events
    return list(zip(*(getattr(e, n).tolist() for n in ("kind", "side", "order_id", "price_ticks", "qty")), strict=True))


def test_the_seven_types() -> None:
    made = decode(
        "34200.01746,1,7,100,1000000,-1",
        "34200.02,2,7,10,1000000,-1",
        "34200.03,4,7,20,1000000,-1",
        "34200.04,3,7,70,1000000,-1",
        "34200.05,5,0,5,999900,1",
        "34200.06,6,-1,9,999900,1",
        "36023,7,0,0,-1,-1",
        "36323,7,0,0,0,-1",
        "36723,7,0,0,1,-1",
    )
    assert made.refused == ()
    assert rows(made) == [
        (EventKind.ADD, Side.ASK, 7, 1_000_000, 100),
        (EventKind.CANCEL, Side.ASK, 7, 1_000_000, 10),
        (EventKind.EXECUTE, Side.ASK, 7, 1_000_000, 20),
        (EventKind.CANCEL, Side.ASK, 7, 1_000_000, 70),
        (EventKind.TRADE, Side.ASK, 0, 999_900, 5),  # a hidden buy order was hit: the seller was the aggressor
        (EventKind.TRADE, Side.NONE, 0, 999_900, 9),
        *(
            (EventKind.STATUS, 0, 0, 0, s)
            for s in (TradingStatus.HALT, TradingStatus.PRE_OPEN, TradingStatus.CONTINUOUS)
        ),
    ]
    assert made.events.venue_ns[0] == MIDNIGHT_NS + 34_200_017_460_000


@pytest.mark.parametrize("order_id", [-1, -2, -3, -4])
@pytest.mark.parametrize("direction", [-1, 0, 1])
def test_a_cross_is_a_trade_that_touches_no_order(order_id: int, direction: int) -> None:
    decoder = Decoder(TABLE, "s")
    made = decode(
        "34200.01,1,7,100,1000000,-1", f"34200.02,6,{order_id},5000,1000000,{direction}", decoder=decoder,
    )  # fmt: skip
    assert made.refused == ()
    assert rows(made)[1] == (EventKind.TRADE, Side.NONE, 0, 1_000_000, 5000)
    assert (decoder.state()["id"].tolist(), decoder.state()["left"].tolist()) == ([7], [100])


def test_a_seed_stands_for_orders_older_than_the_file() -> None:
    made = decode(
        "1010000,50,990000,40,9999999999,0,-9999999999,0",
        "34200,3,5,15,990000,1",  # an order of the seeded level
        "34200,1,6,30,990000,1",
        "34200,4,8,25,990000,1",  # the rest of the seeded level
        "34200,3,9,1,990000,1",  # nothing older is left: for the book to count
        "34200,3,6,30,990000,1",
    )
    assert rows(made) == [
        (EventKind.CLEAR, 0, 0, 0, 0),
        (EventKind.ADD, Side.ASK, 1 << 63 | 1 << 62 | 1_010_000, 1_010_000, 50),
        (EventKind.ADD, Side.BID, OLD_BID, 990_000, 40),
        (EventKind.CANCEL, Side.BID, OLD_BID, 990_000, 15),
        (EventKind.ADD, Side.BID, 6, 990_000, 30),
        (EventKind.EXECUTE, Side.BID, OLD_BID, 990_000, 25),
        (EventKind.CANCEL, Side.BID, 9, 990_000, 1),
        (EventKind.CANCEL, Side.BID, 6, 990_000, 30),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("34200,9,1,1,1,1", DeadReason.UNPARSABLE),
        ("noise", DeadReason.UNPARSABLE),
        ("1,2,3", DeadReason.UNPARSABLE),
        ("", DeadReason.UNPARSABLE),
        ("34200,1,1,0,1,1", DeadReason.BAD_VALUE),
        ("34200,1,1,1,1,0", DeadReason.BAD_VALUE),
        ("34200,1,-1,1,1,1", DeadReason.BAD_VALUE),
        ("34200,5,-1,1,1,1", DeadReason.BAD_VALUE),
        ("34200,6,-1,0,1,1", DeadReason.BAD_VALUE),
        ("34200,1,99999999999999999999,1,1,1", DeadReason.BAD_VALUE),
        ("99999999999,1,1,1,1,1", DeadReason.BAD_VALUE),
        ("34200,7,0,0,5,-1", DeadReason.BAD_VALUE),
        ("1,0,1,1", DeadReason.BAD_VALUE),
    ],
)
def test_what_is_no_message_is_refused(line: str, reason: DeadReason) -> None:
    made = decode(line, "34200,1,7,100,1000000,-1")
    assert [r.reason for r in made.refused] == [reason]
    assert len(made.events.kind) == 1


def test_cuts_and_restores_change_nothing() -> None:
    lines = ["1010000,50,990000,40", "34200,3,5,15,990000,1", "34200,1,6,30,990000,1", "34200,3,6,30,990000,1"]
    whole = rows(decode(*lines))
    for cut in range(1, len(lines)):
        first, second = Decoder(TABLE, "s"), Decoder(TABLE, "s")
        a = decode(*lines[:cut], decoder=first)
        second.load(first.state())
        assert rows(a) + rows(decode(*lines[cut:], decoder=second)) == whole


def test_files_with_and_without_a_seed(tmp_path: Path) -> None:
    path = tmp_path / "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"
    path.write_bytes(gzip.compress(b"Time,Type,OrderId,Size,Price,Direction\n34200.5,1,7,100,1000000,-1\n"))
    recording = read(path)
    assert [r.symbol for r in recording.instruments] == ["AMZN"]
    assert recording.start_ns == MIDNIGHT_NS + 34_200_500_000_000
    assert sum(len(c.length) for c in recording.chunks()) == 1
    path.with_name(path.name.replace("message", "orderbook")).write_bytes(gzip.compress(b"AskPrice\n1000000,100,5,5\n"))
    assert sum(len(c.length) for c in read(path).chunks()) == 2
    for data in (b"", b"1,2\n", gzip.compress(b"34200,1,7,100,1000000,-1\n" * 99)[:-9], b"1" * 70_000):
        path.write_bytes(data)
        with pytest.raises(DataError):
            read(path)


@pytest.mark.fuzz
@given(st.lists(st.one_of(st.binary(max_size=60), st.text("0123456789,-.", max_size=60).map(str.encode)), max_size=8))
def test_no_line_crashes_the_decoder(lines: list[bytes]) -> None:
    n = len(lines)
    made = Decoder(TABLE, "s").decode(frames_of([MIDNIGHT_NS] * n, list(range(n)), lines), Header())
    assert len(made.events.kind) + len(made.refused) >= n
    assert np.all(made.events.qty >= 0)
