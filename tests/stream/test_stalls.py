"""What stands still is told once, and when it goes on."""

from __future__ import annotations

from structlog.testing import capture_logs

from qflib.stream.monitor.lag_time import STARTING_S
from qflib.stream.monitor.offsets import Progress
from qflib.stream.monitor.stalls import Stalls

PLACES = [("t", 0), ("t", 1)]


def progress(done: int, end: int) -> Progress:
    return Progress({"qflib.exchange": dict.fromkeys(PLACES, done)}, dict.fromkeys(PLACES, end))


def test_a_group_that_commits_nothing_while_records_wait_stands_still() -> None:
    stalls = Stalls()
    with capture_logs() as logs:
        assert not stalls.see(progress(5, 9), 0.0)
        assert not stalls.see(progress(5, 20), 15.0)
        assert stalls.see(progress(5, 30), 21.0) == {"qflib.exchange"}
        assert stalls.see(progress(5, 40), 60.0) == {"qflib.exchange"}
        assert not stalls.see(progress(7, 40), 61.0)
    assert [e["event"] for e in logs] == ["a stage stands still", "a stage goes on"]
    assert (logs[0]["group"], logs[0]["behind"]) == ("qflib.exchange", 48)  # without two markers


def test_a_group_that_never_commits_stands_still_once_it_has_had_time_to_start() -> None:
    def never(first: int, end: int) -> Progress:
        reads = {"qflib.archive": PLACES}
        return Progress({}, dict.fromkeys(PLACES, end), dict.fromkeys(PLACES, first), reads)

    stalls = Stalls()
    assert not stalls.see(never(0, 0), 0.0)
    assert not stalls.see(never(0, 0), 100.0)  # there is nothing to commit
    assert not stalls.see(never(0, 9), 101.0)
    assert not stalls.see(never(0, 9), 100.0 + STARTING_S)
    assert stalls.see(never(0, 9), 101.0 + STARTING_S) == {"qflib.archive"}
    assert stalls.see(never(4, 20), 200.0) == {"qflib.archive"}  # what retention takes is not its work
    known = never(4, 20)
    known.committed["qflib.archive"] = dict.fromkeys(PLACES, 6)
    assert not stalls.see(known, 201.0)


def test_one_that_has_nothing_before_it_rests() -> None:
    stalls = Stalls()
    for now in (0.0, 100.0, 200.0):
        assert not stalls.see(progress(9, 10), now)  # of a transactional topic the last marker is never read


def test_a_silent_broker_is_told_once_and_blames_no_stage() -> None:
    stalls = Stalls()
    with capture_logs() as logs:
        stalls.see(progress(5, 9), 0.0)
        for now in (1.0, 7.0, 30.0, 60.0):
            assert not stalls.see(None, now)
        assert not stalls.see(progress(5, 9), 61.0)
        assert not stalls.see(progress(5, 9), 75.0)
    assert [e["event"] for e in logs] == ["the broker gives no answer", "the broker answers again"]
