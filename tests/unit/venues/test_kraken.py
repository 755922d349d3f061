"""Kraken's decoder against a twin that keeps strings, and against broken input."""

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

from qflib.records import DeadReason, EventFlag, EventKind, Header, Instrument, Instruments, Side
from qflib.venues.decimal_text import exact, seconds_to_ns
from qflib.venues.kraken import Decoder
from qflib.venues.venue import frames_of

_spec = importlib.util.spec_from_file_location(
    "slow_kraken", Path(__file__).parents[2] / "reference" / "slow_kraken.py"
)
slow_kraken: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(slow_kraken)  # type: ignore[union-attr]

PAIR = "XBT/USD"
TABLE = Instruments(
    (Instrument(PAIR, tick_schedule=(("0", "0.0001"),), lot="0.00000001", venue="kraken", source="kraken:0"),)
)


def decode(decoder: Decoder, payloads: list[bytes]) -> Any:
    return decoder.decode(frames_of(list(range(len(payloads))), list(range(len(payloads))), payloads), Header())


def messages(seed: int, n: int, depth: int = 12) -> tuple[Any, list[bytes]]:
    pair = slow_kraken.SlowPair(PAIR, depth, seed)
    return pair, [pair.snapshot(), *(pair.update() for _ in range(n))]


def folded(events: Any) -> dict[int, dict[int, int]]:
    """The book that LEVEL and CLEAR rows make, the plain way."""
    book: dict[int, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
    for kind, side, price, qty in zip(events.kind, events.side, events.price_ticks, events.qty, strict=True):
        if kind == EventKind.CLEAR:
            book = {Side.BID: {}, Side.ASK: {}}
        elif qty:
            book[int(side)][int(price)] = int(qty)
        else:
            book[int(side)].pop(int(price), None)
    return book


@pytest.mark.parametrize("seed", range(8))
def test_events_make_the_twins_book_and_every_checksum_is_right(seed: int) -> None:
    pair, told = messages(seed, 300)
    decoder = Decoder(TABLE, "kraken:0")
    made = decode(decoder, told)
    assert made.refused == ()
    assert decoder.checks == {"right": 300, "wrong": 0}
    book = folded(made.events)
    for name, side in (("a", Side.ASK), ("b", Side.BID)):
        expected = {exact(p, 4): exact(q, 8) for p, q in pair.sides[name].items()}
        assert book[side] == expected
        assert len(book[side]) <= pair.depth


def test_each_message_ends_with_last_and_a_snapshot_begins_with_clear() -> None:
    _, told = messages(3, 20)
    decoder = Decoder(TABLE, "kraken:0")
    for i, payload in enumerate(told):
        e = decode(decoder, [payload]).events
        assert e.flags[-1] & EventFlag.LAST
        assert not (e.flags[:-1] & EventFlag.LAST).any()
        assert ((e.flags & EventFlag.SNAPSHOT) != 0).all() == (i == 0)
        assert (e.kind[0] == EventKind.CLEAR) == (i == 0)


def test_a_change_lost_below_the_tenth_level_is_seen_once_it_is_among_the_ten() -> None:
    pair, told = messages(3, 0)
    asks = [price for price, _ in pair._sorted("a")]

    def taken(price: str, size: str = "0.00000000") -> bytes:
        pair.sides["a"].pop(price)
        if float(size):
            pair.sides["a"][price] = size
        return json.dumps(
            [7, {"a": [[price, size, pair._time()]], "c": str(pair.checksum())}, "book-12", PAIR]
        ).encode()

    taken(asks[11], "9.00000000")  # never comes
    told += [taken(asks[0]), taken(asks[1])]
    decoder = Decoder(TABLE, "kraken:0")
    made = decode(decoder, told)
    assert [(r.frame, r.reason) for r in made.refused] == [(2, DeadReason.BAD_CHECKSUM)]
    assert decoder.checks == {"right": 1, "wrong": 1}
    assert folded(made.events) == {Side.BID: {}, Side.ASK: {}}


def test_a_flipped_digit_clears_the_book_until_the_next_snapshot() -> None:
    pair, told = messages(5, 10)
    best, _ = pair._sorted("a")[0]
    pair.sides["a"][best] = "5.00000000"
    said = [7, {"a": [[best, "6.00000000", "1618678999.0"]], "c": str(pair.checksum())}, "book-12", PAIR]
    told += [json.dumps(said).encode(), pair.update(), pair.update()]
    after = [pair.snapshot(), *(pair.update() for _ in range(5))]
    decoder = Decoder(TABLE, "kraken:0")
    made = decode(decoder, told + after)
    reasons = [r.reason for r in made.refused]
    assert reasons == [DeadReason.BAD_CHECKSUM, *[DeadReason.BEFORE_SNAPSHOT] * 2]
    assert [r.frame for r in made.refused] == [11, 12, 13]
    assert decoder.checks == {"right": 15, "wrong": 1}
    cleared = np.flatnonzero(made.events.kind == EventKind.CLEAR)
    assert made.events.receipt_ns[cleared].tolist() == [0, 11, 14]
    book = folded(made.events)
    assert book[Side.ASK] == {exact(p, 4): exact(q, 8) for p, q in pair.sides["a"].items()}


def test_a_restart_clears_and_waits_for_a_snapshot() -> None:
    _, told = messages(1, 3)
    decoder = Decoder(TABLE, "kraken:0")
    decode(decoder, told[:2])
    cleared = decoder.restart(99).events
    assert cleared.kind.tolist() == [EventKind.CLEAR]
    assert cleared.receipt_ns.tolist() == [99]
    assert [r.reason for r in decode(decoder, told[2:]).refused] == [DeadReason.BEFORE_SNAPSHOT] * 2
    assert len(decoder.restart(100).events.kind) == 0  # nothing is alive


@given(st.integers(0, 50), st.lists(st.integers(1, 60), max_size=6))
def test_cuts_and_snapshots_of_the_state_change_nothing(seed: int, cuts: list[int]) -> None:
    _, told = messages(seed, 60)
    told[30] = told[30].replace(b'"c": "', b'"c": "9')
    whole = Decoder(TABLE, "kraken:0")
    expected = decode(whole, told)
    assert {r.reason for r in expected.refused} == {DeadReason.BAD_CHECKSUM, DeadReason.BEFORE_SNAPSHOT}
    edges = [0, *sorted({*cuts}), len(told)]
    decoder, rows, refused = Decoder(TABLE, "kraken:0"), [], []
    for a, b in pairwise(edges):
        fresh = Decoder(TABLE, "kraken:0")
        fresh.load(decoder.state())
        decoder = fresh
        frames = frames_of(list(range(a, b)), list(range(a, b)), told[a:b])
        made = decoder.decode(frames, Header())
        rows.append(made.events)
        refused += [(r.frame + a, r.reason) for r in made.refused]
    assert refused == [(r.frame, r.reason) for r in expected.refused]
    for name in expected.events._fields:
        assert np.array_equal(np.concatenate([getattr(r, name) for r in rows]), getattr(expected.events, name)), name
    for name, array in whole.state().items():
        assert np.array_equal(array, decoder.state()[name])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "as", "bs", "c", "event"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.fuzz
@given(st.one_of(st.binary(max_size=80), json_values.map(lambda v: json.dumps(v).encode())))
def test_no_bytes_crash_the_decoder(payload: bytes) -> None:
    decoder = Decoder(TABLE, "kraken:0")
    _, told = messages(2, 1)
    made = decode(decoder, [told[0], payload, told[1]])
    assert all(r.frame == 1 for r in made.refused)  # the good frames around it are taken
    assert decoder.checks["right"] == 1


@pytest.mark.fuzz
@given(json_values, st.sampled_from(["a", "b", "as", "c"]))
def test_no_message_of_a_known_pair_crashes_the_decoder(value: Any, key: str) -> None:
    decoder = Decoder(TABLE, "kraken:0")
    _, told = messages(2, 1)
    made = decode(decoder, [told[0], json.dumps([7, {key: value}, "book-12", PAIR]).encode()])
    assert len(made.refused) <= 1


def test_binary_noise_is_unparsable() -> None:
    made = decode(Decoder(TABLE, "kraken:0"), [b"\xff\xfe", b"[" * 100_000, b"{}", b'["a"]', b""])
    expected = [DeadReason.UNPARSABLE, DeadReason.UNPARSABLE, DeadReason.UNKNOWN_KIND, *[DeadReason.UNPARSABLE] * 2]
    assert [r.reason for r in made.refused] == expected


@pytest.mark.parametrize(
    ("price", "reason"),
    [("1.00005", DeadReason.BAD_VALUE), ("-1.0000", DeadReason.BAD_VALUE), ("0.0000", DeadReason.BAD_VALUE),
     ("1e5", DeadReason.BAD_VALUE), ("9" * 30, DeadReason.BAD_VALUE), (1.5, DeadReason.UNPARSABLE)],
)  # fmt: skip
def test_wrong_prices_are_refused_and_the_book_lives_on(price: Any, reason: DeadReason) -> None:
    _, told = messages(2, 1)
    bad = json.dumps([7, {"a": [[price, "1.00000000", "1.0"]], "c": "1"}, "book-12", PAIR]).encode()
    decoder = Decoder(TABLE, "kraken:0")
    made = decode(decoder, [told[0], bad, told[1]])
    assert [r.reason for r in made.refused] == [reason]
    assert decoder.checks == {"right": 1, "wrong": 0}


def test_an_unknown_pair_is_refused() -> None:
    _, told = messages(2, 1)
    made = decode(Decoder(TABLE, "kraken:0"), [told[0].replace(b"XBT/USD", b"DOGE/EUR")])
    assert made.refused[0].reason == DeadReason.UNKNOWN_INSTRUMENT


def test_a_coarser_table_refuses_what_it_cannot_hold() -> None:
    coarse = Instruments((Instrument(PAIR, tick_schedule=(("0", "0.1"),), lot="0.00000001", venue="kraken"),))
    _, told = messages(2, 1)
    assert decode(Decoder(coarse, "kraken:0"), told[:1]).refused[0].reason == DeadReason.BAD_VALUE
    fine = Instruments((Instrument(PAIR, tick_schedule=(("0", "0.00001"),), lot="0.000000001", venue="kraken"),))
    events = decode(Decoder(fine, "kraken:0"), told[:1]).events
    assert (events.price_ticks[1:] % 10 == 0).all()


#: The frame of docs.kraken.com, "Websocket v1", channel "trade".
TRADES = (
    b'[0,[["5541.20000","0.15850568","1534614057.321597","s","l",""],'
    b'["6060.00000","0.02455000","1534614057.324998","b","l",""]],"trade","XBT/USD"]'
)


def test_the_documented_trades_have_the_takers_side_and_touch_no_book() -> None:
    _, told = messages(2, 2)
    decoder = Decoder(TABLE, "kraken:0")
    made = decode(decoder, [told[0], TRADES, *told[1:]])
    e = made.events
    at = np.flatnonzero(e.kind == EventKind.TRADE)
    assert (made.refused, decoder.checks) == ((), {"right": 2, "wrong": 0})
    assert e.side[at].tolist() == [Side.ASK, Side.BID]
    assert e.price_ticks[at].tolist() == [55_412_000, 60_600_000]
    assert e.qty[at].tolist() == [15_850_568, 2_455_000]
    assert e.venue_ns[at].tolist() == [1_534_614_057_321_597_000, 1_534_614_057_324_998_000]
    assert (e.flags[at] == EventFlag.LAST).all()


def test_trades_told_again_by_a_new_subscription_are_passed_over() -> None:
    decoder = Decoder(TABLE, "kraken:0")
    decode(decoder, [TRADES])
    other = Decoder(TABLE, "kraken:0")
    other.load(decoder.state())
    other.restart(5)
    more = TRADES.replace(b"]],", b'],["6061.00000","1.00000000","1534614058.000000","b","m",""]],')
    e = decode(other, [messages(2, 1)[1][0], more, more]).events
    assert e.price_ticks[e.kind == EventKind.TRADE].tolist() == [60_610_000]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"s"', b'"x"', DeadReason.UNPARSABLE),
        (b"5541.20000", b"5541.20001", DeadReason.BAD_VALUE),
        (b"5541.20000", b"0.00", DeadReason.BAD_VALUE),
        (b"5541.20000", b"0." + b"0" * 3_000_000 + b"1", DeadReason.BAD_VALUE),
        (b'"5541.20000"', b'{".": 1}', DeadReason.UNPARSABLE),
        (b"0.15850568", b"0.000000001", DeadReason.BAD_VALUE),
        (b"XBT/USD", b"DOGE/EUR", DeadReason.UNKNOWN_INSTRUMENT),
        (b'"trade"', b'"book-10"', DeadReason.UNPARSABLE),
    ],
)
def test_a_frame_of_trades_that_cannot_be_used_is_refused_whole(old: bytes, new: bytes, reason: DeadReason) -> None:
    decoder = Decoder(TABLE, "kraken:0")
    made = decode(decoder, [TRADES.replace(old, new), TRADES])
    assert [r[:2] for r in made.refused] == [(0, reason)]
    assert made.events.receipt_ns.tolist() == [1, 1]


def test_a_snapshot_whose_price_is_no_text_is_refused() -> None:
    snapshot = [7, {"as": [[{".": 1}, "1.0", "1.0"]]}, "book-10", PAIR]
    made = decode(Decoder(TABLE, "kraken:0"), [json.dumps(snapshot).encode()])
    assert [r.reason for r in made.refused] == [DeadReason.UNPARSABLE]


def test_decimal_strings_are_read_exactly() -> None:
    assert seconds_to_ns("1618678132.8258188") == 1618678132825818800
    assert exact("0.000022900", 9) == 22900
    assert exact("12.50", 1) == 125
    with pytest.raises(ValueError, match="more than 1 decimals"):
        exact("12.55", 1)
    with pytest.raises(ValueError, match="not a decimal"):
        exact("１２", 1)


def test_a_subscription_to_trades_leaves_a_books_depth_alone() -> None:
    pair = slow_kraken.SlowPair("XBT/USD", 12, 1)
    status = {"event": "subscriptionStatus", "status": "subscribed", "pair": "XBT/USD"}
    book = json.dumps(status | {"channelName": "book-25", "subscription": {"name": "book", "depth": 25}}).encode()
    trades = json.dumps(status | {"channelName": "trade", "subscription": {"name": "trade"}}).encode()
    decoder = Decoder(TABLE, "kraken:0")
    decode(decoder, [book, trades, pair.snapshot()])
    assert decoder.books["XBT/USD"].depth == 25


@pytest.mark.parametrize("depth", [0, -5, 10**30, 1.5, "10", True])
def test_a_depth_that_no_book_has_is_refused(depth: object) -> None:
    status = {"event": "subscriptionStatus", "status": "subscribed", "pair": "XBT/USD"}
    told = decode(
        Decoder(TABLE, "kraken:0"), [json.dumps(status | {"subscription": {"name": "book", "depth": depth}}).encode()]
    )
    assert [r.reason for r in told.refused] == [DeadReason.UNPARSABLE]
