"""Chains that settle in coin: their table and moves, the books made around the futures' marks, a desk on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk import datasets
from qflib.desk.coin_chains import CoinChains
from qflib.desk.coin_feed import CoinFeed, HedgeBook
from qflib.desk.deribit_chains import find_deribit_chains, read_deribit_chains
from qflib.desk.sim_chains import simulated_chains
from qflib.errors import DataError, InputError
from qflib.hedging import hedge_inverse

HOUR = 3_600 * 10**9
CONFIG = qf.DeskConfig(period_ns=HOUR // 4, outcome_ns=6 * HOUR, stale_ns=HOUR)


@pytest.fixture(scope="module")
def chains() -> CoinChains:
    return simulated_chains(seed=3, snapshots=24)


@pytest.fixture(scope="module")
def feed(chains: CoinChains) -> CoinFeed:
    return CoinFeed(chains, HedgeBook(half_spread_bps=2.0, step_bps=1.0, levels=5, depth=100_000.0, seed=1))


def test_moves_join_a_contract_with_its_next_snapshot(chains: CoinChains) -> None:
    m, o = chains.moves, chains.options.set_index(["time", "symbol"])
    assert len(m) > 1_000
    for row in m.sample(50, random_state=1).itertuples():
        start, end = o.loc[(row.time, row.symbol)], o.loc[(row.time_next, row.symbol)]
        assert (row.price, row.price_next) == (start["mark"], end["mark"])
        assert (row.forward, row.forward_next) == (start["forward"], end["forward"])
        assert row.years - row.years_next == pytest.approx((row.time_next - row.time) / pd.Timedelta(365, "D"))
        assert row.future_symbol.startswith(f"{row.underlying}-")
        assert row.future_next == chains.futures.loc[row.time_next, row.future_symbol]
        assert row.perpetual == chains.futures.loc[row.time, f"{row.underlying}-PERPETUAL"]
    same = m["future_symbol"].str.partition("-")[2] == m["symbol"].str.split("-").str[1]
    assert same.all()  # every expiry has a future of its own here
    assert (1.0 - hedge_inverse(m[m["delta"].abs().between(0.05, 0.95)]).effectiveness) < 0.2


def test_an_option_without_a_future_of_its_own_takes_the_next_one(chains: CoinChains) -> None:
    thinner = CoinChains(chains.options, chains.futures.drop(columns="BTC-13FEB26"))
    m = thinner.moves[thinner.moves["symbol"].str.startswith("BTC-13FEB26-")]
    assert (m["future_symbol"] == "BTC-20FEB26").all()
    none = chains.futures.drop(columns=[c for c in chains.futures if c.startswith("BTC-2")])
    m = CoinChains(chains.options, none).moves
    last = m[m["symbol"].str.startswith("BTC-26JUN26")]
    assert last["future"].isna().all()
    assert (last["future_symbol"] == "").all()


def test_a_book_stands_around_each_mark(chains: CoinChains, feed: CoinFeed) -> None:
    rows = feed.to_frame(None)
    future = rows[(rows["symbol"] == "BTC-27MAR26") & (rows["kind"] == "level")]
    tick = 0.5
    for time in chains.times:
        mark = float(chains.futures.loc[time, "BTC-27MAR26"])
        book = future[future.index == time]
        bids, asks = (np.sort(book.loc[book["side"] == s, "price"].to_numpy()) for s in ("bid", "ask"))
        assert len(bids) == len(asks) == 5
        away = mark * np.arange(2, 7) * 1e-4
        assert (mark - bids[::-1] >= away - 1e-9).all()
        assert (mark - bids[::-1] < away + tick).all()
        assert (asks - mark >= away - 1e-9).all()
        assert (asks - mark < away + tick).all()
    assert future["qty"].mean() * 10.0 == pytest.approx(100_000.0, rel=0.3)
    again = CoinFeed(chains, feed.book).to_frame(None)
    pd.testing.assert_frame_equal(rows, again)
    other = CoinFeed(chains, HedgeBook(2.0, 1.0, 5, 100_000.0, seed=2)).to_frame(None)
    assert (other["qty"].to_numpy() != rows["qty"].to_numpy()).any()


def test_quotes_are_as_told_and_end_with_the_contract(chains: CoinChains) -> None:
    time, symbol = chains.times[5], "ETH-27MAR26-2400-C"
    there = chains.options
    thinner = CoinChains(there[~((there["symbol"] == symbol) & (there["time"] >= time))], chains.futures)
    rows = CoinFeed(thinner).to_frame(None)
    rows = rows[rows["symbol"] == symbol]
    told = there[(there["symbol"] == symbol) & (there["time"] < time)]
    quoted = rows[rows["qty"] > 0]
    assert quoted.loc[quoted["side"] == "bid", "price"].tolist() == pytest.approx(told["bid"].tolist())
    assert quoted.loc[quoted["side"] == "ask", "price"].tolist() == pytest.approx(told["ask"].tolist())
    gone = rows[rows["qty"] == 0]
    assert gone.index.unique().tolist() == [time]
    assert sorted(gone["side"]) == ["ask", "bid"]


def test_one_snapshot_alone_is_a_feed(chains: CoinChains) -> None:
    first = chains.times[0]
    options, futures = chains.options[chains.options["time"] == first], chains.futures.loc[[first]]
    feed = CoinFeed(CoinChains(options, futures), HedgeBook(seed=1))
    rows = np.concatenate([e.instrument for e in feed.events()])
    assert {feed.instruments[int(i)].symbol for i in rows} >= set(options["symbol"])


def test_the_table_is_inverse_and_has_futures_that_last(chains: CoinChains, feed: CoinFeed) -> None:
    table = feed.instruments
    assert all(r.inverse and r.settlement_currency == r.underlying for r in table)
    futures = [r.symbol for r in table if r.kind == "future"]
    assert "BTC-6FEB26" not in futures  # expires on the way
    assert {"BTC-13FEB26", "ETH-26JUN26"} <= set(futures)
    option = table["BTC-27MAR26-80000-P"]
    assert (option.strike, option.right, str(option.expiry)) == (80_000.0, "put", "2026-03-27 08:00:00+00:00")


def test_the_history_ends_where_the_chains_begin(chains: CoinChains, feed: CoinFeed) -> None:
    assert feed.history is not None
    assert feed.history.index[-1] == chains.times[0]
    later = chains.futures.copy()
    later.loc[later.index > chains.times[0]] *= 1.5
    pd.testing.assert_frame_equal(CoinFeed(CoinChains(chains.options, later)).history, feed.history)


def test_a_desk_hedges_them_through_the_exchange(feed: CoinFeed) -> None:
    assert feed.history is not None
    scenarios = qf.scenarios.default(feed.history, n_historical=None, n_simulated=300)
    runs = [
        qf.Desk(feed, hedger=qf.hedgers.Band(risk_aversion=1e-4), scenarios=scenarios, config=CONFIG).run()
        for _ in range(2)
    ]
    run = runs[0]
    assert run.digest == runs[1].digest
    facts = run.summary()
    assert facts["dead_letters"] == facts["hedge"]["rejects"] == 0
    assert facts["hedge"]["fills"] >= facts["hedge"]["orders"] > 10
    assert facts["es"]["current_median"] < 0.75 * facts["es"]["unhedged_median"]
    hedges = run.hedges
    assert (hedges["filled"] == hedges["qty"].abs()).all()
    notional = (hedges["qty"].abs() * [feed.instruments[s].contract_value for s in hedges["instrument"]]).to_numpy()
    paid = hedges["realised_cost"].to_numpy() / notional * 1e4
    assert (paid > 1.9).all()  # the half-spread, at least; to the rate of the perpetual
    assert (paid < 7.0).all()
    np.testing.assert_allclose(hedges["realised_cost"], hedges["cost"], rtol=1e-3)  # the book stood still


def test_what_cannot_be_loaded_is_told(tmp_path: Path, chains: CoinChains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_DATA", str(tmp_path))
    assert find_deribit_chains(tmp_path) is None
    assert datasets.names() == ["sim", "coin-sim"]
    with pytest.raises(InputError, match="data set 'deribit' is unknown; expected one of sim, coin-sim"):
        datasets.load("deribit")
    with pytest.raises(InputError, match="option 'colour' is unknown for 'coin-sim'; expected seed, snapshots, half_s"):
        datasets.load("coin-sim", colour="red")
    with pytest.raises(InputError, match="depth is 0; a book has a positive one"):
        datasets.load("coin-sim", snapshots=2, depth=0)
    with pytest.raises(InputError, match="snapshots is 1"):
        simulated_chains(snapshots=1)
    with pytest.raises(DataError, match="chains have no column 'mark'"):
        CoinChains(chains.options.drop(columns="mark"), chains.futures)
    with pytest.raises(DataError, match="every snapshot needs one"):
        CoinChains(chains.options, chains.futures.iloc[:-1])
    with pytest.raises(InputError, match="need a time zone each"):
        chains.between("2026-02-01", "2026-02-02")
    with pytest.raises(DataError, match="no snapshot between"):
        chains.between("2020-02-01T00:00Z", "2020-02-02T00:00Z")
    with pytest.raises(DataError, match="no snapshot of SOL"):
        chains.chain("SOL", chains.times[0])
    (tmp_path / "deribit_1.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="is not one of recorded Deribit chains"):
        read_deribit_chains(tmp_path)
    renamed = chains.options.assign(underlying="SOL")
    with pytest.raises(InputError, match="contracts of 'SOL' are not known; expected one of BTC, ETH"):
        CoinFeed(CoinChains(renamed, chains.futures))
    off = chains.options.assign(bid=chains.options["bid"] + 0.00003)
    with pytest.raises(InputError, match=r"off the tick of 0\.0001"):
        CoinFeed(CoinChains(off, chains.futures))
