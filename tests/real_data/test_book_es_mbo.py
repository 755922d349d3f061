"""A real L3 day (CME ES, 25 December 2023) through the book, straight from the file's bytes."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS, EventKind

# A 56-byte MBO record of DBN; the file's metadata go before.
MBO = np.dtype(
    [("length", "u1"), ("rtype", "u1"), ("publisher", "u2"), ("instrument", "u4"), ("ts_event", "u8"),
     ("order_id", "u8"), ("price", "i8"), ("size", "u4"), ("flags", "u1"), ("channel", "u1"), ("action", "S1"),
     ("side", "S1"), ("ts_recv", "u8"), ("ts_in_delta", "i4"), ("sequence", "u4")]
)  # fmt: skip
KINDS = {b"A": 1, b"M": 2, b"C": 3, b"T": 5, b"R": 7}


@pytest.fixture(scope="module")
def records(test_data):
    path = test_data / "databento" / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    with pa.input_stream(str(path), compression="zstd") as f:
        data = f.read()
    assert data[:3] == b"DBN"
    rows = np.frombuffer(data, MBO, offset=8 + int.from_bytes(data[4:8], "little"))
    assert (rows["rtype"] == 0xA0).all()
    return rows


@pytest.fixture(scope="module")
def events(records):
    # F tells which resting order was hit; the C or M after it changes the book.
    rows = records[records["action"] != b"F"]
    kind = np.select([rows["action"] == a for a in KINDS], list(KINDS.values())).astype(np.uint32)
    return MARKET_EVENTS.make(
        kind=kind,
        flags=(rows["flags"] >> 7 | (rows["flags"] >> 5 & 1) << 1).astype(np.uint32),
        instrument=np.zeros(len(rows), np.uint32),
        side=np.select([rows["side"] == b"B", rows["side"] == b"A"], [1, 2]).astype(np.uint32),
        order_id=rows["order_id"],
        price_ticks=rows["price"] // 250_000_000,
        qty=rows["size"].astype(np.int64),
        venue_ns=rows["ts_event"].astype(np.int64),
        receipt_ns=rows["ts_recv"].astype(np.int64),
    )


def test_day(records, events):
    assert len(records) == 68_792
    assert ((records["flags"] == 40) & (records["action"] == b"A")).sum() == 8_725
    books = Books(1)
    counters = books.apply(events)
    assert counters.refused == 0
    # Before the open, orders cross: all 891 in the pre-open auction.
    assert counters.crossed == 891
    top = books.tops()
    assert (int(top.bid_ticks[0]) / 4, int(top.ask_ticks[0]) / 4) == (4810.00, 4810.25)


def test_cuts_and_restore(events):
    whole, parts = Books(1), Books(1)
    whole.apply(events)
    rng = np.random.default_rng(3)
    edges = [0, *sorted(rng.integers(0, len(events.kind), 6).tolist()), len(events.kind)]
    for a, b in itertools.pairwise(edges):
        parts.apply(MARKET_EVENTS.slice(events, a, b))
        saved = parts.save()
        parts = Books(1)
        parts.load(saved)
    assert parts.digest() == whole.digest()


def test_a_fill_read_as_a_cancel_is_seen(records, events):
    """The known mistake (F as a change of the book) must show in the counts."""
    rows = records[np.isin(records["action"], [*KINDS, b"F"])]
    assert (rows["action"] == b"F").any()
    fills = rows[rows["action"] == b"F"]
    wrong = Books(1)
    wrong.apply(events)
    counters = wrong.apply(
        MARKET_EVENTS.make(
            kind=np.full(len(fills), EventKind.CANCEL, np.uint32),
            order_id=fills["order_id"],
            qty=np.ones(len(fills), np.int64),
        )
    )
    assert counters.unknown_ids > 0
