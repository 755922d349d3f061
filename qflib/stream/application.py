"""A stage on Quix Streams: the assignment hooks, through which a partition's state comes and goes.

Quix Streams 3.28 has no public hook for assignment, so `_on_assign`, `_on_revoke` and `_on_lost` are overridden, and
what they write goes through the application's own transactional producer. The version is pinned in pyproject.toml, and
`tests/stream/test_application.py` fails where a later one names them otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from qflib.broker.clients import Connection, consumer_config, producer_config
from qflib.errors import BrokerError
from qflib.records.topics import journal, snapshots
from qflib.stream import marks
from qflib.stream import snapshots as snapshot_records
from qflib.stream.fold import Fold, Output, Taken
from qflib.stream.metrics import StageMetrics
from qflib.stream.pacing import PacedContext
from qflib.stream.quix import Application, message_context
from qflib.stream.restore import Kept, restore
from qflib.stream.schedule import Schedule
from qflib.stream.stages import Stage
from qflib.stream.traces import Traces, parent_of, trace_id_of
from qflib.stream.trimming import Trimming
from qflib.stream.unanswered import Unanswered
from qflib.stream.watchdog import HUNG, Watchdog

_log = structlog.get_logger(__name__)
#: A worker whose partitions were taken from it: what it has in hand must not be written.
LOST = 3
#: The broker's time to complete a transaction after it has answered the commit: 1 to 3 ms on two shared cores.
_SETTLE_S = 0.003
#: How long an answer may take that nobody waits for in vain: beyond a transaction's time-out, a commit hangs.
_PATIENCE_S = 15.0


class StageApplication(Application):
    """One worker of one stage.

    Parameters
    ----------
    c
        The cluster.
    stage
        The row of the table of stages.
    make
        Gives the fold of a partition in its first state.
    version
        Of the step.
    ordinal
        Which worker: its transactional id and its place in the group come of it.
    metrics
        Where it counts.
    commit_s
        Seconds between two commits.
    exactly_once
        Outputs, marks, snapshots and offsets in one transaction; else a crash may send outputs twice.
    schedule
        When snapshots are due.
    transaction_timeout_ms
        After which the broker gives up on an open transaction; None: the stage's own.
    kept
        Gives inputs that retention has taken, at a restore.
    traces
        Where spans of sampled inputs go; None: nowhere.
    """

    def __init__(
        self,
        c: Connection,
        stage: Stage,
        make: Callable[[int], Fold],
        version: str,
        ordinal: int,
        metrics: StageMetrics,
        *,
        commit_s: float = 0.005,
        exactly_once: bool = True,
        schedule: Schedule | None = None,
        transaction_timeout_ms: int | None = None,
        kept: Kept | None = None,
        traces: Traces | None = None,
    ) -> None:
        name = stage.instance(ordinal)
        timeout_ms = transaction_timeout_ms or stage.transaction_timeout_ms
        consumer = consumer_config(c, group=stage.group, instance=name)
        producer = producer_config(
            c, client_id=name, transactional_id=name if exactly_once else None,
            transaction_timeout_ms=timeout_ms,
        )  # fmt: skip
        super().__init__(
            broker_address=c.bootstrap,
            consumer_group=stage.group,
            auto_offset_reset="error",  # a record that retention took before it was read: the next would be another one
            commit_interval=commit_s,
            consumer_extra_config=_extra(
                consumer, "bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset"
            ),
            producer_extra_config=_extra(producer, "bootstrap.servers"),
            consumer_poll_timeout=min(commit_s, 0.05),
            loglevel="WARNING",
            auto_create_topics=False,
            use_changelog_topics=False,
            auto_recover_from_source_offset_out_of_range=False,
            processing_guarantee="exactly-once" if exactly_once else "at-least-once",
            broker_availability_timeout=0,  # a stage waits for its broker as long as it takes
        )
        watchdog = Watchdog(timeout_ms / 1000 + _PATIENCE_S)
        self._processing_context = PacedContext.of(self._processing_context, self._committed_in, watchdog.over)
        self._processing_context.listen(self._consumer)
        self.stage, self.version = stage, version
        self.folds: dict[int, Fold] = {}
        self._graceful: dict[int, int] = {}  # inputs in the state that the last graceful stop left
        self._c, self._make, self._exactly_once, self._metrics, self._kept = c, make, exactly_once, metrics, kept
        self._traces = traces
        self._schedule = schedule or Schedule()
        self._trimming = Trimming(c, stage)
        self._unanswered = Unanswered.listen()
        self._wire()

    # ---- the flow

    def _wire(self) -> None:
        written = {t: self._bytes(t) for t in self.stage.outputs}
        written |= {t: self._bytes(t) for t in self.stage.letters if t not in written}
        for topic in self.stage.inputs:
            frame = self.dataframe(self._bytes(topic))
            frame = frame.apply(self._take, expand=True, metadata=True)
            frame.to_topic(lambda out, *_: written[out.topic], key=lambda out: out.key)
        for t in written.values():
            t._value_serializer = _ValueOf()

    def _bytes(self, topic: str) -> Any:
        return self.topic(
            topic,
            key_deserializer="bytes",
            key_serializer="bytes",
            value_deserializer="bytes",
            value_serializer="bytes",
        )

    def _take(self, value: bytes | None, key: bytes | None, timestamp: int, headers: Any) -> list[Output]:
        at = message_context()
        fold = self.folds[at.partition]
        topic, offset = at.topic, at.offset
        self._let_settle()
        if offset < fold.next[topic] and not self._exactly_once:
            return []  # in the state already: the commit of its offset was lost
        began = time.perf_counter()
        taken = fold.take(topic, offset, key, value)
        spent = time.perf_counter() - began
        self._metrics.batch(spent, taken.events)
        if self._traces is not None and (parent := parent_of(headers)) is not None:
            self._trace(self._traces, parent, spent, taken, timestamp)
        if taken.gap:
            self._metrics.gap(taken.gap)
        for dead in taken.letters:
            reason = dead.name.lower()
            self._metrics.dead(reason)
            ids = {"batch": batch_id(taken), "trace_id": trace_id_of(parent_of(headers))}
            _log.warning(
                "dead letter", stage=self.stage.name, topic=topic, partition=at.partition, offset=offset, reason=reason,
                **{name: told for name, told in ids.items() if told},
            )  # fmt: skip
        if self.stage.journalled:
            mark = marks.write(fold, topic, offset, taken, self.version)
            self._produce(journal(self.stage.name), at.partition, mark)
        if self._schedule.due(at.partition, fold.batches, time.monotonic()):
            self._snapshot(at.partition, graceful=False)
        return taken.outputs

    def _trace(self, traces: Traces, parent: bytes, spent_s: float, taken: Taken, appended_ms: int) -> None:
        """A span of the step's work on an input; how long the input had waited in Kafka is told beside."""
        at, now_ns = message_context(), time.time_ns()
        began_ns = now_ns - int(spent_s * 1e9)
        told = {
            "messaging.destination.name": at.topic,
            "messaging.destination.partition.id": str(at.partition),
            "messaging.kafka.offset": at.offset,
            "qflib.batch": batch_id(taken),
            "qflib.events": taken.events,
            "qflib.waited_ms": max(began_ns // 1_000_000 - appended_ms, 0),
        }
        traces.take(parent, began_ns, now_ns, told)

    def _let_settle(self) -> None:
        """Wait until the former transaction is through at the broker.

        Its markers are written after the commit has returned; who begins to write before that is sent away for 20 ms.
        """
        checkpoint = self._processing_context.checkpoint
        if self._exactly_once and checkpoint.empty():
            wait = checkpoint._created_at + _SETTLE_S - time.monotonic()
            if wait > 0:
                time.sleep(wait)

    # ---- the hooks

    def _on_assign(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        took_over = []
        for p in sorted({tp.partition for tp in topic_partitions}):
            began = time.monotonic()
            committed = partial(self._committed, p)
            restored = restore(
                self._c, self._make(p), self.version, committed, exactly_once=self._exactly_once, kept=self._kept
            )
            self.folds[p] = restored.fold
            self._trimming.begin(p, restored.snapshots)
            self._schedule.begin(p, restored.fold.batches, time.monotonic(), restored.journal_offset)
            if restored.graceful:
                self._graceful[p] = restored.fold.batches
            if restored.takes_over and restored.fold.batches:
                took_over.append(p)
            self._metrics.restore(time.monotonic() - began)
        for tp in topic_partitions:
            tp.offset = self.folds[tp.partition].next[tp.topic] or OFFSET_BEGINNING
        super()._on_assign(consumer, topic_partitions)
        for p in took_over:  # only now: while partitions are restored the transaction is empty, however long it takes
            self._snapshot(p, graceful=False)
            self._touch(p)

    def _on_revoke(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        partitions = sorted({tp.partition for tp in topic_partitions} & self.folds.keys())
        if not self._failed:
            for p in partitions:
                taken = self.folds[p].batches
                if taken and self._graceful.get(p) != taken:  # else there is none to keep, or one that nothing follows
                    self._snapshot(p, graceful=True)
                    self._touch(p)
        super()._on_revoke(consumer, topic_partitions)
        for p in partitions:
            del self.folds[p]
            self._graceful.pop(p, None)
        _log.info("revoked", stage=self.stage.name, partitions=partitions)

    def _on_lost(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        _log.error("partitions lost", stage=self.stage.name, mend="the supervisor starts this worker again")
        os._exit(LOST)

    def _committed_in(self, seconds: float) -> None:
        self._metrics.checkpoint(seconds)
        self._producer.poll()  # which gives what its client has said
        if self._unanswered.seen:
            mend = "the supervisor starts this worker again"
            _log.error("a commit got no answer in time", stage=self.stage.name, seconds=round(seconds, 1), mend=mend)
            os._exit(HUNG)

    def _committed(self, partition: int) -> dict[str, int]:
        asked = [TopicPartition(t, partition) for t in self.stage.inputs]
        told = self._consumer.committed(asked, timeout=_PATIENCE_S)
        for tp in told:
            if tp.error is not None:
                raise BrokerError(f"the offset of {tp.topic}[{tp.partition}] cannot be asked for: {tp.error.str()}")
        return {tp.topic: tp.offset for tp in told}

    # ---- what goes beside the outputs, in the same transaction

    def _snapshot(self, partition: int, *, graceful: bool) -> None:
        began = time.monotonic()
        fold, topic = self.folds[partition], journal(self.stage.name)
        confirmed = self._producer.offsets.get((topic, partition), -1)
        journal_offset = max(confirmed, self._schedule.journal_offset(partition))
        self._trimming.taking(partition, journal_offset, self._producer.offsets)
        for record in snapshot_records.write(fold, self.version, journal_offset, graceful):
            self._produce(snapshots(self.stage.name), partition, record)
        now = time.monotonic()
        self._schedule.taken(partition, fold.batches, now, now - began, journal_offset)
        self._metrics.snapshot(now - began)

    def _touch(self, partition: int) -> None:
        """Store the inputs' last offsets again: a checkpoint without any is aborted, and what was written with it."""
        stored = self._processing_context.checkpoint._tp_offsets
        for topic, offset in self.folds[partition].next.items():
            if offset and (topic, partition) not in stored:
                self._processing_context.store_offset(topic, partition, offset - 1)

    def _produce(self, topic: str, partition: int, value: bytes) -> None:
        self._producer.produce(topic=topic, key=b"%d" % partition, value=value, partition=partition)


def batch_id(taken: Taken) -> str:
    """An input's source, epoch and number: what names it in logs, traces and the audit; empty where it tells none."""
    h = taken.header
    return "" if h is None else f"{h.source}/{h.epoch}/{h.seq}"


class _ValueOf:
    """Serialises an output as its bytes: neither a branch nor a copy is needed to take it apart."""

    def __init__(self) -> None:
        self.extra_headers: dict[str, str] = {}

    def __call__(self, value: Output, ctx: object) -> bytes:
        return value.value


def _extra(config: dict[str, Any], *own: str) -> dict[str, Any]:
    """Settings without those that Quix Streams takes as its own arguments."""
    return {k: v for k, v in config.items() if k not in own}
