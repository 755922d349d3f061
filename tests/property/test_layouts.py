"""A record laid out as one before it reads as protobuf reads it, whatever is done to its bytes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import DataError
from qflib.records import MARKET_EVENTS, ORDERS, Batch, Header, layouts
from qflib.records.checking import check
from qflib.records.codec import MAX_BYTES, encode
from qflib.records.reading import Verified, parsed, verified


def outcome(read: Callable[[bytes, int], Verified], data: bytes) -> object:
    """What a reading gives: the record, or the error."""
    try:
        found = read(data, MAX_BYTES)
    except DataError as e:
        return type(e), str(e)
    return (*found[:-1], {table: columns for table, columns in found.contents().items() if columns})


def market(rows: int, seq: int, fill: int) -> Batch:
    numbers = {c.name: np.full(rows, fill).astype(c.dtype) for c in MARKET_EVENTS.columns}
    return Batch.of("market", Header("sim:ACME", 0, seq), events=MARKET_EVENTS.make(**numbers))


def order(ids: list[str], seq: int, fill: int) -> Batch:
    rows = ORDERS.make(account=["A"] * len(ids), client_order_id=ids, qty=[fill] * len(ids))
    return Batch.of("order", Header("api", 1, seq), orders=rows)


@pytest.mark.parametrize("make", [lambda s, f: market(3, s, f), lambda s, f: order(["x1", "yy"], s, f)])
def test_the_next_one_like_it_is_read_by_its_layout(make: Callable[[int, int], Batch]) -> None:
    layouts._known.clear()
    first, second = encode(make(1, 1)), encode(make(200, 7))
    verified(first, MAX_BYTES)
    (layout,) = layouts._known.values()
    assert second.endswith(b"".join(layouts.find(second, len(second) - layout.size)[1]))
    assert outcome(verified, second) == outcome(parsed, second)
    assert len(layouts._known) == 1


@pytest.mark.parametrize("batch", [market(2, 9, 4), order(["x1", "y2"], 7, 5), order([], 0, 0)], ids=lambda b: b.kind)
def test_every_flipped_bit_and_every_cut_gives_what_protobuf_gives(batch: Batch) -> None:
    data = encode(batch)
    for at in range(len(data)):
        for torn in (data[:at], *(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for bit in range(8))):
            layouts._known.clear()
            verified(data, MAX_BYTES)
            assert outcome(verified, torn) == outcome(parsed, torn)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.lists(st.text("ab", max_size=4), max_size=4), st.integers(0, 200)), max_size=6))
def test_records_one_after_the_other_are_read_alike(said: list[tuple[list[str], int]]) -> None:
    for ids, number in said:
        for batch in (order(ids, number, number), market(len(ids), number, number)):
            data = encode(batch)
            assert outcome(verified, data) == outcome(parsed, data)
            assert check(data) == (batch.kind, batch.header, parsed(data, MAX_BYTES).crc, batch.count)


@settings(max_examples=200)
@given(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=6))
def test_what_is_put_in_place_of_a_piece_is_read_alike(start: int, size: int, instead: bytes) -> None:
    data = encode(market(2, 3, 1))
    verified(data, MAX_BYTES)
    torn = data[:start] + instead + data[start + size :]
    assert outcome(verified, torn) == outcome(parsed, torn)


def test_what_is_kept_is_bounded() -> None:
    layouts._known.clear()
    for rows in range(1, 2 * layouts._MOST):
        verified(encode(order(["x" * (rows % 32 + 1)] * (rows // 32 + 1), 0, 0)), MAX_BYTES)
    assert 0 < len(layouts._known) <= layouts._MOST
    verified(encode(order(["x"] * 500, 0, 0)), MAX_BYTES)
    assert all(len(known.places) <= layouts._LONGEST for known in layouts._known.values())
