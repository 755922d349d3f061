"""Feeds: frames, chains, markets and data sets, on the simulated market."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qflib.desk import datasets
from qflib.desk.feed import Feed
from qflib.errors import DataError, InputError
from qflib.orderbook.books import Books
from qflib.records import MARKET_EVENTS
from qflib.steps.normalize import Normalize


@pytest.fixture(scope="module")
def feed() -> Feed:
    return datasets.load("sim", seed=3, duration="3s", rate=2_000)


def test_the_simulators_rows_are_those_that_normalize_makes(feed: Feed) -> None:
    step = Normalize(feed.instruments)
    normalized = [out.events for batch in feed.raw() for out in step.feed(batch) if out.kind == "market"]
    a, b = MARKET_EVENTS.concat(normalized), MARKET_EVENTS.concat(list(feed.events()))
    decoded = MARKET_EVENTS.concat([d.events for d in feed.decoded()])
    for name in a._fields:
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
        assert np.array_equal(getattr(a, name), getattr(decoded, name)), name
    assert step.checks["dead"] == 0


def test_a_frame_has_utc_index_and_float_prices(feed: Feed) -> None:
    frame = feed.to_frame(500)
    assert len(frame) == 500
    assert frame.attrs["complete"] is False
    assert str(frame.index.tz) == "UTC"
    assert frame["price"].dtype == np.float64
    ticks = feed.to_frame(500, raw=True)
    table = feed.instruments
    at = np.array([table.id(s) for s in frame["symbol"]])
    assert np.array_equal(table.to_price(at, ticks["price"].to_numpy()), frame["price"].to_numpy())
    assert feed.to_frame(None).attrs["complete"] is True
    assert sum(len(f) for f in feed.frames()) == len(feed.to_frame(None))
    with pytest.raises(InputError, match="negative"):
        feed.to_frame(-1)


def test_a_chain_shows_the_books_at_the_instant(feed: Feed) -> None:
    at = feed.start + pd.Timedelta("1500ms")
    chain = feed.chain("ACME", at=at)
    columns = [
        "underlying",
        "right",
        "strike",
        "expiry",
        "years",
        "forward",
        "bid",
        "ask",
        "mid",
        "bid_qty",
        "ask_qty",
        "multiplier",
        "rate",
    ]
    assert list(chain.columns) == columns
    assert chain.index.name == "symbol"
    # The plain way: every event up to the instant, in receipt order within its source.
    books, limit = Books(feed.instruments), at.as_unit("ns").value
    for columns_ in feed.events():
        books.apply(MARKET_EVENTS.take(columns_, columns_.receipt_ns <= limit))
    top = books.tops()
    for symbol in chain.index:
        i = feed.instruments.id(symbol)
        if top.bid_qty[i]:
            assert chain.loc[symbol, "bid"] == feed.instruments.to_price(i, int(top.bid_ticks[i]))
        else:
            assert np.isnan(chain.loc[symbol, "bid"])
    i = feed.instruments.id("ACME.F")
    assert chain["forward"].iloc[0] == pytest.approx((top.bid_ticks[i] + top.ask_ticks[i]) / 200, abs=1e-12)
    quoted = chain.dropna()
    assert len(quoted) > 10
    assert (quoted["ask"] > quoted["bid"]).all()


def test_wrong_instants_and_underlyings_are_told(feed: Feed) -> None:
    with pytest.raises(InputError, match="expected one of ACME"):
        feed.chain("XYZ")
    with pytest.raises(InputError, match="no time zone"):
        feed.chain("ACME", at="2026-01-05T14:30")
    with pytest.raises(InputError, match="not an instant"):
        feed.chain("ACME", at="yesterday-ish")
    with pytest.raises(InputError, match="at='nan' is not an instant"):
        feed.chain("ACME", at=np.float64("nan"))  # type: ignore[arg-type]
    for at in (feed.start - pd.Timedelta(1, "ns"), feed.end + pd.Timedelta(1, "ns"), "1999-01-01T00:00Z"):
        with pytest.raises(InputError, match="lies outside the feed; give an instant from 2026"):
            feed.chain("ACME", at=at)
        with pytest.raises(InputError, match="lies outside the feed"):
            feed.market(at)
    assert len(feed.chain("ACME", at=feed.start)) == len(feed.chain("ACME", at=feed.end))


def test_a_market_has_every_forward(feed: Feed) -> None:
    market = feed.market()
    chain = feed.chain("BETA")
    assert market.forwards["BETA"] == chain["forward"].iloc[0]
    assert set(market.forwards) == set(feed.instruments.underlyings)


def test_data_sets_and_shipped_files() -> None:
    assert datasets.path("positions.csv").is_file()
    assert datasets.names()[0] == "sim"
    with pytest.raises(DataError, match="expected one of"):
        datasets.path("nothing.csv")
    with pytest.raises(InputError, match=r"unknown; expected one of sim"):
        datasets.load("nothing")
    with pytest.raises(InputError, match="takes seed, duration"):
        datasets.load("sim", colour="red")
    for bare in (10, 10.0, np.int64(10), "10", " 10 ", True):
        with pytest.raises(InputError, match="has no unit; write '"):
            datasets.load("sim", duration=bare)
    for span in (pd.Timedelta("2s"), "2s", np.timedelta64(2, "s"), datetime.timedelta(seconds=2)):
        feed = datasets.load("sim", duration=span)
        assert feed.end - feed.start == pd.Timedelta("2s")


@pytest.mark.data
def test_recordings_are_found_by_name(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_DATA", str(test_data))
    assert "cryptofeed_KRAKEN" in datasets.names()
    assert len(datasets.load("cryptofeed_KRAKEN").instruments) == 10
