"""Recorded inverse chains: coin P&L of hedged options, and what their Greeks explain of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk.closing import closing
from qflib.desk.coin_chains import CoinChains
from qflib.desk.coin_feed import CoinFeed, HedgeBook
from qflib.desk.deribit_chains import find_deribit_chains, read_deribit_chains
from qflib.hedging import (
    explain_inverse_by_greeks,
    explain_inverse_by_steps,
    hedge_effectiveness,
    hedge_inverse,
)
from qflib.pricing import inverse_black76
from qflib.shortfall import component_es

pytestmark = pytest.mark.data

FILES = {"first": ("2026-02-01T00:00Z", "2026-02-10T23:59Z"), "second": ("2026-02-11T00:00Z", "2026-02-20T23:59Z")}


@pytest.fixture(scope="module")
def chains(test_data: Any) -> CoinChains:
    folder = find_deribit_chains(test_data)
    assert folder is not None
    return read_deribit_chains(folder)


@pytest.fixture(scope="module", params=[(f, c) for f in FILES for c in ("BTC", "ETH")], ids="-".join)
def moves(chains: CoinChains, request: pytest.FixtureRequest) -> pd.DataFrame:
    """Of one file and coin: liquid deltas, two days left at the end, which is in the same file."""
    file, coin = request.param
    start, end = (pd.Timestamp(t) for t in FILES[file])
    m = chains.moves
    inside = (m["time"] >= start) & (m["time_next"] <= end) & (m["underlying"] == coin)
    made = m[inside & m["delta"].abs().between(0.05, 0.95) & (m["years_next"] > 2 / 365)]
    assert len(made) > 14_000
    return made


def change(m: pd.DataFrame) -> dict[str, Any]:
    return {
        "forward_change": (m["forward_next"] - m["forward"]).to_numpy(),
        "years_passed": (m["years"] - m["years_next"]).to_numpy(),
    }


def option(m: pd.DataFrame, vol: str = "vol") -> list[Any]:
    return [m[c].to_numpy() for c in ("right", "forward", "strike", "years", vol)]


def share(left: Any, of: Any) -> float:
    return float(np.var(left) / np.var(of))


def test_marks_are_black_76_over_the_forward(chains: CoinChains) -> None:
    """The venue tells its vol to four digits, and a row's forward some seconds apart from its mark."""
    o = chains.options
    assert len(o) == 63_974 + 63_000
    model = inverse_black76(*(o[c].to_numpy() for c in ("right", "forward", "strike", "years", "venue_vol")))
    error = np.abs(model - o["mark"].to_numpy())
    assert np.median(error) < 1.5e-5
    assert np.quantile(error / np.maximum(o["mark"].to_numpy(), 1.0), 0.999) < 3e-3
    ours = o[o["iv_status"] == "ok"]
    back = inverse_black76(*(ours[c].to_numpy() for c in ("right", "forward", "strike", "years", "vol")))
    assert np.abs(back - ours["mark"].to_numpy()).max() < 1e-12
    assert (o["iv_status"] == "ok").mean() > 0.96
    assert (o["vol"].isna() == (o["iv_status"] != "ok")).all()
    assert np.median(np.abs(ours["vol"] - ours["venue_vol"])) < 5e-4


@pytest.mark.parametrize("future", ["forward", "future", "perpetual"])
def test_premium_adjusted_delta_hedges_the_coin(moves: pd.DataFrame, future: str) -> None:
    m = moves.dropna(subset=[future, f"{future}_next"])
    assert len(m) == len(moves)
    adjusted, black = hedge_inverse(m, future=future), hedge_inverse(m, delta="black", future=future)
    assert 1.0 - adjusted.effectiveness <= 0.05
    assert 1.0 - black.effectiveness >= 0.15
    assert adjusted.passes
    assert adjusted.es_after < 0.5 * adjusted.es_before


def test_own_vols_explain_the_coin(moves: pd.DataFrame) -> None:
    dv = (moves["vol_next"] - moves["vol"]).to_numpy()
    made = explain_inverse_by_greeks(*option(moves), vol_change=dv, **change(moves))
    h = hedge_inverse(moves)
    assert np.allclose(made["total"], h.item, atol=1e-12)  # own vols give the marks back
    assert share(made["unexplained"], made["total"]) <= 0.001
    assert share(made["unexplained"], h.item + h.hedge) <= 0.01
    without = made["unexplained"] + made["vanna"] + made["volga"]
    assert share(without, h.item + h.hedge) > share(made["unexplained"], h.item + h.hedge)
    steps = explain_inverse_by_steps(*option(moves), vol_change=dv, **change(moves))
    assert np.allclose(steps[["time", "forward", "vol"]].sum(axis=1), made["total"], atol=1e-12)


@pytest.fixture(scope="module")
def surface_vols(chains: CoinChains) -> pd.Series[float]:
    keys = pd.MultiIndex.from_frame(chains.options[["time", "symbol"]])
    return pd.Series(chains.surface_vols().to_numpy(), keys)


def test_a_surface_explains_less(surface_vols: pd.Series[float], moves: pd.DataFrame) -> None:
    start, end = (
        surface_vols.reindex(pd.MultiIndex.from_frame(moves[[time, "symbol"]])).to_numpy()
        for time in ("time", "time_next")
    )
    m = moves.assign(surface=start)
    seen = (m["price_next"] - m["price"]).to_numpy()
    made = explain_inverse_by_greeks(*option(m, "surface"), vol_change=end - start, price_change=seen, **change(m))
    assert np.abs(made.drop(columns="total").sum(axis=1) - seen).max() < 1e-12
    left = share(made["unexplained"], seen)
    own = explain_inverse_by_greeks(*option(m), vol_change=(m["vol_next"] - m["vol"]).to_numpy(), **change(m))
    assert share(own["unexplained"], seen) < left < 0.005


@pytest.fixture(scope="module")
def feed(chains: CoinChains) -> CoinFeed:
    return CoinFeed(chains, HedgeBook(half_spread_bps=1.0, step_bps=1.0, levels=10, depth=250_000.0, seed=7))


@pytest.fixture(scope="module")
def scenarios(feed: CoinFeed) -> qf.ScenarioSet:
    assert feed.history is not None
    return qf.scenarios.default(feed.history, n_historical=None, n_simulated=1_000)


@pytest.fixture(scope="module")
def runs(feed: CoinFeed, scenarios: qf.ScenarioSet) -> tuple[Any, Any]:
    """Short strangles of both coins through the desk's own steps, hedged and not."""
    config = qf.DeskConfig(period_ns=900 * 10**9, outcome_ns=6 * 3_600 * 10**9, stale_ns=3_600 * 10**9)
    band = qf.hedgers.Band(risk_aversion=1e-4)
    hedged, unhedged = (
        qf.Desk(feed, hedger=h, scenarios=scenarios, config=config).run(digests=False) for h in (band, None)
    )
    return hedged, unhedged


def test_the_hedge_book_goes_through_the_exchange(runs: tuple[Any, Any]) -> None:
    hedged, _ = runs
    facts = hedged.summary()
    assert facts["dead_letters"] == 0
    assert facts["hedge"]["fills"] >= facts["hedge"]["orders"] > 100
    refused = hedged.executions[hedged.executions["exec_type"] == "rejected"]
    assert (refused["reason"] == "stale_market").all()  # delta drifted out of its band while the book stood still
    assert len(refused) < 0.02 * facts["hedge"]["orders"]
    filled = hedged.hedges["filled"] == hedged.hedges["qty"].abs()
    assert (~filled).sum() == len(refused)
    risk = hedged.risk[hedged.risk["level"] == 0.975]
    es = risk[["es_unhedged", "es_current", "es_target"]].median()
    assert es["es_current"] < 0.4 * es["es_unhedged"]
    assert es["es_target"] <= es["es_current"]
    deciding = risk[risk["es_target"] < risk["es_current"]]
    assert len(deciding) > 20


def test_its_shortfall_is_that_of_the_portfolio(
    feed: CoinFeed, scenarios: qf.ScenarioSet, runs: tuple[Any, Any]
) -> None:
    """The steps' report between the first two chains beside full revaluation at the first one."""
    sold = qf.Portfolio.from_frame(feed.positions, currency="USD")
    pnl = sold.scenario_pnl(feed.market(at=feed.chains.times[0]), scenarios)
    between = runs[1].risk.query("level == 0.975")[: feed.chains.times[1] - pd.Timedelta("1h")]
    want = qf.expected_shortfall(pnl, level=0.975, kind="pnl").es
    assert between["es_unhedged"].iloc[-1] == pytest.approx(want, rel=0.01)  # some hours went by


def test_who_causes_its_shortfall(feed: CoinFeed, scenarios: qf.ScenarioSet, runs: tuple[Any, Any]) -> None:
    """Beside full revaluation of each position at its own expiry's forward; what is left to them is rounding."""
    told, table, compared = runs[0].components, feed.instruments, 0
    for report in runs[0].recorder.snapshots[::6]:
        at, p = pd.Timestamp(int(report.risk.time_ns[0]), unit="ns", tz="UTC"), report.positions
        market, columns = closing(report, table).market, {}
        for k in np.flatnonzero(p.qty).tolist():
            r = table[int(p.instrument[k])]
            own = float(p.own_forward[k]) or market.forwards[r.underlying]
            alone = pd.DataFrame({"instrument": [r.symbol], "qty": [table.to_qty(int(p.instrument[k]), int(p.qty[k]))],
                                  "avg_price": [p.avg_price[k]]})  # fmt: skip
            there = replace(market, forwards=dict(market.forwards) | {r.underlying: own})
            columns[r.symbol] = qf.Portfolio.from_frame(alone).scenario_pnl(there, scenarios)
        want = component_es(pd.DataFrame(columns), level=0.975, kind="pnl").to_frame()["contribution"]
        rows = told.loc[[at]]
        mine = rows.query("by == 'position' and name == ''").set_index("instrument")["contribution"]
        assert sorted(mine.index) == sorted(want.index)
        np.testing.assert_allclose(mine[want.index], want, atol=1e-9 * want.sum())
        for _, every in rows.groupby("by"):
            assert math.fsum(every["contribution"]) == float(report.risk.es_current[0])
            assert abs(every["contribution"][every["name"] == "rest"].item()) < 1e-11 * want.sum()
        compared += len(mine)
    assert (told["name"] == "higher_order").any()
    assert compared > 100


def test_it_costs_what_the_book_says(runs: tuple[Any, Any]) -> None:
    """No time passes between a decision and its fill here, so that arrival is the mid decided at."""
    hedges = runs[0].hedges.query("filled > 0")
    np.testing.assert_allclose(hedges["realised_cost"], hedges["cost"], rtol=1e-3)
    size = hedges["instrument"].str.startswith("BTC").map({True: 10.0, False: 1.0})
    bps = hedges["realised_cost"].sum() / (hedges["qty"].abs() * size).sum() * 1e4
    assert 1.0 < bps < 5.0


def test_it_takes_away_most_of_the_squared_pnl(runs: tuple[Any, Any]) -> None:
    hedged, unhedged = (
        r.outcomes.query("outcome == 'actual' and level == 0.975")["pnl"].to_numpy(np.float64) for r in runs
    )
    made = hedge_effectiveness(unhedged, hedged - unhedged, cost=float(runs[0].hedges["realised_cost"].sum()))
    assert len(hedged) > 70
    assert made.effectiveness > 0.9
    assert made.es_after < 0.5 * made.es_before
    assert made.es_cut_per_cost > 10.0


def test_its_greeks_explain_it(runs: tuple[Any, Any]) -> None:
    made = runs[0].explain
    assert share(made["unexplained"], runs[1].explain["total"]) < 0.01
    assert share(made["unexplained"], made["total"]) < 0.03 < share(made["total"] - made["delta"], made["total"])
