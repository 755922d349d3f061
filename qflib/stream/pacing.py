"""When a stage's transaction ends, and how long it waits for a record: both follow the broker and the input."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any

from qflib.stream.quix import ProcessingContext

#: A commit that took longer than this was held up by something else than its own work.
_LONGEST_S = 0.2
#: What is there is taken into one transaction for so long, though a commit took less.
_GATHER_S = 0.03
#: Where nothing is to be committed, a stage looks up so often: for a signal, and for what nobody wakes it for.
_IDLE_S = 0.1


class _FlushedByCommit:
    """A transactional producer as a checkpoint sees it: what is not delivered yet, the commit itself waits for.

    Until then the inputs' offsets are on their way too: two of a commit's four steps at the broker go on at once.
    """

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def flush(self, timeout: float | None = None) -> int:
        """As the producer's, where a time is given, as at a revoke; else nothing is waited for here."""
        return 0 if timeout is None else int(self._producer.flush(timeout=timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


def _unwatched(_: str) -> AbstractContextManager[object]:
    return nullcontext()


class PacedContext(ProcessingContext):
    """Quix Streams' checkpoints, ended when the input is, and never sooner than the broker bears.

    A commit costs the broker the same however much is in it. So a transaction takes in what is there, and ends when
    nothing more is: of a burst that leaves the stage before all in one, and comes as one. Where a commit takes 30 ms,
    one every 5 ms would leave five parts in six of a worker's time to waiting, at a record or two a transaction: from
    the end of a commit to the next one passes at least as long as it took. Where the input does not end, the
    transaction does after as long, or 30 ms. And where nothing came there is nothing to end: Quix Streams itself would
    abort an empty transaction and begin another at every interval.
    """

    @classmethod
    def of(
        cls,
        context: ProcessingContext,
        told: Callable[[float], object] = lambda _: None,
        watch: Callable[[str], AbstractContextManager[object]] = _unwatched,
    ) -> PacedContext:
        """The same context, paced; `told` is called with what each commit took, `watch` stands around each."""
        made = cls(**{f.name: getattr(context, f.name) for f in fields(context) if f.init})
        made.shortest_s = context.commit_interval
        made.told, made.watch = told, watch
        return made

    shortest_s: float = 0.0
    told: Callable[[float], object] = staticmethod(lambda _: None)  # what a commit took
    watch: Callable[[str], AbstractContextManager[object]] = staticmethod(_unwatched)
    drained: bool = False  # the last look at the input found nothing
    _first_s: float = 0.0  # when the transaction's first record was taken in

    def listen(self, consumer: Any) -> None:
        """Have a consumer's `poll_row` wait as long as this context says, and tell it whether something came."""
        poll = consumer.poll_row

        def poll_row(timeout: float | None = None, buffered: bool = False) -> Any:
            rows = poll(timeout=self.patience(), buffered=buffered)
            self.drained = rows is None
            return rows

        consumer.poll_row = poll_row

    def patience(self) -> float:
        """Seconds to wait for a record: until the transaction in hand may be committed."""
        if self.checkpoint.empty():
            return _IDLE_S
        return max(0.0, self.checkpoint._created_at + self.commit_interval - time.monotonic())

    def init_checkpoint(self) -> None:
        """As Quix Streams', but that a transaction's commit does not flush before it sends the offsets."""
        super().init_checkpoint()  # type: ignore[no-untyped-call]
        if self.exactly_once:
            self.checkpoint._producer = _FlushedByCommit(self.producer)  # type: ignore[assignment]

    def store_offset(self, topic: str, partition: int, offset: int) -> None:
        """As Quix Streams': the record is in the transaction."""
        if self.checkpoint.empty():
            self._first_s = time.monotonic()
        super().store_offset(topic, partition, offset)

    def commit_checkpoint(self, force: bool = False, revoking: bool = False) -> None:
        """As Quix Streams': commit where it is time, or where it must be."""
        if not force and (self.checkpoint.empty() or not self._is_time(time.monotonic())):
            return
        began = time.monotonic()
        with self.watch("a commit"):
            super().commit_checkpoint(force=True, revoking=revoking)
        took = time.monotonic() - began
        self.commit_interval = max(self.shortest_s, min(took, _LONGEST_S))
        self.told(took)

    def _is_time(self, now: float) -> bool:
        """Whether the last commit is long enough ago, and the input at its end or the transaction long enough."""
        rested = now - self.checkpoint._created_at >= self.commit_interval
        return rested and (self.drained or now - self._first_s >= max(self.commit_interval, _GATHER_S))
