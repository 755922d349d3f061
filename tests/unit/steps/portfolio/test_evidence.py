"""Evidence on the stream is the e-backtest's own: the same bits as a notebook makes of the same forecasts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.kernels.e_backtest import BETTINGS, MEASURES
from qflib.records import ROLLING, Batch
from qflib.records.codec import decode, encode
from qflib.shortfall import EBacktest, rolling_es
from qflib.steps.portfolio import Portfolio, PortfolioConfig
from qflib.steps.portfolio.evidence import Evidence
from qflib.steps.portfolio.outcomes import Outcomes
from qflib.steps.state import digest, pack, unpack

MIN = 60 * 10**9
LEVELS = (0.975, 0.99)


def rolling(minute: int, pnl: float, forecasts: list[tuple[float, float]], actual: float = 0.0) -> Any:
    """Rows as `Outcomes` tells them: hypothetical at each level, then actual."""
    var, es = zip(*forecasts, strict=True)
    return ROLLING.make(
        portfolio=["P"] * 4, outcome=["hypothetical"] * 2 + ["actual"] * 2, level=np.tile(LEVELS, 2),
        pnl=[pnl, pnl, actual, actual], forecast_var=np.tile(var, 2), forecast_es=np.tile(es, 2),
        time_ns=minute * MIN, period_ns=MIN,
    )  # fmt: skip


def minutes(n: int, seed: int) -> list[tuple[float, list[tuple[float, float]]]]:
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        scale = 1.0 + 0.3 * rng.random()
        forecast = [(1.7 * scale, 2.0 * scale), (2.0 * scale, 2.2 * scale)]
        made.append((scale * rng.standard_t(3), [(np.nan, np.nan)] * 2 if k % 17 == 5 else forecast))
    return made


def test_each_level_is_judged_by_hypothetical_outcomes() -> None:
    step, tests = Evidence(LEVELS), [EBacktest(level) for level in LEVELS]
    alarms = 0
    for k, (pnl, forecasts) in enumerate(minutes(200, 1), 1):
        rows = step.update(rolling(k, pnl, forecasts, actual=1e9))
        assert rows.measure.tolist() == [m.encode() for m in MEASURES for _ in BETTINGS] * 2
        assert rows.betting.tolist() == [b.encode() for b in BETTINGS] * 4
        assert set(rows.time_ns) == {k * MIN}
        expected = []
        for test, (var, es) in zip(tests, forecasts, strict=True):
            test.update(pnl, var, es, k * MIN)
            expected.append(test.evidence())
        both = pd.concat(expected)
        for name in both.columns:
            assert getattr(rows, name).astype(both[name].dtype).tobytes() == both[name].to_numpy().tobytes(), name
        np.testing.assert_array_equal(rows.forecast_es, np.repeat([es for _, es in forecasts], 8))
        np.testing.assert_array_equal(rows.pnl, pnl)
        alarms = max(alarms, int(rows.alarm.max()))
    assert alarms == 10


def test_state_goes_on_through_bytes_and_is_never_reset() -> None:
    whole, cut = Evidence(LEVELS), Evidence(LEVELS)
    highest = np.zeros(16)
    for k, (pnl, forecasts) in enumerate(minutes(120, 2), 1):
        other = Evidence(LEVELS)
        other.load(unpack(pack(cut.state())))
        cut = other
        a, b = (step.update(rolling(k, pnl, forecasts)) for step in (whole, cut))
        assert [x.tobytes() for x in a] == [x.tobytes() for x in b]
        assert (a.alarm >= highest).all()
        highest = a.alarm
    assert digest(whole.state()) == digest(cut.state())


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_figures_that_are_no_numbers_are_no_test(bad: float) -> None:
    """An infinite loss beside an infinite ES made evidence NaN for ever."""
    step = Evidence(LEVELS)
    for k, (pnl, forecasts) in enumerate(minutes(20, 4), 1):
        step.update(rolling(k, pnl, forecasts))
    before = digest(step.state())
    for pnl, var, es in ((bad, 1.0, bad), (bad, 1.0, 2.0), (-3.0, 1.0, bad), (-3.0, bad, bad)):
        rows = step.update(rolling(21, pnl, [(var, es)] * 2))
        assert digest(step.state()) == before
        assert set(rows.pnl.tolist()) == {pnl} or math.isnan(pnl)


def test_a_state_without_evidence_begins_and_levels_keep_their_own() -> None:
    step = Evidence(LEVELS)
    for k, (pnl, forecasts) in enumerate(minutes(50, 3), 1):
        step.update(rolling(k, pnl, forecasts))
    fresh = Evidence(LEVELS)
    fresh.load({})
    assert digest(fresh.state()) == digest(Evidence(LEVELS).state())
    other = Evidence((0.99, 0.95))
    other.load(step.state())
    assert other.state()["evidence"][0].tobytes() == step.state()["evidence"][1].tobytes()
    assert other.state()["evidence"][1].tobytes() == Evidence((0.95,)).state()["evidence"][0].tobytes()


FAST = qf.DeskConfig(outcome_ns=50_000_000, period_ns=25_000_000)


@pytest.fixture(scope="module")
def recorded() -> tuple[qf.Run, Any, list[Batch]]:
    """A desk whose outcomes take a twentieth of a second, its instruments, and what its portfolio step was fed."""
    feed = qf.datasets.load("sim", seed=5, duration="3s", rate=1_000)
    desk, seen = qf.Desk(feed, config=FAST), []
    timed = desk._chain["portfolio"]
    own = timed.step

    class Tap:
        name, state, load = own.name, own.state, own.load

        def feed(self, batch: Batch) -> list[Batch]:
            seen.append(batch)
            return own.feed(batch)

    timed.step = Tap()
    return desk.run(), feed.instruments, seen


def test_a_runs_evidence_is_the_backtest_of_its_forecasts(recorded: Any) -> None:
    f, evidence = recorded[0].forecasts, recorded[0].evidence
    assert len(f) > 50
    assert f["level"].iloc[0] == 0.975
    test = EBacktest(0.975)
    times = f["time"].dt.as_unit("ns").astype("int64").to_numpy()
    _, _, log_e = test.roll(*(f[c].to_numpy() for c in ("outcome", "var", "es")), times)
    mine = evidence[evidence["level"] == 0.975].reset_index()
    for m, measure in enumerate(MEASURES):
        for k, betting in enumerate(BETTINGS):
            rows = mine[(mine["measure"] == measure) & (mine["betting"] == betting)]
            rows = rows[rows["forecast_es"].notna()]
            assert rows["log_e"].to_numpy().tobytes() == np.ascontiguousarray(log_e[:, m, k]).tobytes()
            assert rows["pnl"].to_numpy().tobytes() == f["outcome"].to_numpy().tobytes()
            last, told = rows.iloc[-1], test.evidence().loc[(measure, betting)]
            for name in told.index:
                assert last[name] == told[name], name
    assert evidence["n"].max() > 50
    assert np.count_nonzero(evidence["log_e"]) > 100
    path = qf.backtest(f, regressions=False).path
    for m, measure in enumerate(MEASURES):
        assert path[f"log_{measure}_grem"].to_numpy().tobytes() == np.ascontiguousarray(log_e[:, m, 3]).tobytes()


def test_weighted_shortfall_is_that_of_the_outcomes(recorded: Any) -> None:
    outcomes = recorded[0].outcomes
    for _, rows in outcomes.groupby(["outcome", "level"]):
        x = rolling_es(rows["pnl"].to_numpy(), 250, rows["level"].iloc[0], kind="pnl", decay=0.99, min_periods=1)
        np.testing.assert_array_equal(rows["es_weighted"], x["es"])
        np.testing.assert_array_equal(rows["var_weighted"], x["var"])
        assert (rows["decay"] == 0.99).all()


def test_the_portfolio_step_tells_the_same_bytes_after_every_restore(recorded: Any) -> None:
    _, table, seen = recorded
    config = PortfolioConfig(hedging=False, outcome_ns=FAST.outcome_ns, period_ns=FAST.period_ns)
    whole = Portfolio(table, config)
    expected = [encode(out) for b in seen for out in whole.feed(b)]
    cuts = np.sort(np.random.default_rng(6).choice(np.arange(1, len(seen)), 12, replace=False))
    got, step = [], Portfolio(table, config)
    for part in np.split(np.arange(len(seen)), cuts):
        restored = Portfolio(table, config)
        restored.load(unpack(pack(step.state())))
        step = restored
        got += [encode(out) for i in part for out in step.feed(seen[i])]
    assert got == expected
    assert digest(step.state()) == digest(whole.state())
    told = [decode(e) for e in expected]
    assert sum(len(b.evidence.n) > 0 for b in told if b.kind == "analytics") > 50


def test_a_snapshot_from_before_weights_goes_on_by_the_outcomes_it_kept() -> None:
    before = Outcomes(LEVELS, MIN, 5, 0.9)
    before._past = np.array([[1.0, 2.0], [-3.0, 0.5], [0.2, -4.0]])
    after = Outcomes(LEVELS, MIN, 5, 0.9)
    after.load({k: v for k, v in before.state().items() if k != "weighted"})
    measured = after._weigh(np.array([[-1.0, -1.0]]))
    for k in range(2):
        x = np.append(before._past[:, k], -1.0)
        told = rolling_es(x, 5, LEVELS, kind="pnl", decay=0.9, min_periods=1).iloc[-1]
        np.testing.assert_array_equal(measured[k, :, 0], told["es"])
        np.testing.assert_array_equal(measured[k, :, 1], told["var"])
