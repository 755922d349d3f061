"""Coinbase's full channel against a twin that keeps orders as text. Its messages are synthetic."""

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

from qflib.records import DeadReason, EventKind, Header, Side
from qflib.venues.coinbase_full import Decoder, _id, read
from qflib.venues.venue import frames_of

_spec = importlib.util.spec_from_file_location(
    "slow_orders", Path(__file__).parents[2] / "reference" / "slow_orders.py"
)
slow_orders: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(slow_orders)  # type: ignore[union-attr]

Orders = dict[int, tuple[int, int, int]]


def acts(market: Any, n: int) -> list[bytes]:
    return [m for _ in range(n) for m in market.act()]


def decode(decoder: Decoder, payloads: list[bytes], first: int = 0) -> Any:
    receipt = list(range(first, first + len(payloads)))
    return decoder.decode(frames_of(receipt, receipt, payloads), Header())


def folded(events: Any, book: Orders | None = None) -> Orders:
    """Side, price and size by id, the plain way; no event may be of an order that is not there."""
    book = {} if book is None else book
    columns = (events.kind, events.side, events.price_ticks, events.qty, events.order_id)
    for kind, side, price, qty, oid in zip(*(c.tolist() for c in columns), strict=True):
        if kind == EventKind.CLEAR:
            book.clear()
        elif kind == EventKind.ADD:
            assert oid not in book
            book[oid] = (side, price, qty)
        elif kind == EventKind.MODIFY:
            assert book[oid][0] == side
            book[oid] = (side, price, qty)
        else:
            old_side, old, left = book.pop(oid)
            assert (old_side, qty <= left) == (side, True)
            assert kind == EventKind.CANCEL or price == old
            if qty < left:
                book[oid] = (side, old, left - qty)
    return book


def expected(market: Any) -> Orders:
    sides = {"buy": int(Side.BID), "sell": int(Side.ASK)}
    return {_id(oid): (sides[side], price, size) for oid, (side, price, size) in market.orders.items()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("late", [0, 7, 30])
def test_events_make_the_twins_orders_wherever_the_snapshot_comes(seed: int, late: int) -> None:
    market = slow_orders.SlowOrders(seed)
    early, snapshot = acts(market, 5), market.snapshot()
    told = acts(market, 200)
    decoder = Decoder(market.table(), "s")
    made = decode(decoder, [*early, *told[:late], snapshot, *told[late:], market.heartbeat()])
    assert made.refused == ()
    assert decoder.checks == {"gaps": 0}
    assert folded(made.events) == expected(market)
    assert {EventKind.ADD, EventKind.MODIFY, EventKind.CANCEL, EventKind.EXECUTE} < set(made.events.kind.tolist())


@pytest.mark.parametrize("at", [3, 17, 100])
@pytest.mark.parametrize("fault", ["drop", "swap"])
def test_what_is_missing_clears_the_book_until_the_snapshot(fault: str, at: int) -> None:
    market = slow_orders.SlowOrders(1)
    told = [market.snapshot(), *acts(market, 100)]
    if fault == "drop":
        del told[at]
    else:
        told[at : at + 2] = told[at : at + 2][::-1]
    decoder = Decoder(market.table(), "s")
    made = decode(decoder, told)
    assert [(r.frame, r.reason) for r in made.refused] == [(at, DeadReason.GAP)]
    assert decoder.checks == {"gaps": 1}
    assert folded(made.events) == {}
    again = decode(decoder, [*acts(market, 3), market.snapshot(), *acts(market, 20)])
    assert again.refused == ()
    assert folded(again.events) == expected(market)


def test_a_heartbeat_tells_that_the_newest_message_is_missing() -> None:
    market = slow_orders.SlowOrders(2)
    decoder = Decoder(market.table(), "s")
    told = [market.snapshot(), market.heartbeat()]
    assert decode(decoder, told).refused == ()
    market.act()
    made = decode(decoder, [market.heartbeat()])
    assert [r.reason for r in made.refused] == [DeadReason.GAP]
    assert made.events.kind.tolist() == [EventKind.CLEAR]


def test_a_message_that_comes_twice_changes_nothing() -> None:
    market = slow_orders.SlowOrders(3)
    told = [market.snapshot(), *(m for m in acts(market, 50) for _ in range(2))]
    made = decode(Decoder(market.table(), "s"), told)
    assert made.refused == ()
    assert folded(made.events) == expected(market)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"remaining_size": "0.00005"}, DeadReason.BAD_VALUE),
        ({"price": "100.005"}, DeadReason.BAD_VALUE),
        ({"remaining_size": "0"}, DeadReason.BAD_VALUE),
        ({"price": None}, DeadReason.UNPARSABLE),
        ({"order_id": "7"}, DeadReason.UNPARSABLE),
        ({"order_id": None}, DeadReason.UNPARSABLE),
        ({"product_id": "ETH-USD"}, DeadReason.UNKNOWN_INSTRUMENT),
    ],
)
def test_what_cannot_be_used_is_refused_and_the_book_waits(edit: dict[str, Any], reason: DeadReason) -> None:
    market = slow_orders.SlowOrders(4)
    decoder = Decoder(market.table(), "s")
    snapshot = market.snapshot()
    while json.loads((messages := market.act())[-1])["type"] != "open":
        snapshot = market.snapshot()
    messages[-1] = json.dumps({**json.loads(messages[-1]), **edit}).encode()
    made = decode(decoder, [snapshot, *messages, *acts(market, 4)])
    reasons = [r.reason for r in made.refused]
    assert reasons[0] == reason
    assert reasons[1:] in ([], [DeadReason.GAP])  # the numbers show it where the message was nobody's
    assert folded(made.events) == {}


def test_more_matched_than_there_is_and_an_id_that_is_there_cannot_be() -> None:
    market = slow_orders.SlowOrders(5)
    oid, (side, price, size) = next(iter(market.orders.items()))
    for kind, told in (
        ("match", {"maker_order_id": oid, "size": slow_orders._size(size + 1)}),
        ("open", {"order_id": oid, "remaining_size": "1"}),
    ):
        decoder, snapshot = Decoder(market.table(), "s"), market.snapshot()
        message = market._message(kind, side=side, price=slow_orders._cents(price), **told)
        made = decode(decoder, [snapshot, message])
        assert [r.reason for r in made.refused] == [DeadReason.BAD_VALUE]
        assert folded(made.events) == {}


@given(seed=st.integers(0, 30), cuts=st.lists(st.integers(1, 80), max_size=6))
def test_cuts_and_snapshots_of_the_state_change_nothing(seed: int, cuts: list[int]) -> None:
    market = slow_orders.SlowOrders(seed)
    told = [*acts(market, 2), market.snapshot(), *acts(market, 20)]
    del told[30:31]
    told += [*acts(market, 2), market.snapshot(), *acts(market, 10), b"noise"]
    whole = Decoder(market.table(), "s")
    right = decode(whole, told)
    decoder, rows, refused = Decoder(market.table(), "s"), [], []
    for a, b in pairwise([0, *sorted({c for c in cuts if c < len(told)}), len(told)]):
        fresh = Decoder(market.table(), "s")
        fresh.load(decoder.state())
        decoder = fresh
        made = decode(decoder, told[a:b], a)
        rows.append(made.events)
        refused += [(r.frame + a, r.reason) for r in made.refused]
    assert refused == [(r.frame, r.reason) for r in right.refused]
    for name in right.events._fields:
        assert np.array_equal(np.concatenate([getattr(r, name) for r in rows]), getattr(right.events, name)), name
    assert folded(right.events) == expected(market)


def test_a_capture_is_read_with_its_instrument(tmp_path: Path) -> None:
    market = slow_orders.SlowOrders(6)
    book = json.loads(market.snapshot())
    lines = [f"{book['url']} -> 1.0: {json.dumps(book['body'])}\n"]
    lines += [f"{n + 2}.0: {m.decode()}\n" for n, m in enumerate(acts(market, 30))]
    path = tmp_path / "full.txt"
    path.write_text("".join(lines))
    recording = read(path)
    [row] = recording.instruments
    assert (row.symbol, row.levels, row.tick_schedule, row.lot) == ("BTC-USD", False, (("0", "0.01"),), "0.0001")
    decoder, book_now = Decoder(recording.instruments, "s"), {}
    for frames in recording.chunks():
        folded(decoder.decode(frames, Header()).events, book_now)
    assert book_now == expected(market)
