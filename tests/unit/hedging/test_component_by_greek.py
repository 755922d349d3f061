"""ES by Greek: it sums exactly, each term is the slope or curvature it claims, what is left is of third order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.hedging import Portfolio
from qflib.hedging.greek_contributions import GREEKS, greek_parts
from qflib.pricing import Market
from qflib.shortfall import ComponentES, ScenarioSet, expected_shortfall

DAY_NS = 86_400_000_000_000
NAMES = ("ACME", "BETA", "COIN")


def sums(r: ComponentES) -> None:
    assert r.contribution.sum() == pytest.approx(r.es, rel=0, abs=1e-12 * np.abs(r.contribution).sum())


@pytest.mark.parametrize("by", ["greek", ["underlying", "greek"], ["greek", "kind"]])
@pytest.mark.parametrize("decay", [True, False])
def test_it_sums_to_es(
    portfolio: Portfolio, market: Market, scen: ScenarioSet, by: str | list[str], decay: bool
) -> None:
    r = portfolio.component_es(market, scen, level=0.97, by=by, decay=decay)
    sums(r)
    assert r.es == expected_shortfall(portfolio.scenario_pnl(market, scen, decay=decay), 0.97, kind="pnl").es
    assert r.incremental is not None
    assert (r.contribution <= r.standalone + 1e-9 * r.es).all()
    assert (r.incremental <= r.contribution + 1e-9 * r.es).all()
    assert (decay or by != "greek") or r.contribution[r.names.index("theta")] == 0.0


def test_groups_and_greeks_agree(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    both = portfolio.component_es(market, scen, by=["underlying", "greek"])
    table = pd.Series(both.contribution, pd.MultiIndex.from_tuples([n.split(" ", 1) for n in both.names]))
    under = portfolio.component_es(market, scen, by="underlying")
    greek = portfolio.component_es(market, scen, by="greek")
    assert greek.names == (*GREEKS, "higher order")
    slack = 1e-11 * np.abs(table).sum()
    np.testing.assert_allclose(table.groupby(level=0).sum()[list(under.names)], under.contribution, atol=slack)
    np.testing.assert_allclose(table.groupby(level=1).sum()[list(greek.names)], greek.contribution, atol=slack)
    turned = portfolio.component_es(market, scen, by=["greek", "underlying"])
    assert turned.names[:2] == ("delta ACME", "gamma ACME")


def test_futures_are_all_delta(market: Market, scen: ScenarioSet) -> None:
    pf = Portfolio("F", "USD", ("ACME.F", "BETA.F"), np.array([3.0, -2.0]), np.zeros(2))
    r = pf.component_es(market, scen, by="greek")
    assert r.contribution[0] == pytest.approx(r.es, rel=1e-12)
    assert np.abs(r.contribution[1:]).max() < 1e-9 * r.es


def one(spot: NDArray[np.float64], vol: NDArray[np.float64], horizon_ns: int = DAY_NS) -> ScenarioSet:
    return ScenarioSet(NAMES, spot[None], vol[None], horizon_ns)


@pytest.mark.parametrize("currency", ["USD", "COIN"])
def test_what_is_left_is_of_third_order(portfolio: Portfolio, market: Market, currency: str) -> None:
    keep = portfolio.to_frame()["instrument"] != "ACME-N-101-P"  # a day from expiry: no small moves for it
    rows = portfolio.to_frame()[keep]
    if currency == "COIN":
        rows = rows[rows["instrument"].str.startswith("COIN")]
    held = Portfolio.from_frame(rows, currency=currency)
    rng = np.random.default_rng(3)
    for _ in range(5):
        spot, vol = rng.normal(0, 0.02, 3), rng.normal(0, 0.02, 3)
        left = []
        for size in (0.04, 0.02):
            r = held.component_es(market, one(size * spot, size * vol), level=0.5, by="greek", decay=False)
            sums(r)
            assert r.names == (*GREEKS, "higher order")
            left.append(r.contribution[-1] / np.abs(r.contribution).sum())
        assert abs(left[0]) < 1e-3
        # the share of a third-order term falls with the square of the move
        assert left[1] / left[0] == pytest.approx(0.25, abs=0.05)


def test_theta_is_what_a_short_while_costs(portfolio: Portfolio, market: Market) -> None:
    rows = portfolio.to_frame()
    held = Portfolio.from_frame(rows[rows["instrument"] != "ACME-N-101-P"])
    r = held.component_es(market, one(np.zeros(3), np.zeros(3), DAY_NS // 24), level=0.5, by="greek")
    assert r.contribution[r.names.index("theta")] == pytest.approx(r.es, rel=1e-3)


@pytest.mark.parametrize("converted", ["pnl", "value"])
def test_rates_of_exchange_have_their_own_part(
    portfolio: Portfolio, market: Market, scen: ScenarioSet, converted: str
) -> None:
    m = replace(market, fx={"EUR": 1.1})
    if converted == "value":  # what is held in coin moves with the coin's own rate: exchange, whatever the currency
        rows = portfolio.to_frame()
        portfolio = Portfolio.from_frame(rows[~rows["instrument"].str.startswith("COIN")])
    rates = scen.with_fx({"EUR": np.random.default_rng(1).normal(0, 0.004, scen.n)})
    r = portfolio.component_es(m, rates, by="greek", currency="EUR", converted=converted)  # type: ignore[arg-type]
    sums(r)
    assert r.names[-2:] == ("exchange", "higher order")
    still = scen.with_fx({"EUR": 0.0})
    q = portfolio.component_es(m, still, by="greek", currency="EUR", converted=converted)  # type: ignore[arg-type]
    assert abs(q.contribution[-2]) < 1e-12 * q.es
    # Greeks are those at today's rate
    usd = portfolio.component_es(m, still, by="greek", converted=converted)  # type: ignore[arg-type]
    np.testing.assert_allclose(q.contribution[:-2] * 1.1, usd.contribution[:-1], rtol=1e-9, atol=1e-9 * usd.es)


def test_marginal_is_a_contract(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    r = portfolio.component_es(market, scen)
    assert r.marginal is not None
    np.testing.assert_allclose(r.marginal * portfolio.qty, r.contribution, rtol=1e-12)
    h = 1e-4
    for j in (0, 4, 6):
        step = h * np.eye(len(portfolio))[j]
        up, down = (replace(portfolio, qty=portfolio.qty + s) for s in (step, -step))
        slope = (up.component_es(market, scen).es - down.component_es(market, scen).es) / (2 * h)
        assert r.marginal[j] == pytest.approx(slope, rel=1e-6)
    assert portfolio.component_es(market, scen, by="kind").marginal is None
    twice = Portfolio("T", "USD", ("ACME.F", "BETA.F", "ACME.F"), np.array([1.0, 2.0, -1.0]), np.zeros(3))
    told = twice.component_es(market, scen).marginal
    assert told is not None
    assert np.isnan(told).tolist() == [True, False]


def test_parts_of_one_underlying_by_hand() -> None:
    greeks = np.array([10.0, 0.2, 300.0, -50.0, 4.0, 100.0])
    got = greek_parts(50.0, greeks, np.array([0.1, -0.2]), np.array([0.03, 0.0]), 0.02)
    np.testing.assert_allclose(got[0], [50.0, 2.5, 9.0, -1.0, 0.6, 0.045])
    np.testing.assert_allclose(got[1], [-100.0, 10.0, 0.0, -1.0, 0.0, 0.0])
    alone = greek_parts(50.0, greeks, np.array([-0.2]), np.array([0.0]), 0.02)
    assert alone.tobytes() == got[1:].tobytes()


def test_an_unknown_name_is_told(portfolio: Portfolio, market: Market, scen: ScenarioSet) -> None:
    for bad in ("colour", ["greek", "colour"], []):
        with pytest.raises(InputError, match="by is"):
            portfolio.component_es(market, scen, by=bad)
