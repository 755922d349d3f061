"""The folder of a running desk."""

import hashlib
import json
from dataclasses import replace

import pytest

from qflib.desk.config import DeskConfig
from qflib.desk.deployment import Deployment, TakenAlong
from qflib.errors import DataError, InputError
from qflib.promote.registry import one, text
from qflib.records import Instrument, Instruments
from qflib.stream.folder import DeskFolder
from qflib.stream.version import step_version

DESK = Deployment(
    Instruments((Instrument("ACME.F", underlying="ACME", source="sim:ACME"),)),
    partitions=2,
    feed={"seed": 7, "rate": 1_000.0, "speed": 1.0, "cut_ns": 5, "clock_ns": 10},
)


@pytest.fixture
def folder(tmp_path):
    return DeskFolder(tmp_path / "up")


def test_one_process_runs_a_desk(folder):
    assert folder.running() is None
    folder.hold()
    folder.tell({"bootstrap": "127.0.0.1:1"})
    other = DeskFolder(folder.path)
    assert other.running()["bootstrap"] == "127.0.0.1:1"
    with pytest.raises(InputError, match=r"a desk runs in .*up already \(process \d+\)"):
        other.hold()
    folder.release()
    assert other.running() is None
    other.hold()
    other.release()


def test_a_desk_goes_on_at_another_pace_cut_as_before(folder):
    assert folder.keep(DESK) == DESK
    faster = replace(DESK, feed={**DESK.feed, "speed": "max", "cut_ns": 7, "clock_ns": 7})
    went_on = folder.keep(faster)
    assert went_on.feed == {**faster.feed, "cut_ns": 5, "clock_ns": 10}
    assert folder.kept() == went_on


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(DESK, source="kraken"), "source 'sim'"),
        (replace(DESK, feed={**DESK.feed, "seed": 8}), "seed 7"),
        (replace(DESK, feed={**DESK.feed, "rate": 2.0}), "rate 1000"),
        (replace(DESK, partitions=4), "2 partitions"),
        (replace(DESK, config=DeskConfig(period_ns=1)), "other settings"),
        (
            replace(DESK, instruments=Instruments((Instrument("B.F", underlying="B", source="sim:B"),))),
            "another instrument table",
        ),
    ],
)
def test_another_desk_s_data_are_refused(folder, other, what):
    folder.keep(DESK)
    with pytest.raises(DataError, match=f"of a desk with {what}.*--fresh"):
        folder.keep(other)
    folder.wipe()
    assert folder.keep(other) == other


def test_changed_positions_are_refused_and_further_ones_booked(folder):
    folder.keep(DESK)
    folder.check_bookings({"a", "b"})
    folder.book({"a", "b"})
    folder.check_bookings({"a", "b"})
    folder.check_bookings({"a", "b", "c"})
    folder.check_bookings({"a"})
    with pytest.raises(DataError, match="positions differ from those booked"):
        folder.check_bookings({"a", "x"})
    folder.book({"c"})
    assert folder.booked == {"a", "b", "c"}


def newer(step: TakenAlong, tmp_path) -> TakenAlong:
    """The same step promoted with another text, in a project of its own."""
    lock, cell = step.registered.path.with_name(f"{step.name}.lock.toml").read_text(), step.registered.source + "\n"
    there = tmp_path / "newer"
    there.mkdir(exist_ok=True)
    sha = hashlib.sha256(cell.encode()).hexdigest()
    (there / f"{step.name}.py").write_text(text(step.name, "a.ipynb", cell))
    (there / f"{step.name}.lock.toml").write_text(lock.replace(step.cell_sha256, sha))
    return replace(step, path=str(there / f"{step.name}.py"), cell_sha256=sha)


def test_steps_run_from_copies_and_what_ran_beside_stays_beside(folder, tmp_path):
    folder.hold()
    old = TakenAlong.of(one("realised_vol"))
    new = newer(old, tmp_path)
    first = folder.keep(replace(DESK, promoted=(old,)))
    [kept] = first.promoted
    assert kept.path != old.path
    assert kept.placed.definition.source == old.placed.definition.source
    beside = folder.ask(replace(new, beside=True))
    assert folder.asked() == beside
    second = folder.write(first.taking(beside))
    assert [p.label for p in second.promoted] == ["realised_vol", "realised_vol@1"]
    # the project has the new one now; started again, the desk goes on with the old in force and the new beside
    third = folder.keep(replace(DESK, promoted=(new,)))
    assert third.promoted == second.promoted
    assert third == folder.kept()
    # put in force, it ends what ran beside
    last = folder.write(third.taking(folder.ask(new)))
    assert [(p.label, p.cell_sha256) for p in last.promoted] == [("realised_vol", new.cell_sha256)]
    # and every set of steps that ran is on record, by its version
    sets = [step_version("promoted", d.digest_of("promoted")) for d in (first, second, last)]
    assert list(last.ran) == sets
    assert [last.of_version(v).promoted for v in sets] == [d.promoted for d in (first, second, last)]
    assert last.of_version("other code's") is None
    folder.release()


def test_prometheus_is_told_where_to_scrape_while_it_runs(folder):
    folder.hold()
    folder.tell({"ports": {"exchange-0": 9401, "archive-0": 0}})
    told = json.loads(folder.targets.read_text())
    assert told == [{"targets": ["127.0.0.1:9401"], "labels": {"process": "exchange-0"}}]
    folder.release()
    assert json.loads(folder.targets.read_text()) == []
