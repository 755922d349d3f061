"""The face: prices in, frames out, sentences for bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError, InputError, StateError, UnknownInstrumentError
from qflib.orderbook import Books, OrderBook, plot_book
from qflib.records import MARKET_EVENTS, Instrument, Instruments

TABLE = Instruments((Instrument("OTHER"), Instrument("ACME.F", multiplier=100.0)))
SECOND = 1_000_000_000


class TinyFeed:
    def __init__(self, *batches):
        self.instruments = TABLE
        self._batches = batches

    def events(self):
        return iter(self._batches)


def rows(*events):
    """(kind, side, id, ticks, qty, ms) of ACME.F."""
    k, s, o, p, q, t = zip(*events, strict=True)
    return MARKET_EVENTS.make(
        kind=np.array(k, np.uint32), side=np.array(s, np.uint32), order_id=np.array(o, np.uint64),
        price_ticks=np.array(p), qty=np.array(q), instrument=np.ones(len(k), np.uint32),
        flags=np.ones(len(k), np.uint32), receipt_ns=SECOND + np.array(t, np.int64) * 1_000_000,
    )  # fmt: skip


def frame(**changes):
    columns = {
        "kind": ["add"] * 3,
        "side": ["buy", "sell", "sell"],
        "order_id": [1, 2, 3],
        "price": [99.99, 100.01, 100.02],
        "qty": [5, 2, 8],
        "symbol": "ACME.F",
    }
    return pd.DataFrame(columns | changes)


@pytest.fixture
def book():
    made = OrderBook("ACME.F", TABLE)
    made.apply(frame())
    return made


@pytest.mark.parametrize("n", [2.5, 0, -1, 2.0, np.nan, np.float64("nan"), "3", None, True, 10**7, 2**70])
def test_depths_that_are_none_are_told(book, n):
    with pytest.raises(InputError, match="is not a whole number from 1 to 1,000,000") as told:
        book.depth(n)
    assert "np.float64" not in str(told.value)
    with pytest.raises(InputError, match=r"levels .* is not a whole number"):
        book.replay(TinyFeed(), features=["depth"], levels=n)


def test_whole_numbers_of_numpy_are_depths(book):
    assert book.depth(np.int64(1))["price"].tolist() == [99.99, 100.01]


@pytest.mark.parametrize("value", [np.nan, np.float64("inf"), "cheap", None, [1.0, 2.0], np.ones(2)])
def test_prices_and_quantities_that_are_none_are_told(book, value):
    for ask in (lambda: book.quantity("buy", value), lambda: book.cost_to_trade("buy", value)):
        with pytest.raises(InputError, match="must be one finite number") as told:
            ask()
        assert "np.float64" not in str(told.value)


def test_sides_ids_and_policies_that_are_none_are_told(book):
    with pytest.raises(InputError, match="beyond what a book can hold"):
        book.quantity("buy", 1e300)
    with pytest.raises(InputError, match=r"side \['buy'\] is unknown"):
        book.quantity(["buy"], 100.0)
    for order_id in (1.5, "1", np.nan, -1, 2**64):
        with pytest.raises(InputError, match=r"order id .* is not a whole number"):
            book.order(order_id)
    with pytest.raises(InputError, match="policy 'skip' is unknown"):
        book.replay(TinyFeed(), policy="skip")


def test_depth_and_quantities(book):
    depth = book.depth(5)
    assert depth["side"].tolist() == ["bid", "ask", "ask"]
    assert depth["price"].tolist() == [99.99, 100.01, 100.02]
    assert depth["cumulative"].tolist() == [5, 2, 10]
    assert depth["orders"].tolist() == [1, 1, 1]
    assert book.best == {"bid": 99.99, "bid_qty": 5.0, "ask": 100.01, "ask_qty": 2.0}
    assert book.quantity("sell", 100.02) == 8
    assert book.quantity("buy", 100.02) == 0


def test_order_with_quantity_ahead(book):
    book.apply(frame(side="sell", price=100.02, order_id=[7, 2**64 - 1, 9]))
    assert book.order(2**64 - 1) == {"side": "ask", "price": 100.02, "qty": 2.0, "ahead": 13.0}
    with pytest.raises(InputError, match="order 8 does not rest"):
        book.order(8)


def test_cost_to_trade(book):
    cost = book.cost_to_trade("buy", 4)
    assert cost.filled == 4
    assert cost.levels == 2
    assert cost.avg_price == pytest.approx(100.015)
    assert cost.cost == pytest.approx((2 * 0.01 + 2 * 0.02) * 100)
    assert book.cost_to_trade("buy", 50).filled == 10
    assert book.cost_to_trade("sell", 5).cost == pytest.approx(5 * 0.01 * 100)
    with pytest.raises(InputError, match="quantity nan must be"):
        book.cost_to_trade("buy", float("nan"))
    with pytest.raises(InputError, match="side 'up'"):
        book.cost_to_trade("up", 1)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"price": [99.0, float("nan"), 1.0]}, InputError, "row 1 has price nan"),
        ({"qty": [1, 1, -1]}, DataError, "row 2 has quantity -1 lots"),
        ({"qty": [1, 0.5, 1]}, InputError, "multiple of the lot"),
        ({"price": [99.0, 99.005, 1.0]}, InputError, "row 1 has price 99.005"),
        ({"kind": "addd"}, InputError, "row 0 has kind 'addd'"),
        ({"side": 9}, InputError, "row 0 has side 9"),
        ({"symbol": "NOPE"}, UnknownInstrumentError, "NOPE"),
        ({"order_id": 1}, DataError, "2 duplicate ids"),
        ({"kind": "cancel", "order_id": 44}, DataError, "3 unknown ids"),
    ],
)
def test_bad_frames(changes, error, says):
    with pytest.raises(error, match=says):
        OrderBook("ACME.F", TABLE).apply(frame(**changes))


def test_missing_columns_and_strange_events():
    book = OrderBook("ACME.F", TABLE)
    with pytest.raises(InputError, match="no column 'price'"):
        book.apply(frame().drop(columns="price"))
    with pytest.raises(InputError, match="no column 'order_id'"):
        book.apply(frame().drop(columns="order_id"))
    with pytest.raises(InputError, match="time zone"):
        book.apply(frame().set_index(pd.DatetimeIndex(["2026-01-05"] * 3)))
    with pytest.raises(InputError, match="events are list"):
        book.apply([1, 2])
    with pytest.raises(UnknownInstrumentError):
        OrderBook("NOPE", TABLE)
    assert book.apply(frame(order_id=1), policy="count").duplicate_ids == 2


def test_structured_rows(book):
    other = OrderBook("ACME.F", TABLE)
    events = rows((1, 1, 1, 9999, 5, 0), (1, 2, 2, 10001, 2, 0), (1, 2, 3, 10002, 8, 0))
    other.apply(MARKET_EVENTS.to_struct(events))
    assert other.depth(3).equals(book.depth(3))


def test_replay_samples_the_state_before_the_row_that_crosses():
    events = rows(
        (1, 1, 1, 9999, 5, 10), (1, 2, 2, 10001, 2, 20), (1, 2, 3, 10002, 8, 99),
        (3, 2, 2, 0, 1, 100), (1, 1, 4, 10000, 3, 150), (3, 1, 4, 0, 3, 310),
    )  # fmt: skip
    book = OrderBook("ACME.F")
    names = ["micro_price", "ofi", "imbalance", "depth"]
    got = book.replay(TinyFeed(events), sample="100ms", features=names, levels=2)
    assert [t.value // 1_000_000 - 1000 for t in got.index] == [100, 200, 300, 400]
    assert str(got.index.tz) == "UTC"
    assert got["bid"].tolist() == [99.99, 100.0, 100.0, 99.99]
    assert got["ask_qty"].tolist() == [2, 1, 1, 1]
    # +5 -2; then the ask shrinks (+1) and a better bid comes (+3); nothing; that bid goes (-3)
    assert got["ofi"].tolist() == [3, 4, 0, -3]
    assert got["imbalance"].iloc[0] == pytest.approx((5 - 10) / 15)
    assert got["micro_price"].iloc[0] == pytest.approx((99.99 * 2 + 100.01 * 5) / 7)
    assert got["ask_price_1"].iloc[0] == 100.02
    assert got.attrs["counters"]["events"] == 6
    assert book.best["bid"] == 99.99
    cut = TinyFeed(*(MARKET_EVENTS.slice(events, i, i + 1) for i in range(6)))
    assert OrderBook("ACME.F").replay(cut, features=names, levels=2).equals(got)


def test_replay_grows_and_fills_more_than_one_chunk():
    n = 5000
    events = rows(*((1, 1 + i % 2, i, 10_000 + (i * 97 % 900) * (1 if i % 2 else -1), 1, 7 * i) for i in range(n)))
    book = OrderBook("ACME.F")
    got = book.replay(TinyFeed(events), sample="1ms")
    assert len(got) == 7 * (n - 1) + 1
    whole = OrderBook("ACME.F", TABLE)
    whole.apply(events)
    assert whole.books.digest() == book.books.digest()


def test_replay_refuses():
    book = OrderBook("ACME.F")
    with pytest.raises(InputError, match="feature 'rsi'"):
        book.replay(TinyFeed(), features=["rsi"])
    with pytest.raises(InputError, match="sample '-1s'"):
        book.replay(TinyFeed(), sample="-1s")
    assert book.replay(TinyFeed()).empty


def test_torn_snapshot_is_refused():
    books = Books(1)
    books.apply(rows((1, 1, 1, 5, 5, 0))._replace(instrument=np.zeros(1, np.uint32)))
    saved = books.save()
    with pytest.raises(StateError, match="torn"):
        Books(1).load(saved | {"orders.id": saved["orders.id"][:0]})
    with pytest.raises(StateError, match="no array"):
        Books(1).load({})


def test_plot():
    import holoviews as hv

    events = rows((1, 1, 1, 9999, 5, 10), (1, 2, 2, 10001, 2, 20), (1, 2, 3, 10002, 8, 350))
    got = OrderBook("ACME.F").replay(TinyFeed(events), features=["micro_price", "ofi", "imbalance", "depth"])
    assert got.attrs["symbol"] == "ACME.F"
    panels = list(plot_book(got))
    figures = [hv.render(panel, backend="bokeh") for panel in panels]
    assert [f.title.text for f in figures] == [
        "ACME.F: best prices",
        "Depth, log(1 + quantity)",
        "Order-flow imbalance",
        "Queue imbalance, -1 all ask to 1 all bid",
    ]
    assert [e.label for e in panels[0]] == ["bid", "ask", "mid", "micro-price"]
    styles = {(e.opts.get().kwargs["color"], e.opts.get().kwargs["line_dash"]) for e in panels[0]}
    assert len(styles) == 4
    assert all(e.opts.get("plot").kwargs["interpolation"] == "steps-post" for e in panels[0])
    assert len(plot_book(got[["bid", "ask"]])) == 1
    with pytest.raises(InputError, match="no column 'bid'"):
        plot_book(got.drop(columns="bid"))


def test_it_shows_itself(book):
    assert repr(book).startswith("<OrderBook ")
    assert " | " in repr(book)
    asks, bids = book.plot(3)
    assert (asks.label, bids.label) == ("ask", "bid")
    assert len(bids.data) + len(asks.data) == len(book.depth(3))
    assert OrderBook("EMPTY").plot() is not None
