"""Microstructure measures on recorded markets: a day of CME ES orders, LOBSTER's AMZN, Kraken's books."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib import orderbook as ob
from tests.reference import plain_estimators as plain


@pytest.fixture(scope="module")
def es(test_data: Path) -> dict[str, pd.DataFrame]:
    """Quotes a message, and trades, since the open."""
    feed = qf.read(test_data / "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst", venue="databento")
    quotes = qf.OrderBook("ESH4").replay(feed, sample="event", features=["depth", "ofi"], levels=5)
    frame = feed.to_frame()
    trades = frame[(frame["kind"] == "trade") & (frame["qty"] > 0)]
    opened = trades.index[0]
    return {"quotes": quotes[quotes.index > opened + pd.Timedelta("1s")], "trades": trades.iloc[1:]}


def test_spreads_and_signs(es: dict[str, pd.DataFrame]) -> None:
    """Signing by price agrees with the exchange; a future a tick wide pays a tick and more."""
    venue = ob.trade_spreads(es["quotes"], es["trades"], "5s")
    guessed = ob.trade_spreads(es["quotes"], es["trades"], "5s", given=False)
    both = (venue.trades["sign"] != 0) & venue.trades["mid"].notna()
    assert (venue.trades["sign"] == guessed.trades["sign"])[both].mean() > 0.8
    mean = venue.to_frame()["mean"]
    assert 0.25 <= mean["quoted"] < 1
    assert 0.2 < mean["effective"] < 1
    assert mean["effective"] == pytest.approx(mean["realised"] + mean["impact"], abs=0.02)
    assert mean["impact"] > 0


def test_flow_moves_the_price(es: dict[str, pd.DataFrame]) -> None:
    flows = ob.multi_level_ofi(es["quotes"])
    # The replay sums over a message's rows; a few messages have several that touch the best prices.
    assert (flows["ofi_0"] == es["quotes"]["ofi"]).mean() > 0.999
    bars = flows.resample("10s").sum()
    mid = es["quotes"]["mid"].resample("10s").last().ffill()
    integrated = ob.IntegratedOFI.fit(bars)
    assert integrated.explained[0] > 0.3
    line = ob.kyle_lambda(bars.assign(mid=mid, flow=integrated.apply(bars)), flow="flow")
    assert line.t_value > 10
    assert line.r2 > 0.2


def test_micro_price_leans_to_the_thin_side(es: dict[str, pd.DataFrame]) -> None:
    made = ob.MicroPrice.fit(es["quotes"], tick=0.25, buckets=5, spreads=1)
    assert (np.diff(made.adjustment[0]) > 0).all()
    assert np.abs(made.adjustment).max() < 0.25
    told = es["quotes"].qf.features(micro_price=made)
    later = told["mid"].shift(-500)
    assert ((later - told["micro_price"]) ** 2).mean() < ((later - told["mid"]) ** 2).mean()


def test_trades_cluster_and_the_model_says_how_well(es: dict[str, pd.DataFrame]) -> None:
    made = ob.fit_hawkes(es["trades"].index.unique())
    assert 0.2 < made.branching < 1
    poisson = len(made.rescaled) * (np.log(len(made.rescaled) / seconds_of(es)) - 1)
    assert made.log_likelihood > poisson + 100


def seconds_of(es: dict[str, pd.DataFrame]) -> float:
    index = es["trades"].index
    return float((index[-1] - index[0]).total_seconds())


def test_bars_variance_queues_and_recovery(es: dict[str, pd.DataFrame]) -> None:
    bars = es["trades"].qf.bars("1min")
    prices = np.log(es["trades"]["price"])
    assert bars["realised_variance"].sum() == pytest.approx((prices.diff() ** 2).sum(), rel=1e-9)
    assert ((bars["low"] <= bars["twap"]) | (bars["low"] <= bars["close"].shift())).iloc[1:].all()
    signature = ob.signature_plot(es["trades"]["price"], ["1s", "1min"]).table["realised_variance"]
    assert signature.iloc[0] > signature.iloc[1] > 0  # bounce
    rates = ob.fit_queue_rates(es["quotes"])
    assert 0.3 < rates.arrival / rates.departure < 3
    assert 0 < rates.depletion_probability(5, "1s") < 1
    even = es["quotes"]["spread"].resample("1s").last().ffill().to_frame()
    back = ob.resiliency(even)
    assert 0 < back.speed < 1
    assert 0.25 <= back.mean < 1


def test_impact_of_runs(es: dict[str, pd.DataFrame]) -> None:
    """Runs of one sign as orders: the bigger, the farther the mid goes, by a concave law."""
    made = ob.trade_spreads(es["quotes"], es["trades"], "1s").trades.dropna()
    made = made[made["sign"] != 0]
    run = (made["sign"] != made["sign"].shift()).cumsum()
    runs = made.groupby(run).agg(qty=("qty", "sum"), sign=("sign", "first"), mid=("mid", "first"))
    impact = (runs["sign"] * (runs["mid"].shift(-1) - runs["mid"])).rename("impact")
    orders = runs.assign(impact=impact, volume=runs["qty"].sum(), volatility=impact.std()).dropna()
    fitted = ob.fit_impact(orders, delta=None)
    assert fitted.y > 0
    assert 0 < fitted.delta < 1
    x, z = (orders["qty"] / orders["volume"]).tolist(), (orders["impact"] / orders["volatility"]).tolist()
    assert (fitted.y, fitted.delta) == pytest.approx(plain.impact(x, z, 0.0, 1.0), rel=1e-4)
    square = ob.fit_impact(orders)
    y, error, _, r2 = plain.impact_of_exponent(x, z, 0.5)
    assert (square.y, square.errors[0], square.r2) == pytest.approx((y, error, r2), rel=1e-9)


def test_estimates_are_those_of_the_textbook(es: dict[str, pd.DataFrame]) -> None:
    quotes = es["quotes"]
    rates = ob.fit_queue_rates(quotes)
    top = list(quotes[["bid", "ask", "bid_qty", "ask_qty"]].itertuples(index=False, name=None))
    want = plain.queue_rates(quotes.index.as_unit("ns").asi8.tolist(), top)
    assert (rates.arrival, rates.departure, rates.order_qty, rates.seconds) == pytest.approx(want, rel=1e-9)
    flows = ob.multi_level_ofi(quotes).resample("10s").sum()
    made = ob.IntegratedOFI.fit(flows)
    weights, explained = plain.integrated_weights(flows.to_numpy().tolist())
    assert made.weights == pytest.approx(weights, abs=1e-9)
    assert made.explained == pytest.approx(explained, abs=1e-9)
    mid = quotes["mid"].resample("10s").last().ffill()
    kyle = ob.kyle_lambda(flows.assign(mid=mid), flow="ofi_0")
    told = plain.kyle_lambda(mid.tolist(), flows["ofi_0"].tolist())
    assert (kyle.slope, kyle.intercept, kyle.error, kyle.r2) == pytest.approx(told, rel=1e-7)
    even = quotes["spread"].resample("1s").last().ffill()
    back = ob.resiliency(even.to_frame())
    assert (back.speed, back.line.error, back.mean) == pytest.approx(plain.resiliency(even.tolist()), rel=1e-7)


def test_bars_of_volume_beside_quotes(es: dict[str, pd.DataFrame]) -> None:
    """Flows add up to the quotes', spreads to the trades'; flow explains the mid's changes by volume too."""
    quotes, trades = es["quotes"], es["trades"]
    bars = trades.qf.bars(50, by="volume", quotes=quotes, delay="5s")
    assert len(bars) > 50
    until = quotes[quotes.index <= bars.index[-1]]
    assert bars["ofi"].sum() == until["ofi"].sum()
    assert bars["ofi_1"].sum() == ob.multi_level_ofi(quotes)["ofi_1"][: len(until)].sum()
    before = quotes.index.searchsorted(bars.index, side="right") - 1
    np.testing.assert_array_equal(bars["mid"][before >= 0], quotes["mid"].to_numpy()[before[before >= 0]])
    told = ob.trade_spreads(quotes, trades, "5s").to_frame()["mean"]
    quoted = bars["quoted"].notna()
    mean = np.average(bars["quoted"][quoted], weights=bars["volume"][quoted])
    assert mean == pytest.approx(told["quoted"], rel=0.01)
    line = ob.kyle_lambda(bars, flow="ofi")
    assert line.t_value > 5
    assert 0 < ob.IntegratedOFI.fit(bars).explained[0] <= 1


def test_lobster(test_data: Path) -> None:
    """Effective spreads of AMZN on a recorded book, its signs given by the venue."""
    folder = test_data / "lobster"
    messages = pd.read_csv(folder / "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz")
    book = pd.read_csv(folder / "AMZN_2012-06-21_34200000_57600000_orderbook_1.csv.gz")
    index = pd.Timestamp("2012-06-21", tz="America/New_York") + pd.to_timedelta(messages["Time"], "s")
    quotes = pd.DataFrame(
        {"bid": book["BestBid"].to_numpy() / 1e4, "ask": book["BestAsk"].to_numpy() / 1e4,
         "bid_qty": book["BestBidVolume"].to_numpy(float), "ask_qty": book["BestAskVolume"].to_numpy(float)},
        index=pd.DatetimeIndex(index),
    )  # fmt: skip
    done = (messages["Type"] == 4).to_numpy()
    trades = pd.DataFrame(
        {"price": messages["Price"].to_numpy()[done] / 1e4, "qty": messages["Size"].to_numpy(float)[done],
         # the direction is the resting order's
         "side": np.where(messages["Direction"].to_numpy()[done] == -1, "buy", "sell")},
        index=quotes.index[done],
    )  # fmt: skip
    venue = ob.trade_spreads(quotes, trades, "5min").trades
    guessed = ob.trade_spreads(quotes, trades, "5min", given=False).trades["sign"]
    assert (venue["sign"] == guessed).mean() > 0.9
    assert 0.02 < venue["effective"].mean() < 0.2
    line = ob.kyle_lambda(
        quotes.qf.features()[["mid", "ofi"]].resample("10s").agg({"mid": "last", "ofi": "sum"}), flow="ofi"
    )
    # Cont, Kukanov and Stoikov find R2 of 65 % on average over fifty stocks
    assert line.r2 > 0.3


def test_kraken(test_data: Path) -> None:
    feed = qf.read(test_data / "crypto/cryptofeed_KRAKEN.ws.50.0.gz", venue="kraken")
    symbol = feed.instruments[0].symbol
    rows = qf.OrderBook(symbol).replay(feed, sample="event", features=["micro_price", "imbalance", "ofi"])
    settled = rows.dropna()
    assert len(settled) > 100
    assert settled["micro_price"].between(settled["bid"], settled["ask"]).all()
    assert settled["imbalance"].between(-1, 1).all()
    assert ob.fit_queue_rates(settled).arrival > 0
