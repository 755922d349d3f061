"""A DataFrame as a feed: what `to_frame` gives makes the same books, in memory and by way of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import qflib as qf
from qflib.desk.feed import Feed
from qflib.desk.frame_feed import FrameFeed, as_feed
from qflib.desk.sim_feed import SimFeed
from qflib.errors import DataError, InputError
from qflib.market.simulator import SimulatedMarket
from qflib.orderbook.books import Books


@pytest.fixture(scope="module")
def sim() -> Feed:
    return qf.datasets.load("sim", seed=3, duration="2s", rate=2_000)


def final(feed: Feed) -> list[str]:
    books = Books(feed.instruments)
    for events in feed.events():
        assert books.apply(events).refused == 0
    return [books.digest_of(i) for i in range(len(feed.instruments))]


def _by_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / "e.csv")
    return folder / "e.csv"


def _by_parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "e.parquet")
    return folder / "e.parquet"


WAYS: list[Callable[[pd.DataFrame, Path], pd.DataFrame | Path]] = [
    lambda frame, _: frame,
    lambda frame, _: frame.reset_index(),
    _by_csv,
    _by_parquet,
]


@pytest.mark.parametrize("way", WAYS, ids=["index", "column", "csv", "parquet"])
def test_a_frame_makes_the_books_it_was_made_from(
    sim: Feed, way: Callable[[pd.DataFrame, Path], pd.DataFrame | Path], tmp_path: Path
) -> None:
    frame = sim.to_frame(None)
    assert not frame.index.is_monotonic_increasing  # sources take turns: there is something to sort
    back = qf.read(way(frame, tmp_path), instruments=sim.instruments)
    assert final(back) == final(sim)
    assert back.start == frame.index.min()
    assert back.end == frame.index.max()
    again = back.to_frame(None)
    assert again.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(again, frame.sort_index(kind="stable"))


def test_a_desk_runs_on_a_frame(sim: Feed) -> None:
    frame = sim.to_frame(None)
    run = qf.Desk(FrameFeed(frame, sim.instruments)).run()
    assert run.summary()["events"] == len(frame)


def test_what_can_be_a_feed_is_one(sim: Feed) -> None:
    assert as_feed(sim) is sim
    assert isinstance(as_feed(SimulatedMarket(duration="1s")), SimFeed)
    assert isinstance(as_feed(sim.to_frame(10), sim.instruments), FrameFeed)
    with pytest.raises(InputError, match="feed is list; give a Feed"):
        as_feed([1])
    with pytest.raises(InputError, match="need a table"):
        as_feed(sim.to_frame(10))


def test_wrong_frames_are_told(sim: Feed) -> None:
    frame, table = sim.to_frame(10), sim.instruments
    with pytest.raises(InputError, match="give instruments="):
        qf.read(frame)
    with pytest.raises(InputError, match="venue is 'kraken'"):
        qf.read(frame, "kraken", table)
    with pytest.raises(InputError, match="no rows"):
        FrameFeed(frame[:0], table)
    with pytest.raises(InputError, match="ticks and lots"):
        FrameFeed(sim.to_frame(10, raw=True), table)
    with pytest.raises(InputError, match="is dict"):
        FrameFeed({"a": 1}, table)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="instruments of a DataFrame is str"):
        FrameFeed(frame, "table.toml")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the DataFrame has columns receipt, kind"):
        FrameFeed(frame[["kind"]], table)
    with pytest.raises(DataError, match="no time zone"):
        FrameFeed(frame.tz_localize(None), table)
