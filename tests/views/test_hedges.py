"""Hedges and their cost: of one span whatever was read of them, and by one rule everywhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk.hedge_fills import hedge_fills
from qflib.desk.record import Recorder
from qflib.desk.run import Run
from qflib.records import BY_KIND, EXECUTIONS, ORDERS, Batch, ExecType, Instrument, Instruments, Side
from qflib.records.codec import decode
from qflib.records.topics import ORDERS_EXECUTED, RISK_METRICS
from qflib.views import RiskView, Views
from qflib.views.hedges import HedgeLedger
from tests.views.recorded import Recorded, recorded

NS = 1_767_600_000_000_000_000
RISK = BY_KIND["risk"].by_name
TABLE = Instruments(
    (
        Instrument("LIN", kind="future", underlying="A", multiplier=10.0, expiry=pd.Timestamp("2026-06-19T20:00Z")),
        Instrument("INV", kind="perpetual", underlying="B", contract_value=100.0, inverse=True),
        Instrument("EUR", kind="future", underlying="C", multiplier=50.0, quote_currency="EUR",
                   expiry=pd.Timestamp("2026-06-19T20:00Z")),
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def told() -> Recorded:
    return recorded()


def _decided(told: Recorded) -> list[int]:
    """Offsets of the records that decide on hedges."""
    risk = [s for s in told.seen if s.topic == RISK_METRICS]
    return [s.offset for s in risk if s.value is not None and (decode(s.value).hedges.price > 0).any()]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_counts_and_cost_are_of_the_same_orders(told: Recorded, kept: int) -> None:
    """Orders and executions are read from their beginning, decisions from some way back."""
    decided = _decided(told)
    assert len(decided) > 2
    start = decided[-kept] if kept else decided[-1] + 1
    views = Views(told.deployment)
    for seen in told.seen:
        if seen.topic != RISK_METRICS or seen.offset >= start:
            views.take(seen)
    counts, fills = views.risk.hedge_counts(), views.risk.hedge_fills(10_000)
    known = [f for f in fills if not np.isnan(f.cost)]
    assert len(fills) == told.run.recorder.hedge_fills
    assert counts["fills"] == len(known) < len(fills)
    assert counts["cost"] == pytest.approx(sum(f.cost for f in known))
    assert counts["orders"] == sum(
        int((decode(s.value).hedges.price > 0).sum()) for s in told.seen
        if s.topic == RISK_METRICS and s.offset >= start and s.value is not None
    )  # fmt: skip
    if kept:
        assert 0 < views.risk.hedges_since_ns <= min(f.time_ns for f in known)
        assert views.risk.hedges_since_ns > min(f.time_ns for f in fills)
    else:
        assert views.risk.hedges_since_ns == 0


def _record(recorder: Recorder) -> list[Batch]:
    """Three decisions in one report; the second fill of INV has a number that was never decided on."""
    hedges = RISK["hedges"].make(
        portfolio=["DESK1"] * 3, instrument=[0, 1, 2], qty=[10, -6, 4], price=[100.0, 50_000.0, 200.0],
        cost=[5.0, 6.0, 7.0], hedge_no=[1, 1, 1],
    )  # fmt: skip
    positions = RISK["positions"].make(portfolio=["DESK1"] * 3, instrument=[0, 1, 2], book=[2] * 3, fx=[1.0, 90.0, 1.2])
    risk = RISK["risk"].make(portfolio=["DESK1"], time_ns=[NS], level=[0.975])
    report = Batch.of("risk", topic=RISK_METRICS, key="DESK1", risk=risk, hedges=hedges, positions=positions)
    n, at = 4, np.array([0, 1, 2, 1])
    fills = EXECUTIONS.make(
        exec_type=[int(ExecType.FILL)] * n, instrument=at, side=[Side.BID, Side.ASK, Side.BID, Side.ASK],
        price_ticks=TABLE.to_ticks(at, np.array([100.5, 49_990.0, 199.0, 49_000.0])), qty=[4, 6, 2, 3],
        hedge_no=[1, 1, 1, 2], portfolio=["DESK1"] * n, time_ns=NS + np.arange(n),
    )  # fmt: skip
    done = Batch.of("execution", topic=ORDERS_EXECUTED, key="A", executions=fills)
    for batch in (report, done):
        recorder.take(batch)
    return [report, done]


def test_one_rule_for_linear_inverse_and_foreign_contracts() -> None:
    recorder = Recorder(TABLE, 10**9, "DESK1")
    report, done = _record(recorder)
    at = pd.Timestamp(NS, tz="UTC")
    run = Run(recorder, 1.0, 0, {}, "", at, at)
    want = [
        5.0 * 4 / 10 + 0.5 * 4 * 10.0,
        6.0 + 10.0 * 6 * 100.0 / 50_000.0,  # inverse: a 1.00 is worth contract value / price
        7.0 * 2 / 4 - 1.0 * 2 * 50.0 * 1.2,
        np.nan,  # of another day's decision
    ]
    frame = hedge_fills(run)
    np.testing.assert_allclose(frame["cost"], want)
    assert frame["price_expected"].isna().tolist() == [False, False, False, True]
    np.testing.assert_allclose([f.cost for f in recorder.trades], want)
    assert recorder.realised_cost == pytest.approx(sum(want[:3]))
    assert run.hedges["realised_cost"].sum() == pytest.approx(sum(want[:3]))
    for order in ((report, done), (done, report)):
        ledger = HedgeLedger(TABLE, "DESK1")
        for batch in order:
            if batch is report:
                ledger.take_hedges(batch.hedges, batch.positions)
            else:
                ledger.take_executions(batch.executions)
        np.testing.assert_allclose([f.cost for f in ledger.trades], want)
        assert (ledger.fills, ledger.cost) == (3, pytest.approx(sum(want[:3])))


def test_portfolios_of_the_same_numbers_are_kept_apart() -> None:
    view = RiskView(TABLE, "DESK1")
    for portfolio, cost, fee in (("DESK1", 2.0, 0.5), ("DESK2", 30.0, 0.25)):
        view.take_orders(ORDERS.make(instrument=[1], hedge_no=[1], portfolio=[portfolio], sent_ns=[NS + int(cost)]))
        view.take_executions(EXECUTIONS.make(
            exec_type=[int(ExecType.FILL)], instrument=[1], side=[int(Side.BID)], qty=[1], hedge_no=[1], fee=[fee],
            price_ticks=[TABLE.to_ticks(1, 50_000.0)], time_ns=[NS], portfolio=[portfolio]))  # fmt: skip
        hedges = RISK["hedges"].make(
            instrument=[1], qty=[1], price=[50_000.0], cost=[cost], hedge_no=[1], portfolio=[portfolio]
        )
        positions = RISK["positions"].make(instrument=[1], book=[2], fx=[50_000.0], portfolio=[portfolio])
        view.take(
            Batch.of("risk", topic=RISK_METRICS, key=portfolio, hedges=hedges, positions=positions), portfolio, 0, 0
        )
    one = {"orders": 1, "fills": 1, "rejects": 0}
    assert view.hedge_counts() == one | {"cost": 2.0, "fees": 25_000.0, "since_ns": NS}, "fees were paid in coin"
    assert view.hedge_counts("DESK2") == one | {"cost": 30.0, "fees": 12_500.0, "since_ns": NS}
    assert view.hedge_counts("DESK3")["fills"] == 0
    assert [f.cost for f in view.hedge_fills(9, "DESK2")] == [30.0]


def test_fees_are_of_the_fills_that_are_counted() -> None:
    ledger = HedgeLedger(TABLE)
    for no in (1, 2):
        ledger.take_executions(EXECUTIONS.make(
            exec_type=[int(ExecType.FILL)], instrument=[2], side=[int(Side.BID)], qty=[1], hedge_no=[no], fee=[3.0],
            price_ticks=[TABLE.to_ticks(2, 100.0)], time_ns=[NS]))  # fmt: skip
    assert ledger.fees == 0.0
    ledger.take_hedges(RISK["hedges"].make(instrument=[2], qty=[1], price=[100.0], cost=[1.0], hedge_no=[2]))
    assert np.isnan(ledger.fees), "no rate is known yet"
    ledger.take_hedges(RISK["hedges"].make(), RISK["positions"].make(instrument=[2], book=[2], fx=[1.2]))
    assert ledger.fees == pytest.approx(3.0 * 1.2)


def test_what_is_remembered_is_bounded_and_sums_stay() -> None:
    ledger = HedgeLedger(TABLE, kept=3)
    for no in range(1, 11):
        ledger.take_orders(ORDERS.make(instrument=[0], hedge_no=[no], sent_ns=[NS + no]))
        ledger.take_hedges(RISK["hedges"].make(instrument=[0], qty=[1], price=[100.0], cost=[1.0], hedge_no=[no]))
        ledger.take_executions(EXECUTIONS.make(
            exec_type=[int(ExecType.FILL)], instrument=[0], side=[int(Side.BID)], qty=[1], hedge_no=[no],
            price_ticks=[TABLE.to_ticks(0, 100.0)], time_ns=[NS + no]))  # fmt: skip
    assert (ledger.orders, ledger.fills, ledger.cost, ledger.since_ns) == (10, 10, 10.0, NS + 1)
    assert len(ledger._of) == 3


def test_summary_of_a_run_is_the_ledgers(told: Recorded) -> None:
    assert isinstance(told.run, qf.Run)
    assert told.views().risk.hedge_counts()["cost"] == pytest.approx(told.run.summary()["hedge"]["cost"])
