"""Component ES: it sums to the report's ES, and is what full revaluation of each position alone says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.desk import Desk, DeskConfig, Run
from qflib.desk.closing import closing
from qflib.desk.datasets import load
from qflib.hedging.hedgers import Band
from qflib.records import COMPONENTS, EXECUTIONS, SCENARIO_SETS, SHOCKS, Batch, ExecType
from qflib.records.codec import decode, encode
from qflib.records.frames import to_frame
from qflib.shortfall import scenarios
from qflib.steps.exposures import Exposures, ExposuresConfig
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from qflib.steps.state import digest, pack, unpack
from tests.unit.steps.exposures.test_grids import DAY, Market, S, opened, stream, table

ONE_BY_ONE = 10**9
GREEKS = ("delta", "gamma", "vega", "theta", "vanna", "volga")


def told(out: list[Batch]) -> list[Any]:
    return [b.components for b in out if b.kind == "analytics" and len(b.components.es)]


def assert_sums(columns: Any, es: float) -> None:
    for by in (b"position", b"greek"):
        mine = columns.by == by
        assert math.fsum(columns.contribution[mine]) == es
        assert (columns.name[mine] == b"rest").sum() == 1
    assert set(columns.es) == {es}


@pytest.fixture(scope="module")
def run() -> tuple[Any, Any, Run]:
    feed = load("sim", seed=5, duration="6s", rate=2_000)
    scen = scenarios.default(feed.history, n_historical=500, n_simulated=2_500)
    desk = Desk(feed, hedger=Band(risk_aversion=1.0), scenarios=scen, config=DeskConfig(outcome_ns=2 * S))
    return feed, scen, desk.run()


def test_a_desks_positions_are_those_of_full_revaluation(run: Any) -> None:
    feed, scen, made = run
    compared = 0
    for report in made.recorder.snapshots:
        at = pd.Timestamp(int(report.risk.time_ns[0]), unit="ns", tz="UTC")
        mine = made.components.loc[[at]]
        mine = mine[mine["by"] == "position"]
        named = mine[mine["name"] == ""].set_index("instrument")["contribution"].groupby("instrument").sum()
        held = closing(report, feed.instruments)
        assert held.portfolio is not None
        want = held.portfolio.component_es(held.market, scen, by="instrument")
        contribution = pd.Series(want.contribution, want.names)
        assert sorted(named.index) == sorted(contribution.index)
        np.testing.assert_allclose(named[contribution.index], contribution, atol=1e-9 * want.es)
        assert math.fsum(mine["contribution"]) == float(report.risk.es_current[0])
        assert abs(mine["contribution"][mine["name"] == "rest"]).item() < 1e-12 * want.es
        compared += len(named)
    assert len(made.recorder.snapshots) >= 3
    assert compared > 30
    assert {"CLIENT", "HEDGE"} <= set(made.components["book"])


def test_greeks_are_summed_over_the_tail(run: Any) -> None:
    """Beside a plain Taylor sum; what it lacks to full revaluation of an underlying and book is of higher order."""
    feed, scen, made = run
    report = made.recorder.snapshots[-1]
    at = pd.Timestamp(int(report.risk.time_ns[0]), unit="ns", tz="UTC")
    rows = (
        made.components.loc[[at]]
        .query("by == 'greek'")
        .set_index(["underlying", "book", "name"])["contribution"]
        .sort_index()
    )
    held = closing(report, feed.instruments)
    assert held.portfolio is not None
    pnl = held.portfolio.scenario_pnl(held.market, scen).to_numpy()
    tail = np.argsort(pnl, kind="stable")[: round(0.025 * scen.n)]
    g, compared = report.greeks, 0
    for k, (name, book) in enumerate(zip(g.underlying.tolist(), ("CLIENT", "HEDGE") * 4, strict=True)):
        j = scen.underlyings.index(name.decode())
        x, v = float(g.forward[k]) * scen.spot_return[tail, j], scen.vol_shift[tail, j]
        of = (g.delta[k] * x, g.gamma[k] * x**2 / 2, g.vega[k] * v, np.full(len(x), g.theta[k] / 365),
              g.vanna[k] * x * v, g.volga[k] * v**2 / 2)  # fmt: skip
        for greek, part in zip(GREEKS, of, strict=True):
            assert rows[name.decode(), book, greek] == pytest.approx(-part.mean(), rel=1e-9, abs=1e-9)
            compared += 1
        side = held.client if book == "CLIENT" else held.hedge
        assert side is not None
        frame = side.to_frame()
        own = [feed.instruments[s].underlying == name.decode() for s in side.instruments]
        alone = type(side).from_frame(frame[own])
        whole = -alone.scenario_pnl(held.market, scen).to_numpy()[tail].mean()
        assert rows[name.decode(), book].sum() == pytest.approx(whole, rel=1e-7)
    assert compared == 48
    names = made.components.query("by == 'greek'")["name"]
    assert tuple(dict.fromkeys(names)) == (*GREEKS, "higher_order", "rest")


@pytest.mark.parametrize("grid_from", [ONE_BY_ONE, 1_000_000])
@pytest.mark.parametrize("inverse", [False, True])
def test_each_position_alone(inverse: bool, grid_from: int) -> None:
    """Two carriers with a basis, options that expire within the horizon, coin; on a grid the rest is its error."""
    instruments = table(inverse=inverse)
    market = Market(instruments, inverse=inverse)
    step = opened(instruments, market, grid_from)
    step._underlyings[0].sent[0].set_id = ""  # the portfolio has still to be told the set
    portfolio, n = Portfolio(instruments, PortfolioConfig(outcome_ns=5 * S)), 0
    for batch in stream(market, instruments, 8):
        for exposure in step.feed(batch):
            out = portfolio.feed(decode(encode(exposure)))
            for columns in told(out):
                n += 1
                es = float(next(b for b in out if b.kind == "risk").risk.es_current[0])
                assert_sums(columns, es)
                _compare(step, exposure, columns, es, grid_from == ONE_BY_ONE)
    assert n >= 2


def _compare(step: Exposures, exposure: Batch, columns: Any, es: float, exact: bool) -> None:
    shocks, entries = step._sets.of(0), step._ledger.of(0, 0)
    assert shocks is not None
    pnl = exposure.vectors.client + exposure.vectors.hedge
    tail = np.argsort(pnl, kind="stable")[: len(pnl) // 40]  # 250 of 10,000, whole
    rows = {(int(i), int(b)): k for k, (i, b) in enumerate(zip(columns.instrument, columns.book, strict=True))}
    parts = []
    for i in np.flatnonzero(entries["qty"]).tolist():
        alone = entries.copy()
        alone["qty"][np.arange(len(alone)) != i] = 0
        v = step._revaluation.value(alone, 0, int(exposure.greeks.time_ns[0]))
        assert v is not None
        book = int(entries["book"][i])
        parts.append(-float(step._revaluation.vector(v, book, shocks)[tail].mean()))
        got = float(columns.contribution[rows[int(entries["instrument"][i]), book]])
        assert got == pytest.approx(parts[-1], abs=1e-12 * es)
    rest = float(columns.contribution[(columns.by == b"position") & (columns.name == b"rest")].item())
    assert rest == pytest.approx(es - sum(parts), abs=1e-11 * es)
    if exact:
        assert abs(rest) < 1e-11 * es
    else:
        assert 0.0 < abs(rest) <= 5 * float(exposure.exposure.vector_error[0])


def test_once_in_a_horizon_and_where_an_underlying_has_come(run: Any) -> None:
    told = run[2].components.groupby(level=0)
    found = told["underlying"].nunique()[lambda n: n > 2]  # the empty one is the rest's
    assert len(found) >= 3
    assert found.index.floor("2s").is_unique
    for _, rows in told:
        for _, mine in rows.groupby("by"):
            assert (mine["name"] == "rest").sum() == 1
            assert math.fsum(mine["contribution"]) == mine["es"].iloc[0]


@pytest.mark.parametrize("cut_ms", [50, 125])
def test_the_same_bytes_however_the_feed_is_cut(cut_ms: int) -> None:
    def components(cut_ns: int) -> bytes:
        feed = load("sim", seed=9, duration="3s", rate=2_000)
        raw = feed.raw
        feed.raw = lambda period_ns: raw(cut_ns)  # type: ignore[method-assign]
        made = Desk(feed, hedger=Band(), config=DeskConfig(outcome_ns=S)).run()
        return COMPONENTS.to_struct(made.recorder.columns("components")).tobytes()

    whole = components(250_000_000)
    assert len(whole) > 60 * COMPONENTS.dtype.itemsize
    assert components(cut_ms * 1_000_000) == whole


def exposures_of(seed: int) -> tuple[Any, list[Batch]]:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False, seed=seed)
    step = opened(instruments, market)
    step._underlyings[0].sent[0].set_id = ""
    return instruments, [out for batch in stream(market, instruments, 12) for out in step.feed(batch)]


def test_restored_it_tells_the_same() -> None:
    instruments, seen = exposures_of(3)
    config = PortfolioConfig(outcome_ns=2 * S)
    whole, cut = Portfolio(instruments, config), Portfolio(instruments, config)
    n = 0
    for batch in seen:
        again = Portfolio(instruments, config)
        again.load(unpack(pack(cut.state())))
        assert digest(again.state()) == digest(cut.state())
        cut = again
        a, b = (step.feed(batch) for step in (whole, cut))
        assert [encode(x) for x in a] == [encode(x) for x in b]
        n += len(told(a))
    assert n >= 3


def test_a_state_from_before_has_no_vol_shifts_and_tells_with_the_next_set() -> None:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    step = opened(instruments, market)
    step._underlyings[0].sent[0].set_id = ""
    config = PortfolioConfig(outcome_ns=S)
    portfolio, later = Portfolio(instruments, config), Portfolio(instruments, config)
    before = stream(market, instruments, 6)
    out = [x for b in before for e in step.feed(b) for x in portfolio.feed(e)]
    assert told(out)
    state = {k: v for k, v in portfolio.state().items() if not k.endswith((".vol", "components.told"))}
    assert len(state) == len(portfolio.state()) - 2
    later.load(unpack(pack(state)))
    quiet = [x for b in stream(market, instruments, 6) for e in step.feed(b) for x in later.feed(e)]
    assert any(b.kind == "risk" for b in quiet)
    assert not told(quiet)
    head = SCENARIO_SETS.make(set_id=["t"], n_scenarios=[40], horizon_ns=[DAY], underlying=["A"], chunks=[1])
    moves = np.linspace(-0.1, 0.1, 40)
    market.move()
    fed = market.marks([0, 1], scenario_set=head, shocks=SHOCKS.make(spot_return=moves, vol_shift=-moves))
    made = told([x for e in step.feed(fed) for x in later.feed(e)])
    assert len(made) == 1
    assert set(made[0].set_id) == {b"t"}


def test_what_nothing_prices_adds_nothing() -> None:
    """An option without a volatility has no P&L in the vectors, and no contribution."""
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    step = Exposures(instruments, ExposuresConfig())
    rows = EXECUTIONS.make(
        exec_type=[int(ExecType.BOOKING)] * 2, instrument=[0, 40], qty=[3, 5], price=[100.0, 1.0], portfolio=["P"] * 2,
        book=[1, 2],
    )  # fmt: skip
    step.feed(Batch.of("execution", key="A", executions=rows))
    head = SCENARIO_SETS.make(set_id=["s"], n_scenarios=[40], horizon_ns=[DAY], underlying=["A"], chunks=[1])
    moves = np.linspace(-0.1, 0.1, 40)
    shocks = SHOCKS.make(spot_return=moves, vol_shift=np.zeros(40))
    portfolio = Portfolio(instruments, PortfolioConfig(period_ns=S))
    made = []
    for tables in ({"scenario_set": head, "shocks": shocks}, {}):
        for exposure in step.feed(market.marks([0, 1], **tables)):
            made += told(portfolio.feed(exposure))
        market.now += S
    [columns] = made
    frame = to_frame(columns, COMPONENTS, instruments)
    assert frame.query("instrument == 'A.F'")["contribution"].item() > 0
    assert frame[(frame["by"] == "position") & (frame["book"] == "HEDGE")]["contribution"].tolist() == [0.0]
    assert_sums(columns, float(columns.es[0]))
