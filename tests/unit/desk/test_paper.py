"""Orders sent to a recording: filled as the book's own walk says, in the queue by hand, and accounted for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk import PaperTrades, paper_trade
from qflib.errors import InputError
from qflib.records import MARKET_EVENTS, Instrument, Instruments
from qflib.steps.exchange import ExchangeConfig

START = pd.Timestamp("2026-01-05T14:30:00Z")


@pytest.fixture(scope="module")
def feed() -> Any:
    return qf.datasets.load("sim", seed=11, duration="4s", rate=2_000, underlyings=1)


def asked(feed: Any, at: list[str], **columns: Any) -> pd.DataFrame:
    index = pd.DatetimeIndex([feed.start + pd.Timedelta(a) for a in at])
    return pd.DataFrame({"instrument": "ACME.F", **columns}, index=index)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_at_market_pays_what_the_books_walk_says(feed: Any, side: str) -> None:
    """Each by itself: what one takes the next one does not find."""
    for seconds, qty in ((1, 3.0), (2, 40.0), (3, 150.0)):
        made = paper_trade(feed, asked(feed, [f"{seconds}s"], side=side, qty=[qty])).orders.iloc[0]
        book = qf.OrderBook("ACME.F", feed.instruments)
        for e in feed.events():
            upto = int(np.searchsorted(e.receipt_ns, (feed.start + pd.Timedelta(f"{seconds}s")).value))
            book.apply(MARKET_EVENTS.slice(e, 0, upto), policy="count")
        want = book.cost_to_trade(side, qty)
        assert made["filled"] == want.filled
        assert made["avg_price"] == pytest.approx(want.avg_price, abs=1e-9)
        assert made["arrival"] == pytest.approx(want.mid, abs=1e-9)
        assert made["cost"] * want.filled * feed.instruments["ACME.F"].multiplier == pytest.approx(want.cost)


def hand_made(*rows: tuple[str, str, str, int, float, float]) -> qf.Feed:
    """Seconds after the start, kind, side, order id, price, quantity."""
    from qflib.desk.frame_feed import FrameFeed

    made = pd.DataFrame(rows, columns=["at", "kind", "side", "order_id", "price", "qty"])
    made.index = pd.DatetimeIndex(START + pd.to_timedelta(made.pop("at")), name="receipt")
    table = Instruments((Instrument("X", source="file", venue="file"),))
    return FrameFeed(made.assign(symbol="X", last=True), table)


def in_a_queue() -> qf.Feed:
    return hand_made(
        ("1s", "add", "bid", 1, 99.0, 5),
        ("1s", "add", "ask", 2, 101.0, 5),
        ("4s", "add", "bid", 3, 99.0, 7),  # behind us
        ("5s", "cancel", "bid", 1, 99.0, 2),
        ("7s", "execute", "bid", 1, 99.0, 3),
        ("7s", "execute", "bid", 3, 99.0, 1),  # nothing is before us: it is ours
        ("9s", "execute", "bid", 3, 99.0, 6),
        ("12s", "add", "ask", 4, 102.0, 1),
    )


def test_a_place_in_the_queue_by_hand() -> None:
    at = pd.DatetimeIndex([START + pd.Timedelta("3s")])
    orders = pd.DataFrame({"instrument": "X", "side": "buy", "qty": [2.0], "join": True}, index=at)
    made = paper_trade(in_a_queue(), orders, period="1s", config=ExchangeConfig(maker_fee=0.25))
    ahead = made.places["queue_ahead"]
    assert ahead[: START + pd.Timedelta("4s")].tolist() == [5.0, 5.0]
    assert ahead[START + pd.Timedelta("6s") : START + pd.Timedelta("7s")].tolist() == [3.0, 3.0]
    assert made.fills["qty"].tolist() == [1.0, 1.0]
    assert set(made.fills["liquidity"]) == {"maker"}
    row = made.orders.iloc[0]
    assert (row["price"], row["status"], row["arrival"], row["cost"]) == (99.0, "filled", 100.0, -1.0)
    assert row["fees"] == 0.5


def test_an_order_that_expires_fills_no_more() -> None:
    at = pd.DatetimeIndex([START + pd.Timedelta("3s")])
    orders = pd.DataFrame(
        {"instrument": "X", "side": "buy", "qty": [2.0], "price": 99.0, "expire": START + pd.Timedelta("8s")}, index=at
    )
    made = paper_trade(in_a_queue(), orders, period="1s")
    assert made.orders[["status", "filled"]].iloc[0].tolist() == ["expired", 1.0]


def test_an_order_that_is_refused_says_why(feed: Any) -> None:
    made = paper_trade(feed, asked(feed, ["1s"], side="buy", qty=5.0), config=ExchangeConfig(max_order_qty=4))
    assert made.orders[["status", "reason", "filled"]].iloc[0].tolist() == ["rejected", "order_size_limit", 0.0]


def test_what_parents_paid_adds_up(feed: Any) -> None:
    orders = asked(
        feed, ["1s", "1s", "2s", "3s"], side=["buy", "sell", "buy", "buy"], qty=[9, 4, 30, 2], parent=list("abaa")
    )
    made = paper_trade(feed, orders)
    told = made.shortfall()
    assert told["cost"].to_numpy() == pytest.approx((told["walked"] + told["drift"]).to_numpy())
    fills = made.fills.assign(parent=made.orders["parent"].to_numpy()[made.fills["order"]])
    for parent, sign in (("a", 1.0), ("b", -1.0)):
        own = fills[fills["parent"] == parent]
        paid = np.average(own["price"], weights=own["qty"])
        arrival = made.orders.loc[made.orders["parent"] == parent, "arrival"].iloc[0]
        assert told.loc[parent, "cost"] == pytest.approx(sign * (paid - arrival))
        assert told.loc[parent, "filled"] == own["qty"].sum()
    assert told.loc["b", "drift"] == pytest.approx(0.0)


def test_it_shows_itself(feed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import holoviews as hv

    made = paper_trade(feed, asked(feed, ["1s", "2s"], side="buy", qty=5.0, join=[True, False]), progress=True)
    assert "orders: 100%" in capsys.readouterr().err
    assert isinstance(made, PaperTrades)
    assert "<table" in made._repr_html_()
    assert hv.render(made.plot(), backend="bokeh") is not None
    nothing = paper_trade(feed, asked(feed, ["1s"], side="buy", qty=5.0, price=1.0))
    assert nothing.orders["cost"].isna().all()
    assert nothing.shortfall()["cost"].isna().all()
    assert hv.render(nothing.plot(), backend="bokeh") is not None


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"side": "up", "qty": 1.0}, "side 'up' is unknown"),
        ({"side": "buy", "qty": 0.0}, "not a positive number of lots"),
        ({"side": "buy"}, "no column 'qty'"),
        ({"side": "buy", "qty": 1.5}, "quantity 1.5 is not a multiple of the lot"),
        ({"side": "buy", "qty": 1.0, "price": [99.0, 99.003]}, "price 99.003 is not on a tick of ACME.F"),
        ({"side": "buy", "qty": 1.0, "instrument": "NONE"}, "instrument 'NONE' is not of the feed"),
        ({"side": ["buy", "sell"], "qty": 1.0}, "a parent has slices of several"),
    ],
)
def test_orders_that_cannot_be_are_refused(feed: Any, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        paper_trade(feed, asked(feed, ["1s", "2s"], **columns))


def test_times_that_cannot_be_are_refused(feed: Any) -> None:
    late = asked(feed, ["1h"], side="buy", qty=1.0)
    with pytest.raises(InputError, match="after the feed's end"):
        paper_trade(feed, late)
    with pytest.raises(InputError, match="rising times with a zone"):
        paper_trade(feed, late.tz_localize(None))
    with pytest.raises(InputError, match="period '0s' is not positive"):
        paper_trade(feed, late, period="0s")
