"""The recordings at hand: known figures of a right replay, broken copies, instrument lists."""

from __future__ import annotations

import gzip
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.desk.feed import FileFeed
from qflib.desk.read import read
from qflib.desk.replay import replay
from qflib.errors import DataError
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS, DeadReason, EventKind, Header, Instruments, Side
from qflib.steps.normalize import Normalize
from qflib.venues.binance_instruments import discover
from qflib.venues.decimal_text import exact
from qflib.venues.table import venue
from qflib.venues.venue import frame_offsets, frames_of, payloads_of, slice_frames

KRAKEN = "crypto/cryptofeed_KRAKEN.ws.50.0.gz"
ES = "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst"


@pytest.mark.data
def test_every_kraken_checksum_is_right(test_data: Path) -> None:
    figures = replay(test_data / KRAKEN, "kraken")
    assert figures["checksums"] == {"right": 4269, "wrong": 0}
    assert figures["dead_letters"] == figures["crossed"] == figures["refused"] == 0
    assert figures["events"] == 11_755
    assert len(figures["instruments"]) == 10
    book = figures["instruments"]["ADA/XBT"]
    assert book["orders"] is None
    assert re.fullmatch(r"0\.\d{9}", book["bid"])
    json.dumps(figures)


@pytest.mark.data
def test_the_stream_says_what_the_file_says(test_data: Path) -> None:
    feed = read(test_data / KRAKEN, "kraken")
    step, rows = Normalize(feed.instruments), 0
    for batch in feed.raw():
        rows += sum(out.count for out in step.feed(batch) if out.kind == "market")
    assert step.checks == {"events": 11_755, "dead": 0, "gaps": 0, "right": 4269, "wrong": 0}
    assert rows == 11_755


@pytest.mark.data
def test_a_flipped_digit_is_caught_and_the_pair_waits_for_a_snapshot(test_data: Path, tmp_path: Path) -> None:
    lines = gzip.decompress((test_data / KRAKEN).read_bytes()).splitlines(keepends=True)
    pair = b'"XMR/USD"]'
    mine = [i for i, line in enumerate(lines) if pair in line]
    assert b'"as"' in lines[mine[0]]
    update = mine[20]
    lines[update] = re.sub(rb'"c":"(\d)', lambda m: b'"c":"%d' % ((int(m[1]) + 1) % 10), lines[update])
    # The pair's own snapshot comes once more near the end: the book lives again.
    again = mine[-5]
    lines.insert(again, lines[again].split(b": ")[0] + b": " + lines[mine[0]].split(b": ", 1)[1])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"".join(lines)))
    feed = FileFeed(broken, "kraken")
    decoder = feed.decoder()
    reasons = Counter(r.reason for made in feed.decoded_by(decoder) for r in made.refused)
    # After an old snapshot the first checksum is wrong again: the book has moved on since.
    assert decoder.checks["wrong"] == 2
    assert reasons[DeadReason.BAD_CHECKSUM] == 2
    assert reasons[DeadReason.BEFORE_SNAPSHOT] == len(mine) - 1 - 20 - 1
    assert decoder.checks["right"] + decoder.checks["wrong"] + reasons[DeadReason.BEFORE_SNAPSHOT] == 4269


@pytest.mark.data
def test_es_has_no_unknown_order_and_its_known_top(test_data: Path) -> None:
    figures = replay(test_data / ES, "databento")
    assert figures["unknown_ids"] == figures["dead_letters"] == figures["refused"] == 0
    crossed = [m["event"] for m in figures["misfits"] if m["reason"] == "crossed"]
    assert len(crossed) == figures["crossed"] == 891
    events = MARKET_EVENTS.concat(list(read(test_data / ES, "databento").events()))
    assert events.venue_ns[crossed].max() < pd.Timestamp("2023-12-25 23:00", tz="UTC").value  # all before the open
    assert figures["events"] == 68_792 - 6_371  # fills do not touch the book
    top = figures["instruments"]["ESH4"]
    assert (top["bid"], top["ask"]) == ("4810.00", "4810.25")
    assert top["orders"] > 0
    assert replay(test_data / ES, "databento")["digest"] == figures["digest"]


@pytest.mark.data
def test_es_events_do_not_depend_on_cuts(test_data: Path) -> None:
    feed = read(test_data / ES, "databento")
    whole = MARKET_EVENTS.concat(list(feed.events()))
    decoder, parts = feed.decoder(), []
    for batch in feed.raw(7_000_000_000):
        if batch.kind == "raw":
            parts += [decoder.decode(batch.frames, Header()).events]
    cut = MARKET_EVENTS.concat(parts)
    for name in whole._fields:
        assert np.array_equal(getattr(cut, name), getattr(whole, name)), name


@pytest.mark.data
@pytest.mark.parametrize(("name", "kind"), [(KRAKEN, "kraken"), (ES, "databento")])
def test_truncated_recordings_are_told_in_a_sentence(test_data: Path, tmp_path: Path, name: str, kind: str) -> None:
    whole = (test_data / name).read_bytes()
    for part in (20, len(whole) // 2, len(whole) - 3):
        cut = tmp_path / f"{part}-{Path(name).name}"
        cut.write_bytes(whole[:part])
        with pytest.raises(DataError):
            replay(cut, kind)


@pytest.mark.data
def test_another_venues_recording_is_told(test_data: Path) -> None:
    with pytest.raises(DataError, match="not a DBN file"):
        read(test_data / KRAKEN, "databento")
    with pytest.raises(DataError):
        read(test_data / ES, "kraken")
    with pytest.raises(DataError, match="schema definition"):
        read(test_data / "databento/definition-glbx-es-opt.dbn.zst", "databento")


@pytest.mark.data
def test_es_option_definitions(test_data: Path) -> None:
    table = venue("databento").instruments(test_data / "databento/definition-glbx-es-opt.dbn.zst")
    row = table["ESM4 C4250"]
    assert (row.kind, row.right, row.style, row.strike) == ("option", "call", "american", 4250.0)
    assert (row.underlying, row.multiplier, row.settlement_type) == ("ESM4", 50.0, "physical")
    assert row.expiry is not None
    assert row.expiry.isoformat() == "2024-06-21T13:30:00+00:00"
    assert row.tick_schedule == (("0", "0.05"),)


@pytest.mark.data
def test_deribits_instruments(test_data: Path, tmp_path: Path) -> None:
    table = venue("deribit").instruments(test_data / "crypto/cryptofeed_DERIBIT.0.gz")
    assert len(table) > 1000
    option = table["BTC-24SEP21-40000-P"]
    assert (option.inverse, option.strike, option.right, option.settlement_currency) == (True, 40000.0, "put", "BTC")
    assert option.tick_schedule == (("0", "0.0005"),)
    assert option.lot == "0.1"
    perpetual = table["BTC-PERPETUAL"]
    assert (perpetual.kind, perpetual.contract_value, perpetual.expiry) == ("perpetual", 10.0, None)
    assert not table["SOL_USDC-PERPETUAL"].inverse
    (tmp_path / "t.toml").write_text(table.to_toml())
    assert type(table).from_toml(tmp_path / "t.toml").digest == table.digest
    cut = tmp_path / "cut.gz"
    cut.write_bytes((test_data / "crypto/cryptofeed_DERIBIT.0.gz").read_bytes()[:-100])
    with pytest.raises(DataError, match="truncated"):
        venue("deribit").instruments(cut)


BINANCE = "crypto/binance_spot_ethusdt_20240808.gz"


@pytest.mark.data
def test_binance_has_no_gap_and_its_book_agrees_with_every_ticker(test_data: Path) -> None:
    feed = read(test_data / BINANCE, "binance")
    decoder, seen = feed.decoder(), Counter[int]()
    books: dict[int, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
    tickers, right, told = _tickers(test_data / BINANCE), 0, 0
    for number, (e, last) in enumerate(_one_by_one(feed, decoder)):
        seen.update(e.kind.tolist())
        for kind, side, price, qty in zip(e.kind, e.side, e.price_ticks, e.qty, strict=True):
            if kind == EventKind.CLEAR:
                books = {Side.BID: {}, Side.ASK: {}}
            elif kind == EventKind.LEVEL and qty:
                books[int(side)][int(price)] = int(qty)
            elif kind == EventKind.LEVEL:
                books[int(side)].pop(int(price), None)
        if last and books[Side.BID] and (ticker := tickers.get(number)):
            told += 1
            bid, ask = max(books[Side.BID]), min(books[Side.ASK])
            right += (bid, books[Side.BID][bid], ask, books[Side.ASK][ask]) == ticker
    assert decoder.checks == {"gaps": 0}
    assert seen[EventKind.TRADE] == 6106
    assert seen[EventKind.CLEAR] == 1
    assert told > 3000
    assert right == told


def _one_by_one(feed: FileFeed, decoder: Any) -> Iterator[tuple[Any, bool]]:
    """What each frame makes; whether it is a change of the book."""
    for frames in feed.recording.chunks():
        at = frame_offsets(frames)
        for i in range(len(frames.length)):
            one = slice_frames(frames, i, i + 1, at)
            made = decoder.decode(one, Header())
            assert made.refused == ()
            yield made.events, b"depthUpdate" in one.payload.tobytes()


def _tickers(path: Path) -> dict[int, tuple[int, int, int, int]]:
    """By line of a change: the newest ticker that is not newer than it, of all told, before or after."""
    tickers: list[tuple[int, tuple[int, int, int, int]]] = []
    changes: list[tuple[int, int]] = []
    with gzip.open(path) as f:
        for number, line in enumerate(f):
            data = json.loads(line.split(b" ", 1)[1]).get("data", {})
            if "B" in data:
                tickers.append((data["u"], tuple(exact(data[k], n) for k, n in zip("bBaA", (2, 5, 2, 5), strict=True))))
            elif data.get("e") == "depthUpdate":
                changes.append((number, data["u"]))
    numbers = [u for u, _ in tickers]
    found = {n: tickers[at - 1] for n, u in changes if (at := bisect_right(numbers, u))}
    return {n: ticker for n, (_, ticker) in found.items()}


@pytest.mark.data
def test_coinbase_and_bitstamp_are_whole_and_never_crossed(test_data: Path) -> None:
    coinbase = replay(test_data / "crypto/cryptofeed_COINBASE.ws.28.0.gz", "coinbase")
    assert coinbase["dead_letters"] == coinbase["gaps"] == coinbase["crossed"] == coinbase["refused"] == 0
    assert len(coinbase["instruments"]) == 10
    assert (coinbase["instruments"]["SKL-USD"]["bid"], coinbase["instruments"]["SKL-USD"]["ask"]) == (
        "0.7902",
        "0.7911",
    )
    bitstamp = replay(test_data / "crypto/cryptofeed_BITSTAMP.ws.1.0.gz", "bitstamp")
    assert bitstamp["dead_letters"] == bitstamp["gaps"] == bitstamp["crossed"] == bitstamp["refused"] == 0
    assert all(b["bid"] and b["ask"] for b in bitstamp["instruments"].values())
    assert len(bitstamp["instruments"]) == 10


@pytest.mark.data
def test_coinbases_books_agree_with_its_tickers(test_data: Path) -> None:
    """Each ticker tells the top of the book after its trade; the level2 message of that trade may come around it."""
    feed = read(test_data / "crypto/cryptofeed_COINBASE.ws.28.0.gz", "coinbase")
    decoder, table = feed.decoder(), feed.instruments
    tops: dict[str, list[tuple[str, str]]] = {r.symbol: [] for r in table}
    books = Books(table)
    told: list[tuple[str, tuple[str, str], int]] = []
    for frames in feed.recording.chunks():
        at = frame_offsets(frames)
        for i in range(len(frames.length)):
            one = slice_frames(frames, i, i + 1, at)
            events = decoder.decode(one, Header()).events
            if b'"ticker"' in one.payload[:30].tobytes():
                t = json.loads(one.payload.tobytes())
                told.append((t["product_id"], (t["best_bid"], t["best_ask"]), len(tops[t["product_id"]])))
            elif len(events.kind):
                books.apply(events)
                k = int(events.instrument[0])
                top = books.tops([k])
                texts = table.decimals.price(k, int(top.bid_ticks[0])), table.decimals.price(k, int(top.ask_ticks[0]))
                tops[table[k].symbol].append(texts)
    first = {symbol: n for n, (symbol, _, _) in reversed(list(enumerate(told)))}  # of before the snapshot
    told = [t for n, t in enumerate(told) if first[t[0]] != n]
    right = 0
    for symbol, (bid, ask), place in told:
        near = tops[symbol][max(0, place - 40) : place + 40]
        right += any((float(b), float(a)) == (float(bid), float(ask)) for b, a in near)
    assert (len(told), right) == (97, 97)


@pytest.mark.data
@settings(max_examples=60)
@given(data=st.data())
def test_a_mutated_recorded_frame_is_refused_or_says_what_it_says(test_data: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(_CAPTURES)))
    feed, frames = _opening(test_data, name)
    n = data.draw(st.integers(0, len(frames) - 1))
    at = data.draw(st.integers(0, len(frames[n]) - 1))
    cut = at + data.draw(st.integers(0, 4))
    broken = frames[n][:at] + data.draw(st.binary(max_size=4)) + frames[n][cut:]
    decoder = feed.decoder()
    payloads = [*frames[:n], broken, *frames[n + 1 :]]
    made = decoder.decode(frames_of([1] * len(payloads), list(range(len(payloads))), payloads), Header())
    e = made.events
    assert (e.price_ticks[(e.kind == EventKind.LEVEL) | (e.kind == EventKind.TRADE)] > 0).all()
    assert (e.qty >= 0).all()
    assert (e.instrument < len(feed.instruments)).all()
    try:
        json.loads(broken)
    except (ValueError, UnicodeDecodeError):
        assert (n, DeadReason.UNPARSABLE) in [r[:2] for r in made.refused]


_CAPTURES = {
    "binance": BINANCE,
    "coinbase": "crypto/cryptofeed_COINBASE.ws.28.0.gz",
    "bitstamp": "crypto/cryptofeed_BITSTAMP.ws.1.0.gz",
    "kraken": KRAKEN,
}


@lru_cache
def _opening(test_data: Path, name: str) -> tuple[FileFeed, list[bytes]]:
    """A recording, and some of its first frames, each short enough to be broken often."""
    feed = read(test_data / _CAPTURES[name], name)
    first = next(iter(feed.recording.chunks()))
    return feed, [p for p in list(payloads_of(first))[:400] if len(p) < 4000][:60]


@pytest.mark.data
def test_tardis_samples(test_data: Path) -> None:
    deribit = replay(test_data / "crypto/tardis_deribit_incremental_book_L2_BTC-PERPETUAL.csv", "tardis")
    book = deribit["instruments"]["BTC-PERPETUAL"]
    assert (book["bid"], book["ask"], book["ask_qty"], book["levels"]) == (None, "6421.5", "18640", 15)
    for n in (5, 25):
        told = replay(test_data / f"crypto/tardis_binance-futures_book_snapshot_{n}_BTCUSDT.csv", "tardis")
        assert (told["dead_letters"], told["crossed"]) == (0, 0)
        assert told["instruments"]["BTCUSDT"]["levels"] == 2 * n


@pytest.mark.data
def test_a_historic_futures_change_that_does_not_follow_its_snapshot_is_a_gap(test_data: Path) -> None:
    """Binance's own CSV files of futures, as the frames that they were made of."""

    def told(name: str) -> pd.DataFrame:
        return pd.read_csv(test_data / f"crypto/nautilus_binance_btcusdt-depth-{name}.csv", dtype=str)

    def sides(rows: pd.DataFrame) -> list[list[list[str]]]:
        return [rows.loc[rows.side == s, ["price", "qty"]].to_numpy().tolist() for s in "ba"]

    snap, update = told("snap"), told("update")
    bids, asks = sides(snap)
    whole = {"lastUpdateId": int(snap.last_update_id[0]), "E": int(snap.timestamp[0]), "bids": bids, "asks": asks}
    b, a = sides(update)
    numbers = {"U": int(update.first_update_id[0]), "u": int(update.last_update_id[0]), "pu": int(update.pu[0])}
    change = {"e": "depthUpdate", "E": int(update.timestamp[0]), "s": "BTCUSDT", "b": b, "a": a, **numbers}
    frames = [json.dumps(f).encode() for f in (whole, change, whole | {"lastUpdateId": numbers["pu"]})]
    found: dict[str, Any] = {}
    for frame in frames[1::-1]:
        discover(frame, found)
    decoder = venue("binance").decoder(Instruments(tuple(found.values())), "binance:0")
    made = decoder.decode(frames_of([1, 2, 3], [0, 1, 2], frames), Header())
    assert [r[:2] for r in made.refused] == [(1, DeadReason.GAP)]
    # The change was kept: it follows the second snapshot.
    assert len(made.events.kind) == (1 + len(snap)) + 1 + (1 + len(snap)) + len(update)
