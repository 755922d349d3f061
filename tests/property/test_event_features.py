"""Features after every message against a twin of dictionaries, wherever batches are cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import qflib as qf
from qflib.orderbook import OrderBook
from qflib.records import MARKET_EVENTS, Instrument, Instruments
from tests.reference.plain_features import features_of

NAMES = ["micro_price", "ofi", "imbalance", "depth"]
TABLE = Instruments((Instrument("X", tick_schedule=(("0", "1"),)),))
LEVELS = 3
# kind (add, modify, cancel, execute, trade, level, clear, quote), flags, side, id, price, quantity
EVENT = st.tuples(
    st.sampled_from([1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 9]), st.sampled_from([0, 1, 1, 3]), st.integers(1, 2),
    st.integers(1, 12), st.integers(60, 70), st.integers(0, 5),
)  # fmt: skip


class Cut:
    """A feed that gives its events in parts."""

    instruments = TABLE

    def __init__(self, events, edges=()):
        self._parts = [
            MARKET_EVENTS.slice(events, a, b) for a, b in zip([0, *edges], [*edges, len(events.kind)], strict=True)
        ]

    def events(self):
        return iter(self._parts)


def made(rows):
    kind, flags, side, oid, price, qty = (np.array(c) for c in zip(*rows, strict=True))
    return MARKET_EVENTS.make(
        kind=kind.astype(np.uint32), flags=flags.astype(np.uint32), side=side.astype(np.uint32),
        order_id=oid.astype(np.uint64), price_ticks=price, qty=qty, receipt_ns=np.arange(1, len(rows) + 1),
    )  # fmt: skip


@given(st.lists(EVENT, min_size=1, max_size=60), st.data())
def test_every_message_is_that_of_the_twin_wherever_cut(rows, data):
    events = made(rows)
    got = OrderBook("X").replay(Cut(events), sample="event", features=NAMES, levels=LEVELS)
    want = features_of(rows, LEVELS)
    for name in ("spread", "micro_price", "ofi", "imbalance", "bid_qty_1", "ask_price_2"):
        np.testing.assert_allclose(got[name], [w[name] for w in want], rtol=1e-13, err_msg=name)
    edges = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    cut = OrderBook("X").replay(Cut(events, edges), sample="event", features=NAMES, levels=LEVELS)
    pd.testing.assert_frame_equal(got, cut, check_exact=True)


def test_a_real_day(test_data):
    """Summed over time they are those of the sampled replay; the state at its end is the book's."""
    feed = qf.read(test_data / "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst", venue="databento")
    names = ["micro_price", "ofi", "imbalance"]
    every, book = OrderBook("ESH4"), OrderBook("ESH4")
    rows = every.replay(feed, sample="event", features=names)
    minutes = book.replay(feed, sample="1min", features=names)
    assert len(rows) > 40_000
    assert rows["ofi"].sum() == minutes["ofi"].sum()
    last, end = rows.iloc[-1], minutes.iloc[-1]
    assert last[["bid", "ask", "bid_qty", "ask_qty", "imbalance"]].equals(
        end[["bid", "ask", "bid_qty", "ask_qty", "imbalance"]]
    )
    assert every.books.digest() == book.books.digest()
    inside = rows[rows["spread"] > 0]
    assert ((inside["bid"] < inside["micro_price"]) & (inside["micro_price"] < inside["ask"])).all()
