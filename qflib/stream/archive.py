"""The archive: every topic into the history, on Quix Streams, each record once.

The application runs at-least-once; the history's own offsets make it exact. They also say where to begin: an assignment
starts from what the history holds, the group's committed offsets only tell others how far it is, and never more than is
stored: the audit demands all below them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicCollection, TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from qflib import settings
from qflib.broker.clients import Connection, admin, another_admin, consumer_config, producer_config
from qflib.broker.reading import cluster_id, starts
from qflib.broker.topics import TOPIC_TABLE
from qflib.errors import BrokerError, DataError, FullDiskError, StoreUnavailableError
from qflib.history.archiver import Archiver
from qflib.history.opening import archived_history
from qflib.history.store import Log
from qflib.records import Instruments
from qflib.stream.process import FAILED, Arguments, Stop, freeze, serve_metrics
from qflib.stream.quix import Application, BaseSink
from qflib.stream.stages import ARCHIVE_GROUP
from qflib.stream.upkeep import Upkeep
from qflib.stream.waiting import await_topics
from qflib.stream.watchdog import Watchdog

_log = structlog.get_logger("qflib.archive")

GROUP = ARCHIVE_GROUP
TOPICS = tuple(spec.name for spec in TOPIC_TABLE)
#: Between two commits: a file a day and table each time, so not the stages' 5 ms; the hot tail comes from the topics.
COMMIT_S = 1.5
#: The first after an assignment: two fetches take no longer.
_FIRST_S = 0.5
_PATIENCE_S = 30.0
#: Until a store that took nothing is tried again.
_AGAIN_S = 10.0
#: A commit of all its tables takes both cores for half a second; the stages, whom somebody waits for, come first.
_NICE = 5
#: A file needs no record at once: the broker may gather a quarter of a megabyte, or a quarter of a second.
_FETCH = {"fetch.wait.max.ms": 250, "fetch.min.bytes": 256 << 10}


class Metrics:
    """What the archive tells Prometheus, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = made = CollectorRegistry()
        ProcessCollector(registry=made)
        stage = ("stage",)
        self.events = Counter(
            "qflib_events", "Market events stored.", stage, registry=made
        ).labels("archive")  # fmt: skip
        self.records = Counter("qflib_batches", "Records stored.", stage, registry=made).labels("archive")
        self.rows = Counter("qflib_archive_rows", "Rows of column tables stored.", registry=made)
        self.value_bytes = Counter("qflib_archive_bytes", "Bytes of the values of records stored.", registry=made)
        self.batch = Histogram(
            "qflib_batch_seconds", "A record taken in.", stage, registry=made,
            buckets=(1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2, 1e-1, 1),
        ).labels("archive")  # fmt: skip
        self.checkpoint = Histogram(
            "qflib_checkpoint_seconds", "What was held stored, all tables.", stage, registry=made,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
        ).labels("archive")  # fmt: skip
        self.gone = Counter("qflib_archive_gone", "Records that retention took before they were stored.", registry=made)
        self.stored_at = Gauge("qflib_archive_stored_seconds", "Wall time of the last store.", registry=made)


class ArchiveSink(BaseSink):
    """Gives records to an archiver, and has it store them at each checkpoint."""

    def __init__(self, archiver: Archiver, metrics: Metrics) -> None:
        super().__init__()
        self._archiver, self._metrics = archiver, metrics
        self._told = archiver.counts

    def add(
        self,
        value: Any,
        key: Any,
        timestamp: int,
        headers: Any,
        topic: str,
        partition: int,
        offset: int,
    ) -> None:
        """Take a record in; what is too much to hold is stored at once."""
        began = time.perf_counter()
        self._archiver.take(topic, partition, offset, timestamp * 1_000_000, key, value, headers or ())
        self._metrics.batch.observe(time.perf_counter() - began)

    def flush(self) -> None:
        """Store what is held; Quix Streams commits the group's offsets after it, unless this raises.

        In the thread of a revoke what it raises is noted and goes no further: a graceful stop stays one.
        """
        began = time.perf_counter()
        counts, told = self._archiver.counts, self._told
        self._archiver.store()
        self._metrics.checkpoint.observe(time.perf_counter() - began)
        self._metrics.stored_at.set_to_current_time()
        self._metrics.events.inc(counts.events - told.events)
        self._metrics.records.inc(counts.records - told.records)
        self._metrics.rows.inc(counts.rows - told.rows)
        self._metrics.value_bytes.inc(counts.value_bytes - told.value_bytes)
        self._told = counts


class ArchiveApplication(Application):
    """One worker of the archive.

    Parameters
    ----------
    c
        The cluster.
    archiver
        What it fills.
    ordinal
        Which worker.
    metrics
        Where it counts.
    topics
        What it reads.
    commit_s
        Seconds between two commits.
    """

    def __init__(
        self,
        c: Connection,
        archiver: Archiver,
        ordinal: int = 0,
        metrics: Metrics | None = None,
        topics: Sequence[str] = TOPICS,
        commit_s: float = COMMIT_S,
    ) -> None:
        name = f"{GROUP}.{ordinal}"
        consumer = consumer_config(c, group=GROUP, instance=name) | _FETCH
        own = {"bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset"}
        producer = producer_config(c, client_id=name) | {
            "enable.idempotence": False
        }  # it writes nothing, and asks no right
        super().__init__(
            broker_address=c.bootstrap,
            consumer_group=GROUP,
            auto_offset_reset="earliest",
            commit_interval=commit_s,
            consumer_extra_config={k: v for k, v in consumer.items() if k not in own},
            producer_extra_config={k: v for k, v in producer.items() if k != "bootstrap.servers"},
            consumer_poll_timeout=0.1,
            loglevel="WARNING",
            auto_create_topics=False,
            use_changelog_topics=False,
            auto_recover_from_source_offset_out_of_range=False,
            broker_availability_timeout=0,  # it waits for its broker as long as it takes
        )
        self._c, self._archiver = c, archiver
        self._cluster = cluster_id(c)
        self._ids = _topic_ids(c, topics)
        self._metrics = metrics or Metrics()
        self._sink = ArchiveSink(archiver, self._metrics)
        watch = Watchdog(2 * _PATIENCE_S).over
        self._consumer.commit = _patient(self._consumer.commit, watch)  # type: ignore[method-assign]
        for topic in topics:
            made = self.topic(topic, key_deserializer="bytes", value_deserializer="bytes")
            self.dataframe(made).sink(self._sink)

    def _on_assign(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        """Tables are loaded and buffers dropped before the first record; reading begins where the tables end."""
        if topic_partitions:
            logs = [Log(self._cluster, tp.topic, self._ids[tp.topic], tp.partition) for tp in topic_partitions]
            began = time.monotonic()
            next_offsets = self._archiver.assign(logs)
            low = starts(self._c, [(log.topic, log.partition) for log in logs], timeout_s=_PATIENCE_S)
            for tp, log in zip(topic_partitions, logs, strict=True):
                tp.offset = next_offsets[log] or OFFSET_BEGINNING
                if low[tp.topic, tp.partition] > next_offsets[log]:
                    self._metrics.gone.inc(low[tp.topic, tp.partition] - next_offsets[log])
                    _log.warning(
                        "records gone before they were archived",
                        topic=tp.topic, partition=tp.partition, first=next_offsets[log],
                        kept_from=low[tp.topic, tp.partition], mend="let the archive run, or keep topics for longer",
                    )  # fmt: skip
                    tp.offset = low[tp.topic, tp.partition]
            _log.info("assigned", partitions=len(logs), seconds=round(time.monotonic() - began, 3))
        super()._on_assign(consumer, topic_partitions)
        self._tell([tp for tp in topic_partitions if tp.offset > 0])
        self._commit_soon()
        freeze()

    def _tell(self, stored: list[TopicPartition]) -> None:
        """Commit what the history holds and the group does not: a store whose commit failed, and nothing after it."""
        told = {(tp.topic, tp.partition): tp.offset for tp in self._consumer.committed(stored, timeout=_PATIENCE_S)}
        ahead = [tp for tp in stored if tp.offset > told[tp.topic, tp.partition]]
        if ahead:
            self._consumer.commit(offsets=ahead, asynchronous=False)

    def _commit_soon(self) -> None:
        """What has waited for an archive is stored with the first of it, and not after a whole interval."""
        context = self._processing_context
        usual, context.commit_interval = context.commit_interval, min(_FIRST_S, context.commit_interval)
        context.init_checkpoint()  # type: ignore[no-untyped-call]
        context.commit_interval = usual

    def _on_revoke(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        """Quix Streams stores and commits, in a thread that it may leave behind: that one then finds itself retired."""
        try:
            super()._on_revoke(consumer, topic_partitions)
        finally:
            self._archiver.retire()

    def _on_lost(self, consumer: Any, topic_partitions: list[TopicPartition]) -> None:
        """What is held goes with the partitions; its offsets too, or the next assignment would commit them."""
        self._archiver.retire()
        super()._on_lost(consumer, topic_partitions)
        self._processing_context.init_checkpoint()  # type: ignore[no-untyped-call]


def run(told: Arguments) -> None:
    """Archive as the command line says, until a signal comes.

    Raises
    ------
    DataError
        If the history cannot be written, was written with another instrument table, or is a database without this
        version's schema; a full disk is waited for, and a database that is away.
    InputError
        If the history is kept elsewhere than the settings say.
    BrokerError
        If the cluster cannot be reached at the start.
    """
    os.nice(_NICE)
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what it once had: 60 MB more
    metrics = Metrics()
    await_topics(told.connection)
    chosen = settings.load()
    try:
        _archived(told, chosen, metrics)
    except StoreUnavailableError as e:
        _try_later(e)


def _archived(told: Arguments, chosen: settings.Settings, metrics: Metrics) -> None:
    c = told.connection
    history = archived_history(told.deployment.parent / "history", chosen.store)
    history.register(cluster_id(c), instruments_of(told.deployment))
    serve_metrics(told.metrics_port, metrics.registry)
    commit_s = chosen.stream.archive_commit_s
    app = ArchiveApplication(c, Archiver(history), told.ordinal, metrics, commit_s=commit_s)
    with Upkeep(history, chosen.store.retention_days):
        app.run()


def _try_later(e: StoreUnavailableError) -> NoReturn:
    """End after a while, to be started again: the topics hold what the desk has meanwhile, 2 GiB a partition at most.

    Deaths so far apart are no crash loop.
    """
    stop = Stop()
    stop.listen()
    event = "the disk is full" if isinstance(e, FullDiskError) else "the history cannot be reached"
    _log.error(event, why=str(e), again_in_s=_AGAIN_S)
    sys.exit(0 if stop.wait(_AGAIN_S) else FAILED)


def instruments_of(deployment: Path) -> Instruments:
    """The instrument table in a desk's file; the desk itself, which takes a second to load, is not needed.

    Raises
    ------
    DataError
        If the file is missing or holds none.
    """
    try:
        text: str = json.loads(deployment.read_text(encoding="utf-8"))["instruments"]
    except FileNotFoundError:
        raise DataError(f"desk file {deployment} does not exist; `qflib up` writes it") from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(f"desk file {deployment} is not readable ({e!r}); start with `qflib up --fresh`") from None
    return Instruments.parse(text, f"desk file {deployment}")


def _topic_ids(c: Connection, topics: Iterable[str]) -> Mapping[str, str]:
    """Kafka's own ids: a topic made anew under the same name is another."""
    asked, client, reason = list(topics), admin(c), ""
    for _ in range(3):
        try:  # the client is held: its futures end with it
            told = client.describe_topics(TopicCollection(asked), request_timeout=_PATIENCE_S / 3)
            return {name: str(future.result().topic_id) for name, future in told.items()}
        except KafkaException as e:
            reason = e.args[0].str()
            client = another_admin(c)  # this one may never find the broker that others have found
    raise BrokerError(f"the topics of {c.bootstrap} cannot be described ({reason}); `qflib up` makes them")


def _patient(commit: Callable[..., Any], watch: Callable[[str], AbstractContextManager[None]]) -> Callable[..., Any]:
    """A commit of offsets that waits for a broker, for what they tell is stored; one that hangs ends the process."""

    def tried(*args: Any, **kwargs: Any) -> Any:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with watch("a commit of offsets"):
                    return commit(*args, **kwargs)
            except KafkaException as e:
                fault: KafkaError = e.args[0]
                if not (fault.retriable() or fault.code() in _PASSING) or time.monotonic() > until:
                    raise
                _log.warning("waiting for the broker", why=fault.str())
                time.sleep(0.2)  # there is nothing to await: librdkafka does not say when a coordinator is back

    return tried


_PASSING = frozenset(
    (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._WAIT_COORD, KafkaError._TIMED_OUT,
     KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR,
     KafkaError.REQUEST_TIMED_OUT)
)  # fmt: skip
