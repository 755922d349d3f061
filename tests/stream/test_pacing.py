"""When a stage's transaction ends and how long it waits, on checkpoints that only count; on Kafka: test_application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest.mock import MagicMock

import pytest
from quixstreams.checkpointing.exceptions import CheckpointProducerTimeout

from qflib.stream.pacing import _GATHER_S, _IDLE_S, _LONGEST_S, PacedContext
from qflib.stream.quix import ProcessingContext


class Clock:
    """Stands still but for what is waited and worked."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class Counted:
    """A checkpoint: it holds offsets, and takes its time to commit."""

    clock: Clock
    takes_s = 0.0
    committed: list[int]
    closed: list[int]

    def __init__(self, commit_interval: float, **_: object) -> None:
        self._commit_interval, self._created_at, self.offsets = commit_interval, self.clock.now, 0

    def expired(self) -> bool:
        return self.clock.now - self._created_at >= self._commit_interval

    def empty(self) -> bool:
        return not self.offsets

    def store_offset(self, topic: str, partition: int, offset: int) -> None:
        self.offsets += 1

    def commit(self, *, revoking: bool = False) -> None:
        self.clock.now += self.takes_s
        self.committed.append(self.offsets)

    def close(self, *, revoking: bool = False) -> None:
        self.closed.append(self.offsets)


class Input:
    """A consumer with so many rows; it notes how long it was to wait for each."""

    def __init__(self, rows: int) -> None:
        self.rows, self.waits = rows, list[float]()

    def poll_row(self, timeout: float, buffered: bool) -> object:
        self.waits.append(timeout)
        self.rows -= 1
        return object() if self.rows >= 0 else None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("qflib.stream.pacing.time", made)
    monkeypatch.setattr(Counted, "clock", made, raising=False)
    return made


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> PacedContext:
    monkeypatch.setattr("quixstreams.processing.context.Checkpoint", Counted)
    monkeypatch.setattr(Counted, "committed", [], raising=False)
    monkeypatch.setattr(Counted, "closed", [], raising=False)
    monkeypatch.setattr(Counted, "takes_s", 0.0)
    made = PacedContext.of(ProcessingContext(0.005, *[None] * 5, exactly_once=True))  # type: ignore[arg-type]
    made.init_checkpoint()
    return made


def run(paced: PacedContext, consumer: Any, turns: int) -> None:
    """Quix Streams' loop."""
    for _ in range(turns):
        if consumer.poll_row(timeout=99.0, buffered=False) is not None:
            paced.store_offset("t", 0, 0)
        paced.commit_checkpoint()


def test_it_is_the_same_context(paced: PacedContext) -> None:
    assert (paced.commit_interval, paced.shortest_s, paced.exactly_once) == (0.005, 0.005, True)


def test_a_burst_is_one_transaction_that_ends_with_it(paced: PacedContext, clock: Clock) -> None:
    consumer = Input(40)
    paced.listen(consumer)
    clock.now += 1.0
    run(paced, consumer, 40)
    assert not Counted.committed
    run(paced, consumer, 1)
    assert Counted.committed == [40]
    assert consumer.waits == [_IDLE_S] + [0.0] * 40


def test_after_a_commit_it_rests_before_the_next(paced: PacedContext, clock: Clock) -> None:
    consumer = Input(1)
    paced.listen(consumer)
    run(paced, consumer, 2)
    assert not Counted.committed  # drained, and the last one was just now
    assert consumer.waits[1] == pytest.approx(0.005)
    clock.now += 0.0049
    run(paced, consumer, 1)
    assert not Counted.committed
    clock.now += 0.0002
    run(paced, consumer, 1)
    assert Counted.committed == [1]


def test_an_input_without_end_is_cut(paced: PacedContext, clock: Clock) -> None:
    consumer = Input(10**9)
    paced.listen(consumer)
    began = clock.now = clock.now + 1.0
    while not Counted.committed:
        run(paced, consumer, 1)
        clock.now += 0.001
    assert clock.now - 0.001 - began == pytest.approx(_GATHER_S, abs=0.001)


def test_where_nothing_came_the_transaction_stays(paced: PacedContext, clock: Clock) -> None:
    first, consumer = paced.checkpoint, Input(0)
    paced.listen(consumer)
    clock.now += 1.0
    run(paced, consumer, 3)
    assert paced.checkpoint is first
    assert (Counted.committed, Counted.closed) == ([], [])
    assert consumer.waits == [_IDLE_S] * 3


def test_what_must_be_is_committed_at_once(paced: PacedContext) -> None:
    paced.store_offset("t", 0, 0)
    paced.commit_checkpoint()
    assert not Counted.committed
    paced.commit_checkpoint(force=True)
    assert Counted.committed == [1]


def test_a_forced_end_of_an_empty_one_is_quix_streams_own(paced: PacedContext) -> None:
    first = paced.checkpoint
    paced.commit_checkpoint(force=True, revoking=True)
    assert paced.checkpoint is not first
    assert Counted.closed == [0]


@pytest.mark.parametrize(
    ("takes_s", "rest_s"),
    [(0.0, 0.005), (0.03, 0.03), (1.5 * _LONGEST_S, _LONGEST_S)],
    ids=["the setting at least", "as long as it took", "no longer than one can need"],
)
def test_a_commit_says_when_the_next_may_be(
    paced: PacedContext, monkeypatch: pytest.MonkeyPatch, takes_s: float, rest_s: float
) -> None:
    told: list[float] = []
    paced.told = told.append
    monkeypatch.setattr(Counted, "takes_s", takes_s)
    paced.store_offset("t", 0, 0)
    paced.commit_checkpoint(force=True)
    assert told == pytest.approx([takes_s])
    assert paced.commit_interval == pytest.approx(rest_s)
    paced.store_offset("t", 0, 0)
    assert paced.patience() == pytest.approx(rest_s)


def test_a_setting_above_what_a_commit_can_need_holds(paced: PacedContext) -> None:
    paced.shortest_s = 1.0
    paced.store_offset("t", 0, 0)
    paced.commit_checkpoint(force=True)
    assert paced.commit_interval == 1.0


def test_every_commit_is_watched_over(paced: PacedContext) -> None:
    seen: list[tuple[str, int]] = []

    @contextmanager
    def watch(what: str) -> Iterator[None]:
        yield
        seen.append((what, len(Counted.committed)))

    paced.watch = watch
    for revoking in (False, True):
        paced.store_offset("t", 0, 0)
        paced.commit_checkpoint(force=True, revoking=revoking)
    assert seen == [("a commit", 1), ("a commit", 2)]


class Told:
    """A producer that notes what it is asked for; two messages are not delivered yet."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []

    def begin_transaction(self) -> None:
        """Not noted."""

    def flush(self, timeout: float | None = None) -> int:
        self.asked.append(("flush", timeout))
        return 2

    def commit_transaction(self, offsets: list[Any], metadata: object, timeout: float | None = None) -> None:
        self.asked.append(("commit", timeout))
        assert [(tp.topic, tp.partition, tp.offset) for tp in offsets] == [("t", 0, 1)]

    def abort_transaction(self, timeout: float | None = None) -> None:
        self.asked.append(("abort", None))

    offsets: ClassVar[dict[Any, int]] = {}


def ending(producer: Told, *, exactly_once: bool) -> PacedContext:
    consumer, sinks, states, frames = MagicMock(), MagicMock(sinks=[]), MagicMock(), MagicMock()
    made = PacedContext.of(
        ProcessingContext(0.005, producer, consumer, states, sinks, frames, 0, exactly_once, revoke_flush_timeout=9.0)  # type: ignore[arg-type]
    )
    made.init_checkpoint()
    made.store_offset("t", 0, 0)
    return made


def test_a_transactions_commit_sends_offsets_while_messages_are_on_their_way() -> None:
    producer = Told()
    ending(producer, exactly_once=True).commit_checkpoint(force=True)
    assert producer.asked == [("commit", None)]


def test_offsets_without_a_transaction_wait_for_the_messages() -> None:
    producer = Told()
    with pytest.raises(CheckpointProducerTimeout):
        ending(producer, exactly_once=False).commit_checkpoint(force=True)
    assert producer.asked == [("flush", None)]


def test_a_revoke_gives_up_what_was_not_delivered() -> None:
    producer = Told()
    ending(producer, exactly_once=True).commit_checkpoint(force=True, revoking=True)
    assert [name for name, _ in producer.asked] == ["flush", "abort"]
    assert producer.asked[0][1] is not None
