"""Average-cost positions, against exact fractions and by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.records import EXECUTIONS, ExecType, Instrument, Instruments, Side
from qflib.steps.exposures.ledger import Ledger

EXPIRY = pd.Timestamp("2026-12-18T16:00Z")
TABLE = Instruments(
    (
        Instrument("ACME.F", kind="future", underlying="ACME", expiry=EXPIRY, multiplier=100),
        Instrument(
            "BTC-PERP", kind="perpetual", underlying="BTC", inverse=True, contract_value=10.0, settlement_currency="BTC"
        ),
    )
)


def row(exec_type: ExecType, qty: int, price: float, side: Side = Side.NONE, instrument: int = 0, **more: Any) -> Any:
    ticks = round(price * 100) if exec_type == ExecType.FILL else 0
    return EXECUTIONS.make(
        exec_type=[int(exec_type)], qty=[qty], price=[price], price_ticks=[ticks], side=[int(side)],
        instrument=[instrument], portfolio=["P"], book=[1], **more,
    )  # fmt: skip


def entry(ledger: Ledger, portfolio: int = 0, underlying: int = 0) -> Any:
    return ledger.of(portfolio, underlying)[0]


@given(st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(9_000, 11_000)), min_size=1, max_size=40))
def test_realised_and_open_pnl_add_up_to_cash(trades: list[tuple[int, int]]) -> None:
    """Whatever the order of trades: realised + unrealised at a mark = value held less cash paid, exactly."""
    ledger = Ledger(TABLE)
    held, paid = 0, Fraction(0)
    for qty, ticks in trades:
        ledger.apply(row(ExecType.FILL, abs(qty), ticks / 100, Side.BID if qty > 0 else Side.ASK), 0)
        held += qty
        paid += qty * Fraction(ticks, 100) * 100
    e = entry(ledger)
    mark = 100.0
    total = e["realised"] + e["qty"] * (100 * mark - e["avg_value"])
    assert e["qty"] == held
    assert total == pytest.approx(float(held * 100 * Fraction(100) - paid), abs=1e-6)


def test_turning_round_opens_at_the_new_price() -> None:
    ledger = Ledger(TABLE)
    ledger.apply(row(ExecType.FILL, 3, 100.0, Side.BID), 0)
    ledger.apply(row(ExecType.FILL, 5, 102.0, Side.ASK), 0)
    e = entry(ledger)
    assert (e["qty"], e["realised"], e["avg_value"]) == (-2, 600.0, 10_200.0)


def test_fees_are_kept_apart() -> None:
    ledger = Ledger(TABLE)
    ledger.apply(row(ExecType.FILL, 1, 100.0, Side.BID, fee=[2.5]), 0)
    assert (entry(ledger)["fees"], entry(ledger)["realised"]) == (2.5, 0.0)


def test_a_transfer_moves_a_position_between_portfolios() -> None:
    ledger = Ledger(TABLE)
    ledger.apply(row(ExecType.BOOKING, 10, 100.0), 0)
    ledger.apply(row(ExecType.TRANSFER, 4, 101.0, to_portfolio=["Q"]), 0)
    p, q = (entry(ledger, ledger.portfolios.index(name)) for name in "PQ")
    assert (p["qty"], p["realised"], q["qty"], q["avg_value"]) == (6, 400.0, 4, 10_100.0)


def test_variation_margin_realises_and_moves_the_average() -> None:
    ledger = Ledger(TABLE)
    ledger.apply(row(ExecType.BOOKING, -2, 100.0), 0)
    ledger.apply(row(ExecType.VARIATION_MARGIN, 0, 103.0), 0)
    e = entry(ledger)
    assert (e["qty"], e["realised"], e["avg_value"]) == (-2, -600.0, 10_300.0)


def test_a_bust_undoes_a_fill() -> None:
    ledger = Ledger(TABLE)
    ledger.apply(row(ExecType.FILL, 5, 100.0, Side.BID), 0)
    ledger.apply(row(ExecType.BUST, -5, 100.0), 0)
    assert (entry(ledger)["qty"], entry(ledger)["realised"]) == (0, 0.0)


def test_an_inverse_contract_gains_in_coin() -> None:
    ledger = Ledger(TABLE)
    ledger.apply(row(ExecType.BOOKING, 100, 50_000.0, instrument=1), 0)
    ledger.apply(row(ExecType.BOOKING, -100, 40_000.0, instrument=1), 0)
    # 100 contracts of 10 USD bought at 50,000 and sold at 40,000: 1,000/50,000 - 1,000/40,000 coin
    assert entry(ledger, underlying=1)["realised"] == pytest.approx(0.02 - 0.025)


def test_acknowledgements_move_nothing() -> None:
    ledger = Ledger(TABLE)
    assert ledger.apply(row(ExecType.NEW, 5, 100.0), 0) is None
    assert ledger.portfolios == []
