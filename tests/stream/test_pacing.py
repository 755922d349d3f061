"""When a stage's transaction ends, on checkpoints that only count; on Kafka: test_application."""

from __future__ import annotations

import time

import pytest

from qflib.stream.pacing import _LONGEST_S, PacedContext
from qflib.stream.quix import ProcessingContext


class Counted:
    """A checkpoint: it expires, and takes its time to commit."""

    takes_s = 0.0
    committed: list[int]
    closed: list[int]

    def __init__(self, commit_interval: float, **_: object) -> None:
        self._commit_interval, self._created_at, self.offsets = commit_interval, time.monotonic(), 0

    def expired(self) -> bool:
        return time.monotonic() - self._created_at >= self._commit_interval

    def empty(self) -> bool:
        return not self.offsets

    def commit(self, *, revoking: bool = False) -> None:
        time.sleep(self.takes_s)
        self.committed.append(self.offsets)

    def close(self, *, revoking: bool = False) -> None:
        self.closed.append(self.offsets)


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> PacedContext:
    monkeypatch.setattr("quixstreams.processing.context.Checkpoint", Counted)
    monkeypatch.setattr(Counted, "committed", [], raising=False)
    monkeypatch.setattr(Counted, "closed", [], raising=False)
    made = PacedContext.of(ProcessingContext(0.005, *[None] * 5, exactly_once=True))  # type: ignore[arg-type]
    made.init_checkpoint()
    return made


def end(paced: PacedContext, *, takes_s: float, records: int = 3) -> None:
    """Fill the transaction and end it when it is time, by a commit of so long."""
    Counted.takes_s = takes_s
    paced.checkpoint.offsets = records  # type: ignore[attr-defined]
    before = len(Counted.committed)
    while len(Counted.committed) == before:
        paced.commit_checkpoint()


def test_it_is_the_same_context(paced: PacedContext) -> None:
    assert (paced.commit_interval, paced.shortest_s, paced.exactly_once) == (0.005, 0.005, True)


def test_before_its_time_nothing_is_committed(paced: PacedContext) -> None:
    paced.checkpoint.offsets = 1  # type: ignore[attr-defined]
    paced.checkpoint._created_at = time.monotonic() + 60
    paced.commit_checkpoint()
    assert not Counted.committed
    paced.commit_checkpoint(force=True)
    assert Counted.committed == [1]


def test_where_nothing_came_the_transaction_stays(paced: PacedContext) -> None:
    first = paced.checkpoint
    first._created_at -= 1.0
    paced.commit_checkpoint()
    assert paced.checkpoint is first
    assert not first.expired()  # what comes now has the whole interval
    assert not Counted.committed
    assert not Counted.closed


def test_a_forced_end_of_an_empty_one_is_quix_streams_own(paced: PacedContext) -> None:
    first = paced.checkpoint
    paced.commit_checkpoint(force=True, revoking=True)
    assert paced.checkpoint is not first
    assert Counted.closed == [0]


def test_records_are_gathered_for_as_long_as_the_last_commit_took(paced: PacedContext) -> None:
    end(paced, takes_s=0.03)
    assert 0.03 <= paced.commit_interval == paced.checkpoint._commit_interval < _LONGEST_S
    began = time.monotonic()
    end(paced, takes_s=0.0)
    assert time.monotonic() - began >= 0.03
    assert paced.checkpoint._commit_interval < 0.03  # quick again: and so is the next


def test_the_interval_is_never_below_the_setting_nor_above_what_a_commit_can_need(paced: PacedContext) -> None:
    end(paced, takes_s=0.0)
    assert paced.checkpoint._commit_interval >= 0.005
    end(paced, takes_s=1.5 * _LONGEST_S)
    assert paced.checkpoint._commit_interval == _LONGEST_S
