"""The folder of a running desk."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from qflib.desk.config import DeskConfig
from qflib.desk.deployment import Deployment
from qflib.desk.taken_along import TakenAlong
from qflib.errors import DataError, InputError, StateError
from qflib.promote import lock
from qflib.promote.registry import one, text
from qflib.records import Instrument, Instruments
from qflib.stream.folder import DeskFolder
from qflib.stream.version import step_version

DESK = Deployment(
    Instruments((Instrument("ACME.F", underlying="ACME", source="sim:ACME"),)),
    partitions=2,
    feed={"seed": 7, "rate": 1_000.0, "speed": 1.0, "cut_ns": 5, "clock_ns": 10},
)

LOCK = "realised_vol.lock.toml"


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


def test_a_cell_promoted_for_another_topic_is_another_step(folder, tmp_path):
    """The copy of its lock tells which table `columns` are: that of the first promotion would be read for good."""
    folder.hold()
    old = TakenAlong.of(one("realised_vol"))
    first = folder.keep(replace(DESK, promoted=(old,)))
    there = tmp_path / "again"
    there.mkdir()
    for file in (old.registered.path, old.registered.path.with_name("realised_vol.lock.toml")):
        text = file.read_text().replace('topic_in = "market.data.normalized"', 'topic_in = "exchange.marks"')
        (there / file.name).write_text(text)
    again = TakenAlong.of(replace(old.registered, path=there / "realised_vol.py", told=lock.read(there / LOCK)))
    assert again.cell_sha256 == old.cell_sha256
    second = folder.write(first.taking(folder.ask(again)))
    assert second.promoted[0].registered.told["topic_in"] == "exchange.marks"
    assert second.promoted[0].placed.definition.name == "realised_vol"
    assert second.digest_of(second.promoted[0].stage) != first.digest_of(first.promoted[0].stage)
    with pytest.raises(DataError, match="promoted anew since this desk began"):
        _ = replace(second.promoted[0], path=first.promoted[0].path).placed
    folder.release()


def test_a_state_that_cannot_be_gone_on_from_is_told_before_the_desk_is_asked(tmp_path):
    """In its stage it would end the desk: every worker refuses to begin."""
    old = TakenAlong.of(one("realised_vol"))
    cell = old.registered.source.replace('("rows", "i8"),', '("rows", "i8"), ("more", "f8"),')

    def promoted(source: str, version: int) -> TakenAlong:
        there = tmp_path / hashlib.sha256(source.encode()).hexdigest()
        there.mkdir()
        sha, wide = hashlib.sha256(source.encode()).hexdigest(), np.dtype([*layout.descr, ("more", "f8")])
        told = (old.registered.path.with_name(LOCK)).read_text().replace(old.cell_sha256, sha)
        told = told.replace(lock.layout_sha256(layout), lock.layout_sha256(wide))
        (there / "realised_vol.py").write_text(text("realised_vol", "a.ipynb", source))
        (there / LOCK).write_text(told.replace("version = 1", f"version = {version}"))
        return TakenAlong.of(replace(old.registered, path=there / "realised_vol.py", told=lock.read(there / LOCK)))

    layout = old.placed.definition.state
    old.check_goes_on(old, DESK.instruments)
    with pytest.raises(StateError, match="asks for a new VERSION and migrate"):
        promoted(cell, 1).check_goes_on(old, DESK.instruments)
    failing = cell + "VERSION = 2\n\n\ndef migrate(old):\n    raise KeyError('more')\n"
    with pytest.raises(StateError, match="migrate of step 'realised_vol' failed on a state of version 1: KeyError"):
        promoted(failing, 2).check_goes_on(old, DESK.instruments)
    right = failing.replace("raise KeyError('more')", "return np.zeros(len(old), State)")
    promoted(right, 2).check_goes_on(old, DESK.instruments)
    with pytest.raises(StateError, match="promote the later one"):
        old.check_goes_on(promoted(right + "\n", 2), DESK.instruments)


def test_a_strategy_does_not_trade_for_anothers_portfolio():
    mine = replace(TakenAlong.of(one("flow_strategy")), name="desk1")
    with pytest.raises(InputError, match="strategy 'desk1' would trade for DESK1, which is another's portfolio"):
        DESK.taking(mine)
    assert DESK.taking(replace(mine, orders=False)).promoted[0].name == "desk1"


def test_a_step_does_not_move_to_another_stage_without_its_state(folder):
    folder.hold()
    step = TakenAlong.of(one("realised_vol"))
    desk = replace(DESK, promoted=(step,))
    folder.keep(desk)
    moved = replace(step, events=not step.events)
    assert moved.stage != step.stage
    with pytest.raises(StateError, match="it would run in another stage and begin anew there"):
        moved.check_goes_on(step, DESK.instruments)
    with pytest.raises(StateError, match="promote it with another --name"):
        folder.keep(replace(DESK, promoted=(moved,)))
    assert folder.keep(desk).promoted[0].stage == step.stage
    folder.release()
