"""American options on forwards: Greeks against differences of prices, vols by style, the market's prices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import qflib.accessor  # noqa: F401
from qflib.errors import InputError
from qflib.pricing import Market, american, black76, greeks, implied_vol
from qflib.pricing.american_forward import american_on_forward, carried_spot, greeks_on_forward, implied_vol_on_forward
from qflib.records import Instrument, Instruments

AT = pd.Timestamp("2026-01-05T14:30Z")
JUNE = pd.Timestamp("2026-06-19T21:00Z")
CASES = [
    (sign, forward, q)
    for sign in (1.0, -1.0)
    for forward, q in ((100.0, 0.05), (104.0, 0.0), (93.0, 0.09), (100.0, 0.02))
]


def price(sign: float, forward: float, q: float, years: float = 0.5, vol: float = 0.25, rate: float = 0.05) -> float:
    """Carried at 0.05 as it was: the yield moves with the rate where it is the rate."""
    q = rate if q == 0.05 else q
    return american_on_forward("call" if sign > 0 else "put", forward, 100.0, years, vol, rate, q)


def of(sign: float, forward: float, q: float) -> dict[str, float]:
    one = np.ones(1)
    made = greeks_on_forward(sign * one, forward * one, 100 * one, 0.5 * one, 0.25 * one, 0.05 * one, q * one)
    return {name: float(x[0]) for name, x in made.items()}


@pytest.mark.parametrize(("sign", "forward", "q"), CASES)
def test_price_is_the_trees_on_the_carried_spot(sign: float, forward: float, q: float) -> None:
    spot = forward * np.exp(-(0.05 - q) * 0.5)
    assert carried_spot(forward, 0.5, 0.05, q) == pytest.approx(spot, rel=1e-15)
    right = "call" if sign > 0 else "put"
    tree = american(right, spot, 100.0, 0.5, 0.05, q, 0.25, method="leisen_reimer", steps=2001)
    assert price(sign, forward, q) == pytest.approx(tree, abs=2e-4)
    assert price(sign, forward, q) >= black76(right, forward, 100.0, 0.5, 0.25, 0.05) - 1e-8


@pytest.mark.parametrize(("sign", "forward", "q"), CASES)
def test_greeks_are_slopes_in_the_forward(sign: float, forward: float, q: float) -> None:
    g, f = of(sign, forward, q), 0.1
    p = [[price(sign, forward + i * f, q, vol=0.25 + j * 0.004) for j in (-1, 0, 1)] for i in (-1, 0, 1)]
    t = [[price(sign, forward + i * f, q, years=0.5 + j * 0.004) for j in (-1, 1)] for i in (-1, 0, 1)]
    assert g["price"] == p[1][1]
    assert g["delta"] == pytest.approx((p[2][1] - p[0][1]) / (2 * f), abs=2e-6)
    assert g["gamma"] == pytest.approx((p[2][1] + p[0][1] - 2 * p[1][1]) / f**2, abs=2e-5)
    assert g["vega"] == pytest.approx((p[1][2] - p[1][0]) / 0.008, rel=1e-4)
    assert g["theta"] == pytest.approx(-(t[1][1] - t[1][0]) / 0.008, rel=1e-4)
    assert g["rho"] == pytest.approx(
        (price(sign, forward, q, rate=0.051) - price(sign, forward, q, rate=0.049)) / 0.002
        if q != 0.05 else (price(sign, forward, 0.05, rate=0.051) - price(sign, forward, 0.05, rate=0.049)) / 0.002,
        rel=1e-3,
    )  # fmt: skip
    assert g["vanna"] == pytest.approx((p[2][2] - p[2][0] - p[0][2] + p[0][0]) / (4 * f * 0.004), abs=3e-3)
    assert g["volga"] == pytest.approx((p[1][2] + p[1][0] - 2 * p[1][1]) / 0.004**2, abs=0.05)
    assert g["charm"] == pytest.approx(-(t[2][1] - t[2][0] - t[0][1] + t[0][0]) / (4 * f * 0.004), abs=2e-3)
    assert g["dual_delta"] == pytest.approx((g["price"] - forward * g["delta"]) / 100.0)


def test_slopes_of_third_order() -> None:
    """Where there is a wide step the price's own error does not show."""
    g, f, v = of(-1.0, 104.0, 0.0), 2.0, 0.01
    p = [price(-1.0, 104.0 + i * f, 0.0) for i in (-2, -1, 1, 2)]
    assert g["speed"] == pytest.approx((p[3] - 2 * p[2] + 2 * p[1] - p[0]) / (2 * f**3), rel=0.05)
    vega = [of_vol(0.25 + j * v)["vega"] for j in (-1, 0, 1)]
    assert g["ultima"] == pytest.approx((vega[2] - 2 * vega[1] + vega[0]) / v**2, rel=0.05)
    gamma = [of_vol(0.25 + j * v)["gamma"] for j in (-1, 1)]
    assert g["zomma"] == pytest.approx((gamma[1] - gamma[0]) / (2 * v), rel=0.02)


def of_vol(vol: float) -> dict[str, float]:
    one = np.ones(1)
    made = greeks_on_forward(-one, 104 * one, 100 * one, 0.5 * one, vol * one, 0.05 * one, 0 * one)
    return {name: float(x[0]) for name, x in made.items()}


def test_without_early_exercise_they_are_black76s() -> None:
    one = np.ones(3)
    forward = np.array([80.0, 100.0, 130.0])
    made = greeks_on_forward(one, forward, 100 * one, 0.5 * one, 0.25 * one, 0.05 * one, 0 * one)
    want = greeks(one, 100 * one, 0.5 * one, 0.25 * one, forward=forward, rate=0.05)
    assert list(made) == list(want)
    for name in want:
        np.testing.assert_allclose(made[name], want[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_exercised_options_have_their_payoffs() -> None:
    g = of(-1.0, 30.0, 0.05)
    assert (g["price"], g["delta"], g["gamma"], g["vega"], g["theta"]) == (70.0, -1.0, 0.0, 0.0, 0.0)
    assert abs(g["vanna"]) + abs(g["volga"]) + abs(g["speed"]) < 1e-6


@pytest.mark.parametrize("q", [0.05, 0.0, 0.08])
def test_vols_go_round(q: float) -> None:
    strikes = np.array([85.0, 95.0, 100.0, 105.0, 112.0])
    vols = 0.2 + (100.0 - strikes) / 500.0
    for right in ("call", "put"):
        paid = american_on_forward(right, 100.0, strikes, 0.5, vols, 0.05, q)
        iv, status = implied_vol_on_forward(paid, right, strikes, 0.5, forward=100.0, rate=0.05, dividend_yield=q)
        assert status.tolist() == ["ok"] * 5
        np.testing.assert_allclose(iv, vols, rtol=1e-7)


def row(symbol: str, right: str, strike: float, style: str, kind: str = "option") -> Instrument:
    return Instrument(symbol, kind="option", underlying="A", right=right, style=style, strike=strike, expiry=JUNE)  # type: ignore[arg-type]


TABLE = Instruments(
    (
        Instrument("A.F", kind="future", underlying="A", expiry=JUNE),
        row("A-C", "call", 100.0, "american"),
        row("A-P", "put", 110.0, "american"),
        row("E-P", "put", 110.0, "european"),
        row("D-P", "put", 200.0, "american"),
    )
)


@pytest.mark.parametrize("yields", [{}, {"A": 0.01}])
def test_the_market_prices_by_style(yields: dict[str, float]) -> None:
    years, rate = (JUNE - AT) / pd.Timedelta(days=365), 0.06
    spot = 101.0 * np.exp((yields.get("A", rate) - rate) * years)
    mids = {"A.F": 101.0}
    for symbol, right, strike in (("A-C", "call", 100.0), ("A-P", "put", 110.0), ("D-P", "put", 200.0)):
        mids[symbol] = american(right, spot, strike, years, rate, yields.get("A", rate), 0.22)
    mids["E-P"] = black76("put", 101.0, 110.0, years, 0.22, rate)
    tops = pd.DataFrame({"bid": mids, "ask": mids})
    m = Market.from_quotes(TABLE, tops, AT, rate=rate, dividend_yields=yields)
    for symbol in ("A-C", "A-P", "E-P"):
        assert m.vol(symbol) == pytest.approx(0.22, abs=1e-7)
    assert m.vol_status == {"A-C": "ok", "A-P": "ok", "E-P": "ok", "D-P": "at_intrinsic"}
    assert m.to_frame().loc["D-P", "vol_status"] == "at_intrinsic"
    assert np.isnan(m.vols["D-P"])
    assert m.spot("A-P") == pytest.approx(spot)
    # no vol is implied of a price at its payoff: the nearest strike's gives the price again
    bare = Market(AT, TABLE, m.forwards, {}, m.vols, rate=rate, dividend_yields=yields)
    for symbol, mid in mids.items():
        assert bare.mark(symbol) == pytest.approx(mid, abs=1e-6)
    wrong, _ = implied_vol(mids["A-P"], "put", 110.0, years, forward=101.0, rate=rate)
    assert abs(wrong - 0.22) > 1e-3  # as a European it would have had another


def chain(q: float | None) -> pd.DataFrame:
    years = 0.4
    frame = pd.DataFrame(
        {
            "right": ["put", "call", "put"],
            "strike": [110.0, 95.0, 110.0],
            "expiry": JUNE,
            "years": years,
            "forward": 101.0,
            "rate": 0.05,
            "style": ["american", "american", "european"],
        },
        index=["A", "B", "C"],
    )
    y = 0.05 if q is None else q
    early = [american_on_forward(r, 101.0, k, years, 0.3, 0.05, y) for r, k in (("put", 110.0), ("call", 95.0))]
    frame["mid"] = [*early, black76("put", 101.0, 110.0, years, 0.3, 0.05)]
    return frame if q is None else frame.assign(dividend_yield=q)


@pytest.mark.parametrize("q", [None, 0.0])
def test_chains_by_style(q: float | None) -> None:
    frame = chain(q)
    got = frame.qf.implied_vol(price="mid")
    np.testing.assert_allclose(got["iv"], 0.3, rtol=1e-7)
    assert got["iv_status"].tolist() == ["ok"] * 3
    for units in ("natural", "trader"):
        table = frame.assign(iv=0.3).qf.greeks(units=units)
        own = greeks(["put"], [110.0], 0.4, 0.3, forward=101.0, rate=0.05, units=units)
        np.testing.assert_allclose(table.loc["C"], own.iloc[0])
        assert list(table) == list(own)
        g = greeks_on_forward(*(np.array([x]) for x in (-1.0, 101.0, 110.0, 0.4, 0.3, 0.05, 0.05 if q is None else q)))
        scale = 101.0 if units == "trader" else 1.0
        assert table.loc["A", "delta"] == pytest.approx(g["delta"][0] * scale)
        assert table.loc["A", "price"] == pytest.approx(frame.loc["A", "mid"])
    broken = frame.assign(mid=[0.01, *frame["mid"][1:]])
    assert broken.qf.implied_vol(price="mid")["iv_status"].tolist() == ["below_intrinsic", "ok", "ok"]
    with pytest.raises(InputError, match=r"price 0.01 of row A has no implied vol \(below_intrinsic\)"):
        broken.qf.implied_vol(price="mid", policy="raise")
    with pytest.raises(InputError, match="style of row A is 'American'; expected"):
        frame.assign(style="American").qf.implied_vol(price="mid")
    with pytest.raises(InputError, match="model 'normal' has no American options"):
        frame.qf.implied_vol(price="mid", model="normal")
    with pytest.raises(InputError, match="american and inverse"):
        frame.assign(inverse=True).qf.implied_vol(price="mid")


YEAR_ON = AT + pd.Timedelta(365, "D")
#: What quotes the forward, when that expires, what it is quoted at for a spot of 100.
CARRIERS = [("spot", None), ("perpetual", None), ("future", AT + pd.Timedelta(31, "D")), ("future", YEAR_ON)]


@pytest.mark.parametrize(("kind", "expiry"), CARRIERS)
@pytest.mark.parametrize("q", [0.0, 0.02, 0.08])
def test_the_spot_is_of_the_forwards_expiry_not_the_options(kind: str, expiry: pd.Timestamp | None, q: float) -> None:
    rate, tenor = 0.05, 0.0 if expiry is None else (expiry - AT) / pd.Timedelta(days=365)
    option = {"kind": "option", "underlying": "A", "right": "put", "strike": 100.0, "expiry": YEAR_ON}
    table = Instruments(
        (
            Instrument("A", kind=kind, underlying="A", expiry=expiry),  # type: ignore[arg-type]
            Instrument("AP", style="american", **option),  # type: ignore[arg-type]
            Instrument("EP", style="european", **option),  # type: ignore[arg-type]
        )
    )
    forward, put = 100.0 * np.exp((rate - q) * tenor), american("put", 100.0, 100.0, 1.0, rate, q, 0.2)
    mids = {"A": forward, "AP": put, "EP": black76("put", forward, 100.0, 1.0, 0.2, rate)}
    m = Market.from_quotes(table, pd.DataFrame({"bid": mids, "ask": mids}), AT, rate=rate, dividend_yields={"A": q})
    assert m.forward_years("A") == pytest.approx(tenor, abs=1e-15)
    assert m.spot("AP") == pytest.approx(100.0, rel=1e-14)
    assert m.own_forward("AP") == pytest.approx(100.0 * np.exp(rate - q), rel=1e-14)
    assert (m.vol("AP"), m.vol("EP")) == (pytest.approx(0.2, abs=1e-7), pytest.approx(0.2, abs=1e-9))
    unquoted = pd.DataFrame({"bid": mids, "ask": mids}).drop("AP")
    bare = Market.from_quotes(table, unquoted, AT, rate=rate, dividend_yields={"A": q})
    assert bare.mark("AP") == pytest.approx(put, abs=1e-6)


def test_one_expiry_has_the_bits_it_had() -> None:
    years = (JUNE - AT) / pd.Timedelta(days=365)
    tops = pd.DataFrame({"bid": {"A.F": 101.0}, "ask": {"A.F": 101.0}})
    m = Market.from_quotes(TABLE, tops, AT, rate=0.06, dividend_yields={"A": 0.01})
    assert m.own_forward("A-P") == 101.0
    assert m.spot("A-P") == carried_spot(101.0, years, 0.06, 0.01)
    # a forward without an expiry told is each option's own
    assert Market(AT, TABLE, {"A": 101.0}, {}, {}, rate=0.06, dividend_yields={"A": 0.01}).own_forward("A-P") == 101.0


@pytest.mark.parametrize(
    ("right", "sign"), [("call", 1.0), ("c", 1.0), ("C", 1.0), ("put", -1.0), ("p", -1.0), ("P", -1.0)]
)
def test_rights_are_spelt_in_every_way(right: str, sign: float) -> None:
    terms = {"right": right, "strike": 100.0, "expiry": JUNE, "years": 0.5, "forward": 102.0, "rate": 0.05}
    frame = pd.DataFrame({**terms, "style": "american", "iv": 0.3}, index=["A"])
    g = frame.qf.greeks().loc["A"]
    assert g["price"] == pytest.approx(american_on_forward(sign, 102.0, 100.0, 0.5, 0.3, 0.05, 0.05), rel=1e-12)
    assert np.sign(g["delta"]) == sign
