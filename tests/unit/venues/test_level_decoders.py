"""Decoders of venues that tell levels, against twins that keep text: faults, cuts, noise. Frames are synthetic."""

from __future__ import annotations

import importlib.util
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.records import DeadReason, EventFlag, EventKind, Header, Side
from qflib.venues.decimal_text import exact
from qflib.venues.table import venue
from qflib.venues.venue import frames_of

_spec = importlib.util.spec_from_file_location(
    "slow_levels", Path(__file__).parents[2] / "reference" / "slow_levels.py"
)
slow_levels: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(slow_levels)  # type: ignore[union-attr]

every = pytest.mark.parametrize("twin", slow_levels.TWINS)
numbered = pytest.mark.parametrize("twin", [t for t in slow_levels.TWINS if t.numbered])
unnumbered = pytest.mark.parametrize("twin", [t for t in slow_levels.TWINS if not t.numbered])


def decoder_of(book: Any) -> Any:
    return venue(book.venue).decoder(book.table(), f"{book.venue}:0")


def decode(decoder: Any, payloads: list[bytes], first: int = 0) -> Any:
    receipt = list(range(first, first + len(payloads)))
    return decoder.decode(frames_of(receipt, receipt, payloads), Header())


def folded(events: Any) -> dict[int, dict[int, int]]:
    """The book that the rows make, the plain way."""
    book: dict[int, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
    for kind, side, price, qty in zip(events.kind, events.side, events.price_ticks, events.qty, strict=True):
        if kind == EventKind.CLEAR:
            book = {Side.BID: {}, Side.ASK: {}}
        elif kind == EventKind.LEVEL and qty:
            book[int(side)][int(price)] = int(qty)
        elif kind == EventKind.LEVEL:
            book[int(side)].pop(int(price), None)
    return book


def expected(book: Any) -> dict[int, dict[int, int]]:
    return {
        side: {exact(p, 2): exact(q, 4) for p, q in book.sides[name].items()}
        for name, side in (("bid", Side.BID), ("ask", Side.ASK))
    }


@every
@pytest.mark.parametrize("seed", range(4))
def test_events_make_the_twins_book(twin: Any, seed: int) -> None:
    book = twin(seed)
    decoder = decoder_of(book)
    made = decode(decoder, [book.snapshot(), *(book.update() for _ in range(200))])
    assert made.refused == ()
    assert decoder.checks == {"gaps": 0}
    assert folded(made.events) == expected(book)


@every
def test_each_message_ends_with_last_and_a_snapshot_begins_with_clear(twin: Any) -> None:
    book = twin(3)
    decoder = decoder_of(book)
    for i, payload in enumerate([book.snapshot(), *(book.update() for _ in range(20)), book.trade()]):
        e = decode(decoder, [payload]).events
        assert e.flags[-1] & EventFlag.LAST
        assert not (e.flags[:-1] & EventFlag.LAST).any()
        assert ((e.flags & EventFlag.SNAPSHOT) != 0).all() == (i == 0)
        assert (e.kind[0] == EventKind.CLEAR) == (i == 0)


@every
def test_a_trade_has_the_aggressors_side_and_touches_no_book(twin: Any) -> None:
    book = twin(1)
    e = decode(decoder_of(book), [book.trade()]).events
    assert (e.kind.tolist(), e.side.tolist()) == ([EventKind.TRADE], [Side.ASK])  # every twin's trade is a sale
    assert (e.price_ticks[0], e.qty[0]) == (10005, 15000)
    assert e.venue_ns[0] > 10**18


@numbered
@pytest.mark.parametrize("fault", ["drop", "reorder"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_missing_clears_the_book_until_the_snapshot(twin: Any, fault: str, seed: int) -> None:
    book = twin(seed)
    told = [book.snapshot(), *(book.update() for _ in range(20))]
    if fault == "drop":
        del told[7]
    else:
        told[7], told[8] = told[8], told[7]
    decoder = decoder_of(book)
    before = decode(decoder, told[:7]).events
    broken = decode(decoder, told[7:], 7)
    assert broken.refused[0][:2] == (0, DeadReason.GAP)
    assert decoder.checks["gaps"] >= 1
    assert broken.events.kind.tolist() == [EventKind.CLEAR]
    assert broken.events.flags.tolist() == [EventFlag.LAST | EventFlag.GAP]
    again = decode(decoder, [book.snapshot(), *(book.update() for _ in range(5))], 40)
    assert again.refused == ()
    assert len(before.kind)
    assert folded(again.events) == expected(book)


@every
@pytest.mark.parametrize("seed", range(4))
def test_a_frame_that_comes_twice_changes_nothing(twin: Any, seed: int) -> None:
    book = twin(seed)
    told = [book.snapshot(), *(book.update() for _ in range(20))]
    told[7:7] = [told[7]]
    made = decode(decoder_of(book), told)
    assert made.refused == ()
    assert folded(made.events) == expected(book)


@pytest.mark.parametrize("twin", [slow_levels.Binance, slow_levels.BinanceFutures, slow_levels.Bitstamp])
@pytest.mark.parametrize("late", [0, 1, 6, 12])
def test_changes_that_come_before_their_snapshot_are_kept_for_it(twin: Any, late: int) -> None:
    book = twin(2)
    told, snapshot = [], b""
    for i in range(12):
        if i == 3:
            snapshot = book.snapshot()
        told.append(book.update())
    at = max(4, late)
    decoder = decoder_of(book)
    made = decode(decoder, [*told[: at - late], *told[at - late : at], snapshot, *told[at:]])
    assert made.refused == ()
    assert folded(made.events) == expected(book)
    assert made.events.receipt_ns[0] == at  # nothing was known before


@pytest.mark.parametrize("twin", [slow_levels.Binance, slow_levels.BinanceFutures])
def test_a_snapshot_older_than_the_first_change_is_a_gap(twin: Any) -> None:
    book = twin(2)
    old = book.snapshot()
    book.update()
    told = [book.update() for _ in range(3)]
    decoder = decoder_of(book)
    made = decode(decoder, [told[0], old, told[1]])
    assert [r.reason for r in made.refused] == [DeadReason.GAP]
    assert len(made.events.kind) == 0
    again = decode(decoder, [book.snapshot(), book.update()])
    assert again.refused == ()
    assert folded(again.events) == expected(book)


def test_an_older_change_of_bitstamp_is_a_gap() -> None:
    book = slow_levels.Bitstamp(1)
    told = [book.snapshot(), *(book.update() for _ in range(9))]
    told[4], told[5] = told[5], told[4]
    decoder = decoder_of(book)
    made = decode(decoder, told)
    assert [(r.frame, r.reason) for r in made.refused] == [(5, DeadReason.GAP)]
    assert folded(made.events) == {Side.BID: {}, Side.ASK: {}}
    assert folded(decode(decoder, [book.snapshot()]).events) == expected(book)


@every
def test_a_restart_clears_and_waits_for_a_snapshot(twin: Any) -> None:
    book = twin(1)
    decoder = decoder_of(book)
    decode(decoder, [book.snapshot(), book.update()])
    cleared = decoder.restart(99).events
    assert (cleared.kind.tolist(), cleared.receipt_ns.tolist()) == ([EventKind.CLEAR], [99])
    assert len(decode(decoder, [book.update()]).events.kind) == 0
    made = decode(decoder, [book.snapshot(), book.update()])
    assert folded(made.events) == expected(book)
    assert decoder.checks == {"gaps": 0}


@every
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(1, 60), max_size=6))
def test_cuts_and_snapshots_of_the_state_change_nothing(twin: Any, seed: int, cuts: list[int]) -> None:
    book = twin(seed)
    told = [book.update(), book.snapshot(), *(book.update() for _ in range(30))]
    del told[20]
    told += [b"noise", book.update(), book.snapshot(), book.update(), book.trade()]
    whole = decoder_of(book)
    right = decode(whole, told)
    assert right.refused
    decoder, rows, refused = decoder_of(book), [], []
    for a, b in pairwise([0, *sorted({*cuts}), len(told)]):
        fresh = decoder_of(book)
        fresh.load(decoder.state())
        decoder = fresh
        made = decode(decoder, told[a:b], a)
        rows.append(made.events)
        refused += [(r.frame + a, r.reason) for r in made.refused]
    assert refused == [(r.frame, r.reason) for r in right.refused]
    for name in right.events._fields:
        assert np.array_equal(np.concatenate([getattr(r, name) for r in rows]), getattr(right.events, name)), name
    for name, array in whole.state().items():
        assert np.array_equal(array, decoder.state()[name]), name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["stream", "data", "e", "type", "channel", "params", "url", "id"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.fuzz
@numbered
@given(payload=st.one_of(st.binary(max_size=80), json_values.map(lambda v: json.dumps(v).encode())))
def test_no_bytes_crash_a_decoder_and_the_good_frames_around_are_taken(twin: Any, payload: bytes) -> None:
    book = twin(2)
    made = decode(decoder_of(book), [book.snapshot(), payload, book.update()])
    assert all(r.frame == 1 for r in made.refused)
    assert folded(made.events) == expected(book)


@pytest.mark.fuzz
@unnumbered
@given(payload=st.binary(max_size=80))
def test_where_nothing_is_numbered_noise_clears_every_book(twin: Any, payload: bytes) -> None:
    try:
        json.loads(payload)
    except (ValueError, UnicodeDecodeError):
        book = twin(2)
        made = decode(decoder_of(book), [book.snapshot(), payload, book.update()])
        assert (1, DeadReason.UNPARSABLE) in [r[:2] for r in made.refused]
        assert folded(made.events) == {Side.BID: {}, Side.ASK: {}}


@pytest.mark.fuzz
@every
@given(data=st.data())
def test_a_mutated_frame_is_refused_or_says_what_it_says(twin: Any, data: st.DataObject) -> None:
    book = twin(5)
    frames = [book.snapshot(), book.update(), book.trade()]
    n = data.draw(st.integers(0, 2))
    at = data.draw(st.integers(0, len(frames[n]) - 1))
    frames[n] = frames[n][:at] + data.draw(st.binary(max_size=3)) + frames[n][at + data.draw(st.integers(0, 3)) :]
    decoder = decoder_of(book)
    made = decode(decoder, frames)
    e = made.events
    assert (e.price_ticks[(e.kind == EventKind.LEVEL) | (e.kind == EventKind.TRADE)] > 0).all()
    assert (e.qty >= 0).all()
    assert (e.instrument == 0).all()
    decoder_of(book).load(decoder.state())


@pytest.mark.fuzz
@every
@given(data=st.data())
def test_a_torn_frame_is_always_refused(twin: Any, data: st.DataObject) -> None:
    book = twin(6)
    frame = data.draw(st.sampled_from([book.snapshot(), book.update(), book.trade()]))
    made = decode(decoder_of(book), [frame[: data.draw(st.integers(0, len(frame) - 1))]])
    assert [r.reason for r in made.refused] == [DeadReason.UNPARSABLE]
    assert len(made.events.kind) == 0


@every
@pytest.mark.parametrize(("price", "qty"), [("100.005", "1"), ("0.00", "1"), ("100.00", "0.00005"), ("9" * 22, "1")])
def test_a_value_off_the_tick_or_lot_is_refused_and_its_book_waits(twin: Any, price: str, qty: str) -> None:
    book = twin(4)
    decoder = decoder_of(book)
    good = book.snapshot()
    book.change = lambda: [("bid", price, qty)]
    book.time_ms += 1
    made = decode(decoder, [good, book.update()])
    assert [r[:2] for r in made.refused] == [(1, DeadReason.BAD_VALUE)]
    assert folded(made.events) == {Side.BID: {}, Side.ASK: {}}


@every
def test_an_unknown_symbol_is_refused(twin: Any) -> None:
    book = twin(4)
    decoder = decoder_of(book)
    book.symbol = "NOSUCH"
    for payload in (book.snapshot(), book.update(), book.trade()):
        assert [r.reason for r in decode(decoder, [payload]).refused] == [DeadReason.UNKNOWN_INSTRUMENT]


@every
def test_binary_noise_is_unparsable(twin: Any) -> None:
    made = decode(decoder_of(twin(0)), [b"\xff\xfe", b"[" * 100_000, b"", b'"x"', b"{}"])
    assert [r.reason for r in made.refused] == [*[DeadReason.UNPARSABLE] * 4, DeadReason.UNKNOWN_KIND]


def test_a_numbered_frame_of_coinbase_that_cannot_be_read_clears_every_book() -> None:
    book = slow_levels.CoinbaseAdvanced(2)
    told = [book.snapshot(), book.update().replace(b'"price_level"', b'"price"'), book.update()]
    made = decode(decoder_of(book), told)
    assert [r.reason for r in made.refused] == [DeadReason.UNPARSABLE, DeadReason.BEFORE_SNAPSHOT]
    assert folded(made.events) == {Side.BID: {}, Side.ASK: {}}
    again = decode(decoder_of(book), [book.snapshot(), book.update()])
    assert folded(again.events) == expected(book)


def test_tickers_are_quotes_until_a_book_is_heard() -> None:
    book = slow_levels.Binance(2)
    ticker = {"u": 7, "s": book.symbol, "b": "100.00", "B": "1.5", "a": "100.10", "A": "0.0001"}
    told = json.dumps({"stream": "ethusdt@bookTicker", "data": ticker}).encode()
    made = decode(decoder_of(book), [told, book.update(), told])
    assert made.events.kind.tolist() == [EventKind.QUOTE] * 2
    assert made.events.price_ticks.tolist() == [10000, 10010]
    assert made.events.qty.tolist() == [15000, 1]
    assert made.events.flags.tolist() == [0, EventFlag.LAST]


def test_an_option_of_deribit_without_a_bid_has_an_empty_side() -> None:
    book = slow_levels.Deribit(2)
    ticker = {
        "timestamp": book.time_ms, "instrument_name": book.symbol, "best_bid_price": 0.0, "best_bid_amount": 0.0,
        "best_ask_price": 5e-2, "best_ask_amount": 12.5, "mark_iv": 51.2,
    }  # fmt: skip
    made = decode(decoder_of(book), [book._frame(f"ticker.{book.symbol}.100ms", ticker)])
    assert made.events.kind.tolist() == [EventKind.QUOTE] * 2
    assert made.events.qty.tolist() == [0, 125000]
    assert made.events.price_ticks.tolist() == [0, 5]


def test_missing_trades_are_told_and_the_later_one_taken() -> None:
    book = slow_levels.Binance(2)
    told = [book.trade().replace(b'"t": 7', b'"t": %d' % n) for n in (7, 8, 8, 12)]
    decoder = decoder_of(book)
    made = decode(decoder, told)
    assert [(r.frame, r.reason, r.detail) for r in made.refused] == [
        (3, DeadReason.GAP, "ETHUSDT trades 9 to 11 are missing")
    ]
    assert made.events.receipt_ns.tolist() == [0, 1, 3]
    assert decoder.checks == {"gaps": 1}
