"""The faces of microstructure measures: against closed forms and plain twins, what is refused, and their pictures."""

from __future__ import annotations

import math
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import qflib.accessor  # noqa: F401  (registers .qf)
from qflib import orderbook as ob
from qflib.errors import DataError, InputError
from tests.reference import plain_microstructure as plain


def at(*ms: int) -> pd.DatetimeIndex:
    return pd.to_datetime(pd.Timestamp("2026-01-05T14:30Z") + pd.to_timedelta(ms, "ms"))


def walk(n: int, seed: int = 1) -> pd.DataFrame:
    """Quotes a tick wide whose price moves when a queue empties, so that the imbalance tells where it goes."""
    rng = np.random.default_rng(seed)
    bid, queues, rows = 100.0, [5, 5], []
    for _ in range(n):
        rows.append((bid, bid + 1, *queues))
        queues[rng.integers(2)] += rng.choice([-1, 1])
        if 0 in queues:
            bid += 1.0 if queues[1] == 0 else -1.0
            queues = rng.integers(1, 10, 2).tolist()
    columns = ["bid", "ask", "bid_qty", "ask_qty"]
    index = pd.date_range("2026-01-05T14:30Z", periods=n, freq="10ms")
    return pd.DataFrame(rows, columns=columns, index=index, dtype=float)


QUOTES = walk(20_000)


def test_micro_price_is_that_of_the_twin_and_antisymmetric() -> None:
    top = QUOTES.iloc[:1_200]
    made = ob.MicroPrice.fit(top, tick=1.0, buckets=5, spreads=1)
    want = plain.micro_price(top.to_numpy()[:, :4].tolist(), 1.0, 5)
    assert made.adjustment[0].tolist() == pytest.approx([want[1, i] for i in range(5)], abs=1e-6)
    assert made.adjustment[0].tolist() == pytest.approx((-made.adjustment[0, ::-1]).tolist(), abs=1e-9)
    assert (np.diff(made.adjustment[0]) > 0).all()
    assert made.visits.sum() == 2 * (len(top) - 1)


def test_micro_price_foresees_the_mid() -> None:
    made = ob.MicroPrice.fit(QUOTES, tick=1.0, buckets=5, spreads=1)
    told = QUOTES.qf.features(micro_price=made)
    later = told["mid"].shift(-400)
    errors = [((later - told[name]) ** 2).mean() for name in ("micro_price", "mid")]
    assert errors[0] < errors[1]
    plainly = QUOTES.qf.features()
    assert plainly["micro_price"].equals(plainly["weighted_mid"])


def test_micro_price_refuses() -> None:
    still = QUOTES.iloc[:1].reindex(QUOTES.index[:9]).ffill()
    with pytest.raises(DataError, match="the mid does not move"):
        ob.MicroPrice.fit(still, tick=1.0, buckets=3)
    with pytest.raises(InputError, match="tick is 0"):
        ob.MicroPrice.fit(QUOTES, tick=0)
    for buckets in (-1, 4):
        with pytest.raises(InputError, match=f"buckets={buckets}"):
            ob.MicroPrice.fit(QUOTES, tick=1.0, buckets=buckets)
    made = ob.MicroPrice.fit(QUOTES, tick=1.0, buckets=3, spreads=1)
    assert np.isnan(made.apply(QUOTES.iloc[:1].assign(ask=105.0))).all()


def test_flows_of_the_first_level_are_those_of_features_and_integrate() -> None:
    deep = QUOTES.assign(
        bid_price_0=QUOTES["bid"], bid_qty_0=QUOTES["bid_qty"], ask_price_0=QUOTES["ask"], ask_qty_0=QUOTES["ask_qty"],
        bid_price_1=QUOTES["bid"] - 1, bid_qty_1=3.0, ask_price_1=QUOTES["ask"] + 1, ask_qty_1=3.0,
    )  # fmt: skip
    flows = ob.multi_level_ofi(deep)
    np.testing.assert_array_equal(flows["ofi_0"], QUOTES.qf.features()["ofi"])
    bars = flows.resample("10s").sum()
    made = ob.IntegratedOFI.fit(bars)
    assert np.abs(made.weights).sum() == pytest.approx(1)
    assert made.explained.sum() == pytest.approx(1)
    _, _, vt = np.linalg.svd(bars - bars.mean())
    assert np.abs(made.weights) == pytest.approx(np.abs(vt[0]) / np.abs(vt[0]).sum())
    assert made.apply(bars).to_numpy() == pytest.approx(bars.to_numpy() @ made.weights)
    with pytest.raises(InputError, match="has no depth"):
        ob.multi_level_ofi(QUOTES)
    with pytest.raises(InputError, match="the flows have 1 levels"):
        made.apply(bars[["ofi_0"]])
    with pytest.raises(DataError, match="do not vary"):
        ob.IntegratedOFI.fit(bars * 0)


def test_spreads_and_signs() -> None:
    quotes = pd.DataFrame({"bid": [99.0, 100.0, np.nan], "ask": [101.0, 102.0, 103.0]}, at(0, 2000, 9000))
    trades = pd.DataFrame({"price": [101.0, 100.0, 99.0, 100.0], "qty": 1.0}, at(500, 600, 2000, 8000))
    made = ob.trade_spreads(quotes, trades, "5s").trades
    assert made["sign"].tolist() == [1, -1, -1, -1]  # above, at after a fall, below the quote before it, below
    assert made["mid"].tolist() == [100, 100, 100, 101]
    assert made["quoted"].tolist() == [2, 2, 2, 2]
    assert made["effective"].tolist() == [2, 0, 2, 2]
    # 5.5 s and 5.6 s and 7 s: 101; the last's delay is not over when the recording ends
    np.testing.assert_array_equal(made["realised"], [0, 2, 4, np.nan])
    given_ = trades.assign(side=["sell", "buy", "", "buy"])
    assert ob.trade_spreads(quotes, given_, "5s").trades["sign"].tolist() == [-1, 1, -1, 1]
    assert ob.trade_spreads(quotes, given_, "5s", given=False).trades["sign"].tolist() == [1, -1, -1, -1]
    means = ob.trade_spreads(quotes, trades, "5s").to_frame()
    assert means["mean"].to_dict() == {"quoted": 2, "effective": 1.5, "realised": 2, "impact": pytest.approx(-2 / 3)}
    with pytest.raises(InputError, match="side 'up' is unknown"):
        ob.trade_spreads(quotes, trades.assign(side="up"))
    assert ob.trade_spreads(quotes, trades.iloc[:0]).trades.empty
    unknown = ob.trade_spreads(quotes, trades.iloc[:1].assign(price=100.0)).trades
    assert unknown["sign"].tolist() == [0]
    assert unknown["effective"].isna().all()


def test_noise_raises_the_signature_at_short_intervals() -> None:
    rng = np.random.default_rng(3)
    n = 40_000
    efficient = np.cumsum(rng.normal(0, 1e-4, n))
    index = pd.date_range("2026-01-05T14:30Z", periods=n, freq="100ms")
    prices = pd.Series(np.exp(efficient + rng.normal(0, 5e-4, n)), index)
    made = ob.signature_plot(prices, ["1s", "10s", "1min"]).table
    # E[RV] = sigma^2 T + 2 n noise^2
    want = n * 1e-8 + 2 * made["returns"] * 25e-8
    assert made["realised_variance"].to_numpy() == pytest.approx(want.to_numpy(), rel=0.15)
    assert made["realised_variance"].is_monotonic_decreasing
    with pytest.raises(InputError, match=r"row 0 has price -1.0"):
        ob.signature_plot(prices * 0 - 1)
    with pytest.raises(InputError, match="there are no intervals"):
        ob.signature_plot(prices, [])


def test_a_jump_is_in_the_realised_variance_alone() -> None:
    rng = np.random.default_rng(4)
    steps = rng.normal(0, 1e-3, 20_000)
    steps[9_000] += 0.3
    index = pd.date_range("2026-01-05T14:30Z", periods=len(steps), freq="1s")
    row = ob.signature_plot(pd.Series(np.exp(np.cumsum(steps)), index), ["1s"]).table.iloc[0]
    assert row["realised_variance"] == pytest.approx(0.02 + 0.09, rel=0.05)
    assert row["bipower_variation"] == pytest.approx(0.02, rel=0.08)


def test_kyle_and_resiliency_recover_what_was_put_in() -> None:
    rng = np.random.default_rng(5)
    flow = rng.normal(0, 10, 5_000)
    frame = pd.DataFrame({"signed_volume": flow, "mid": 100 + np.cumsum(0.02 * flow + rng.normal(0, 0.1, 5_000))})
    made = ob.kyle_lambda(frame)
    assert abs(made.slope - 0.02) < 4 * made.error
    assert made.t_value > 50
    spread = np.empty(5_000)
    spread[0] = 2
    for i in range(1, len(spread)):
        spread[i] = spread[i - 1] + 0.3 * (2 - spread[i - 1]) + rng.normal(0, 0.1)
    back = ob.resiliency(pd.DataFrame({"spread": spread}))
    assert abs(back.speed - 0.3) < 4 * back.line.error
    assert back.mean == pytest.approx(2, abs=0.05)
    assert back.half_life == pytest.approx(math.log(0.5) / math.log(0.7), rel=0.15)
    with pytest.raises(DataError, match="make no line"):
        ob.kyle_lambda(frame.iloc[:2])
    with pytest.raises(InputError, match="row 0 is infinite"):
        ob.kyle_lambda(frame.assign(signed_volume=np.inf))


@pytest.mark.parametrize(("mu", "alpha", "beta"), [(0.5, 0.8, 2.0), (2.0, 5.0, 20.0), (1.0, 0.2, 0.25)])
def test_hawkes_finds_what_was_simulated(mu: float, alpha: float, beta: float) -> None:
    end = 8_000.0
    times = ob.simulate_hawkes(mu, alpha, beta, end, seed=11)
    assert len(times) == pytest.approx(end * mu / (1 - alpha / beta), rel=0.1)
    made = ob.fit_hawkes(times, end)
    for got, want, error in zip((made.mu, made.alpha, made.beta), (mu, alpha, beta), made.errors, strict=True):
        assert abs(got - want) < 4 * error
    assert made.p_value > 0.01
    at_truth = ob.self_exciting._likelihood(times, end, np.array([mu, alpha, beta]))[0]
    assert made.log_likelihood >= at_truth


def test_hawkes_refuses_and_tells_what_it_is_not() -> None:
    poisson = ob.simulate_hawkes(2.0, 0.0, 1.0, 3_000.0, seed=2)
    assert ob.fit_hawkes(poisson, 3_000.0).branching < 0.1
    regular = ob.fit_hawkes(np.arange(1.0, 500.0))
    assert regular.p_value < 1e-6  # a clock is no Hawkes process
    stamps = pd.Timestamp("2026-01-05T14:30Z") + pd.to_timedelta(np.r_[0.0, poisson], "s")
    assert ob.fit_hawkes(stamps).mu == pytest.approx(ob.fit_hawkes(poisson).mu, rel=1e-3)
    with pytest.raises(InputError, match="times do not rise"):
        ob.fit_hawkes(np.repeat(poisson, 2))
    with pytest.raises(DataError, match="3 events are too few"):
        ob.fit_hawkes(poisson[:3])
    with pytest.raises(InputError, match="before its last event"):
        ob.fit_hawkes(poisson, 1.0)
    with pytest.raises(InputError, match=r"alpha is 2.0 and beta 1.0"):
        ob.simulate_hawkes(1.0, 2.0, 1.0, 5.0)


def test_up_probability_solves_the_walk() -> None:
    want = plain.up_probabilities(24, 400)
    pairs = [(b, a) for b in range(1, 7) for a in range(1, 7)]
    got = ob.up_probability(*np.array(pairs).T)
    # the twin's walk is cut at 24
    assert got.tolist() == pytest.approx([want[p] for p in pairs], abs=3e-3)
    inside = np.array([[ob.up_probability(b, a) for a in range(1, 9)] for b in range(1, 9)])
    mean = (inside[2:, 1:-1] + inside[:-2, 1:-1] + inside[1:-1, 2:] + inside[1:-1, :-2]) / 4
    assert inside[1:-1, 1:-1] == pytest.approx(mean, abs=1e-9)  # harmonic: the equation itself
    assert inside + inside.T == pytest.approx(np.ones((8, 8)), abs=1e-9)
    assert ob.up_probability(1_500, 1_500) == pytest.approx(0.5, abs=1e-9)
    with pytest.raises(InputError, match=r"ask is 2.5; give whole orders"):
        ob.up_probability(1, 2.5)


@pytest.mark.parametrize(
    ("queue", "horizon", "come", "go"), [(1, 1.0, 1.0, 1.0), (4, 3.0, 2.0, 3.0), (3, 2.0, 3.0, 1.0)]
)
def test_depletion_is_that_of_kolmogorov(queue: int, horizon: float, come: float, go: float) -> None:
    want = plain.depletion(queue, horizon, come, go, 60, 20_000)
    assert ob.depletion_probability(queue, horizon, come, go) == pytest.approx(want, abs=2e-4)
    forever = ob.depletion_probability(queue, 1e7, come, go)
    assert forever == pytest.approx(min(1.0, (go / come) ** queue), abs=1e-3)


def test_queue_rates_are_those_of_the_walk() -> None:
    made = ob.fit_queue_rates(QUOTES)
    assert made.order_qty == pytest.approx(1.0)
    # a step every 10 ms, half of them up, on one of two sides
    assert made.arrival == pytest.approx(25, rel=0.05)
    assert made.departure == pytest.approx(25, rel=0.05)
    assert made.orders([0.2, 3.4]).tolist() == [1, 3]
    assert 0 < made.depletion_probability(5, "200ms") < made.depletion_probability(1, "200ms") < 1
    with pytest.raises(DataError, match="0 orders came"):
        ob.fit_queue_rates(QUOTES.iloc[:1])


@given(st.floats(0.2, 3.0), st.floats(0.3, 0.8))
def test_impact_is_found(y: float, delta: float) -> None:
    rng = np.random.default_rng(6)
    qty = rng.lognormal(0, 1, 300)
    impact = y * 0.02 * (qty / 1_000) ** delta
    orders = pd.DataFrame({"qty": qty, "volume": 1_000.0, "volatility": 0.02, "impact": impact})
    free = ob.fit_impact(orders, delta=None)
    assert [free.y, free.delta] == pytest.approx([y, delta], rel=1e-4)
    assert free.impact(qty, 1_000.0, 0.02) == pytest.approx(impact, rel=1e-4)
    fixed = ob.fit_impact(orders.assign(impact=y * 0.02 * np.sqrt(qty / 1_000)))
    assert [fixed.y, fixed.delta, fixed.r2] == pytest.approx([y, 0.5, 1.0])


def test_impact_refuses() -> None:
    orders = pd.DataFrame({"qty": [1.0, 2.0], "volume": 9.0, "volatility": 0.1, "impact": 0.0})
    with pytest.raises(DataError, match="2 orders are too few"):
        ob.fit_impact(orders)
    with pytest.raises(InputError, match=r"row 0 has volume 0.0"):
        ob.fit_impact(orders.assign(volume=0))


MODEL = {"horizon": 5.0, "volatility": 0.95, "eta": 2.5e-6, "gamma": 2.5e-7, "epsilon": 0.0625}


def test_almgren_and_chriss_own_example() -> None:
    """Table 1 of the paper (a million shares, five days): kappa about 0.61 a day at lambda 1e-6."""
    made = ob.almgren_chriss(1e6, **MODEL, risk_aversion=1e-6, intervals=5)
    assert made.kappa == pytest.approx(0.61, abs=0.01)
    assert made.holdings[[0, -1]].tolist() == [1e6, 0]
    t = np.arange(6.0)
    sinh = 1e6 * np.sinh(made.kappa * (5 - t)) / np.sinh(made.kappa * 5)
    assert made.holdings == pytest.approx(sinh, rel=1e-12, abs=1e-9)


def test_without_risk_aversion_the_rate_is_constant_and_with_much_it_is_at_once() -> None:
    even = ob.almgren_chriss(1e6, **MODEL, intervals=50)
    assert even.trades == pytest.approx(np.full(50, 2e4))
    nearly = ob.almgren_chriss(1e6, **MODEL, risk_aversion=1e-14, intervals=50)
    assert nearly.trades == pytest.approx(even.trades, rel=1e-6)
    eager = ob.almgren_chriss(1e6, **MODEL, risk_aversion=10.0, intervals=50)
    assert eager.trades[0] == pytest.approx(1e6, rel=1e-3)
    assert np.isfinite(eager.holdings).all()


@pytest.mark.parametrize("aversion", [0.0, 1e-6, 1e-5])
def test_no_other_schedule_is_better(aversion: float) -> None:
    made = ob.almgren_chriss(1e6, **MODEL, risk_aversion=aversion, intervals=5)
    tau = 1.0
    rest = {k: MODEL[k] for k in ("volatility", "gamma", "eta", "epsilon")}

    def cost(x: Any) -> float:
        trades = [*(x * 1e6), 1e6 - x.sum() * 1e6]
        return plain.schedule_cost(trades, tau, **rest, aversion=aversion) / 1e4

    assert plain.schedule_cost(made.trades.tolist(), tau, **rest, aversion=aversion) == pytest.approx(
        made.cost + aversion * made.variance
    )
    found = minimize(cost, np.full(4, 0.2), tol=1e-12)
    assert made.trades[:4] / 1e6 == pytest.approx(found.x, abs=2e-3)


def test_the_frontier_is_convex_and_falls() -> None:
    made = ob.almgren_chriss(1e6, **MODEL, risk_aversion=1e-6).frontier()
    assert made["variance"].is_monotonic_decreasing
    assert made["cost"].is_monotonic_increasing
    slopes = np.diff(made["cost"]) / np.diff(made["variance"])
    assert (np.diff(slopes) < 0).all()  # steeper towards less variance
    with pytest.raises(InputError, match="must be above gamma"):
        ob.almgren_chriss(1.0, 1.0, 1.0, 0.1, gamma=1.0, intervals=1)
    with pytest.raises(InputError, match="qty is 0"):
        ob.almgren_chriss(0, 1.0, 1.0, 0.1)


def results() -> list[Any]:
    trades = pd.DataFrame({"price": QUOTES["ask"], "qty": 1.0}).iloc[5:500:7]
    orders = pd.DataFrame({"qty": np.arange(1.0, 60.0), "volume": 1e3, "volatility": 0.02, "impact": 0.001})
    flow = QUOTES.assign(mid=QUOTES["bid"], signed_volume=QUOTES["bid_qty"])
    return [
        ob.MicroPrice.fit(QUOTES, tick=1.0, buckets=5, spreads=1),
        ob.IntegratedOFI.fit(pd.DataFrame({"ofi_0": [1.0, 2.0, 5.0], "ofi_1": [1.0, 0.0, 2.0]})),
        ob.trade_spreads(QUOTES, trades, "100ms"),
        ob.signature_plot(QUOTES["bid"]),
        ob.kyle_lambda(flow),
        ob.resiliency(flow, "bid_qty"),
        ob.fit_hawkes(ob.simulate_hawkes(1.0, 0.5, 1.0, 200.0)),
        ob.fit_queue_rates(QUOTES),
        ob.fit_impact(orders),
        ob.almgren_chriss(1e6, **MODEL, risk_aversion=1e-6),
    ]


@pytest.mark.parametrize("result", results(), ids=lambda r: type(r).__name__)
def test_results_show_themselves(result: Any) -> None:
    assert len(result.to_frame())
    assert "<table" in result._repr_html_()
    picture = result.plot()
    figures = [hv.render(p, backend="bokeh") for p in (picture if isinstance(picture, hv.Layout) else [picture])]
    assert all(f.title.text for f in figures)
    with pytest.raises(AttributeError):
        result.n = 3


def drawn(picture: Any) -> dict[str, list[str]]:
    """Title of each panel, rendered, and the labels of what is on it."""
    return {
        hv.render(panel, backend="bokeh").title.text: [e.label for e in panel if isinstance(e, hv.Curve)]
        for panel in picture
    }


def test_frames_of_measures_are_shown_by_plot_book() -> None:
    top = QUOTES.iloc[:400]
    told = drawn(top.qf.features(ob.MicroPrice.fit(QUOTES, tick=1.0, buckets=5, spreads=1)).qf.plot_book())
    assert told == {
        "Best prices": ["mid", "weighted-mid", "micro-price"],
        "Order-flow imbalance": ["ofi"],
        "Queue imbalance, -1 all ask to 1 all bid": ["imbalance"],
        "Spreads": ["spread"],
    }
    deep = top.rename(columns=lambda c: c if c.endswith("qty") else f"{c}_price").add_suffix("_0")
    assert drawn(ob.multi_level_ofi(deep).qf.plot_book()) == {"Order-flow imbalance by level": ["ofi_0"]}
    rows = ob.multi_level_ofi(deep.reset_index(drop=True)).qf.plot_book()
    assert hv.render(rows[0], backend="bokeh").xaxis[0].axis_label == "row"
    trades = pd.DataFrame({"price": top["ask"], "qty": 1.0}).iloc[5::7]
    alone = drawn(trades.qf.bars("1s").qf.plot_book())
    assert alone == {
        "Prices": ["high", "low", "close", "vwap", "twap"],
        "Realised variance": ["realised_variance", "bipower_variation"],
    }
    beside = trades.qf.bars(5, by="volume", quotes=top, delay="50ms").qf.plot_book()
    assert list(drawn(beside)) == [
        "Prices", "Order-flow imbalance", "Queue imbalance, -1 all ask to 1 all bid", "Bought less sold",
        "Realised variance", "Spreads",
    ]  # fmt: skip
    from bokeh.models import Plot

    together = hv.render(beside, backend="bokeh").select({"type": Plot})
    ends = {f.title.text: (f.y_range.start, f.y_range.end) for f in together}
    assert ends["Prices"][0] > 50 > ends["Spreads"][1]  # each its own axis
    curve = next(e for e in beside[0] if e.label == "close")
    assert curve.opts.get("plot").kwargs["interpolation"] == "steps-pre"  # told at the bar's end
    with pytest.raises(InputError, match="no column 'bid'"):
        ob.plot_book(pd.DataFrame({"price": [1.0]}))


def test_the_probability_of_a_move_up_is_shown_by_the_rates() -> None:
    made = ob.fit_queue_rates(QUOTES)
    _, picture = made.plot()
    assert hv.render(picture, backend="bokeh").title.text == "Next move up, by mean orders"
    values = picture.dimension_values("probability", flat=False)
    assert made.up_probability(9.2, 0.8) == ob.up_probability(9, 1)
    assert picture[9, 1] == pytest.approx(ob.up_probability(9, 1), abs=1e-9)
    assert np.nanmin(values) > 0
    assert np.nanmax(values) < 1
