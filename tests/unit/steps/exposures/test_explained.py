"""P&L explained by Greeks, carry, fees and slippage: against the library's own expansion, and by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.desk.explain import COLUMNS
from qflib.hedging import explain_by_greeks
from qflib.pricing import black76
from qflib.records import EXECUTIONS, TICK, TOPS, Batch, ExecType, Instrument, Instruments, Side
from qflib.steps.exposures import Exposures, ExposuresConfig
from tests.unit.steps.exposures.test_exposures import shocks

NOW = pd.Timestamp("2026-01-05T14:30Z").value
S, DAY, YEAR = 10**9, 86_400 * 10**9, 365 * 86_400 * 10**9
NEXT, LATER = pd.Timestamp("2026-01-06T14:30Z"), pd.Timestamp("2026-12-18T16:00Z")
FINE = (("0", "0.000001"),)


def option(symbol: str, right: Any, strike: float, **more: Any) -> Instrument:
    terms: dict[str, Any] = {"multiplier": 100.0} | more
    return Instrument(
        symbol, kind="option", right=right, style="european", strike=strike, underlying="A", expiry=LATER,
        tick_schedule=FINE, **terms,
    )  # fmt: skip


def future(symbol: str, expiry: pd.Timestamp = LATER, **more: Any) -> Instrument:
    terms: dict[str, Any] = {"multiplier": 100.0} | more
    return Instrument(symbol, kind="future", underlying="A", expiry=expiry, tick_schedule=FINE, **terms)


LINEAR = Instruments((future("A.F"), option("A-C", "call", 105.0), option("A-P", "put", 95.0)))


def marks(table: Instruments, time_ns: int, mids: dict[int, float], **tables: Any) -> Batch:
    ticks = [int(table.to_ticks(i, m)) for i, m in mids.items()]
    tops = TOPS.make(
        instrument=list(mids), bid_ticks=[x - 5 for x in ticks], bid_qty=[9] * len(ticks),
        ask_ticks=[x + 5 for x in ticks], ask_qty=[9] * len(ticks), time_ns=[time_ns] * len(ticks),
    )  # fmt: skip
    return Batch.of("marks", key="A", tick=TICK.make(time_ns=[time_ns]), tops=tops, **tables)


def executed(table: Instruments, instrument: int, qty: int, price: float, kind: ExecType, **more: Any) -> Batch:
    row = {"portfolio": ["P"], "book": [1], "price": [price], "qty": [qty]}
    if kind == ExecType.FILL:
        row |= {"price_ticks": [int(table.to_ticks(instrument, price))], "qty": [abs(qty)]}
        row |= {"side": [int(Side.BID if qty > 0 else Side.ASK)]}
    rows = EXECUTIONS.make(exec_type=[int(kind)], instrument=[instrument], **row | {k: [v] for k, v in more.items()})
    return Batch.of("execution", key="A", executions=rows)


def client(batch: Batch) -> dict[str, float]:
    assert batch.explain.book[0] == 1
    return {n: float(getattr(batch.explain, n)[0]) for n in COLUMNS}


def pnl(batch: Batch) -> float:
    return float(batch.greeks.realised[0] + batch.greeks.unrealised[0])


def quoted(forward: float, vol: float, time_ns: int, rate: float) -> dict[int, float]:
    years = (LATER.value - time_ns) / YEAR
    values = [float(black76(r, forward, k, years, vol, rate)) for r, k in (("call", 105.0), ("put", 95.0))]
    return dict(enumerate([forward, *values]))


@pytest.mark.parametrize("rate", [0.0, 0.04])
def test_parts_are_those_of_the_expansion(rate: float) -> None:
    step = Exposures(LINEAR, ExposuresConfig(rate=rate))
    t0, t1 = NOW, NOW + DAY
    step.feed(marks(LINEAR, t0, quoted(100.0, 0.3, t0, rate), **shocks()))
    for i, qty in ((0, 4), (1, -7), (2, 5)):
        (first,) = step.feed(executed(LINEAR, i, qty, 50.0, ExecType.BOOKING))
    (last,) = step.feed(marks(LINEAR, t1, quoted(103.0, 0.27, t1, rate)))
    made = client(last)
    years = (LATER.value - t0) / YEAR
    expected = sum(
        explain_by_greeks(right, 100.0, k, years, rate, rate, 0.3, spot_change=3.0, vol_change=-0.03,
                          years_passed=1 / 365).iloc[0] * qty * 100.0
        for right, k, qty in (("call", 105.0, -7), ("put", 95.0, 5))
    )  # fmt: skip
    expected["delta"] += 4 * 100.0 * 3.0
    expected["total"] += 4 * 100.0 * 3.0
    for name in ("gamma", "vega", "theta", "vanna", "volga", "charm", "veta", "delta", "total", "unexplained"):
        assert made[name] == pytest.approx(expected[name], abs=2e-3), name  # quotes are whole ticks
    assert made["carry"] == made["fees"] == made["slippage"] == made["rho"] == 0.0
    assert made["total"] == pytest.approx(pnl(last) - pnl(first), abs=1e-6)


def test_a_fill_costs_its_fee_and_its_distance_to_the_mark() -> None:
    step = Exposures(LINEAR)
    step.feed(marks(LINEAR, NOW, {0: 100.0}, **shocks()))
    (bought,) = step.feed(executed(LINEAR, 0, 3, 100.02, ExecType.FILL, fee=1.5))
    assert bought.explain.from_ns[0] == NOW
    made = client(bought)
    assert made["slippage"] == pytest.approx(-6.0, abs=1e-6)
    assert (made["fees"], made["total"]) == (-1.5, pytest.approx(-7.5, abs=1e-6))
    step.feed(marks(LINEAR, NOW + S, {0: 100.5}))
    (sold,) = step.feed(executed(LINEAR, 0, -2, 100.45, ExecType.FILL, fee=1.0))
    made = client(sold)
    assert made["delta"] == pytest.approx(150.0, abs=1e-6)
    assert made["slippage"] == pytest.approx(-16.0, abs=1e-6)
    assert (made["fees"], made["unexplained"]) == (-2.5, pytest.approx(0.0, abs=1e-6))
    assert made["total"] == pytest.approx(pnl(sold), abs=1e-6)


def test_what_a_booking_brings_is_nobodys_pnl() -> None:
    step = Exposures(LINEAR)
    step.feed(marks(LINEAR, NOW, {0: 100.0}, **shocks()))
    step.feed(executed(LINEAR, 0, 1, 100.0, ExecType.BOOKING))
    (made,) = step.feed(executed(LINEAR, 0, 5, 60.0, ExecType.BOOKING, fee=2.0))
    assert client(made)["total"] == client(made)["fees"] == -2.0
    # nor is that of an option that nothing had quoted when it was booked
    step.feed(executed(LINEAR, 1, 5, 1.0, ExecType.BOOKING))
    (made,) = step.feed(marks(LINEAR, NOW + S, {1: 9.0}))
    assert pnl(made) == pytest.approx(20_000.0 + 4_000.0 - 2.0, abs=1e-2)
    assert client(made)["total"] == -2.0


def test_a_settlement_away_from_the_mark_is_unexplained() -> None:
    step = Exposures(LINEAR)
    step.feed(marks(LINEAR, NOW, {0: 100.0}, **shocks()))
    step.feed(executed(LINEAR, 0, 1, 100.0, ExecType.BOOKING))
    (made,) = step.feed(executed(LINEAR, 0, -1, 101.0, ExecType.SETTLEMENT))
    assert client(made)["unexplained"] == client(made)["total"] == pytest.approx(100.0, abs=1e-6)


def test_the_basis_is_carry_and_a_new_nearest_future_moves_nothing() -> None:
    table = Instruments((future("A.F", NEXT), future("A.G")))
    step = Exposures(table)
    step.feed(marks(table, NOW, {0: 100.0, 1: 104.0}, **shocks()))
    step.feed(executed(table, 1, 2, 104.0, ExecType.BOOKING))
    (made,) = step.feed(marks(table, NOW + S, {0: 101.0, 1: 105.5}))
    assert client(made)["delta"] == pytest.approx(200.0, abs=1e-6)
    assert client(made)["carry"] == pytest.approx(100.0, abs=1e-6)
    (made,) = step.feed(marks(table, NEXT.value + S, {1: 105.75}))  # the mark is the later future's now
    assert made.exposure.forward[0] == 105.75
    assert client(made)["delta"] == pytest.approx(200.0, abs=1e-6)
    assert client(made)["carry"] == pytest.approx(150.0, abs=1e-6)


def test_coin_contracts_are_explained_and_coin_pnl_held_is_carry() -> None:
    coin: dict[str, Any] = {"inverse": True, "settlement_currency": "BTC"}
    table = Instruments(
        (future("A.F", contract_value=10.0, **coin), option("A-C", "call", 105.0, multiplier=1.0, **coin))
    )
    step, vol = Exposures(table), 0.5

    def at(time_ns: int, forward: float) -> dict[int, float]:
        return {0: forward, 1: float(black76("call", forward, 105.0, (LATER.value - time_ns) / YEAR, vol)) / forward}

    step.feed(marks(table, NOW, at(NOW, 100.0), **shocks()))
    step.feed(executed(table, 0, -700, 100.0, ExecType.FILL))
    (before,) = step.feed(executed(table, 1, 100, 0.2, ExecType.FILL))
    (after,) = step.feed(marks(table, NOW + S, at(NOW + S, 100.4)))
    moved = {n: client(after)[n] - client(before)[n] for n in COLUMNS}
    # the future alone: -7000 / 100 coins short a move of 0.4 at the new coin price
    assert abs(moved["unexplained"]) < 1e-4 * abs(moved["delta"])
    assert moved["total"] == pytest.approx(pnl(after) - pnl(before), abs=1e-5)
    # P&L that stood in coin moves with the coin
    assert moved["carry"] == pytest.approx(pnl(before) * 0.004, rel=1e-9, abs=1e-5)


@pytest.mark.parametrize("lots", [1, 10**9])
def test_parts_sum_exactly_and_any_two_reports_subtract_exactly(lots: int) -> None:
    """Of a book in yen, beyond 2^33: to the last digits."""
    rng = np.random.default_rng(5)
    step = Exposures(LINEAR, ExposuresConfig(rate=0.03))
    t, f, vol = NOW, 100.0, 0.3
    step.feed(marks(LINEAR, t, quoted(f, vol, t, 0.03), **shocks()))
    told: list[np.ndarray] = []
    for _ in range(60):
        t, f, vol = t + int(rng.integers(1, 5)) * 10 * S, f * np.exp(rng.normal(0, 2e-3)), vol + rng.normal(0, 1e-3)
        mids = quoted(f, vol, t, 0.03)
        out = step.feed(marks(LINEAR, t, mids))
        if rng.random() < 0.7:
            i, qty = int(rng.integers(0, 3)), int(rng.integers(1, 9)) * int(rng.choice([-1, 1])) * lots
            price = round(mids[i] * 1.001, 6)
            out += step.feed(executed(LINEAR, i, qty, price, ExecType.FILL, fee=float(rng.random())))
        told += [np.array(list(client(b).values())) for b in out]
    assert len(told) > 80
    largest = max(float(np.abs(row).max()) for row in told)
    assert largest < 2**33 if lots == 1 else largest > 1e11
    loose = 0.0 if lots == 1 else 16 * float(np.spacing(largest))
    for row in told:
        assert abs(row[:-1].sum() - row[-1]) <= loose
        assert abs(row[:-1][::-1].sum() - row[-1]) <= loose
    for a, b in itertools.combinations(told[::9], 2):
        assert abs((b - a)[:-1].sum() - (b[-1] - a[-1])) <= loose
    last = told[-1]
    assert abs(last[COLUMNS.index("unexplained")]) < 1e-2 * np.abs(last[:-2]).sum()
    assert min(abs(last[COLUMNS.index(n)]) for n in ("delta", "gamma", "vega", "theta", "vanna", "slippage")) > 0
