"""The desk's risk figures against a plain full revaluation: SciPy, one option and scenario set at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from qflib.desk import Desk, Run
from qflib.desk.datasets import load
from qflib.desk.explain import COLUMNS
from qflib.errors import InputError
from qflib.hedging import Portfolio
from qflib.hedging.hedgers import Band
from qflib.records import Batch
from qflib.records.topics import RISK_METRICS
from qflib.shortfall import scenarios

YEAR_NS = 365 * 86_400 * 10**9
LEVELS = (0.975, 0.99)


class Reports:
    """Every risk report of a run, whole."""

    def __init__(self, desk: Desk) -> None:
        self.all: list[Batch] = []
        timed = desk._chain["portfolio"]
        inner = timed.step

        class Noting:
            name = inner.name
            state, load = inner.state, inner.load

            def feed(_, batch: Batch) -> list[Batch]:
                made = inner.feed(batch)
                self.all += [b for b in made if b.topic == RISK_METRICS]
                return made

        timed.step = Noting()


@pytest.fixture(scope="module")
def hedged() -> tuple[Any, Any, list[Batch], Run]:
    feed = load("sim", seed=5, duration="8s", rate=4_000)
    scen = scenarios.default(feed.history)
    desk = Desk(feed, hedger=Band(), scenarios=scen)
    reports = Reports(desk)
    run = desk.run()
    return feed, scen, reports.all, run


def expected_shortfall(pnl: np.ndarray, level: float) -> float:
    losses = np.sort(-pnl)[::-1]
    mass = len(pnl) * (1 - level)
    whole = int(np.floor(mass + 1e-9))
    part = max(mass - whole, 0.0)
    return float((losses[:whole].sum() + part * losses[whole]) / mass)


def black76(right: float, forward: np.ndarray, strike: float, years: float, vol: np.ndarray) -> np.ndarray:
    if years <= 0:
        return np.maximum(right * (forward - strike), 0.0)
    d1 = np.log(forward / strike) / (vol * np.sqrt(years)) + 0.5 * vol * np.sqrt(years)
    d2 = d1 - vol * np.sqrt(years)
    return right * (forward * norm.cdf(right * d1) - strike * norm.cdf(right * d2))


def revalued(feed: Any, scen: Any, report: Batch, books: tuple[int, ...], extra: dict[int, int]) -> np.ndarray:
    """Scenario P&L of the positions a report lists, and of `extra` lots."""
    table, p, g = feed.instruments, report.positions, report.greeks
    market = {u.decode(): (f, int(t)) for u, f, t in zip(g.underlying, g.forward, g.time_ns, strict=True)}
    total = np.zeros(scen.n)
    held = [
        (int(i), int(q), float(v))
        for i, b, q, v in zip(p.instrument, p.book, p.qty, p.implied_vol, strict=True)
        if b in books
    ]
    for i, qty, vol in held + [(i, q, np.nan) for i, q in extra.items()]:
        row = table[i]
        if not qty:
            continue
        forward, now = market[row.underlying]
        j = scen.underlyings.index(row.underlying)
        after = forward * (1 + scen.spot_return[:, j])
        if row.kind == "future":
            total += qty * row.multiplier * (after - forward)
            continue
        right = 1.0 if row.right == "call" else -1.0
        years = (row.expiry.value - now) / YEAR_NS
        left = max((row.expiry.value - now - scen.horizon_ns) / YEAR_NS, 0.0)
        shifted = np.maximum(vol + scen.vol_shift[:, j], 0.01)
        before = black76(right, np.array([forward]), row.strike, years, np.array([vol]))[0]
        total += qty * row.multiplier * (black76(right, after, row.strike, left, shifted) - before)
    return total


def test_every_es_is_that_of_a_full_revaluation(hedged: Any) -> None:
    feed, scen, reports, _ = hedged
    assert len(reports) > 25
    proposed = 0
    for report in reports:
        h, r = report.hedges, report.risk
        extra: dict[int, int] = {}
        for i, q in zip(h.instrument.tolist(), h.qty.tolist(), strict=True):
            extra[i] = extra.get(i, 0) + q
        proposed += bool(extra)
        vectors = {
            "es_unhedged": revalued(feed, scen, report, (1,), {}),
            "es_current": revalued(feed, scen, report, (1, 2), {}),
            "es_target": revalued(feed, scen, report, (1, 2), extra),
        }
        for k, level in enumerate(LEVELS):
            for name, pnl in vectors.items():
                cost = float(h.cost.sum()) if name == "es_target" else 0.0
                np.testing.assert_allclose(getattr(r, name)[k], expected_shortfall(pnl, level) + cost, rtol=1e-6)
    assert proposed >= 4, "no report proposed a hedge: es_target was not put to the test"


def test_explain_sums_exactly_and_is_the_change_of_the_reports_own_pnl(hedged: Any) -> None:
    reports, run = hedged[2], hedged[3]
    opened = next(
        k for k, b in enumerate(reports) if b.count and len(b.positions.qty) == len(reports[-1].positions.qty)
    )
    rows = []
    for b in reports:
        e = b.explain
        figures = np.stack([getattr(e, n) for n in COLUMNS])
        assert (figures[:-1].sum(axis=0) == figures[-1]).all()
        rows.append(figures)
    first, last = reports[opened], reports[-1]
    moved = rows[-1] - rows[opened]
    assert (moved[:-1].sum(axis=0) == moved[-1]).all()
    told = [b.greeks.realised + b.greeks.unrealised for b in (first, last)]
    np.testing.assert_allclose(moved[-1], told[1] - told[0], atol=2e-6)
    assert (last.explain.time_ns == last.greeks.time_ns).all()
    hedges = last.explain.book == 2
    assert rows[-1][COLUMNS.index("slippage"), hedges].sum() < 0
    assert np.abs(moved[COLUMNS.index("unexplained")]).max() < 1e-4 * np.abs(moved).max()
    assert len(run.explain.columns) == len(COLUMNS)


def test_hedging_cuts_expected_shortfall(hedged: Any) -> None:
    risk = hedged[3].risk
    settled = risk[risk.index > risk.index[0] + pd.Timedelta("1s")]  # positions are booked one by one at the start
    assert settled["es_current"].median() <= 0.6 * settled["es_unhedged"].median()


def test_without_hedging_current_is_unhedged_exactly() -> None:
    run = Desk(load("sim", seed=5, duration="2s", rate=4_000), hedger=None).run()
    assert len(run.risk) > 4
    assert run.recorder.hedge_orders == 0
    assert (run.risk["es_current"] == run.risk["es_unhedged"]).all()
    assert (run.risk["es_target"] == run.risk["es_unhedged"]).all()


@pytest.mark.parametrize("cut_ms", [50, 125])
def test_the_desk_gives_the_same_reports_however_its_feed_is_cut(cut_ms: int) -> None:
    """Feed slices that divide the period leave every execution and report as it was."""

    def reports(cut_ns: int) -> tuple[bytes, bytes]:
        feed = load("sim", seed=9, duration="3s", rate=4_000)
        raw = feed.raw
        feed.raw = lambda period_ns: raw(cut_ns)  # type: ignore[method-assign]
        run = Desk(feed, hedger=Band()).run()
        rows = [run.recorder.columns(n) for n in ("risk", "executions")]
        return rows[0].es_target.tobytes(), b"".join(a.tobytes() for a in rows[1])

    whole = reports(250_000_000)
    assert len(whole[0]) > 8 * 20
    assert reports(cut_ms * 1_000_000) == whole


def test_order_latency_is_market_time_and_changes_no_rule() -> None:
    from qflib.desk import DeskConfig

    run = Desk(
        load("sim", seed=5, duration="4s", rate=4_000), hedger=Band(), config=DeskConfig(order_latency_ns=400_000_000)
    ).run()
    x = run.executions
    acks = x[(x["exec_type"] == "new") & (x["hedge_no"] > 0)]
    assert len(acks) >= 4
    assert acks.groupby(["instrument", "hedge_no"]).size().max() == 1
    assert run.risk["es_current"].iloc[-1] < 0.6 * run.risk["es_unhedged"].iloc[-1]


def test_a_position_larger_than_the_book_is_hedged_an_order_a_boundary() -> None:
    """Two thousand lots against a book that shows hundreds: no flood of orders, and the risk goes down."""
    feed = load("sim", seed=5, duration="8s", rate=4_000)
    held = Portfolio.from_frame(pd.DataFrame({"instrument": ["ACME.F"], "qty": [2_000.0], "avg_price": [100.0]}))
    run = Desk(feed, portfolio=held, hedger=Band()).run()
    x = run.executions
    acks = x[(x["exec_type"] == "new") & (x["hedge_no"] > 0)]
    assert 2 <= len(acks) <= 33  # a boundary has one order at most
    assert acks.index.is_unique
    assert run.risk["es_current"].iloc[-1] < 0.9 * run.risk["es_unhedged"].iloc[-1]


def test_a_desk_runs_once_and_stops_where_it_is_told() -> None:
    feed = load("sim", seed=5, duration="8s", rate=4_000)
    desk = Desk(feed, hedger=None)
    run = desk.run(until=feed.start + pd.Timedelta("3s"))
    assert run.summary()["market_seconds"] == 3.0
    assert run.risk.index.max() <= feed.start + pd.Timedelta("3s")
    with pytest.raises(InputError, match="has run"):
        desk.run()


def test_what_a_hedge_cost_is_told_by_its_fills(hedged: Any) -> None:
    run = hedged[3]
    h = run.hedges
    whole = h[h["filled"] == h["qty"].abs()]
    assert len(whole) >= 4
    np.testing.assert_allclose(whole["realised_cost"], whole["cost"], atol=1e-6)  # nothing moved between
    assert run.summary()["hedge"]["cost"] == pytest.approx(h["realised_cost"].sum())


def test_a_desk_runs_on_a_frame() -> None:
    feed = load("sim", seed=5, duration="2s", rate=2_000)
    held = Portfolio.from_frame(feed.positions)
    scen = scenarios.default(feed.history, n_historical=200, n_simulated=800)
    run = Desk(feed.to_frame(), portfolio=held, hedger=Band(), scenarios=scen, instruments=feed.instruments).run()
    assert run.events == len(feed.to_frame())
    assert run.risk["es_unhedged"].iloc[-1] > 10_000
    with pytest.raises(InputError, match="history"):
        Desk(feed.to_frame(), portfolio=held, instruments=feed.instruments)
    with pytest.raises(InputError):
        Desk("no feed")  # type: ignore[arg-type]
