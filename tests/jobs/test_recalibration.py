"""A recalibration of a history: the chain is the desk's own, the set has the day's move, and it waits for approval."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk.deployment import Deployment
from qflib.desk.history_feed import HistoryFeed
from qflib.errors import DataError, InputError
from qflib.jobs import recalibration_pictures, run_job, runs
from qflib.jobs.daily_risk import Unavailable
from qflib.jobs.proposal import FOLDER, PROPOSAL, read
from qflib.jobs.recalibration import Recalibration
from qflib.jobs.recalibration_source import closes, recalibration
from tests.jobs.conftest import DATE, Day


@pytest.fixture(scope="module")
def report(day: Day) -> Recalibration:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLIB_STATE", str(day.state))
        return recalibration(DATE)


def test_the_chain_is_the_desks_own(report: Recalibration, day: Day) -> None:
    feed = HistoryFeed(day.state / "up" / "history")
    assert (report.source, report.at) == ("history", feed.end)
    for name, made in report.smiles.items():
        chain = feed.chain(name)
        np.testing.assert_allclose(made.quotes["strike"], chain["strike"])
        fitted = qf.fit_surface(chain)
        surface = made.surface
        assert surface is not None
        expiry, forward = chain["expiry"].iloc[0], float(chain["forward"].iloc[0])
        assert surface.vol(forward, expiry) == pytest.approx(fitted.vol(forward, expiry), abs=2e-3)


def test_the_set_is_the_old_one_with_the_days_move(report: Recalibration, day: Day) -> None:
    daily = qf.datasets.load("sim", seed=7, duration="1s").history
    pd.testing.assert_frame_equal(report.history.iloc[:-1], daily, check_freq=False)
    want = qf.scenarios.default(report.history)
    assert report.proposed == want
    n = report.proposed.n_historical
    for j, name in enumerate(report.proposed.underlyings):
        move = report.move().loc[name]
        assert report.proposed.spot_return[n - 1, j] == pytest.approx(move["spot_return"])
        assert report.proposed.vol_shift[n - 1, j] == pytest.approx(move["vol_shift"])
        returns = report.history[(name, "spot")].pct_change().dropna()
        assert move["rank"] == (returns < returns.iloc[-1]).sum() + 1
        assert abs(move["deviations"]) < 10
    # the day before is now the last but one: nothing else of the past has changed but the oldest, which is out
    before = qf.scenarios.default(daily, n_historical=n - 1, n_simulated=0)
    np.testing.assert_array_equal(report.proposed.spot_return[: n - 1], before.spot_return)


def test_both_sets_are_compared_on_the_desks_positions(report: Recalibration, day: Day) -> None:
    assert report.in_force == day.scenarios
    made = report.shortfall()
    assert isinstance(made, pd.DataFrame)
    told = day.run.risk[day.run.risk["level"] == 0.975]["es_current"].iloc[-1]
    assert made.loc["in force", "es"] == pytest.approx(told, rel=1e-9)
    assert made.loc["change", "es"] == pytest.approx(made.loc["proposed", "es"] / told - 1.0)
    compared = report.compared()
    assert isinstance(compared, pd.DataFrame)
    shocks = report.proposed.shocks("ACME")[0]
    row = compared.loc[("ACME", "spot_return")]
    assert row["std", "proposed"] == pytest.approx(shocks.std())
    assert row["1 %", "proposed"] == pytest.approx(np.quantile(shocks, 0.01))
    assert row["1 %", "in force"] == pytest.approx(np.quantile(day.scenarios.shocks("ACME")[0], 0.01))


def test_days_in_one_pass_are_days_by_themselves(day: Day) -> None:
    feed = HistoryFeed(day.state / "up" / "history")
    first, last = feed.start.value, feed.end.value
    ends = [first + (last - first) // 3, first + 2 * (last - first) // 3, last + 10**9]
    together = closes(feed, ends)
    for end, close in zip(ends, together, strict=True):
        (alone,) = closes(feed, [end])
        assert alone.at == close.at <= pd.Timestamp(end, tz="UTC")
        pd.testing.assert_frame_equal(alone.tops, close.tops)
    assert together[-1].at == feed.end


def test_nothing_is_proposed_but_by_a_job_on_its_own_market(
    report: Recalibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not report.propose().left
    monkeypatch.setenv(FOLDER, str(tmp_path))
    for other in (replace(report, asked_for=False), replace(report, proposed=report.in_force)):
        made = other.propose()
        assert not made.left
        assert "nothing is proposed" in made._repr_html_()
        assert not (tmp_path / PROPOSAL).exists()
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    assert not recalibration("2024-01-03", duration="3s").asked_for
    assert recalibration("2024-01-03", source="sim", duration="3s").asked_for
    made = report.propose()
    assert made.left
    assert read(tmp_path / PROPOSAL) == report.proposed
    assert isinstance(replace(report, in_force=None).compared(), Unavailable)
    assert len(recalibration_pictures.moves(report)) == 4


def test_what_is_missing_says_so(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(day.state))
    with pytest.raises(DataError, match=f"no risk reports of 'DESK1' on 2024-01-03; it has those of {DATE}"):
        recalibration("2024-01-03", source="history")
    with pytest.raises(InputError, match="source 'news' is unknown"):
        recalibration(DATE, source="news")
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "history").symlink_to(day.state / "up" / "history")
    Deployment(day.run.recorder.instruments, source="kraken").save(tmp_path / "up" / "deployment.json")
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    with pytest.raises(DataError, match="market is kraken, which has no daily history here"):
        recalibration(DATE)


def test_the_job_leaves_a_proposal_that_waits(day: Day) -> None:
    run = run_job("recalibration", DATE, state=day.state)
    assert run.status == "done", run.reason
    assert run.html is not None
    assert "comes into force when somebody with an admin key approves it" in run.html.read_text()
    told = json.loads(run.html.with_suffix(".json").read_text())
    made = read(run.html.with_suffix(".proposal.npz"))
    assert told["proposal"]["set_id"] == made.set_id
    assert told["proposal"]["in_force"] == day.scenarios.set_id
    assert told["proposal"]["diff"].keys() >= {"ACME spot_return", "DELT vol_shift"}
    assert told["figures"]["es_proposed"] > 0
    (past,) = [r for r in runs(day.state, "recalibration") if r.run_id == run.run_id]
    assert (past.proposal, past.set_id, past.in_force) == ("waiting", made.set_id, day.scenarios.set_id)
    assert run_job("recalibration", DATE, state=day.state).status == "already_done"
