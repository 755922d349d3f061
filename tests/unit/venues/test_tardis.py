"""Tardis CSV files: books, whole books, trades; rows that are wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.desk.replay import replay
from qflib.errors import DataError
from qflib.records import DeadReason, EventKind, Header, Instrument, Instruments, Side
from qflib.venues.tardis import Decoder, read
from qflib.venues.venue import frames_of

HEAD = "exchange,symbol,timestamp,local_timestamp,"
BOOK = HEAD + "is_snapshot,side,price,amount\n"
TIME = "1585699200000001,1585699200100000"
ROWS = [
    f"x,A,{TIME},true,ask,10.5,3",
    f"x,A,{TIME},true,bid,10,2",
    "x,A,1585699200000002,1585699200200000,false,bid,10,0",
    "x,A,1585699200000002,1585699200200000,false,bid,9.5,7",
    "x,A,1585699200000003,1585699200300000,false,ask,10.5,1",
]
SNAPSHOT = "\n".join(ROWS[:2]).encode()
TABLE = Instruments((Instrument("A", tick_schedule=(("0", "0.1"),), venue="tardis", source="tardis:0", levels=True),))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_of_one_message_are_one_frame(tmp_path: Path, name: str) -> None:
    text = (BOOK + "\n".join(ROWS) + "\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    [frames] = read(tmp_path / name).chunks()
    assert frames.receipt_ns.tolist() == [1585699200100000000, 1585699200200000000, 1585699200300000000]
    told = replay(tmp_path / name, "tardis")
    assert (told["dead_letters"], told["events"]) == (0, 6)
    book = told["instruments"]["A"]
    assert (book["bid"], book["bid_qty"], book["ask"], book["ask_qty"]) == ("9.5", "7", "10.5", "1")


def test_trades_and_whole_books(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{HEAD}id,side,price,amount\nx,A,{TIME},17,sell,10.5,3\n")
    [frames] = read(tmp_path / "t.csv").chunks()
    e = Decoder(TABLE, "tardis:0").decode(frames, Header()).events
    assert (e.kind.tolist(), e.side.tolist(), e.price_ticks.tolist()) == ([EventKind.TRADE], [Side.ASK], [105])
    columns = ",".join(f"{s}[{k}].{n}" for k in (0, 1) for s in ("asks", "bids") for n in ("price", "amount"))
    (tmp_path / "b.csv").write_text(f"{HEAD}{columns}\nx,A,{TIME},10.5,3,10,2,10.7,1,,\n")
    assert replay(tmp_path / "b.csv", "tardis")["instruments"]["A"]["levels"] == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,A,1585699200000003,1,false,ask,10.55,1", DeadReason.BAD_VALUE),
        ("x,A,1585699200000003,1,false,neither,10.5,1", DeadReason.UNPARSABLE),
        ("x,A,soon,1,false,ask,10.5,1", DeadReason.UNPARSABLE),
        ("x,A,1585699200000003,1,false,ask,10.5", DeadReason.UNPARSABLE),
        ("x,B,1585699200000003,1,false,ask,10.5,1", DeadReason.UNKNOWN_INSTRUMENT),
    ],
)
def test_a_row_that_cannot_be_used_is_refused(row: str, reason: DeadReason) -> None:
    made = Decoder(TABLE, "tardis:0").decode(frames_of([1, 2], [0, 1], [SNAPSHOT, row.encode()]), Header())
    assert [r[:2] for r in made.refused] == [(1, reason)]
    # What was not used may have been a change of the book.
    assert (made.events.kind[-1] == EventKind.CLEAR) == (reason != DeadReason.UNKNOWN_INSTRUMENT)


@pytest.mark.fuzz
@given(payload=st.binary(max_size=80) | st.text("0123456789.,truefalsbidkA\n", max_size=80).map(str.encode))
def test_no_bytes_crash_the_decoder(payload: bytes) -> None:
    e = Decoder(TABLE, "tardis:0").decode(frames_of([1, 2], [0, 1], [SNAPSHOT, payload]), Header()).events
    assert (e.qty >= 0).all()


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no Tardis CSV"):
        read(tmp_path / "a.csv")
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "none.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress((BOOK + "\n".join(ROWS)).encode())[:-9])
    with pytest.raises(DataError, match="truncated"):
        read(tmp_path / "cut.csv.gz")
