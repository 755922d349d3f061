"""Our own files: round trips in every layout and kind, and sentences for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.desk.feed import FileFeed
from qflib.desk.read import read
from qflib.errors import DataError, InputError, QflibError, UnknownVenueError
from qflib.records import MARKET_EVENTS, EventKind, Instrument, Instruments
from qflib.venues.files import write_events
from qflib.venues.signals import read_signals

TABLE = Instruments(
    (
        Instrument("ACME.F", tick_schedule=(("0", "0.01"),), venue="file", source="file:0"),
        Instrument("BTC", tick_schedule=(("0", "0.5"),), lot="0.001", venue="file", source="file:0"),
    )
)


def events(n: int = 500) -> Any:
    rng = np.random.default_rng(4)
    kind = rng.choice([EventKind.ADD, EventKind.CANCEL, EventKind.TRADE, EventKind.CLEAR, EventKind.LEVEL], n)
    clear = kind == EventKind.CLEAR
    return MARKET_EVENTS.make(
        kind=kind.astype(np.uint32),
        flags=rng.integers(0, 4, n).astype(np.uint32),
        instrument=rng.integers(0, 2, n).astype(np.uint32),
        side=np.where(clear, 0, rng.integers(1, 3, n)).astype(np.uint32),
        order_id=rng.integers(0, 2**63, n).astype(np.uint64),
        price_ticks=np.where(clear, 0, rng.integers(1, 10**6, n)),
        qty=np.where(clear, 0, rng.integers(0, 10**6, n)),
        venue_ns=1_700_000_000_000_000_000 + np.arange(n),
        receipt_ns=1_700_000_000_000_000_123 + np.arange(n) * 1_000_000_007,
    )


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_what_is_written_is_read_back_exactly(tmp_path: Path, kind: str, raw: bool) -> None:
    told, path = events(), tmp_path / f"e.{kind}"
    write_events(path, told, TABLE, raw=raw)
    feed = read(path, "file", TABLE if kind == "csv" else None)
    back = MARKET_EVENTS.concat(list(feed.events()))
    for name in told._fields:
        assert np.array_equal(getattr(back, name), getattr(told, name)), name
    assert feed.instruments == TABLE
    assert feed.start.value == told.receipt_ns[0]
    assert feed.end.value == told.receipt_ns[-1]


def test_a_frame_a_person_writes_needs_no_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "receipt,symbol,kind,side,price,qty\n"
        "2026-01-05T14:30:00Z,ACME,level,bid,99.75,5\n"
        "2026-01-05T09:30:01-05:00,ACME,level,ask,100.25,7\n"
    )
    frame = read(path).to_frame()
    assert frame["price"].tolist() == [99.75, 100.25]
    assert frame["qty"].tolist() == [5.0, 7.0]
    assert frame.index[1] == pd.Timestamp("2026-01-05T14:30:01Z")


GOOD = "receipt,symbol,kind,side,price,qty\n2026-01-05T14:30:00Z,ACME.F,level,bid,99.75,5\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD.replace("ACME.F", "NOPE"), "symbol 'NOPE' is unknown"),
        (GOOD.replace("level", "lvl"), "kind 'lvl' is unknown"),
        (GOOD.replace("bid", "up"), "side 'up' is unknown"),
        (GOOD.replace("Z", ""), "has no time zone"),
        (GOOD.replace("99.75", ""), "price is missing"),
        (GOOD.replace("99.75", "99.755"), "off the instrument's tick"),
        (GOOD.replace(",5", ",-5"), "negative"),
        (GOOD.replace(",5", ",5.5"), "multiple of the lot"),
        (GOOD.replace("99.75", "cheap"), "price 'cheap' in row 1 is not a number"),
        (
            GOOD.replace(",5\n", ",5\n2026-01-05T14:30:00Z,ACME.F,level,bid,99.75,many\n"),
            "qty 'many' in row 2 is not a",
        ),
        (GOOD.replace(",5", ",inf"), "not finite"),
        (GOOD.replace("2026-01-05T", "yesterday "), "'yesterday 14:30:00Z' is not a time"),
        (GOOD.replace("qty", "qty,order_id").replace(",5", ",5,-1"), "unsigned 64-bit"),
        (GOOD.replace("qty", "qty,order_id").replace(",5", ",5,first"), "unsigned 64-bit"),
        ("a,b\n1,2\n", "expected those of MARKET_EVENTS"),
        ("", "truncated or malformed"),
        (GOOD.partition("\n")[0] + "\n", "no event"),
    ],
)
def test_wrong_rows_are_told_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "e.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        read(path, "file", TABLE)


@pytest.mark.parametrize("column", ["price", "qty"])
def test_a_figure_that_is_none_is_told_without_a_table(tmp_path: Path, column: str) -> None:
    pd.DataFrame(
        {
            "receipt": "2026-01-05T14:30:00Z",
            "symbol": "A",
            "kind": "level",
            "side": "bid",
            "price": [1.0, 2.0],
            "qty": 3,
        }
    ).astype({column: object}).assign(**{column: ["1", "x"]}).to_csv(tmp_path / "e.csv", index=False)
    with pytest.raises(DataError, match=f"{column} 'x' in row 2 is not a number"):
        read(tmp_path / "e.csv")


def test_rows_out_of_order_are_sorted_by_receipt(tmp_path: Path) -> None:
    told = events()
    shuffled = MARKET_EVENTS.take(told, np.random.default_rng(1).permutation(len(told.kind)))
    write_events(tmp_path / "e.parquet", shuffled, TABLE)
    back = MARKET_EVENTS.concat(list(read(tmp_path / "e.parquet").events()))
    for name in told._fields:
        assert np.array_equal(getattr(back, name), getattr(told, name)), name


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv.gz"])
def test_truncated_files_are_told_in_a_sentence(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / f"e.{kind}"
    if kind == "csv.gz":
        write_events(tmp_path / "e.csv", events(), TABLE)
        pd.read_csv(tmp_path / "e.csv").to_csv(whole, index=False)
    else:
        write_events(whole, events(), TABLE)
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(DataError, match="truncated"):
        read(cut, "file", TABLE)


def test_missing_files_and_unknown_venues_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="folder"):
        read(tmp_path)
    (tmp_path / "x.csv").write_text(GOOD)
    with pytest.raises(UnknownVenueError, match=r"'nyse' is unknown; expected one of kraken, binance"):
        read(tmp_path / "x.csv", "nyse")
    with pytest.raises(UnknownVenueError, match="no recordings"):
        read(tmp_path / "x.csv", "sim")
    with pytest.raises(InputError, match=r"expected \.csv"):
        write_events(tmp_path / "x.xls", events(1), TABLE)


@pytest.mark.parametrize("venue", ["kraken", "databento", "deribit", "binance", "coinbase", "bitstamp"])
def test_a_file_of_another_venue_is_told(tmp_path: Path, venue: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x00\x01 not a recording\n" * 20)
    with pytest.raises(QflibError):
        read(path, venue)


def test_raw_batches_are_cut_at_multiples_and_clocked(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    write_events(path, events(40), TABLE)
    feed = FileFeed(path, "file")
    period = 5_000_000_000
    batches = list(feed.raw(period))
    assert [b.header.seq for b in batches] == list(range(len(batches)))
    told = 0
    for b in batches:
        if b.kind == "raw":
            assert len(set((b.frames.receipt_ns // period).tolist())) == 1
            assert b.frames.receipt_ns[0] >= told
        else:
            assert b.tick.time_ns[0] % period == 0
            assert b.tick.time_ns[0] > told
            told = int(b.tick.time_ns[0])
    assert [int(b.tick.closing[0]) for b in batches if b.kind == "clock"][-2:] == [0, 1]
    with pytest.raises(InputError, match="must be positive"):
        list(feed.raw(0))


def test_signals_of_every_kind_of_file(tmp_path: Path) -> None:
    rows = [
        {"time": "2026-01-05T14:30:00Z", "instrument": "ACME.F", "direction": 1, "strength": 0.5, "horizon": "5min"},
        {"time": "2026-01-05T14:30:01Z", "instrument": "BTC", "direction": -1, "strength": 1.0, "horizon": "1h"},
    ]
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "s.csv", index=False)
    frame.to_parquet(tmp_path / "s.parquet")
    frame.to_json(tmp_path / "s.jsonl", orient="records", lines=True)
    for name in ("s.csv", "s.parquet", "s.jsonl"):
        made = read_signals(tmp_path / name, TABLE)
        assert made.instrument.tolist() == [0, 1]
        assert made.direction.tolist() == [1, -1]
        assert made.horizon_ns.tolist() == [300 * 10**9, 3600 * 10**9]
        assert (made.valid_until_ns == made.receipt_ns + made.horizon_ns).all()
        assert len(set(made.signal_id.tolist())) == 2
    frame["strength"] = [0.5, 7.0]
    frame.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(DataError, match=r"row 2: strength 7\.0 is not in 0 to 1"):
        read_signals(tmp_path / "bad.csv", TABLE)
    with pytest.raises(InputError, match="give instruments"):
        read(tmp_path / "s.csv", "signals")
