"""Scenario P&L of many options off a grid: near the full revaluation as the market goes on, and the same restored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.pricing import black76
from qflib.records import EXECUTIONS, SCENARIO_SETS, SHOCKS, TICK, TOPS, Batch, ExecType, Instrument, Instruments
from qflib.records.codec import encode
from qflib.steps.exposures import Exposures, ExposuresConfig, grids
from qflib.steps.portfolio import Portfolio
from qflib.steps.state import pack, unpack

NOW = pd.Timestamp("2026-01-05T14:30Z").value
S, DAY, YEAR = 10**9, 86_400 * 10**9, 365 * 86_400 * 10**9
EXPIRIES = [pd.Timestamp("2026-01-05T21:00Z") + pd.Timedelta(days=d) for d in (1, 9, 40, 200)]
COIN: dict[str, Any] = {"inverse": True, "settlement_currency": "BTC"}


def table(*, inverse: bool) -> Instruments:
    """Two futures, each the carrier of two expiries of options."""
    more = dict(COIN) if inverse else {}
    more |= {"multiplier": 10.0}
    made = [
        Instrument(name, kind="future", underlying="A", expiry=e, contract_value=10.0, **more)
        for name, e in (("A.F", EXPIRIES[1]), ("A.G", EXPIRIES[3]))
    ]
    for e in EXPIRIES:
        for strike in np.linspace(80.0, 120.0, 15).round(2).tolist():
            made += [
                Instrument(f"A-{e:%m%d}-{strike}-{right[0]}", kind="option", right=right, style="european",
                           strike=strike, underlying="A", expiry=e, tick_schedule=(("0", "0.000001"),), **more)
                for right in ("call", "put")
            ]  # fmt: skip
    return Instruments(tuple(made))


class Market:
    """Marks of a forward, a basis and a volatility that move."""

    def __init__(self, instruments: Instruments, *, inverse: bool, seed: int = 2) -> None:
        self.table, self.inverse, self.rng = instruments, inverse, np.random.default_rng(seed)
        self.now, self.forward, self.basis, self.vol = NOW, 100.0, 1.0, 0.3

    def move(self, scale: float = 1.0) -> None:
        self.now += int(self.rng.integers(1, 30)) * 100_000_000
        self.forward *= float(np.exp(self.rng.normal(0, 1e-3 * scale)))
        self.basis += float(self.rng.normal(0, 1e-2 * scale))
        self.vol += float(self.rng.normal(0, 1e-3))

    def mids(self, at: list[int]) -> list[float]:
        made = []
        for i in at:
            r, own = self.table[i], self.forward + (self.basis if i != 0 else 0.0)
            if r.kind != "option":
                made.append(own)
                continue
            assert r.expiry is not None
            own = self.forward + (self.basis if r.expiry > EXPIRIES[1] else 0.0)
            price = float(black76(str(r.right), own, r.strike, (r.expiry.value - self.now) / YEAR, self.vol))
            made.append(max(price / own if self.inverse else price, 1e-5))
        return made

    def marks(self, at: list[int], **tables: Any) -> Batch:
        ticks = [int(self.table.to_ticks(i, m)) for i, m in zip(at, self.mids(at), strict=True)]
        tops = TOPS.make(
            instrument=at, bid_ticks=[x - 1 for x in ticks], bid_qty=[5] * len(at), ask_ticks=[x + 1 for x in ticks],
            ask_qty=[5] * len(at), time_ns=[self.now] * len(at),
        )  # fmt: skip
        return Batch.of("marks", key="A", tick=TICK.make(time_ns=[self.now]), tops=tops, **tables)


def opened(instruments: Instruments, market: Market, many: int = 1_000_000) -> Exposures:
    step, rng, n = Exposures(instruments, ExposuresConfig(grid_from=many)), np.random.default_rng(4), len(instruments)
    rows = EXECUTIONS.make(
        exec_type=[int(ExecType.BOOKING)] * n, instrument=np.arange(n), qty=rng.integers(-9, 10, n), price=[0.1] * n,
        portfolio=["P"] * n, book=[1] * n,
    )  # fmt: skip
    assert step.feed(Batch.of("execution", key="A", executions=rows)) == []
    m = 10_000
    head = SCENARIO_SETS.make(set_id=["s"], n_scenarios=[m], horizon_ns=[DAY], underlying=["A"], chunks=[1])
    shocks = SHOCKS.make(spot_return=np.expm1(0.015 * rng.standard_t(4, m)), vol_shift=rng.normal(0, 0.02, m))
    assert len(step.feed(market.marks(list(range(n)), scenario_set=head, shocks=shocks))) == 1
    return step


def stream(market: Market, instruments: Instruments, n: int) -> list[Batch]:
    out = []
    for k in range(n):
        market.move(scale=20.0 if k == n // 2 else 1.0)  # a jump beyond the grid
        quoted = market.rng.choice(np.arange(2, len(instruments)), 8, replace=False) if k % 3 == 0 else []
        out.append(market.marks([0, 1, *sorted(int(i) for i in quoted)]))
        if k % 5 == 2:
            i = int(market.rng.integers(2, len(instruments)))
            fill = EXECUTIONS.make(
                exec_type=[int(ExecType.FILL)], instrument=[i], qty=[2], side=[1 + k % 2], price_ticks=[90_000],
                portfolio=["P"], book=[1],
            )  # fmt: skip
            out.append(Batch.of("execution", key="A", executions=fill))
    return out


@pytest.mark.parametrize("inverse", [False, True])
def test_a_grid_stays_near_the_full_revaluation(inverse: bool) -> None:
    instruments = table(inverse=inverse)
    market = Market(instruments, inverse=inverse)
    step = opened(instruments, market)
    portfolio, reports = Portfolio(instruments), 0
    step._underlyings[0].sent[0].set_id = ""  # the portfolio has still to be told the set
    seen, puts = 0, []
    put = step._grids._put
    step._grids._put = lambda *a: puts.append(a[6]) or put(*a)  # type: ignore[func-returns-value,method-assign]
    for batch in stream(market, instruments, 60):
        for made in step.feed(batch):
            v = step._revaluation.value(step._ledger.of(0, 0), 0, int(made.exposure.time_ns[0]))
            shocks = step._sets.of(0)
            assert v is not None
            assert shocks is not None
            whole = step._revaluation.vector(v, 1, shocks)
            error = np.abs(made.vectors.client - whole).max()
            assert 0.0 < error < 5 * grids.NEAR_ENOUGH * np.abs(whole).max()
            told = float(made.exposure.vector_error[0])
            assert told == sum(t.error for t in step._grids._grids[0, 0, 1].tables.values())
            assert 0.0 < told < 5 * grids.NEAR_ENOUGH * np.abs(whole).max()
            for out in portfolio.feed(made):
                if out.kind == "risk":
                    reports += 1
                    assert out.risk.vector_error.tolist() == [told, told]
            seen += 1
    assert seen > 60
    assert reports > 50
    assert len(puts) > 100
    grid = step._grids._grids[0, 0, 1]
    assert len(grid.tables) == 2  # a carrier each
    on = grid.references[0] != 0.0
    short = [i for i, r in enumerate(instruments) if r.kind == "option" and r.expiry == EXPIRIES[0]]
    assert on.sum() > 60
    assert not on[short].any()


@pytest.mark.parametrize(("start", "end"), [(0.4, 0.2), (0.3, 0.1), (0.6, 0.078), (0.1, 0.5)])
def test_it_stays_near_as_volatility_goes(start: float, end: float) -> None:
    """Options are quoted anew at another level, some at a time: the grid that was fine enough is not any more."""
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    market.vol = start
    step, worst = opened(instruments, market), 0.0
    for k in range(2, len(instruments), 8):
        market.now += S
        market.vol = end
        for made in step.feed(market.marks([0, 1, *range(k, min(k + 8, len(instruments)))])):
            v, shocks = step._revaluation.value(step._ledger.of(0, 0), 0, market.now), step._sets.of(0)
            assert v is not None
            assert shocks is not None
            whole = step._revaluation.vector(v, 1, shocks)
            worst = max(worst, float(np.abs(made.vectors.client - whole).max() / np.abs(whole).max()))
    print(f"{start} -> {end}: {worst:.2g}")
    assert worst < 5 * grids.NEAR_ENOUGH


def test_restored_in_the_middle_it_goes_on_bit_for_bit() -> None:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    step = opened(instruments, market)
    restored = Exposures(instruments)
    batches = stream(market, instruments, 40)
    for batch in batches[:25]:
        step.feed(batch)
    restored.load(unpack(pack(step.state())))
    for batch in batches[25:]:
        assert [encode(b) for b in restored.feed(batch)] == [encode(b) for b in step.feed(batch)]
    assert pack(restored.state()) == pack(step.state())


def test_few_options_are_revalued_one_by_one() -> None:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    step = opened(instruments, market, 10**9)
    (made,) = step.feed(market.marks([0, 1])) or step.feed(_later(market))
    v = step._revaluation.value(step._ledger.of(0, 0), 0, int(made.exposure.time_ns[0]))
    shocks = step._sets.of(0)
    assert v is not None
    assert shocks is not None
    assert made.exposure.vector_error[0] == 0.0
    assert made.vectors.client.tobytes() == step._revaluation.vector(v, 1, shocks).tobytes()
    assert not step._grids._grids


def test_where_no_grid_is_near_enough_the_vector_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    monkeypatch.setattr(grids, "NEAR_ENOUGH", 1e-15)
    step = opened(instruments, market)
    market.move()
    market.now += S
    (made,) = step.feed(market.marks([0, 1]))
    v = step._revaluation.value(step._ledger.of(0, 0), 0, int(made.exposure.time_ns[0]))
    shocks = step._sets.of(0)
    assert v is not None
    assert shocks is not None
    np.testing.assert_allclose(made.vectors.client, step._revaluation.vector(v, 1, shocks), rtol=1e-12, atol=1e-9)


def _later(market: Market) -> Batch:
    market.now += S
    return market.marks([0, 1])
