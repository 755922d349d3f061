"""The table of faults: complete, or not passed; a row that is not clean is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from qflib.stream.audit import Report
from qflib.stream.audit.tally import Tally
from tests.faults import table
from tests.faults.table import FIFTEEN, Told

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(table, "ROWS", tmp_path / "faults.jsonl")
    monkeypatch.setattr(table, "DOCUMENT", tmp_path / "faults.json")
    monkeypatch.setattr(table.read, "__defaults__", (tmp_path / "faults.jsonl",))
    return tmp_path / "faults.jsonl"


def all_of_them(told: Told, but: int | None = None) -> None:
    for fault in FIFTEEN:
        if fault != but:
            told.row(fault, goal="stateful").took(float(fault))
    told.row(3, "never done")  # counts for nothing


def test_all_fifteen_faults_and_nothing_wrong_passes(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(rows)
    all_of_them(told)
    told.judged(None)
    assert table.main(0) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    expected = (
        "0 lost, 0 doubled, 0 reordered, 0 torn, 0 unequal; slowest recovery 14.0 s (connections are cut in a commit)"
    )
    assert last == f"15 faults, 14 injections: {expected}"
    assert sum(line.startswith("| ") for line in lines) == 2 + len(FIFTEEN)
    assert table.main(1) == 1  # of pytest


def test_each_fault_that_lasts_has_an_alert_that_a_test_raises_for_real() -> None:
    short = {5, 13}  # they are over before anybody could be told
    in_a_cluster = {15}  # the audit's job fails there: QflibAuditFailed, which promtool raises
    assert table.ALERTS.keys() == table.FAULTS.keys() - short - in_a_cluster
    live = (*DEPLOY.glob("test_alerts_of_*.py"), DEPLOY / "test_watched.py")
    raised = "".join(file.read_text(encoding="utf-8") for file in live)
    assert [a for alerts in table.ALERTS.values() for a in alerts if f'"{a}"' not in raised] == []


def test_a_recovery_beyond_its_aim_is_told(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(rows)
    all_of_them(told)
    told.judged(None)
    table.main(0)
    [broker] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| a worker is stopped")]
    assert "| 5 |" in broker
    told.row(3, goal="stateful").took(5.1)
    told.judged(None)
    table.main(0)
    [broker] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| a worker is stopped")]
    assert "| 5: missed |" in broker


def test_a_fault_that_nobody_made_fails(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(rows)
    all_of_them(told, but=11)
    told.judged(None)
    assert table.main(0) == 1
    assert f"no row: {FIFTEEN[11]}" in capsys.readouterr().out


def test_a_lost_record_fails_where_no_test_has_put_it_there(rows: Path) -> None:
    tally = Tally()
    tally.found("orders.incoming", 0, 7, "lost", "seq 3")
    told = Told(rows)
    all_of_them(told)
    told.judged(Report(tally), {"orders.incoming": {"lost": 1}})
    assert table.main(0) == 0
    told.row(1, "once more").took(1.0)
    told.judged(Report(tally))
    assert table.main(0) == 1
    assert [r.counts["lost"] for r in table.read() if r.fault == 1] == [0, 1]


def test_rows_of_the_same_fault_are_one(rows: Path) -> None:
    for seconds in (1.0, 3.0):
        told = Told(rows)
        told.row(1, "a stage").took(seconds)
        told.judged(None)
    [row] = table.read()
    assert (row.times, row.seconds) == (2, [1.0, 3.0])
