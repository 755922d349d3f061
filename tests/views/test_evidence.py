"""Evidence and weighted ES in the views: the run's own rows, and what the Risk page makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from dashboards.pages import risk_evidence
from dashboards.pages.risk_evidence import Judged, alarms_of
from qflib.desk.record import Recorder
from qflib.kernels.e_backtest import ALARMS, BETTINGS
from qflib.records import EVIDENCE, ROLLING, Batch
from qflib.records.codec import decode, encode
from qflib.views.shortfall import ShortfallView


@pytest.fixture(scope="module")
def told() -> tuple[qf.Run, ShortfallView]:
    """A run with an outcome every twentieth of a second, and a view that has read what it sent."""
    view, take = ShortfallView(), Recorder.take

    def tap(self: Recorder, batch: Batch) -> None:
        if batch.kind == "analytics":
            view.take_rolling(decode(encode(batch)), batch.key)
        take(self, batch)

    feed = qf.datasets.load("sim", seed=5, duration="2s", rate=1_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "take", tap)
        run = qf.Desk(feed, config=qf.DeskConfig(outcome_ns=50_000_000, period_ns=25_000_000)).run()
    return run, view


def test_the_view_has_the_runs_rows(told: Any) -> None:
    run, view = told
    assert len(run.evidence) > 400
    pd.testing.assert_frame_equal(view.evidence("DESK1"), run.evidence)
    pd.testing.assert_frame_equal(view.evidence("DESK1", periods=3), run.evidence.iloc[-48:])
    outcomes = run.outcomes.query("outcome == 'hypothetical' and level == 0.975")
    np.testing.assert_array_equal(view.outcomes("DESK1")["es_weighted"], outcomes["es_weighted"])
    assert len(view.evidence("OTHER")) == len(view.evidence("OTHER", periods=1)) == 0
    assert view.evidence("OTHER").columns.tolist() == run.evidence.columns.tolist()


def test_older_rows_have_no_weighted_figure() -> None:
    view = ShortfallView()
    rows = ROLLING.make(portfolio=["P"], outcome=["hypothetical"], level=[0.975], es=[3.0], time_ns=[10**18])
    view.take_rolling(Batch.of("analytics", rolling=rows), "P")
    made = view.outcomes("P")
    assert made["es"].tolist() == [3.0]
    assert made["es_weighted"].isna().all()


def test_the_page_tells_what_the_view_has(told: Any) -> None:
    run, view = told
    assert (risk_evidence.ALARMS, risk_evidence.BETTINGS) == (ALARMS, BETTINGS)
    judged, said = Judged(view, "DESK1"), []
    judged.evidence.is_ready = True
    judged.evidence.send = said.append  # type: ignore[method-assign]
    judged.extend((0.0, 1e3))
    judged.extend((0.0, 2e3))
    columns = np.frombuffer(said[0]["blob"]).reshape(len(judged.evidence.columns), said[0]["n"])
    rows = dict(zip(judged.evidence.columns, columns, strict=True))
    mine = run.evidence[(run.evidence["level"] == 0.975) & (run.evidence["measure"] == "es")]
    for betting in BETTINGS:
        np.testing.assert_array_equal(rows[betting], mine.loc[mine["betting"] == betting, "log_e"])
    np.testing.assert_array_equal(np.unique(rows["alarm_10"]), [np.log(10.0)])
    assert [s["n"] for s in said[1:]] == [0]  # nothing new: time alone goes on
    assert [r["name"] for r in judged.rows] == ["ES 97.5 %", "VaR 97.5 %", "ES 99 %", "VaR 99 %"]
    assert judged.said == alarms_of(run.evidence.iloc[-16:])


def test_alarms_and_infinite_evidence_in_words() -> None:
    view = ShortfallView()
    ns = 51_780 * 10**9
    same = {"level": [0.975] * 4, "measure": ["es"] * 4, "betting": list(BETTINGS), "portfolio": ["P"] * 4}
    none = EVIDENCE.make(**same, log_e=[0.0, -0.5, 0.1, 0.2], time_ns=ns)
    view.take_rolling(Batch.of("analytics", evidence=none), "P")
    judged = Judged(view, "P")
    judged.extend(None)
    assert judged.said == "no alarm"
    assert judged.rows[0] | {"id": ""} == {
        "id": "", "name": "ES 97.5 %", "constant": "1", "gree": "0.607", "grel": "1.11", "grem": "1.22",
        "alarm": "no alarm", "tone": "",
    }  # fmt: skip
    some = EVIDENCE.make(
        **same, log_e=[np.inf, 250.0, 1.0, 1.0], alarm=[10, 10, 2, 2], alarm_ns=[ns, ns + 10**9, 5, 5], time_ns=ns
    )
    view.take_rolling(Batch.of("analytics", evidence=some), "P")
    judged.extend(None)
    assert judged.said == "alarm 10: ES 97.5 %, constant, 14:23:00"
    assert [judged.rows[0][b] for b in BETTINGS] == ["∞", "e^250", "2.72", "2.72"]
    assert judged.rows[0]["tone"] == "bad"
    assert judged._processes()["constant"].tolist() == [0.0, np.log(10.0) + 1.0]
