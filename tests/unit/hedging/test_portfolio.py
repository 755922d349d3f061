"""Portfolios: full revaluation against a plain twin, Greeks against bumps, what adds up, and bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from qflib.errors import DataError, InputError, UnknownInstrumentError
from qflib.hedging import Portfolio
from qflib.pricing import Market
from qflib.records import Instruments
from qflib.shortfall import ScenarioSet, expected_shortfall

F = NDArray[np.float64]
YEAR_NS = 365 * 86_400e9


def black(forward: F, strike: float, years: float, vol: F, right: float) -> F:
    if years <= 0:
        return np.maximum(right * (forward - strike), 0.0)
    s = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / s + 0.5 * s
    return right * (forward * ndtr(right * d1) - strike * ndtr(right * (d1 - s)))


def plain_pnl(pf: Portfolio, market: Market, scen: ScenarioSet, decay: bool = True) -> F:
    """One position after the other: value after less value now, coin at the scenario's spot."""
    out = np.zeros(scen.n)
    for symbol, qty in zip(pf.instruments, pf.qty, strict=True):
        r = market.instruments[symbol]
        spot_return, vol_shift = scen.shocks(r.underlying)
        f = market.forwards[r.underlying]
        after = f * (1 + spot_return)
        if r.kind != "option":
            pnl = r.contract_value * (1 / f - 1 / after) * after if r.inverse else r.multiplier * (after - f)
        else:
            sign = 1.0 if r.right == "call" else -1.0
            t = market.years(symbol)
            left = max(t - (scen.horizon_ns / YEAR_NS if decay else 0), 0)
            vol = market.vols[symbol]
            now = np.exp(-market.rate * t) * black(np.array(f), r.strike, t, np.array(vol), sign)
            then = np.exp(-market.rate * left) * black(after, r.strike, left, np.maximum(vol + vol_shift, 0.01), sign)
            pnl = r.multiplier * ((then / after - now / f) * after if r.inverse else then - now)
        out += qty * pnl
    return out


def of(*rows: tuple[str, float]) -> Portfolio:
    return Portfolio("P", "USD", tuple(s for s, _ in rows), np.array([q for _, q in rows], float), np.zeros(len(rows)))


@pytest.mark.parametrize("decay", [True, False])
def test_scenario_pnl_is_full_revaluation(portfolio: Portfolio, market: Market, scen: ScenarioSet, decay: bool) -> None:
    got = portfolio.scenario_pnl(market, scen, decay=decay)
    assert got.name == "pnl"
    np.testing.assert_allclose(got, plain_pnl(portfolio, market, scen, decay), rtol=0, atol=1e-6)  # of about 1e5
    acme = of(("ACME-M-100-C", 1), ("ACME-M-100-P", -3))
    np.testing.assert_allclose(
        acme.scenario_pnl(market, scen, decay=decay), plain_pnl(acme, market, scen, decay), rtol=0, atol=1e-10
    )


def test_vectors_of_two_portfolios_add_up(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    frame = portfolio.to_frame()
    parts = [Portfolio.from_frame(frame[s], name="X").scenario_pnl(market, scen) for s in (slice(0, 3), slice(3, None))]
    np.testing.assert_allclose(parts[0] + parts[1], portfolio.scenario_pnl(market, scen), rtol=0, atol=1e-8)


def test_put_call_parity_holds_in_every_scenario(market: Market, scen: ScenarioSet) -> None:
    gap = of(("ACME-M-100-C", 1), ("ACME-M-100-P", -1)).scenario_pnl(market, scen)
    r, _ = scen.shocks("ACME")
    t, h = market.years("ACME-M-100-C"), scen.horizon_ns / YEAR_NS
    now = np.exp(-0.03 * t) * 1.5
    then = np.exp(-0.03 * (t - h)) * (101.5 * (1 + r) - 100)
    np.testing.assert_allclose(gap, 100 * (then - now), rtol=0, atol=1e-9)


def test_nothing_moves_nothing_gained(portfolio: Portfolio, market: Market) -> None:
    still = ScenarioSet(("ACME", "BETA", "COIN"), np.zeros((1, 3)), np.zeros((1, 3)), 86_400_000_000_000)
    assert abs(portfolio.scenario_pnl(market, still, decay=False).iloc[0]) < 1e-8


@pytest.mark.parametrize("underlying", ["ACME", "BETA", "COIN"])
def test_delta_gamma_and_vega_are_the_slopes_of_the_scenario_pnl(
    portfolio: Portfolio, market: Market, underlying: str
) -> None:
    h, v = 2e-4, 1e-5
    spot, vol = np.zeros((4, 3)), np.zeros((4, 3))
    j = ["ACME", "BETA", "COIN"].index(underlying)
    spot[:2, j], vol[2:, j] = (h, -h), (v, -v)
    moves = ScenarioSet(("ACME", "BETA", "COIN"), spot, vol, 86_400_000_000_000)
    up, down, high, low = portfolio.scenario_pnl(market, moves, decay=False)
    g = portfolio.greeks(market).loc[underlying]
    f = market.forwards[underlying]
    assert (up - down) / (2 * h * f) == pytest.approx(g["delta"], rel=1e-4)
    assert (up + down) / (h * f) ** 2 == pytest.approx(g["gamma"], rel=1e-3, abs=1e-7)
    assert (high - low) / (2 * v) == pytest.approx(g["vega"], rel=1e-6)
    t = portfolio.greeks(market, units="trader").loc[underlying]
    assert t["delta"] == pytest.approx(g["delta"] * f)
    assert t["gamma"] == pytest.approx(g["gamma"] * f * f / 100)
    assert t["vega"] == pytest.approx(g["vega"] / 100)
    assert t["theta"] == pytest.approx(g["theta"] / 365)


def test_greeks_of_groups_sum_to_the_whole(portfolio: Portfolio, market: Market) -> None:
    whole = portfolio.greeks(market, by="kind").sum()
    fine = portfolio.greeks(market, by=["underlying", "expiry"])
    assert list(fine.index.names) == ["underlying", "expiry"]
    pd.testing.assert_series_equal(fine.sum(), whole, rtol=1e-9)
    assert len(portfolio.greeks(market, by="instrument")) == 7


def test_a_spot_position_has_its_value_and_delta(market: Market) -> None:
    g = of(("COIN", 0.5)).greeks(market).loc["COIN"]
    assert (g["value"], g["delta"], g["gamma"]) == (39_500.0, 0.5, 0.0)


def test_ladder_agrees_with_scenarios_of_the_same_moves(portfolio: Portfolio, market: Market) -> None:
    spot, vol = [-0.1, 0.0, 0.05], [-0.05, 0.0]
    got = portfolio.ladder(market, spot=spot, vol=vol)
    grid = [(s, v) for s in spot for v in vol]
    moves = np.array([[s] * 3 for s, _ in grid]), np.array([[v] * 3 for _, v in grid])
    same = portfolio.scenario_pnl(
        market, ScenarioSet(("ACME", "BETA", "COIN"), *moves, 86_400_000_000_000), decay=False
    )
    np.testing.assert_allclose(got.pnl.ravel(), same, atol=1e-9)
    assert got.to_frame().loc[0.0, 0.0] == pytest.approx(0, abs=1e-8)
    with pytest.raises(InputError, match="spot holds -1"):
        portfolio.ladder(market, spot=[-1.0])
    with pytest.raises(InputError, match="vol is \\[\\]"):
        portfolio.ladder(market, spot=[0.1], vol=[])


@pytest.mark.parametrize("by", ["instrument", "underlying", ["underlying", "kind"]])
def test_component_es_sums_to_es(portfolio: Portfolio, market: Market, scen: ScenarioSet, by: str | list[str]) -> None:
    got = portfolio.component_es(market, scen, level=0.97, by=by)
    es = expected_shortfall(portfolio.scenario_pnl(market, scen), 0.97, kind="pnl").es
    assert got.es == es
    assert got.contribution.sum() == pytest.approx(es, rel=1e-12)
    assert (got.contribution <= got.standalone + 1e-9).all()


def test_a_component_alone_is_its_own_portfolio(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    got = portfolio.component_es(market, scen, by="underlying")
    frame = portfolio.to_frame()
    alone = Portfolio.from_frame(frame[frame["instrument"].str.startswith("ACME")])
    es = expected_shortfall(alone.scenario_pnl(market, scen), 0.975, kind="pnl").es
    assert got.standalone[got.names.index("ACME")] == pytest.approx(es, rel=1e-12)


def test_frames_go_round(portfolio: Portfolio) -> None:
    pd.testing.assert_frame_equal(Portfolio.from_frame(portfolio.to_frame()).to_frame(), portfolio.to_frame())


GOOD = {"instrument": ["ACME.F", "BETA.F"], "qty": [1, 2], "avg_price": [100.0, 42.0]}


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        ({k: v for k, v in GOOD.items() if k != "qty"}, "no column 'qty'; expected instrument, qty, avg_price"),
        ({**GOOD, "qty": [1, np.nan]}, "qty of 'BETA.F' .row 1. is nan; give a finite number"),
        ({**GOOD, "avg_price": [np.inf, 1]}, "avg_price of 'ACME.F' .row 0. is inf"),
        ({**GOOD, "qty": [1, "two"]}, "qty of portfolio 'DESK1' holds what is not a number"),
        ({**GOOD, "instrument": ["ACME.F", None]}, "instrument of row 1 is missing"),
        ({"instrument": [], "qty": [], "avg_price": []}, "has no positions; give one row at least"),
    ],
)
def test_a_bad_frame_gets_a_sentence(frame: dict[str, list[object]], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Portfolio.from_frame(pd.DataFrame(frame))


@pytest.mark.parametrize("positions", [{"a": 1}, GOOD, [("ACME.F", 1, 100.0)], None])
def test_what_is_no_frame_gets_a_sentence(positions: object) -> None:
    with pytest.raises(InputError, match=f"positions are {type(positions).__name__}; give a DataFrame"):
        Portfolio.from_frame(positions)  # type: ignore[arg-type]


def test_what_the_market_cannot_price_gets_a_sentence(market: Market, scen: ScenarioSet) -> None:
    with pytest.raises(UnknownInstrumentError, match=r"'NONE\.F' is not in the table"):
        of(("NONE.F", 1)).greeks(market)
    both = Instruments((replace(market.instruments["COIN-J-80K-C"], symbol="C-A", style="american"),))
    with pytest.raises(InputError, match="'C-A' is american and inverse"):
        of(("C-A", 1)).scenario_pnl(Market(market.at, both, market.forwards, {}, {"C-A": 0.5}), scen)
    with pytest.raises(InputError, match="quotes EUR and portfolio 'P' reports USD"):
        of(("EURO.F", 1)).greeks(market)
    with pytest.raises(InputError, match="by is 'colour'"):
        of(("ACME.F", 1)).greeks(market, by="colour")
    with pytest.raises(InputError, match="units 'dollars' are unknown"):
        of(("ACME.F", 1)).greeks(market, units="dollars")  # type: ignore[arg-type]
    dark = Market(market.at, market.instruments, {"ACME": np.nan}, {}, {})
    with pytest.raises(DataError, match="'ACME' has the forward nan"):
        of(("ACME.F", 1)).greeks(dark)
    with pytest.raises(InputError, match="no underlying 'EURO'"):
        Portfolio("E", "EUR", ("EURO.F",), np.ones(1), np.ones(1)).scenario_pnl(market, scen)


def test_results_show_themselves(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    results = [
        portfolio.ladder(market, spot=[-0.1, 0, 0.1], vol=[0, 0.05]),
        portfolio.component_es(market, scen),
        portfolio.what_if(pd.DataFrame({"instrument": ["ACME.F"], "qty": [3]}), market, scen),
    ]
    for r in results:
        assert "<table" in r._repr_html_()
        assert r.plot() is not None
    assert "DESK1" in portfolio._repr_html_()


def test_what_if_is_a_short_text(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    got = portfolio.what_if(pd.DataFrame({"instrument": ["ACME.F"], "qty": [3]}), market, scen)
    assert f"ES 97.5%: {got.es_before:,.6g} -> {got.es_after:,.6g}" in repr(got)
    assert len(repr(got)) < 250


def test_pictures_name_units_and_sort(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    import holoviews as hv

    ladder = portfolio.ladder(market, spot=[0.1, -0.1, 0], vol=[0, 0.05]).plot()
    figure = hv.render(ladder, backend="bokeh")
    assert figure.title.text == "P&L by move of spot and shift of vol"
    assert (figure.xaxis[0].axis_label, figure.yaxis[0].axis_label) == ("spot move, %", "P&L, USD")
    assert figure.yaxis[0].formatter.format == "0,0.[00]"
    assert {e.label for e in ladder if e.label} == {"+0 vol points", "+5 vol points"}
    assert ladder.get(1)["spot"].tolist() == [-10.0, 0.0, 10.0]
    parts = portfolio.component_es(market, scen)
    bars = hv.render(replace(parts, unit="USD").plot(), backend="bokeh")
    assert bars.yaxis[0].axis_label == "contribution, USD"
    assert list(bars.x_range.factors) == parts.to_frame()["contribution"].sort_values(ascending=False).index.tolist()
    trades = pd.DataFrame({"instrument": ["ACME.F"], "qty": [3]})
    two = hv.render(portfolio.what_if(trades, market, scen).plot(), backend="bokeh")
    assert [w for _, w in two.x_range.factors][:2] == ["before", "after"]
