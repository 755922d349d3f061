"""The hedger where its instrument rolls, its book is crossed, and what rests is not filled yet."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from qflib.hedging.hedgers import Band, LimitMarket
from qflib.pricing import black76
from qflib.records import DEPTH, ORDERS, TICK, TOPS, Batch, ExecType, Instrument, Instruments, OrderAction
from qflib.steps.exposures import Exposures
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from qflib.steps.portfolio.hedger import Hedge, Hedger
from qflib.steps.state import pack, unpack
from tests.unit.steps.exposures.test_explained import executed
from tests.unit.steps.exposures.test_exposures import shocks

NOW = pd.Timestamp("2026-01-05T14:30Z").value
S, YEAR = 10**9, 365 * 86_400 * 10**9
SOON, LATER = pd.Timestamp(NOW + 60 * S, tz="UTC"), pd.Timestamp("2026-12-18T16:00Z")
FINE = (("0", "0.0001"),)


def future(symbol: str, expiry: pd.Timestamp) -> Instrument:
    return Instrument(symbol, kind="future", underlying="A", expiry=expiry, multiplier=1.0, tick_schedule=FINE)


CALL = Instrument("A-C", kind="option", right="call", style="european", strike=100.0, underlying="A", expiry=LATER,
                  multiplier=1.0, tick_schedule=FINE)  # fmt: skip
ROLLING = Instruments((future("A.F", SOON), future("A.G", LATER), CALL))
ENDING = Instruments((future("A.F", SOON), CALL))


def marks(table: Instruments, time_ns: int, bid: float = 99.99, ask: float = 100.01, **tables: Any) -> Batch:
    price = float(black76("call", 100.0, 100.0, (LATER.value - time_ns) / YEAR, 0.3))
    n = len(table) - 1
    bids, asks = [round(bid * 10_000)] * n, [round(ask * 10_000)] * n
    last, lots = round(price * 10_000), [10_000_000] * (n + 1)
    tops = TOPS.make(
        instrument=range(n + 1), bid_ticks=[*bids, last - 1], bid_qty=lots, ask_ticks=[*asks, last + 1], ask_qty=lots,
        time_ns=[time_ns] * (n + 1),
    )  # fmt: skip
    depth = DEPTH.make(
        instrument=[i for i in range(n) for _ in range(2)], side=[1, 2] * n, level=[1, 1] * n,
        price_ticks=[bids[0], asks[0]] * n, qty=lots[:1] * 2 * n,
    )  # fmt: skip
    return Batch.of("marks", key="A", tick=TICK.make(time_ns=[time_ns]), tops=tops, depth=depth, **tables)


def started(table: Instruments, band: Band) -> tuple[Exposures, Portfolio, list[Batch]]:
    """Options held, hedged but for a rest inside the band."""
    step, portfolio = Exposures(table), Portfolio(table, PortfolioConfig(band=band, period_ns=S))
    option = len(table) - 1
    step.feed(executed(table, option, -4_000, 1.0, ExecType.BOOKING))
    step.feed(executed(table, option - 1, 2_150, 100.0, ExecType.BOOKING))
    out = fed(step, portfolio, marks(table, NOW, **shocks()))
    return step, portfolio, out + fed(step, portfolio, marks(table, NOW + S))


def fed(step: Exposures, portfolio: Portfolio, batch: Batch) -> list[Batch]:
    return [out for made in step.feed(batch) for out in portfolio.feed(made)]


def orders(out: list[Batch]) -> list[Any]:
    return [b.orders for b in out if b.kind == "order"]


PASSIVE = LimitMarket(risk_aversion=1e-7, rest_from=0.0)


@pytest.mark.parametrize("table", [ROLLING, ENDING])
def test_what_rests_in_a_future_that_expires_goes_and_is_forgotten(table: Instruments) -> None:
    step, portfolio, out = started(table, PASSIVE)
    (new,) = orders(out)
    assert (int(new.instrument[0]), int(new.options[0])) == (0, 1)
    assert not portfolio._books["P"].hedger.acts(False)
    rolled = orders(fed(step, portfolio, marks(table, SOON.value + S)))
    assert [int(o.action[0]) for o in rolled][:1] == [OrderAction.CANCEL]
    assert rolled[0].orig_client_order_id[0] == new.client_order_id[0]
    sent = portfolio._books["P"].hedger._sent[0][0]
    assert (int(sent["alive_no"]), int(sent["next_no"])) == (0, 2)
    again = Portfolio(table, PortfolioConfig(band=PASSIVE, period_ns=S))
    again.load(unpack(pack(portfolio.state())))
    made = step.feed(marks(table, SOON.value + 2 * S))
    for one in (portfolio, again):
        cancels = [o for b in made for o in orders(one.feed(b)) if int(o.instrument[0]) == 0]
        assert cancels == []
    if table is ROLLING:  # it goes on in the next one
        assert [int(o.instrument[0]) for o in rolled[1:]] == [1]
    else:
        assert portfolio._books["P"].hedger.acts(False)


def test_what_rests_is_not_in_the_target() -> None:
    step, portfolio, _ = started(ROLLING, PASSIVE)
    out = fed(step, portfolio, marks(ROLLING, NOW + 2 * S))
    report = next(b for b in out if b.kind == "risk")
    assert len(report.hedges.qty) == 1
    assert float(report.hedges.cost[0]) < 0.0
    assert float(report.risk.target_cost[0]) == 0.0
    assert report.risk.es_target.tolist() == report.risk.es_current.tolist()


@pytest.mark.parametrize("ask", [99.99, 99.9])
@pytest.mark.parametrize("band", [Band(risk_aversion=1e6), PASSIVE])
def test_a_locked_or_crossed_book_is_waited_out(band: Band, ask: float) -> None:
    table = Instruments((future("A.G", LATER), CALL))
    step, portfolio = Exposures(table), Portfolio(table, PortfolioConfig(band=band, period_ns=S))
    step.feed(executed(table, 1, -4_000, 1.0, ExecType.BOOKING))
    out = fed(step, portfolio, marks(table, NOW, ask=ask, **shocks()))
    out += fed(step, portfolio, marks(table, NOW + S, ask=ask))
    assert any(b.kind == "risk" for b in out)
    assert orders(out) == []
    assert len(orders(fed(step, portfolio, marks(table, NOW + 2 * S)))) == 1


@pytest.mark.parametrize("size", [61, 62, 63, 64])
def test_an_order_with_a_long_id_can_be_cancelled(size: int) -> None:
    hedger = Hedger(ROLLING, PASSIVE)
    portfolio = "p" * (size - len("/A.F/7"))
    gone = Hedge(0, 5, 0.0, 0, 0.0, 7, 0.0, 0.0, 0.0, new=False, rests=True, leaves=True)
    (row,) = hedger.orders([gone], portfolio, "HEDGER")
    made = ORDERS.make(**{k: int(v) if isinstance(v, int) else v for k, v in row.items()})
    assert len(made.orig_client_order_id[0]) == size
    assert made.client_order_id[0] != made.orig_client_order_id[0]
    assert made.client_order_id[0].endswith(b"/x")
