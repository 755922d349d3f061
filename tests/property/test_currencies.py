"""Whatever is held and however rates move: columns a settlement currency, each at its rate, are what is reported."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.hedging import Portfolio
from qflib.pricing import Market
from qflib.records import Instrument, Instruments
from qflib.shortfall import ScenarioSet

AT, JUNE = pd.Timestamp("2026-01-05T14:30Z"), pd.Timestamp("2026-06-19T08:00Z")
COIN = {"underlying": "BTC", "inverse": True, "settlement_currency": "BTC"}
EURO = {"underlying": "DAX", "quote_currency": "EUR", "settlement_currency": "EUR"}
OPTION = {"kind": "option", "style": "european", "expiry": JUNE}
TABLE = Instruments(
    (
        Instrument("BTC-C", right="call", strike=90_000.0, **OPTION, **COIN),  # type: ignore[arg-type]
        Instrument("BTC-P", right="put", strike=70_000.0, **OPTION, **COIN),  # type: ignore[arg-type]
        Instrument("BTC.P", kind="perpetual", contract_value=10.0, **COIN),  # type: ignore[arg-type]
        Instrument("DAX-P", right="put", strike=24_000.0, multiplier=5.0, **OPTION, **EURO),  # type: ignore[arg-type]
        Instrument("DAX.F", kind="future", expiry=JUNE, **EURO),  # type: ignore[arg-type]
        Instrument("ACME", kind="spot", underlying="ACME"),
    )
)
NAMES = ("BTC", "DAX", "ACME")
MOVE = st.floats(-0.6, 0.9)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Portfolio, Market, ScenarioSet]:
    held = draw(st.lists(st.sampled_from([r.symbol for r in TABLE]), min_size=1, max_size=6))
    qty = draw(st.lists(st.floats(-50, 50), min_size=len(held), max_size=len(held)))
    n = draw(st.integers(1, 5))
    spot = np.array(draw(st.lists(st.tuples(MOVE, MOVE, MOVE), min_size=n, max_size=n)))
    fx = {"EUR": draw(st.lists(st.floats(-0.3, 0.3), min_size=n, max_size=n))}
    rates = {"EUR": draw(st.floats(0.5, 2.0))}
    if draw(st.booleans()):
        fx["BTC"] = draw(st.lists(MOVE, min_size=n, max_size=n))
    if draw(st.booleans()):
        rates["BTC"] = draw(st.floats(6e4, 9e4))
    vols = {"BTC-C": 0.6, "BTC-P": 0.7, "DAX-P": 0.2}
    forwards = {"BTC": 79_000.0, "DAX": 24_100.0, "ACME": 101.0}
    market = Market(AT, TABLE, forwards, {}, vols, rate=0.02, fx=rates)
    scen = ScenarioSet(NAMES, spot, 0.02 * spot[:, ::-1], 86_400_000_000_000).with_fx(fx)
    return Portfolio("P", "USD", tuple(held), np.array(qty), np.zeros(len(held))), market, scen


def then(currency: str, market: Market, scen: ScenarioSet) -> np.ndarray:
    """What one of it is worth in dollars in each scenario."""
    if currency == "USD":
        return np.ones(scen.n)
    pair = f"{currency}/USD"
    return market.fx_rate(currency) * (1 + scen.shocks(pair if pair in scen.underlyings else currency)[0])


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sampled_from(["USD", "EUR", "BTC"]))
def test_columns_at_their_rates_are_the_whole(world: tuple[Portfolio, Market, ScenarioSet], to: str) -> None:
    pf, market, scen = world
    paid = pf.scenario_pnl(market, scen, currency="settlement")
    dollars = sum(paid[c].to_numpy() * then(c, market, scen) for c in paid)
    scale = max(float(np.abs(paid[c] * then(c, market, scen)).max()) for c in paid) + 1e-9
    got = pf.scenario_pnl(market, scen, currency=to).to_numpy() * then(to, market, scen)
    np.testing.assert_allclose(got, dollars, rtol=0, atol=1e-9 * scale + 1e-6)
    # the value's own conversion differs by what is held times the rate's move
    value = pf.scenario_pnl(market, scen, currency=to, converted="value").to_numpy()
    parts = pf.greeks(market, by="currency", units="trader")
    moved = {c: then(c, market, scen) / then(to, market, scen) for c in parts.index}
    now = {c: market.fx_rate(c, to) for c in parts.index}
    one = market.fx_rate("USD", to)
    carried = sum(parts.loc[c, "value"] * one * (moved[c] / now[c] - 1) for c in parts.index)
    np.testing.assert_allclose(
        (value * then(to, market, scen) - got), carried * then(to, market, scen), rtol=0, atol=1e-9 * scale + 1e-4
    )
