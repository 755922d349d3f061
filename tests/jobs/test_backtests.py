"""The backtest report of a history is of the run that made it; hedges are judged by P&L that adds up."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.errors import DataError, InputError
from qflib.jobs import backtests_pictures, run_job
from qflib.jobs.backtests import WHOLE, Backtests, backtests
from qflib.jobs.daily_risk import Unavailable
from qflib.records import Book
from tests.jobs.conftest import DATE, Day


@pytest.fixture(scope="module")
def report(day: Day) -> Backtests:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_STATE", str(day.state))
        return backtests(DATE)


def test_it_is_of_the_history(report: Backtests, day: Day) -> None:
    assert (report.source, report.days) == ("history", (DATE,))
    assert "SIMULATED" not in report._repr_html_()
    made = report.forecasts()
    first = made[made["level"] == 0.975].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, day.run.forecasts, check_freq=False)
    actual = report.forecasts("actual")
    rows = day.run.outcomes.query("portfolio == 'DESK1' and outcome == 'actual' and level == 0.99").dropna()
    np.testing.assert_array_equal(actual.query("level == 0.99")["outcome"], rows["pnl"])
    assert not np.array_equal(actual["outcome"], made["outcome"])  # what was traded meanwhile is in it


def test_the_verdict_is_that_of_the_tests(report: Backtests) -> None:
    verdict = report.verdict()
    assert isinstance(verdict, pd.DataFrame)
    for kind in ("hypothetical", "actual"):
        rows = report.forecasts(kind)
        for level, mine in rows.groupby("level"):
            told = verdict.loc[kind, level]
            assert told["forecasts"] == len(mine)
            assert told["exceedances"] == (mine["outcome"] < -mine["var"]).sum()
            assert told["expected"] == pytest.approx(len(mine) * (1 - level))
            table = qf.backtest(mine.reset_index(drop=True)).table.loc[level]
            assert told["kupiec"] == pytest.approx(table.loc["kupiec", "p_value"])
            assert told["e_backtest_log_max"] == pytest.approx(table.loc["e_backtest_log_max", "statistic"])
            assert str(table.loc["traffic_light", "note"]).startswith(told["light"])


def test_pnl_adds_up_and_hedges_are_judged_by_it(report: Backtests, day: Day) -> None:
    sums = report.pnl().groupby("underlying")[["client", "hedge"]].sum()
    seen: dict[str, dict[str, list[float]]] = {}
    for snapshot in day.run.recorder.snapshots:
        g = snapshot.greeks
        pnl = (g.realised + g.unrealised).tolist()
        for u in set(g.underlying.tolist()):
            mine = {"client": 0.0, "hedge": 0.0}
            for of, book, x in zip(g.underlying.tolist(), g.book.tolist(), pnl, strict=True):
                mine["hedge" if book == Book.HEDGE else "client"] += x * (of == u)
            for side, x in mine.items():
                seen.setdefault(u.decode(), {}).setdefault(side, []).append(x)
    for u, sides in seen.items():  # from the first report that has the underlying to the last
        for side, series in sides.items():
            sums.loc[u, side] -= series[-1] - series[0]
    np.testing.assert_allclose(sums, 0.0, atol=1e-6)
    rows = report.pnl()
    assert sorted(rows["underlying"].unique()) == ["ACME", "BETA", "DELT", "GAMA"]
    made = report.effectiveness[WHOLE]
    if isinstance(made, Unavailable):  # the history's day has two periods of a minute
        assert "too few" in made.reason
    whole = backtests("2024-01-03", source="sim", duration="1min").effectiveness[WHOLE]
    assert not isinstance(whole, Unavailable)
    by = backtests("2024-01-03", source="sim", duration="1min").pnl().groupby(level="time")[["client", "hedge"]].sum()
    sse = ((by["client"] + by["hedge"]) ** 2).sum() / (by["client"] ** 2).sum()
    assert whole.effectiveness == pytest.approx(1 - sse)
    assert whole.cost > 0


def test_what_is_missing_says_so(report: Backtests, day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    with pytest.raises(DataError, match=f"no risk reports of 'DESK1' on 2024-01-03; it has those of {DATE}"):
        backtests("2024-01-03", source="history")
    with pytest.raises(InputError, match="source 'news' is unknown"):
        backtests(DATE, source="news")
    with pytest.raises(InputError, match="days is 0"):
        backtests(DATE, days=0)
    short = backtests("2024-01-03", duration="3s")
    assert short.source == "simulated"
    assert "no reports of DESK1 of this date" in short.note
    assert isinstance(short.verdict(), Unavailable)
    assert isinstance(short.effectiveness[WHOLE], Unavailable)
    assert isinstance(backtests_pictures.pnl(short), Unavailable)
    assert "No period" in short.hedging().loc[WHOLE, "note"].capitalize()
    assert short.facts()["figures"] == {}


def test_the_job_and_its_page(day: Day) -> None:
    run = run_job("backtests", DATE, state=day.state)
    assert run.status == "done", run.reason
    assert run.html is not None
    page = run.html.read_text()
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=", page.replace("<script>", ""))
    assert "From the desk" in page
    told = json.loads(run.html.with_suffix(".json").read_text())
    assert told["source"]["days"] == [DATE]
    assert told["figures"]["forecasts_0.975"] == len(day.run.forecasts)
