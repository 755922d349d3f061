"""American options in portfolios: revaluation one option and scenario after the other, Greeks, ladders, what-ifs."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from qflib.hedging import Portfolio, early_exercise
from qflib.pricing import Market, american
from qflib.records import Instrument, Instruments
from qflib.shortfall import ScenarioSet, expected_shortfall

AT = pd.Timestamp("2026-01-05T14:30Z")
EXPIRIES = [
    pd.Timestamp(t) for t in ("2026-01-06T09:00Z", "2026-01-16T21:00Z", "2026-06-19T21:00Z", "2028-01-21T21:00Z")
]
DAY_NS = 86_400_000_000_000
STRIKES = (70.0, 96.0, 100.0, 104.0, 112.0, 140.0)
YEAR_NS = 365.0 * DAY_NS


def option(style: str, e: int, strike: float, right: str) -> Instrument:
    return Instrument(
        f"{style[0].upper()}{e}-{strike:g}-{right[0]}", kind="option", underlying="A", right=right, style=style,
        strike=strike, expiry=EXPIRIES[e], multiplier=100.0,
    )  # type: ignore[arg-type]  # fmt: skip


TABLE = Instruments(
    (
        Instrument("A.F", kind="future", underlying="A", expiry=EXPIRIES[2], multiplier=100.0),
        *(option(*x) for x in itertools.product(("american", "european"), range(4), STRIKES, ("call", "put"))),
    )
)


def market(rate: float, q: float | None, **more: object) -> Market:
    vols = {r.symbol: 0.25 + (100.0 - r.strike) / 400.0 for r in TABLE if r.kind == "option"}
    yields = {} if q is None else {"A": q}
    return Market(AT, TABLE, {"A": 101.0}, {}, vols, rate=rate, dividend_yields=yields, **more)  # type: ignore[arg-type]


def scenarios(n: int, seed: int = 1) -> ScenarioSet:
    rng = np.random.default_rng(seed)
    spot = np.clip(0.02 * rng.standard_t(4, n), -0.4, 0.5)
    return ScenarioSet(("A",), spot[:, None], (-0.5 * spot + rng.normal(0, 0.01, n))[:, None], DAY_NS)


def direct(symbol: str, m: Market, scen: ScenarioSet, decay: bool = True) -> np.ndarray:
    """One option, priced again in each scenario."""
    r = m.instruments[symbol]
    q = m.dividend_yields.get("A", m.rate)
    years = (r.expiry - AT) / pd.Timedelta(days=365)  # type: ignore[operator]
    left = max(years - (scen.horizon_ns / YEAR_NS if decay else 0.0), 0.0)

    def at(forward: float | np.ndarray, t: float, vol: float | np.ndarray) -> np.ndarray:
        return np.asarray(american(r.right, forward * math.exp((q - m.rate) * t), r.strike, t, m.rate, q, vol))

    spot, shift = scen.shocks("A")
    vol = m.vols[symbol]
    return r.multiplier * (at(101.0 * (1 + spot), left, np.maximum(vol + shift, 0.01)) - at(101.0, years, vol))


def of(held: dict[str, float]) -> Portfolio:
    return Portfolio("P", "USD", tuple(held), np.array(list(held.values())), np.zeros(len(held)))


AMERICAN = [r.symbol for r in TABLE if r.style == "american"]


@pytest.mark.parametrize("accuracy", ["full", "fast"])
@pytest.mark.parametrize(
    ("rate", "q"), [(0.05, None), (0.04, 0.0), (0.03, 0.01), (0.02, 0.07), (-0.01, -0.02), (0.0, None)]
)
def test_full_revaluation(rate: float, q: float | None, accuracy: Literal["full", "fast"]) -> None:
    """The stated bound, 1e-6 of strike or spot a unit, option by option; one sum of all of them."""
    n = 1_000 if rate >= 0.0 else 20  # between two boundaries a price takes milliseconds
    m, scen = market(rate, q), scenarios(n)
    held = {s: 1.0 + 0.25 * i * (-1) ** i for i, s in enumerate(AMERICAN)}
    want, room = np.zeros(n), 0.0
    pf = of(held)
    parts = {}
    for symbol, qty in held.items():
        parts[symbol] = direct(symbol, m, scen)
        want += qty * parts[symbol]
        room += abs(qty) * 100.0 * 150.0 * 1e-6
    got = pf.scenario_pnl(m, scen, accuracy=accuracy)
    np.testing.assert_allclose(got, want, rtol=0, atol=room)
    es, true = (expected_shortfall(x, 0.975, kind="pnl").es for x in (got, want))
    assert es == pytest.approx(true, rel=1e-5)
    if accuracy == "full" and rate == 0.04:
        tables = 0
        for v in pf.value(m):
            prepared = v.prepared(next(iter(_moves(pf, m, scen))))
            assert prepared.exercises is not None
            for e in prepared.exercises:
                tables += e.table is not None
                for i in e.at.tolist():
                    one = np.zeros(n)
                    early_exercise.add_american_pnl(v, prepared, e, np.arange(len(v.option)) == i, one, 0.01)
                    symbol = pf.instruments[v.position[i]]
                    unit = TABLE[symbol].strike if TABLE[symbol].right == "put" else 101.0 * (1 + scen.shocks("A")[0])
                    miss = np.abs(one / held[symbol] - parts[symbol]) / (100.0 * unit)
                    assert miss.max() < 1e-6, symbol
        assert tables == 3  # puts of three expiries; the first is past at the horizon, calls are never exercised


def _moves(pf: Portfolio, m: Market, scen: ScenarioSet) -> list:  # type: ignore[type-arg]
    from qflib.hedging.revaluation import Moves

    return [Moves.of(*scen.shocks("A"), scen.horizon_ns / YEAR_NS)]


def test_a_table_is_made_where_it_pays_and_else_each_is_priced() -> None:
    m = market(0.05, None)
    pf = of(dict.fromkeys(AMERICAN, 1.0))
    few, many = scenarios(7), scenarios(1_000)
    for scen, some in ((few, False), (many, True)):
        [v] = pf.value(m)
        prepared = v.prepared(_moves(pf, m, scen)[0])
        assert prepared.exercises is not None
        assert any(e.table is not None for e in prepared.exercises) == some
        want = sum(direct(s, m, scen) for s in AMERICAN)
        np.testing.assert_allclose(pf.scenario_pnl(m, scen), want, rtol=0, atol=1e-6 * 15_000 * len(AMERICAN))


def test_two_boundaries_are_priced_one_by_one() -> None:
    m = market(-0.01, -0.02)
    pf = of({"A3-100-p": 5.0})
    [v] = pf.value(m)
    [e] = v.prepared(_moves(pf, m, scenarios(300))[0]).exercises or ()
    assert e.table is None


def test_what_cannot_be_exercised_early_is_european() -> None:
    m, scen = market(0.0, None), scenarios(400)
    twin = {s.replace("A", "E", 1): 1.0 for s in AMERICAN}
    got, want = of(dict.fromkeys(AMERICAN, 1.0)).scenario_pnl(m, scen), of(twin).scenario_pnl(m, scen)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-8)


def test_early_exercise_is_worth_something() -> None:
    m = market(0.05, None)
    early, late = (of({f"{s}3-140-p": 1.0}).greeks(m)["value"].iloc[0] for s in "AE")
    assert early > 1.01 * late


@pytest.mark.parametrize(("rate", "q"), [(0.05, None), (0.04, 0.0), (0.02, 0.07)])
def test_greeks_are_the_slopes_of_the_scenario_pnl(rate: float, q: float | None) -> None:
    m = market(rate, q)
    pf = of({"A2-100-p": -20.0, "A2-104-c": 15.0, "A3-112-p": 5.0, "E2-100-c": 4.0, "A.F": -3.0})
    h, v = 2e-3, 2e-3
    grid = [(h, 0), (-h, 0), (0, v), (0, -v), (0, 0), (h, v), (h, -v), (-h, v), (-h, -v)]
    moves = ScenarioSet(("A",), [[s] for s, _ in grid], [[x] for _, x in grid], 3_600_000_000_000)
    up, down, high, low, still, *cross = pf.scenario_pnl(m, moves, decay=False).tolist()
    f = 101.0
    g = pf.greeks(m).loc["A"]
    assert still == pytest.approx(0.0, abs=1e-9)
    assert (up - down) / (2 * h * f) == pytest.approx(g["delta"], rel=1e-4)
    assert (up + down) / (h * f) ** 2 == pytest.approx(g["gamma"], rel=3e-3)
    assert (high - low) / (2 * v) == pytest.approx(g["vega"], rel=1e-4)
    assert (high + low) / v**2 == pytest.approx(g["volga"], rel=2e-2, abs=30)
    assert (cross[0] - cross[1] - cross[2] + cross[3]) / (4 * h * f * v) == pytest.approx(g["vanna"], rel=2e-2, abs=1)
    on = pf.scenario_pnl(m, moves).iloc[4] - still
    assert on / (1 / (365 * 24)) == pytest.approx(g["theta"], rel=1e-3, abs=0.2)  # of some hundreds that cancel
    trader = pf.greeks(m, units="trader").loc["A"]
    assert trader["delta"] == pytest.approx(g["delta"] * f)
    assert trader["vega"] == pytest.approx(g["vega"] / 100)


def test_ladder_and_what_if_and_components() -> None:
    m, scen = market(0.04, 0.0), scenarios(1_000)
    held = {"A2-100-p": -20.0, "A3-140-p": 2.0, "A.F": -9.0}
    pf = of(held)
    spot, vol = [-0.3, 0.0, 0.3], [-0.05, 0.05]
    got = pf.ladder(m, spot=spot, vol=vol, time=["0D", "1D"])
    r, s = np.repeat(spot, 2), np.tile(vol, 3)
    moves = ScenarioSet(("A",), r[:, None], s[:, None], DAY_NS)
    for i, decay in enumerate((False, True)):
        want = sum(q * direct(x, m, moves, decay) for x, q in held.items() if x != "A.F") - 900 * 101.0 * r
        np.testing.assert_allclose(got.pnl[i].ravel(), want, rtol=0, atol=1e-4)
    told = pf.what_if(pd.DataFrame({"instrument": ["A2-100-p"], "qty": [20.0]}), m, scen)
    assert told.es_before == expected_shortfall(pf.scenario_pnl(m, scen), 0.975, kind="pnl").es
    rest = of({"A3-140-p": 2.0, "A.F": -9.0})
    assert told.es_after == pytest.approx(
        expected_shortfall(rest.scenario_pnl(m, scen), 0.975, kind="pnl").es, rel=1e-6
    )
    parts = pf.component_es(m, scen)
    assert parts.contribution.sum() == pytest.approx(parts.es, rel=1e-10)


def test_in_another_currency() -> None:
    """The option's dollars at the scenario's rate."""
    m, scen = market(0.04, 0.0, fx={"EUR": 1.1}), scenarios(900)
    fx = 0.01 * np.random.default_rng(2).standard_normal(900)
    pf = of({"A2-100-p": -20.0, "A3-140-p": 2.0})
    dollars = pf.scenario_pnl(m, scen)
    euros = pf.scenario_pnl(m, scen.with_fx({"EUR": fx}), currency="EUR")
    np.testing.assert_allclose(euros, dollars / (1.1 * (1 + fx)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("accuracy", ["full", "fast"])
@pytest.mark.parametrize("n", [40, 2_000])
def test_options_are_on_the_forward_of_their_own_expiry(n: int, accuracy: Literal["full", "fast"]) -> None:
    """Of a spot's market: each option's forward is the spot, carried to its expiry; tables and single prices alike."""
    rate, q, scen = 0.05, 0.01, scenarios(n)
    held = ("A2-104-p", "A3-104-p", "A3-100-p")
    m = market(rate, q, forward_expiries={"A": None})
    want, room = np.zeros(n), 0.0
    move, shift = scen.shocks("A")
    for symbol in held:
        r = TABLE[symbol]
        years = (r.expiry - AT) / pd.Timedelta(days=365)  # type: ignore[operator]
        left = years - scen.horizon_ns / YEAR_NS
        spot = 101.0 * (1.0 + move) * math.exp((rate - q) * (years - left))
        vol = np.maximum(m.vols[symbol] + shift, 0.01)
        now = american("put", 101.0, r.strike, years, rate, q, m.vols[symbol])
        want += 100.0 * (np.asarray(american("put", spot, r.strike, left, rate, q, vol)) - now)
        assert of({symbol: 1.0}).value(m)[0].price[0] == pytest.approx(now, abs=1e-9)
        room += 100.0 * 150.0 * 1e-6
    got = of(dict.fromkeys(held, 1.0)).scenario_pnl(m, scen, accuracy=accuracy)
    np.testing.assert_allclose(got, want, rtol=0, atol=room)


@pytest.mark.parametrize("q", [0.0, 0.05])
def test_greeks_are_in_the_markets_forward(q: float) -> None:
    """Against differences of prices in the spot, which here is the market's forward."""
    symbol, rate = "A3-104-p", 0.05
    r, m = TABLE[symbol], market(rate, q, forward_expiries={"A": None})
    years, vol = (r.expiry - AT) / pd.Timedelta(days=365), m.vols[symbol]  # type: ignore[operator]
    h = 0.5

    def price(spot: float, at_rate: float = rate, at_vol: float = vol) -> float:
        return 100.0 * float(american("put", spot, 104.0, years, at_rate, q, at_vol))

    up, mid, down = price(101.0 + h), price(101.0), price(101.0 - h)
    g = of({symbol: 1.0}).greeks(m).iloc[0]
    assert g["value"] == pytest.approx(mid, abs=1e-6)
    assert g["delta"] == pytest.approx((up - down) / (2 * h), rel=1e-4)
    assert g["gamma"] == pytest.approx((up - 2 * mid + down) / h**2, rel=1e-3)
    rise = [(price(101.0 + s, at_vol=vol + 1e-3) - price(101.0 + s, at_vol=vol - 1e-3)) / 2e-3 for s in (h, -h)]
    assert g["vanna"] == pytest.approx((rise[0] - rise[1]) / (2 * h), rel=2e-2)
    third = (price(101 + 4 * h) - 2 * price(101 + 2 * h) + 2 * price(101 - 2 * h) - price(101 - 4 * h)) / 16 / h**3
    assert g["speed"] == pytest.approx(third, rel=5e-2)
    if q != rate:
        assert g["rho"] == pytest.approx((price(101.0, rate + 1e-4) - price(101.0, rate - 1e-4)) / 2e-4, rel=1e-3)
    cash = of({symbol: 1.0}).greeks(m, units="trader").iloc[0]
    assert cash["delta"] == pytest.approx(101.0 * g["delta"], rel=1e-12)
