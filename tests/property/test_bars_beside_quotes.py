"""Bars with quotes: the book's measures and spreads, by time and by volume, equal to a plain twin and cut anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib import orderbook as ob
from qflib.errors import InputError
from qflib.kernels import book_bars as K
from qflib.orderbook.bars import bars
from tests.property.test_microstructure_cuts import CUTS, SEED, same, spans
from tests.reference import plain_microstructure as plain

BASE = 10**18


def recording(seed: int, n_quotes: int, n_trades: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quotes of two levels, and trades at, inside and outside them, many at the same times."""
    rng = np.random.default_rng(seed)
    at = pd.to_datetime(BASE + np.sort(rng.integers(0, 40, n_quotes)) * 100, utc=True)
    quotes = pd.DataFrame(index=at)
    for m in range(2):
        quotes[f"bid_price_{m}"] = rng.integers(97, 100, n_quotes) * 1.0 - 3 * m
        quotes[f"bid_qty_{m}"] = rng.integers(0, 5, n_quotes) * 1.0
        quotes[f"ask_price_{m}"] = rng.integers(100, 103, n_quotes) * 1.0 + 3 * m
        quotes[f"ask_qty_{m}"] = rng.integers(0, 5, n_quotes) * 1.0
    for side in ("bid", "ask"):
        quotes[f"{side}_qty"] = quotes[f"{side}_qty_0"]
        quotes[side] = quotes[f"{side}_price_0"].where(quotes[f"{side}_qty"] > 0)
    time = pd.to_datetime(BASE + np.sort(rng.integers(0, 40, n_trades)) * 100, utc=True)
    trades = {"price": rng.integers(196, 206, n_trades) / 2, "qty": rng.integers(1, 6, n_trades) * 1.0}
    return quotes, pd.DataFrame(trades | {"side": rng.choice(["buy", "sell", ""], n_trades)}, time)


@given(SEED, st.integers(1, 25), st.integers(1, 25), st.booleans())
def test_bars_are_those_of_the_twin(seed: int, n_quotes: int, n_trades: int, by_time: bool) -> None:
    quotes, trades = recording(seed, n_quotes, n_trades)
    every, by = (pd.Timedelta(700, "ns"), "time") if by_time else (9, "volume")
    made = bars(trades, every, by, quotes, delay=pd.Timedelta(500, "ns"))  # type: ignore[arg-type]
    names = [[f"{s}_{w}_{m}" for s in ("bid", "ask") for w in ("price", "qty")] for m in range(2)]
    levels = [[tuple(row[n] for n in level) for level in names] for row in quotes.to_dict("records")]
    side = trades["side"].map({"buy": 1, "sell": -1, "": 0})
    want = plain.bars_beside_quotes(
        list(zip(quotes.index.asi8.tolist(), levels, strict=True)),
        list(zip(trades.index.asi8.tolist(), trades["price"], trades["qty"], side, strict=True)),
        500, 700 if by_time else 0, 9,
    )  # fmt: skip
    assert len(made) == len(want)
    for name in want[0]:
        np.testing.assert_allclose(made[name], [w[name] for w in want], rtol=1e-12, atol=1e-12, err_msg=name)
    same(made["micro_price"], made["weighted_mid"])
    alone = bars(trades, every, by)  # type: ignore[arg-type]
    prices = [c for c in alone.columns if c != "signed_volume"]  # which quotes tell of trades that no side does
    pd.testing.assert_frame_equal(made[prices], alone[prices])


@given(SEED, st.integers(1, 25), st.integers(1, 25), st.integers(0, 40))
def test_a_bar_does_not_know_what_comes_after_it(seed: int, n_quotes: int, n_trades: int, cut: int) -> None:
    """Bars of a recording that was cut short are the whole one's, to the bit, as far as it goes."""
    quotes, trades = recording(seed, n_quotes, n_trades)
    end = pd.to_datetime(BASE + cut * 100, utc=True)
    delay = pd.Timedelta(300, "ns")
    whole = bars(trades, 9, "volume", quotes, delay=delay)
    part = bars(trades[trades.index <= end], 9, "volume", quotes[quotes.index <= end], delay=delay)
    kept = part[(part["volume"] >= 9) & (part.index < end)]
    later = ["realised", "impact"]
    pd.testing.assert_frame_equal(kept.drop(columns=later), whole.iloc[: len(kept)].drop(columns=later))
    newest = max([*quotes.index[quotes.index <= end], *trades.index[trades.index <= end]], default=end)
    over = kept[kept.index + delay <= newest]
    pd.testing.assert_frame_equal(over[later], whole[later].iloc[: len(over)])


@given(SEED, st.integers(1, 40), CUTS)
def test_kernels_are_cut_anywhere(seed: int, n: int, cuts: list[float]) -> None:
    rng = np.random.default_rng(seed)
    flag = rng.random(n) < 0.3
    state, flow, weight = rng.normal(size=(n, 3)), rng.normal(size=(n, 2)), rng.uniform(1, 2, n)
    for table in (state, flow):
        table[rng.random(table.shape) < 0.2] = np.nan

    def run(parts: list[slice]) -> Any:
        newest, since, memory = np.full(3, np.nan), np.full(2, np.nan), np.zeros((2, 3))
        states, flows, means = np.empty((n, 3)), np.empty((n, 2)), np.empty((n, 3))
        ends, told = 0, 0
        for p in parts:
            ends += K.fold_book_at_ends(flag[p], state[p], flow[p], newest, since, states[ends:], flows[ends:])
            told += K.fold_bar_means(state[p], weight[p], flag[p], memory, means[told:])
        assert ends == told == flag.sum()
        return states[:ends], flows[:ends], means[:told], newest, since, memory

    for a, b in zip(run([slice(0, n)]), run(spans(n, cuts)), strict=True):
        same(a, b)


def test_the_quotes_own_flow_and_imbalance_are_taken() -> None:
    quotes, trades = recording(3, 20, 15)
    own = quotes.assign(imbalance=0.25, ofi=2.0)
    made = bars(trades, 9, "volume", own)
    assert made["imbalance"].dropna().unique().tolist() == [0.25]
    assert made["ofi"].sum() == 2 * (quotes.index <= made.index[-1]).sum()
    at = quotes.index[[0]]
    top = pd.DataFrame({"bid": [99.0], "ask": [100.0], "bid_qty": [9.0], "ask_qty": [1.0]}, at)
    walk = pd.concat([top, top.assign(bid_qty=1.0, ask_qty=9.0), top.assign(bid=100.0, ask=101.0)] * 4)
    micro = ob.MicroPrice.fit(walk, tick=1.0, buckets=3, spreads=1)
    one = bars(trades.iloc[-1:], 1, "volume", top, micro_price=micro)
    assert one["micro_price"].item() == micro.apply(top).item() != one["weighted_mid"].item()
    empty = bars(trades, 9, "volume", quotes.iloc[:0])
    assert empty[["mid", "ofi", "quoted"]].isna().all(axis=None)
    assert set(bars(trades.iloc[:0], 9, "volume", quotes).columns) == set(empty.columns)
    with pytest.raises(InputError, match="no column 'bid'"):
        bars(trades, 9, "volume", trades)
    with pytest.raises(InputError, match="delay is 5"):
        bars(trades, 9, "volume", quotes, delay=5)  # type: ignore[arg-type]
