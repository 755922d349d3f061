"""P&L and ES in settlement and reporting currency against one position after the other in plain Python."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from qflib.errors import DataError, InputError
from qflib.hedging import Portfolio
from qflib.pricing import Market, inverse_black76, inverse_greeks
from qflib.records import Instrument, Instruments
from qflib.shortfall import ScenarioSet, expected_shortfall

AT = pd.Timestamp("2026-01-05T14:30Z")
JUNE = pd.Timestamp("2026-06-19T21:00Z")
DAY_NS = 86_400_000_000_000
RATE = 0.02


def option(symbol: str, underlying: str, right: str, strike: float, **more: object) -> Instrument:
    return Instrument(
        symbol, kind="option", style="european", underlying=underlying, right=right, strike=strike, expiry=JUNE, **more
    )  # type: ignore[arg-type]


BTC = {"inverse": True, "settlement_currency": "BTC"}
EUR = {"quote_currency": "EUR", "settlement_currency": "EUR"}
TABLE = Instruments(
    (
        option("BTC-C", "BTC", "call", 80_000.0, **BTC),
        option("BTC-P", "BTC", "put", 70_000.0, **BTC),
        Instrument("BTC.P", kind="perpetual", underlying="BTC", contract_value=10.0, **BTC),
        option("DAX-P", "DAX", "put", 24_000.0, multiplier=5.0, **EUR),
        Instrument("DAX.F", kind="future", underlying="DAX", expiry=JUNE, multiplier=25.0, **EUR),
        option("ACME-C", "ACME", "call", 100.0, multiplier=100.0),
        Instrument("ACME", kind="spot", underlying="ACME"),
        Instrument("TOPIX.F", kind="future", underlying="TOPIX", expiry=JUNE, multiplier=10.0, quote_currency="JPY"),
    )
)
FORWARDS = {"BTC": 79_000.0, "DAX": 24_100.0, "ACME": 101.5, "TOPIX": 3_000.0}
VOLS = {"BTC-C": 0.6, "BTC-P": 0.65, "DAX-P": 0.18, "ACME-C": 0.24}
FX = {"EUR": 1.09, "JPY": 0.0064}
HELD = {"BTC-C": -2.0, "BTC-P": 3.0, "BTC.P": 900.0, "DAX-P": 6.0, "DAX.F": 0.5, "ACME-C": -4.0, "ACME": 30.0}


def market(**more: object) -> Market:
    return Market(AT, TABLE, FORWARDS, {}, VOLS, rate=RATE, **{"fx": FX, **more})  # type: ignore[arg-type]


def scenarios(n: int = 400, seed: int = 5, coin_pair: bool = False) -> ScenarioSet:
    rng = np.random.default_rng(seed)
    names = ("BTC", "DAX", "ACME", "TOPIX")
    common = rng.standard_t(4, (n, 1))
    spot = np.clip(0.03 * common + 0.02 * rng.standard_t(4, (n, 4)), -0.5, 0.6)
    fx = {"EUR": np.clip(0.006 * common[:, 0] + 0.005 * rng.standard_normal(n), -0.1, 0.1), "JPY": 0.0}
    if coin_pair:
        fx["BTC"] = spot[:, 0] + 0.002 * rng.standard_normal(n)
    return ScenarioSet(names, spot, rng.normal(0, 0.02, (n, 4)), DAY_NS).with_fx(fx)


def black(right: str, f: float, k: float, t: float, vol: float) -> float:
    sign, s = (1.0 if right == "call" else -1.0), vol * math.sqrt(t)
    d1 = math.log(f / k) / s + s / 2
    return math.exp(-RATE * t) * sign * (f * norm.cdf(sign * d1) - k * norm.cdf(sign * (d1 - s)))


def native(r: Instrument, f: float, t: float, vol: float) -> float:
    """Value in what the instrument settles in; futures' is their gain since they stood at nought."""
    if r.kind == "option":
        price = black(r.right, f, r.strike, t, vol)
        return price / f if r.inverse else r.multiplier * price
    return -r.contract_value / f if r.inverse else r.multiplier * f


def twin(held: dict[str, float], m: Market, scen: ScenarioSet, to: str, converted: str = "pnl") -> np.ndarray:
    """Settlement P&L times the rate then; or value at the rate then less value at the rate now."""
    out = np.zeros(scen.n)
    column = {u: scen.spot_return[:, j] for j, u in enumerate(scen.underlyings)}
    shift = {u: scen.vol_shift[:, j] for j, u in enumerate(scen.underlyings)}

    def rate(currency: str, j: int | None) -> float:
        """In dollars, now or in a scenario."""
        if currency == "USD":
            return 1.0
        now = m.fx.get(currency, m.forwards.get(currency, math.nan))
        move = column.get(f"{currency}/USD", column.get(currency))
        return now * (1.0 if j is None else 1.0 + move[j])

    for symbol, qty in held.items():
        r = TABLE[symbol]
        paid = r.settlement_currency if r.inverse else r.quote_currency
        f, t = m.forwards[r.underlying], (JUNE - AT) / pd.Timedelta(days=365)
        vol = m.vols.get(symbol, math.nan)
        now = native(r, f, t, vol)
        for j in range(scen.n):
            after = f * (1 + column[r.underlying][j])
            left = t - scen.horizon_ns / (365 * DAY_NS)
            then = native(r, after, left, max(vol + shift[r.underlying][j], 0.01))
            new, old = rate(paid, j) / rate(to, j), rate(paid, None) / rate(to, None)
            has_value = r.kind in ("option", "spot")
            old = old if converted == "value" and has_value else new
            out[j] += qty * (then * new - now * old)
    return out


def of(held: dict[str, float], currency: str = "USD") -> Portfolio:
    return Portfolio("P", currency, tuple(held), np.array(list(held.values())), np.zeros(len(held)))


@pytest.mark.parametrize("converted", ["pnl", "value"])
@pytest.mark.parametrize("to", ["USD", "EUR", "JPY", "BTC"])
@pytest.mark.parametrize("coin", ["forward", "fx", "pair", "fx and pair"])
def test_reported_in_any_currency(to: str, converted: str, coin: str) -> None:
    m = market(fx={**FX, "BTC": 78_800.0} if "fx" in coin else FX)
    scen = scenarios(80, coin_pair="pair" in coin)
    got = of(HELD, to).scenario_pnl(m, scen, converted=converted)  # type: ignore[arg-type]
    want = twin(HELD, m, scen, to, converted)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-10 * np.abs(want).max())
    same = of(HELD).scenario_pnl(m, scen, currency=to, converted=converted)  # type: ignore[arg-type]
    assert same.tolist() == got.tolist()


def test_the_two_conversions_differ() -> None:
    m, scen = market(), scenarios()
    pnl, value = (of({"DAX-P": 6.0}).scenario_pnl(m, scen, converted=c) for c in ("pnl", "value"))
    premium = 6 * 5 * black("put", 24_100.0, 24_000.0, m.years("DAX-P"), 0.18) * 1.09
    np.testing.assert_allclose(value - pnl, premium * scen.shocks("EUR/USD")[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("accuracy", ["full", "fast"])
def test_settlement_columns_are_in_their_own_currency(accuracy: str) -> None:
    m, scen = market(), scenarios(4_000)
    bound = 1e-10 if accuracy == "full" else 1e-5
    got = of(HELD).scenario_pnl(m, scen, currency="settlement", accuracy=accuracy)  # type: ignore[call-overload]
    assert list(got.columns) == ["BTC", "EUR", "USD"]
    some = ScenarioSet(scen.underlyings, scen.spot_return[:60], scen.vol_shift[:60], DAY_NS)
    for code in got:
        mine = {s: q for s, q in HELD.items() if TABLE[s].settlement_currency == code}
        want = twin(mine, m, some, code)
        np.testing.assert_allclose(got[code][:60], want, rtol=0, atol=bound * np.abs(got[code]).max())
        assert expected_shortfall(got[code], 0.975, kind="pnl").es > 0
    # each at its own rate of the scenario they are the whole
    euros, coins = 1.09 * (1 + scen.shocks("EUR/USD")[0]), 79_000.0 * (1 + scen.shocks("BTC")[0])
    whole = of(HELD).scenario_pnl(m, scen, accuracy=accuracy)  # type: ignore[call-overload]
    summed = got["BTC"] * coins + got["EUR"] * euros + got["USD"]
    np.testing.assert_allclose(summed, whole, rtol=0, atol=bound * np.abs(whole).max())


def test_an_inverse_option_against_its_closed_forms() -> None:
    """Coin P&L is that of the inverse price, dollar P&L its worth at the scenario's forward."""
    m = market()
    moves = np.array([-0.4, -0.01, 0.0, 0.02, 0.5])
    scen = ScenarioSet(("BTC",), moves[:, None], np.zeros((5, 1)), DAY_NS)
    t = m.years("BTC-P")
    then = inverse_black76("put", 79_000.0 * (1 + moves), 70_000.0, t - 1 / 365, 0.65, RATE)
    coin = 3.0 * (then - inverse_black76("put", 79_000.0, 70_000.0, t, 0.65, RATE))
    got = of({"BTC-P": 3.0}, "BTC").scenario_pnl(m, scen)
    np.testing.assert_allclose(got, coin, atol=1e-14)
    dollars = of({"BTC-P": 3.0}).scenario_pnl(m, scen)
    np.testing.assert_allclose(dollars, coin * 79_000.0 * (1 + moves), atol=1e-9)
    own = inverse_greeks("put", 79_000.0, 70_000.0, t, 0.65, RATE)
    g = of({"BTC-P": 3.0}, "BTC").greeks(m).loc["BTC"]
    assert g["value"] == pytest.approx(3.0 * own["price"])
    assert g["delta"] == pytest.approx(3.0 * own["delta"] / 79_000.0)  # coins a dollar of the forward
    assert g["vega"] == pytest.approx(3.0 * own["vega"])


@pytest.mark.parametrize("to", ["USD", "EUR", "BTC"])
@pytest.mark.parametrize("underlying", ["BTC", "DAX"])
def test_greeks_are_the_slopes_of_the_reported_pnl(to: str, underlying: str) -> None:
    m, h, v = market(), 3e-4, 1e-4
    held = {s: q for s, q in HELD.items() if TABLE[s].underlying == underlying}
    f = m.forwards[underlying]
    grid = [(i * h, j * v) for i in (-2, -1, 0, 1, 2) for j in (-1, 0, 1)]
    still = [n for n in ("BTC", "DAX", "ACME", "TOPIX") if n != underlying]
    names = (underlying, *still)
    spot, vol = (np.array([[g[i]] + [0.0] * 3 for g in grid]) for i in (0, 1))
    scen = ScenarioSet(names, spot, vol, DAY_NS).with_fx({"EUR": 0.0, "JPY": 0.0})
    p = of(held, to).scenario_pnl(m, scen, decay=False).to_numpy().reshape(5, 3)
    g = of(held, to).greeks(m).loc[underlying]
    d = h * f
    assert (p[0, 1] - 8 * p[1, 1] + 8 * p[3, 1] - p[4, 1]) / (12 * d) == pytest.approx(g["delta"], rel=1e-6)
    assert (p[1, 1] + p[3, 1] - 2 * p[2, 1]) / d**2 == pytest.approx(g["gamma"], rel=1e-4)
    assert (p[2, 2] - p[2, 0]) / (2 * v) == pytest.approx(g["vega"], rel=1e-6)
    assert (p[3, 2] - p[3, 0] - p[1, 2] + p[1, 0]) / (4 * d * v) == pytest.approx(g["vanna"], rel=1e-3)
    third = (p[4, 1] - 2 * p[3, 1] + 2 * p[1, 1] - p[0, 1]) / (2 * d**3)
    assert third == pytest.approx(g["speed"], rel=1e-2)
    zomma = (p[1, 2] + p[3, 2] - 2 * p[2, 2] - p[1, 0] - p[3, 0] + 2 * p[2, 0]) / (2 * v * d**2)
    assert zomma == pytest.approx(g["zomma"], rel=2e-2)
    trader = of(held, to).greeks(m, units="trader").loc[underlying]
    assert trader["delta"] == pytest.approx(g["delta"] * f)
    assert trader["gamma"] == pytest.approx(g["gamma"] * f * f / 100)
    assert trader["theta"] == pytest.approx(g["theta"] / 365)


def test_time_slopes_in_coin() -> None:
    m, h = market(), 2e-3
    scen = ScenarioSet(("BTC",), [[-h], [0.0], [h]], np.zeros((3, 1)), 60_000_000_000)
    pf = of({"BTC-C": -2.0, "BTC-P": 3.0}, "BTC")
    with_decay, without = (pf.scenario_pnl(m, scen, decay=d).to_numpy() for d in (True, False))
    per_year = (with_decay - without) / (60 / (365 * 86_400))
    g = pf.greeks(m).loc["BTC"]
    d = h * 79_000.0
    assert per_year[1] == pytest.approx(g["theta"], rel=1e-4)
    assert (per_year[2] - per_year[0]) / (2 * d) == pytest.approx(g["charm"], rel=1e-3)
    assert (per_year[2] + per_year[0] - 2 * per_year[1]) / d**2 == pytest.approx(g["color"], rel=1e-3)


@pytest.mark.parametrize("to", ["USD", "EUR"])
def test_fx_delta_is_what_the_value_gains(to: str) -> None:
    """Where the value is converted, a currency that moves alone moves it by fx_delta."""
    m, h = market(fx={**FX, "BTC": 78_800.0}), 1e-3
    zeros = np.zeros((1, 4))
    base = ScenarioSet(("BTC", "DAX", "ACME", "TOPIX"), zeros, zeros, DAY_NS)
    g = of(HELD, to).greeks(m, by="currency")
    cash = of(HELD, to).greeks(m, by="currency", units="trader")
    assert g.loc[to, "fx_delta"] == 0.0
    foreign = [c for c in ("BTC", "EUR") if c != to]
    for code in foreign:
        scen = base.with_fx({c: h if c == code else 0.0 for c in ("BTC", "EUR", "JPY")})
        moved = of(HELD, to).scenario_pnl(m, scen, decay=False, converted="value").iloc[0]
        assert moved == pytest.approx(h * cash.loc[code, "fx_delta"], rel=1e-9)
        assert moved == pytest.approx(h * m.fx_rate(code, to) * g.loc[code, "fx_delta"], rel=1e-9)
        assert of(HELD, to).scenario_pnl(m, scen, decay=False).iloc[0] == pytest.approx(0.0, abs=1e-6)
    assert "fx_delta" not in of(HELD, to).greeks(m)


def test_component_es_by_currency_sums() -> None:
    m, scen = market(), scenarios(2_000)
    for to in ("USD", "BTC"):
        got = of(HELD).component_es(m, scen, by="currency", currency=to)
        assert got.names == ("BTC", "EUR", "USD")
        assert got.unit == to
        es = expected_shortfall(of(HELD).scenario_pnl(m, scen, currency=to), 0.975, kind="pnl").es
        assert got.contribution.sum() == pytest.approx(es, rel=1e-10)
        mine = {s: q for s, q in HELD.items() if TABLE[s].settlement_currency == "EUR"}
        alone = expected_shortfall(of(mine, to).scenario_pnl(m, scen), 0.975, kind="pnl").es
        assert got.standalone[1] == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("to", ["USD", "EUR", "BTC"])
def test_ladder_and_what_if_report_it_too(to: str) -> None:
    m, pf = market(), of(HELD, to)
    spot, vol = np.array([-0.1, 0.0, 0.2]), np.array([0.0, 0.05])
    got = pf.ladder(m, spot=spot.tolist(), vol=vol.tolist(), time=["0D", "1D"])
    r, v = np.repeat(spot, 2)[:, None] * np.ones(4), np.tile(vol, 3)[:, None] * np.ones(4)
    scen = ScenarioSet(("BTC", "DAX", "ACME", "TOPIX"), r, v, DAY_NS).with_fx({"EUR": 0.0})
    for i, decay in enumerate((False, True)):
        want = pf.scenario_pnl(m, scen, decay=decay)
        np.testing.assert_allclose(got.pnl[i].ravel(), want, rtol=0, atol=1e-9 * np.abs(want).max())
    assert got.currency == to
    assert got.to_frame().shape == (6, 2)
    assert got.to_frame().index.names == ["time", "spot"]
    np.testing.assert_array_equal(pf.ladder(m, spot=spot.tolist(), vol=vol.tolist()).pnl, got.pnl[0])
    whatif = pf.what_if(pd.DataFrame({"instrument": ["DAX.F"], "qty": [1.0]}), m, scenarios())
    assert whatif.es_before == expected_shortfall(pf.scenario_pnl(m, scenarios()), 0.975, kind="pnl").es


@pytest.mark.parametrize("time", ["1D", [], ["soon"], ["-1D"], [None]])
def test_times_that_are_none_get_a_sentence(time: object) -> None:
    with pytest.raises(InputError, match="give a list of times that pass"):
        of(HELD).ladder(market(), spot=[0.1], time=time)  # type: ignore[arg-type]


def test_a_history_of_rates_of_exchange_joins() -> None:
    from qflib.shortfall import scenarios as made_of

    days = pd.date_range("2025-01-01", periods=60, tz="UTC")
    rng = np.random.default_rng(3)
    dax, eur = (np.exp(np.cumsum(rng.normal(0, s, 60))) for s in (0.01, 0.005))
    history = pd.DataFrame({("DAX", "spot"): dax, ("DAX", "atm_vol"): 0.2, ("EUR/USD", "spot"): eur}, days)
    past = made_of.historical(history, n=50, fx=["EUR/USD"])
    np.testing.assert_allclose(past.shocks("EUR/USD")[0], (eur[1:] / eur[:-1] - 1)[-50:])
    assert not past.shocks("EUR/USD")[1].any()
    both = made_of.default(history, n_historical=50, n_simulated=5_000, fx=["EUR/USD"])
    r = both.spot_return[50:]
    assert np.corrcoef(r.T)[0, 1] == pytest.approx(
        np.corrcoef(np.log(history.xs("spot", axis=1, level=1)).diff().dropna().T)[0, 1], abs=0.05
    )
    assert of({"DAX-P": 1.0}).scenario_pnl(market(), both).std() > 0
    assert ScenarioSet.from_tables(both.to_tables()) == both


def test_rates_both_ways_are_one() -> None:
    m, scen = market(), scenarios(50)
    turned = ScenarioSet(("BTC", "DAX", "ACME", "TOPIX"), scen.spot_return[:, :4], scen.vol_shift[:, :4], DAY_NS)
    up = 1 / (1 + scen.shocks("EUR/USD")[0]) - 1
    turned = ScenarioSet(
        (*turned.underlyings, "USD/EUR"),
        np.column_stack([turned.spot_return, up]),
        np.column_stack([turned.vol_shift, np.zeros(50)]),
        DAY_NS,
    )
    np.testing.assert_allclose(of(HELD).scenario_pnl(m, turned), of(HELD).scenario_pnl(m, scen), rtol=1e-9, atol=1e-6)


def test_what_cannot_be_converted_gets_a_sentence() -> None:
    m, scen = market(), scenarios(10)
    with pytest.raises(InputError, match=r"'DAX-P' quotes EUR and portfolio 'P' reports USD: no rate.*'EUR'; give"):
        of(HELD).greeks(market(fx={}))
    bare = ScenarioSet(("BTC", "DAX", "ACME"), np.zeros((2, 3)), np.zeros((2, 3)), DAY_NS)
    with pytest.raises(InputError, match=r"no rate of exchange EUR/USD; add it: scen.with_fx\(\{'EUR': returns\}\)"):
        of(HELD).scenario_pnl(m, bare)
    with pytest.raises(InputError, match="converted is 'both'"):
        of(HELD).scenario_pnl(m, scen, converted="both")  # type: ignore[call-overload]
    with pytest.raises(DataError, match="no rate of exchange for 'GBP'"):
        m.fx_rate("GBP")
    with pytest.raises(InputError, match="fx of 'EUR' is -1"):
        market(fx={"EUR": -1.0})
    with pytest.raises(InputError, match="fx of the base 'USD' is 2"):
        market(fx={"USD": 2.0})
    with pytest.raises(InputError, match="returns of 'GBP' are not 10 numbers"):
        scen.with_fx({"GBP": [0.1, 0.2]})
    with pytest.raises(InputError, match="distinct names"):
        scen.with_fx({"EUR": 0.0})
    circle = replace(TABLE[0], symbol="X", quote_currency="BTC", underlying="X", settlement_currency="ETH")
    odd = replace(circle, symbol="Y", quote_currency="ETH", underlying="Y", settlement_currency="BTC")
    with pytest.raises(DataError, match="no rate of exchange for"):
        Market(AT, Instruments((circle, odd)), {"X": 1.0, "Y": 1.0}, {}, {}).fx_rate("BTC")


def test_a_pair_is_no_currency() -> None:
    s = ScenarioSet(("DAX",), [[-0.02], [0.01]], [[0.01], [-0.005]], 86_400_000_000_000)
    with pytest.raises(InputError, match="'EUR/USD' is a pair"):
        s.with_fx({"EUR/USD": 0.0})
