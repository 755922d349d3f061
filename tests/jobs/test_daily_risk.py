"""A day read back from a history is the run that made it; the report's tables and page are of that day, or say so."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

import qflib as qf
from docs.site.executed import NOTEBOOKS, keep
from qflib.cli import main
from qflib.desk.closing import closing
from qflib.desk.deployment import Deployment
from qflib.desk.hedge_fills import hedge_fills
from qflib.desk.history_day import day_of, days_of
from qflib.errors import DataError, InputError
from qflib.jobs import JobRun, daily_risk_pictures, daily_risk_source, load_job, run_job, simulated_desk
from qflib.jobs.daily_risk import DailyRisk, Unavailable
from qflib.jobs.daily_risk_source import daily_risk
from qflib.records import Batch
from tests.jobs.conftest import DATE, LIMIT, Day

LEVEL = 0.975


def with_positions(report: DailyRisk, last: Batch, positions: Any) -> DailyRisk:
    """The report, had its last positions been these."""
    recorder = copy(report.run.recorder)
    recorder.latest = recorder.latest | {"risk": Batch("risk", {**last.tables, "positions": positions}, last.header)}
    return replace(report, run=replace(report.run, recorder=recorder))


@pytest.fixture(scope="module")
def report(day: Day) -> DailyRisk:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_STATE", str(day.state))
        return daily_risk(DATE)


@pytest.fixture(scope="module")
def job(day: Day) -> JobRun:
    made = run_job("daily_risk", DATE, state=day.state)
    assert made.notebook is not None
    keep(NOTEBOOKS / "reports" / "daily_risk.ipynb", nbformat.read(made.notebook, as_version=4))  # the site shows it
    return made


def test_a_day_of_the_history_is_the_run(day: Day) -> None:
    read = day_of(day.state / "up" / "history", DATE)
    names = ("risk", "executions", "hedges", "outcomes", "evidence", "components", "forecasts", "explain", "positions")
    for name in names:
        got, want = getattr(read.run, name), getattr(day.run, name)
        if name == "executions":
            want = want[want["portfolio"] == "DESK1"]
        if name == "hedges":
            assert len(got)
        assert len(want), name
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
    assert report.limit == LIMIT
    assert close.loc["reports beyond the limit"].drop("current").isna().all()  # the limit holds the current ES alone
    assert close.loc["reports beyond the limit", "current"] == (mine["es_current"] > LIMIT).sum() > 0
    assert close.loc["ES at the close, share of the limit", "current"] == mine["es_current"].iloc[-1] / LIMIT
    assert report.quality().loc["dead letters of orders.incoming", ""] == 1
    assert len(report.hedges()) == day.run.summary()["hedge"]["fills"]
    assert np.isclose(report.hedges()["cost"].sum(), day.run.summary()["hedge"]["cost"])
    assert report.facts()["figures"]["es_current"] == mine["es_current"].iloc[-1]
    assert report.backtest().n == len(day.run.forecasts)


def test_a_limit_is_of_the_first_level_alone(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    other = daily_risk(DATE, level=0.99)
    assert np.isnan(other.limit)
    assert not [row for row in other.close().index if "limit" in row]
    assert f"limit on ES, {LIMIT:,.0f} USD, is of level 0.975: figures here are of 0.99" in other._repr_html_()
    assert " limit" not in repr(daily_risk_pictures.shortfall(other))
    assert len(daily_risk_pictures.shortfall(other)) == len(daily_risk_pictures.shortfall(daily_risk(DATE))) - 2


def test_a_portfolio_without_history_gets_the_seeded_market(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    made = daily_risk(DATE, portfolio="DESK9", duration="3s")
    assert made.source == "simulated"
    assert "no reports of DESK9 of this date, nor of any other" in made.note


def test_a_report_before_the_end_of_its_date_says_so(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    monkeypatch.setattr(daily_risk_source, "_now", lambda: dt.datetime(2026, 1, 5, 17, 30, tzinfo=dt.UTC))
    assert "The date was not over when this was made, 2026-01-05 17:30 UTC" in daily_risk(DATE)._repr_html_()
    monkeypatch.setattr(daily_risk_source, "_now", lambda: dt.datetime(2026, 1, 6, tzinfo=dt.UTC))
    assert "not over" not in daily_risk(DATE)._repr_html_()


@pytest.mark.parametrize("name", ["daily_risk", "backtests", "recalibration"])
def test_the_job_names_every_setting_that_it_reads(name: str) -> None:
    read = re.findall(r"chosen\.((?:desk|limits)\.\w+)", Path(simulated_desk.__file__).read_text())
    assert set(load_job(name).settings) == set(read)


def test_figures_are_in_the_currency_of_the_desk(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "history").symlink_to(day.state / "up" / "history")
    desk = Deployment(day.run.recorder.instruments, qf.DeskConfig(currency="EUR", fx={"USD": 0.9}))
    desk.save(tmp_path / "up" / "deployment.json")
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    made = daily_risk(DATE)
    assert made.currency == "EUR"
    assert made.closing.left_out  # quoted in dollars: not revalued here, and said so


def test_pnl_is_whole_closed_positions_and_fees_in(report: DailyRisk) -> None:
    last = report.run.recorder.latest["risk"]
    p, g = last.positions, last.greeks
    told = report.pnl().loc["last report", "after fees"]
    assert told == pytest.approx(g.realised.sum() + g.unrealised.sum())  # the report's own
    paid = report.run.executions.query("portfolio == 'DESK1'")["fee"].sum()
    assert report.pnl().loc["last report", "fees"] == pytest.approx(paid)
    open_ = report.positions()
    assert "closed positions" not in open_.index
    # one of the hedges was closed at a gain, and fees were paid
    qty, realised, fees = p.qty.copy(), p.realised.copy(), np.full(len(p.qty), 3.0)
    symbol = report.run.recorder.instruments[int(p.instrument[0])].symbol
    qty[p.instrument == p.instrument[0]] = 0
    realised[0] += 500.0
    report = with_positions(report, last, p._replace(qty=qty, realised=realised, fees=fees))
    made = report.positions()
    assert symbol not in made.index
    assert made.loc["closed positions", "realised"] == pytest.approx(realised[p.instrument == p.instrument[0]].sum())
    for name, total in (("realised", realised.sum()), ("unrealised", p.unrealised.sum()), ("fees", 3.0 * len(qty))):
        assert made.loc["total", name] == pytest.approx(total)
        assert made[name].drop("total").sum() == pytest.approx(total)
    net = realised.sum() + p.unrealised.sum() - 3.0 * len(qty)
    assert made.loc["total", "net_pnl"] == pytest.approx(net)
    assert report.pnl().loc["last report", "after fees"] == pytest.approx(net)
    assert report.pnl().loc["between them", "fees"] == 3.0 * len(qty)


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
    assert f"no reports of DESK1 of this date, the last ones are of {DATE}" in shown
    assert "clock says 2026-01-05 14:30" in shown
    assert isinstance(made.backtest(), Unavailable)
    assert isinstance(daily_risk_pictures.explain(made), Unavailable)
    with pytest.raises(DataError, match="no risk reports"):
        daily_risk("2024-01-03", source="history")
    with pytest.raises(InputError, match=r"level 0\.9 is not reported; give one of 0\.975, 0\.99"):
        daily_risk(DATE, level=0.9)
    with pytest.raises(InputError, match="source 'news' is unknown"):
        daily_risk(DATE, source="news")


def test_the_command_of_the_readme_on_a_date_without_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (line,) = re.findall(r"^qflib jobs run .*$", readme, re.MULTILINE)
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))  # an empty one
    monkeypatch.setenv("QFLIB_LIMITS__ES", "40000")
    monkeypatch.setenv("QFLIB_DESK__N_HISTORICAL", "200")
    monkeypatch.setenv("QFLIB_DESK__N_SIMULATED", "300")
    monkeypatch.setattr(sys, "argv", [*shlex.split(line), "-p", "duration=10s", "--json"])
    with pytest.raises(SystemExit) as end:
        main.run()
    shown = capsys.readouterr()
    assert end.value.code == 0, shown.err
    told = json.loads(shown.out)
    page = Path(told["html"]).read_text()
    assert told["status"] == "done"
    assert "SIMULATED MARKET, not the desk" in page
    assert "seeded simulated market (seed 7, 10s)" in page
    assert "there was no hedge fill" not in page
    assert "no outcome period has ended" in page
    record = json.loads(Path(told["html"]).with_suffix(".json").read_text())
    assert record["source"]["kind"] == "simulated"
    assert record["settings"]["limits.es"] == 40_000.0


def test_a_desk_that_does_not_hedge_has_no_fills() -> None:
    run = qf.Desk(qf.datasets.load("sim", seed=7, duration="1s", rate=500)).run(digests=False)
    assert hedge_fills(run).empty


def test_the_job_and_its_page(job: JobRun, day: Day) -> None:
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
    assert told["figures"]["pnl_after_fees"] == pytest.approx(day.run.positions[["realised", "unrealised"]].sum().sum())
    assert run_job("daily_risk", DATE, state=day.state).status == "already_done"
