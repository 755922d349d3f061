"""Each hedge is decided by the half-spread of the book it trades on, now: linear and inverse, in any currency."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.hedging.hedgers import Band, band_halfwidth
from qflib.pricing import black76
from qflib.records import DEPTH, TICK, TOPS, Batch, ExecType, Instrument, Instruments
from qflib.steps.exposures import Exposures, ExposuresConfig
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from tests.unit.steps.exposures.test_explained import executed
from tests.unit.steps.exposures.test_exposures import shocks

NOW = pd.Timestamp("2026-01-05T14:30Z").value
S, YEAR = 10**9, 365 * 86_400 * 10**9
LATER = pd.Timestamp("2026-12-18T16:00Z")
KINDS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "linear": ({}, {}),
    "in euros": ({"quote_currency": "EUR", "settlement_currency": "EUR"}, {"EUR": 1.2}),
    "inverse": ({"inverse": True, "settlement_currency": "BTC"}, {}),
}


def table(kind: str) -> Instruments:
    more = KINDS[kind][0]
    fine = (("0", "0.0001"),)
    return Instruments(
        (
            Instrument("A.F", kind="future", underlying="A", expiry=LATER, multiplier=1.0, contract_value=10.0,
                       tick_schedule=fine, **more),
            Instrument("A-C", kind="option", right="call", style="european", strike=100.0, underlying="A", expiry=LATER,
                       multiplier=1.0, tick_schedule=fine, **more),
        )
    )  # fmt: skip


def marks(instruments: Instruments, time_ns: int, half_spread_ticks: int, inverse: bool, **tables: Any) -> Batch:
    price = float(black76("call", 100.0, 100.0, (LATER.value - time_ns) / YEAR, 0.3))
    mids = [1_000_000, round(price / 100.0 * 10_000) if inverse else round(price * 10_000)]
    half = [half_spread_ticks, 1]
    bids, asks = ([m + sign * h for m, h in zip(mids, half, strict=True)] for sign in (-1, 1))
    lots = [10_000_000] * 2
    tops = TOPS.make(
        instrument=[0, 1], bid_ticks=bids, bid_qty=lots, ask_ticks=asks, ask_qty=lots, time_ns=[time_ns] * 2
    )
    depth = DEPTH.make(instrument=[0, 0], side=[1, 2], level=[1, 1], price_ticks=[bids[0], asks[0]], qty=lots)
    return Batch.of("marks", key="A", tick=TICK.make(time_ns=[time_ns]), tops=tops, depth=depth, **tables)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(1, 20_000), st.floats(1e-4, 10.0))
def test_the_band_is_that_of_the_live_half_spread(kind: str, half_spread: int, aversion: float) -> None:
    instruments, fx = table(kind), KINDS[kind][1]
    step = Exposures(instruments, ExposuresConfig(fx=fx))
    portfolio = Portfolio(instruments, PortfolioConfig(band=Band(risk_aversion=aversion)))
    inverse = kind == "inverse"
    step.feed(executed(instruments, 1, -4_000, 1.0, ExecType.BOOKING))
    # the spread before is another one: what is decided on is the newest
    for k, half in enumerate((half_spread + 7, half_spread)):
        more = shocks() if k == 0 else {}
        (made,) = step.feed(marks(instruments, NOW + k * S, half, inverse, **more))
        out = portfolio.feed(made)
    report = next(b for b in out if b.kind == "risk")
    unit = float(made.hedge_instruments.unit_delta[0])
    gamma, net = float(made.greeks.gamma.sum()), float(made.greeks.delta.sum())
    band = band_halfwidth(gamma / unit, 100.0, half_spread * 1e-4, aversion) * unit
    orders = [b.orders for b in out if b.kind == "order"]
    if not orders:
        assert abs(net) <= band + unit
        return
    assert float(report.hedges.band[0]) == pytest.approx(band, rel=1e-9)
    lots = int(orders[0].qty[0]) * (1 if orders[0].side[0] == 1 else -1)
    left = net + lots * unit
    assert abs(left) <= max(band, unit)  # at the nearer edge, in whole lots
    assert abs(left) >= band - unit - 1e-9
    assert left * net > 0 or abs(left) <= unit
