"""Features of quotes against the paper's rule and the kernel's, bars against pandas, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qflib.accessor  # noqa: F401  (registers .qf)
from qflib.errors import InputError
from qflib.orderbook.bars import bars, features

QUOTE = st.tuples(st.integers(95, 99), st.integers(100, 104), st.integers(0, 9), st.integers(0, 9))


def quotes(rows: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["bid", "ask", "bid_qty", "ask_qty"], dtype=float)


@given(st.lists(QUOTE, min_size=1, max_size=30))
def test_flow_is_that_of_the_paper(rows: list[tuple[float, float, float, float]]) -> None:
    full = [(b, a, q + 1, r + 1) for b, a, q, r in rows]
    want = [np.nan]
    for (b0, a0, q0, r0), (b, a, q, r) in itertools.pairwise(full):
        want.append((b >= b0) * q - (b <= b0) * q0 - (a <= a0) * r + (a >= a0) * r0)
    np.testing.assert_array_equal(quotes(full).qf.features()["ofi"], want)


def test_features_of_one_quote() -> None:
    got = features(quotes([(99, 101, 3, 1)])).iloc[0]
    assert got[["mid", "spread", "micro_price", "imbalance"]].tolist() == [100.0, 2.0, 100.5, 0.5]


def test_an_empty_side_has_no_mid_and_its_quantity_is_the_flow() -> None:
    got = features(quotes([(99, 101, 3, 2), (np.nan, 101, 0, 2), (98, 101, 4, 2), (98, 101, 4, 0)]))
    assert got["mid"].isna().tolist() == [False, True, False, True]
    assert got["imbalance"].isna().tolist() == [False, True, False, True]
    assert got["ofi"].tolist()[1:] == [-3.0, 4.0, 2.0]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("bid", np.inf, "row 1 has bid inf; give a finite price"),
        ("ask_qty", -1.0, "row 1 has ask_qty -1.0; give a finite quantity"),
        ("bid_qty", np.nan, "row 1 has bid_qty nan"),
    ],
)
def test_bad_quotes_are_told(column: str, value: float, said: str) -> None:
    frame = quotes([(99, 101, 3, 1), (99, 101, 3, 1)])
    frame.loc[1, column] = value
    with pytest.raises(InputError, match=said):
        features(frame)
    with pytest.raises(InputError, match=f"no column {column!r}"):
        features(frame.drop(columns=column))


def trades(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    at = pd.Timestamp("2026-01-05T14:30Z") + pd.to_timedelta(np.sort(rng.integers(0, 60_000, n)), unit="ms")
    return pd.DataFrame({"price": 100 + rng.normal(size=n).cumsum() / 10, "qty": rng.integers(1, 9, n)}, index=at)


def test_time_bars_are_those_of_pandas() -> None:
    frame = trades().astype({"qty": float})
    every = frame["price"].resample("250ms")
    want = every.ohlc().assign(
        volume=frame["qty"].resample("250ms").sum(),
        vwap=frame["price"].mul(frame["qty"]).resample("250ms").sum() / frame["qty"].resample("250ms").sum(),
        trades=every.count(),
    )
    want = want[want["trades"] > 0]
    pd.testing.assert_frame_equal(
        frame.qf.bars("250ms")[want.columns], want, check_names=False, check_freq=False, check_index_type=False
    )


def test_volume_bars_hold_every_trade_once_and_fill() -> None:
    frame = trades()
    got = bars(frame, 40, by="volume")
    assert got["volume"].sum() == frame["qty"].sum()
    assert got["trades"].sum() == len(frame)
    assert (got["volume"].iloc[:-1] >= 40).all()
    assert (got["volume"] < 40 + 8).all()
    assert got["open"].iloc[0] == frame["price"].iloc[0]
    assert got["close"].iloc[-1] == frame["price"].iloc[-1]
    assert got.index[-1] == frame.index[-1]


def test_trades_are_chosen_from_a_feed() -> None:
    frame = trades(20).assign(kind="trade", symbol="ACME.F")
    other = frame.assign(kind="add", price=np.nan, symbol="BETA.F")
    both = pd.concat([frame, other]).sort_index(kind="stable")
    pd.testing.assert_frame_equal(bars(both), bars(frame))
    with pytest.raises(InputError, match=r"trades of 'ACME\.F' and 'BETA\.F'; choose the rows of one symbol"):
        bars(pd.concat([frame, frame.assign(symbol="BETA.F")]))


def test_signed_volume_is_what_was_bought_less_what_was_sold() -> None:
    frame = trades(4).assign(side=["buy", "sell", "sell", ""])
    want = (frame["qty"] * [1, -1, -1, 0]).sum()
    assert bars(frame, "1D")["signed_volume"].tolist() == [want]
    assert bars(trades(4), "1D")["signed_volume"].isna().all()
    with pytest.raises(InputError, match="side 'up' is unknown"):
        bars(frame.assign(side="up"))


@pytest.mark.parametrize("by", ["time", "volume"])
def test_no_trades_are_no_bars(by: str) -> None:
    got = bars(trades().head(0), "1s" if by == "time" else 1, by=by)  # type: ignore[arg-type]
    assert got.empty
    assert list(got.columns) == [
        "open", "high", "low", "close", "volume", "vwap", "twap", "trades", "signed_volume", "realised_variance",
        "bipower_variation",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "args", "said"),
    [
        (trades().drop(columns="qty"), (), "no column 'qty'; it has price"),
        (trades().assign(qty=0), (), "row 0 has qty 0.0; give a finite quantity above 0"),
        (trades().assign(price=np.nan), (), "row 0 has price nan"),
        (trades().assign(price="dear"), (), "column 'price' holds what is not a number"),
        (trades().tz_localize(None), (), "no time zone"),
        (trades().reset_index(drop=True), (), "no time zone"),
        (trades()[::-1], (), "times fall"),
        (trades(), ("-1s",), "every is '-1s'; bars by time need a positive duration"),
        (trades(), (5,), "every is 5; bars by time"),
        (trades(), ("soon",), "every is 'soon'"),
        (trades(), ("1s", "volume"), "every is '1s'; bars by volume need a positive quantity"),
        (trades(), (float("nan"), "volume"), "every is nan"),
        (trades(), ("1s", "tick"), "by is 'tick'; expected 'time' or 'volume'"),
    ],
)
def test_bad_trades_are_told(frame: pd.DataFrame, args: tuple[object, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        bars(frame, *args)  # type: ignore[arg-type]
