"""A day read back from a history is the run that made it; the report's tables and page are of that day, or say so."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk.closing import closing
from qflib.desk.hedge_fills import hedge_fills
from qflib.desk.history_day import day_of, days_of
from qflib.errors import DataError, InputError
from qflib.jobs import JobRun, daily_risk_pictures, run_job
from qflib.jobs.daily_risk import DailyRisk, Unavailable
from qflib.jobs.daily_risk_source import daily_risk
from qflib.jobs.runner import _data
from tests.jobs.conftest import DATE, Day

LEVEL = 0.975


@pytest.fixture(scope="module")
def report(day: Day) -> DailyRisk:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_STATE", str(day.state))
        return daily_risk(DATE)


@pytest.fixture(scope="module")
def job(day: Day) -> JobRun:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_STATE", str(day.state))
        return run_job("daily_risk", DATE)


def test_a_day_of_the_history_is_the_run(day: Day) -> None:
    read = day_of(day.state / "up" / "history", DATE)
    for name in ("risk", "executions", "hedges", "outcomes", "forecasts", "explain", "positions"):
        got, want = getattr(read.run, name), getattr(day.run, name)
        if name == "executions":
            want = want[want["portfolio"] == "DESK1"]
        if name == "hedges":
            assert len(got)
        pd.testing.assert_frame_equal(got, want, check_index_type=False, check_freq=False)
    assert read.run.recorder.hedge_orders == len(day.run.hedges) > day.run.hedges["hedge_no"].nunique()
    assert read.scenarios == day.scenarios
    assert read.dead_letters == {"orders.incoming.dead": 1}
    assert read.run.plot() is not None
    assert days_of(day.state / "up" / "history", "DESK1") == days_of(day.state / "up" / "history") == (DATE,)


def test_a_date_or_portfolio_that_is_not_there(day: Day) -> None:
    with pytest.raises(DataError, match=f"no risk reports of 'DESK1' on 2024-01-03; it has those of {DATE}"):
        day_of(day.state / "up" / "history", "2024-01-03")
    with pytest.raises(DataError, match=r"no risk reports of 'DESK9'.*; it has none at all"):
        day_of(day.state / "up" / "history", DATE, "DESK9")


def test_the_report_of_the_history(report: DailyRisk, day: Day) -> None:
    assert report.source == "history"
    assert "SIMULATED" not in report._repr_html_()
    close = report.close()
    mine = day.run.risk[day.run.risk["level"] == LEVEL]
    assert close.loc["ES at the close", "current"] == mine["es_current"].iloc[-1]
    assert close.loc["ES, greatest of the day", "unhedged"] == mine["es_unhedged"].max()
    assert report.limit == 40_000.0
    assert close.loc["reports beyond the limit", "unhedged"] == (mine["es_unhedged"] > 40_000.0).sum() > 0
    assert report.quality().loc["dead letters of orders.incoming", ""] == 1
    assert len(report.hedges()) == day.run.summary()["hedge"]["fills"]
    assert np.isclose(report.hedges()["cost"].sum(), day.run.summary()["hedge"]["cost"])
    assert report.facts()["figures"]["es_current"] == mine["es_current"].iloc[-1]
    assert report.backtest().n == len(day.run.forecasts)


def test_rebuilt_figures_are_the_reported_ones(report: DailyRisk) -> None:
    told = report.risk.iloc[-1]
    component = report.component_es()
    np.testing.assert_allclose(component.es, told["es_current"], rtol=1e-9)
    np.testing.assert_allclose(component.to_frame()["contribution"].sum(), told["es_current"], rtol=1e-9)
    client = report.closing.client
    es = qf.expected_shortfall(client.scenario_pnl(report.closing.market, report.scenarios), level=LEVEL, kind="pnl")
    np.testing.assert_allclose(es.es, told["es_unhedged"], rtol=1e-9)
    last = report.run.recorder.latest["risk"].greeks
    want = dict.fromkeys((u.decode() for u in last.underlying.tolist()), 0.0)
    for u, delta in zip(last.underlying.tolist(), last.cash_delta.tolist(), strict=True):
        want[u.decode()] += delta
    got = report.cash_greeks()["delta"]
    np.testing.assert_allclose(got.drop("all"), pd.Series(want)[got.drop("all").index], rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(got["all"], sum(want.values()), atol=1e-5)
    assert report.ladder().to_frame().loc[0.0, 0.0] == pytest.approx(0.0, abs=1e-6)
    net = report.positions()["net"]
    assert net["ACME-20260220-95-C"] == -90.0


def test_a_long_day_is_drawn_by_its_greatest(report: DailyRisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qflib.jobs.daily_risk.POINTS", 10)
    rows = report.through_the_day()
    assert len(rows) <= 11
    assert rows.index.is_monotonic_increasing
    assert rows["ES current"].max() == report.risk["es_current"].max()


def test_what_a_portfolio_does_not_revalue_is_left_out(day: Day) -> None:
    report, table = day.run.recorder.latest["risk"], day.run.recorder.instruments
    made = closing(report, table, currency="EUR")
    assert made.portfolio is None
    assert len(made.left_out) == len(day.run.positions)


def test_without_scenarios_it_says_so(report: DailyRisk) -> None:
    from dataclasses import replace

    bare = replace(report, scenarios=None)
    assert isinstance(bare.component_es(), Unavailable)
    assert "does not hold the scenario set" in bare.component_es().plot()._repr_html_()
    assert "not possible" in bare.quality().loc["ES recomputed from positions and scenarios", ""]


def test_a_date_without_history_says_so(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    made = daily_risk("2024-01-03", duration="5s")
    assert made.source == "simulated"
    shown = made._repr_html_()
    assert "SIMULATED MARKET" in shown
    assert f"no reports of this date, the last ones are of {DATE}" in shown
    assert "clock says 2026-01-05 14:30" in shown
    assert isinstance(made.backtest(), Unavailable)
    assert isinstance(daily_risk_pictures.explain(made), Unavailable)
    with pytest.raises(DataError, match="no risk reports"):
        daily_risk("2024-01-03", source="history")
    with pytest.raises(InputError, match=r"level 0\.9 is not reported; give one of 0\.975, 0\.99"):
        daily_risk(DATE, level=0.9)
    with pytest.raises(InputError, match="source 'news' is unknown"):
        daily_risk(DATE, source="news")


def test_a_desk_that_does_not_hedge_has_no_fills() -> None:
    run = qf.Desk(qf.datasets.load("sim", seed=7, duration="1s", rate=500)).run(digests=False)
    assert hedge_fills(run).empty


def test_the_job_and_its_page(job: JobRun, day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    assert job.reason == ""
    assert job.status == "done"
    assert job.html is not None
    page = job.html.read_text()
    # nothing is fetched: no script, style, frame or picture of another file; "url(" of a style is data
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=", page.replace("<script>", ""))
    assert "@import" not in page
    assert page.count("Bokeh.embed.embed_item(") == 7
    assert "holoviews_load" not in page
    assert "From the desk&#x27;s history" in page or "From the desk's history" in page
    told = json.loads(job.html.with_suffix(".json").read_text())
    assert told["source"]["kind"] == "history"
    assert told["figures"]["es_current"] == day.run.risk.query("level == @LEVEL")["es_current"].iloc[-1]
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    assert run_job("daily_risk", DATE).status == "already_done"
    # a report made before the history had the date was another run: it is not taken for the desk's
    assert _data(day.state, DATE) == "history"
    assert _data(day.state, "2024-01-03") == _data(day.state / "none", DATE) == "none"
