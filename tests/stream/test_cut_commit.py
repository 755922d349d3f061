"""A connection cut at a commit: whether the broker has it or not, every record is there once.

A commit that is cut once is tried again by the client, and the worker goes on; one that is cut at every trial ends it.
So does one that got no answer in time: it was sent again, and the first may come in the midst of the next transaction.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from qflib.stream.watchdog import HUNG
from tests.faults.table import Told
from tests.stream.severing import SeveredBroker, Severing
from tests.stream.test_application import Desk, committed_sum, wait_for

CUTS = 5


class Tended(Desk):
    """A desk with one worker, started again when it dies, as the supervisor does; it knows the proxy alone."""

    def __init__(self, broker: SeveredBroker, folder: Path) -> None:
        super().__init__(broker.connection, folder, broker.severed)
        self.starts = 0

    def runs(self) -> bool:
        """See to it that the worker runs; it may not have refused to."""
        code = self.workers[0].poll() if self.workers else -1
        if code is not None:
            assert code != 2, self.log(0)[-3000:]
            self.start(0)
            self.starts += 1
        return True

    def until(self, condition) -> None:
        wait_for(lambda: self.runs() and condition())

    def goes_on(self) -> None:
        """Wait until it has committed more."""
        at = committed_sum(self)
        self.until(lambda: committed_sum(self) > at + 50)


@pytest.fixture
def proxy():
    made = Severing()
    yield made
    made.close()


@pytest.fixture
def tended(proxy: Severing, tmp_path: Path):
    broker = SeveredBroker(tmp_path / "kafka", proxy)
    broker.prepare()
    broker.start()
    desk = Tended(broker, tmp_path)
    yield desk
    desk.end()
    broker.stop()


@pytest.mark.faults
@pytest.mark.parametrize("passed_on", [False, True], ids=["before the broker has it", "before its answer"])
def test_a_connection_cut_at_a_commit_loses_and_doubles_nothing(
    tended: Tended, proxy: Severing, passed_on: bool, told: Told
) -> None:
    tended.produce_on(60_000, 0.005)
    tended.until(lambda: committed_sum(tended) > 100)
    for n in range(CUTS):
        proxy.cut(passed_on=passed_on)
        tended.until(lambda n=n: proxy.cuts == n + 1)
        tended.goes_on()
    proxy.cut(passed_on=passed_on, times=1_000_000)  # at each trial, until the worker gives up
    wait_for(lambda: tended.workers[0].poll() is not None)
    assert tended.workers[0].returncode == HUNG
    proxy.cut(passed_on=passed_on, times=0)
    tended.goes_on()
    tended.produced()
    tended.until(lambda: not any(tended.lag().values()))
    assert tended.stop(0) == 0
    assert tended.check() > 1_000
    row = told.row(14, "Kafka, at every trial until the worker gives up")
    row.times, row.seen = 1, [f"log `hangs`, exit code {HUNG}"]
    assert "hangs" in tended.log(0)
    told.judged(None)
    print(f"{proxy.cuts} of {proxy.commits} commits cut; the worker was started {tended.starts} times")


def late(tended: Tended, proxy: Severing, times: int) -> None:
    """Commits that are sent again after 2 s, and come a moment later than that; nothing is lost or doubled."""
    tended.produce_on(60_000, 0.002)
    tended.until(lambda: committed_sum(tended) > 100)
    for n in range(times):
        starts = tended.starts
        proxy.hold(2.1 + 0.1 * n)
        tended.until(lambda s=starts: tended.starts > s)
        tended.until(lambda n=n: proxy.late == n + 1)
        tended.goes_on()
    tended.produced()
    tended.until(lambda: not any(tended.lag().values()))
    assert tended.stop(0) == 0
    assert tended.check() > 1_000
    assert tended.log(0).count("a commit got no answer in time") == times


def test_a_worker_ends_after_a_commit_that_was_sent_again(tended: Tended, proxy: Severing) -> None:
    late(tended, proxy, 1)


@pytest.mark.faults
def test_a_commit_that_comes_late_ends_no_other_transaction(tended: Tended, proxy: Severing, told: Told) -> None:
    late(tended, proxy, CUTS)
    row = told.row(14, "Kafka, passed on after it was sent again")
    row.times, row.seen = CUTS, [f"log `a commit got no answer in time`, exit code {HUNG}"]
    told.judged(None)
