"""The table of topics: partitions, retention, keys, replication, timestamps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from qflib.broker.clients import MAX_BYTES, Connection, admin
from qflib.broker.reading import ends
from qflib.errors import BrokerError, DataError, InputError
from qflib.machine import processors
from qflib.records import topics as names

#: The stages that merge several inputs, and so keep the order they took them in.
JOURNALLED = ("exchange", "strategy", "promoted", "promoted_events", "exposures")
#: The stages that keep snapshots.
SNAPSHOT = ("normalize", "exchange", "strategy", "promoted", "promoted_events", "exposures", "portfolio")

_MB = 1 << 20
_DAY_MS = 86_400_000
_FOREVER = -1
_LOOK_AGAIN_S = 0.05
_ALL = -1  # bytes: the stage alone deletes what it no longer needs


@dataclass(frozen=True)
class TopicSpec:
    """One row: what a topic is, and how long it keeps it."""

    name: str
    key: str
    doc: str
    retention_ms: int
    retention_bytes: int  # a partition
    segment_bytes: int
    partitions: int = 0
    replication: int = 1

    @property
    def config(self) -> dict[str, str]:
        """What Kafka is told of it."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "retention.bytes": str(self.retention_bytes),
            "segment.bytes": str(self.segment_bytes),
            # Not a record's own time: a recording of 2012 was deleted by retention within seconds.
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MAX_BYTES),
        }


def _public(name: str, key: str, doc: str, mb: int, segment_mb: int = 32) -> TopicSpec:
    return TopicSpec(name, key, doc, _DAY_MS, mb * _MB, segment_mb * _MB)


_RECORDS = (
    _public(names.MARKET_RAW, "venue + connection", "the venue's own bytes; clocks", 2_048),
    _public(names.MARKET_NORMALIZED, "underlying", "market events, signals, clocks", 2_048),
    _public(names.ORDERS_INCOMING, "underlying", "orders, bookings, controls", 1_024),
    _public(names.ORDERS_EXECUTED, "underlying", "acknowledgements, fills, rejects, settlements", 1_024),
    _public(names.RISK_METRICS, "portfolio", "positions, Greeks, VaR and ES, limits, hedge decisions", 1_024),
    _public(
        names.ANALYTICS_RESULTS,
        "underlying or portfolio",
        "tops, depth, features, rolling and component ES, backtests",
        1_024,
    ),
    _public(names.EXCHANGE_MARKS, "underlying", "internal: top, depth, option quotes, time, controls", 1_024),
    _public(names.RISK_EXPOSURES, "portfolio", "internal: an underlying's Greeks and scenario vectors", 2_048),
)

#: Every topic; partitions and replication are the cluster's (`topic_specs`). A record carries a key everywhere.
TOPIC_TABLE = (
    *_RECORDS,
    *(
        TopicSpec(names.dead_letters(t.name), t.key, f"dead letters of {t.name}", 7 * _DAY_MS, 256 * _MB, 16 * _MB)
        for t in _RECORDS
    ),
    *(
        TopicSpec(names.journal(s), "partition", f"which inputs {s} took, in which order", _FOREVER, _ALL, 16 * _MB)
        for s in JOURNALLED
    ),
    *(
        TopicSpec(names.snapshots(s), "partition", f"{s}'s state, in chunks", _FOREVER, _ALL, 32 * _MB)
        for s in SNAPSHOT
    ),
)


def topic_specs(partitions: int, replication: int = 1) -> list[TopicSpec]:
    """The table for a cluster.

    Examples
    --------
    >>> from qflib.broker.topics import topic_specs
    >>> topic_specs(4)[0].name, topic_specs(4)[0].partitions
    ('market.data.raw', 4)
    """
    from dataclasses import replace

    return [replace(spec, partitions=partitions, replication=replication) for spec in TOPIC_TABLE]


def retention_ms(topic: str) -> int:
    """How long a topic keeps its records; -1: for ever.

    Examples
    --------
    >>> from qflib.broker.topics import retention_ms
    >>> retention_ms("market.data.raw")
    86400000
    """
    return next(spec.retention_ms for spec in TOPIC_TABLE if spec.name == topic)


def keep(c: Connection, topic: str, ms: int | None = None, *, usual: bool = False, timeout_s: float = 30.0) -> None:
    """Have a topic of the table kept for longer, or for as long as the table says again; at once, and over restarts.

    Parameters
    ----------
    c
        The cluster.
    topic
        Its name.
    ms
        Milliseconds, whatever the bytes; None: without end.
    usual
        As the table says; `ms` is not looked at.
    timeout_s
        How long to wait for the answer.

    Raises
    ------
    InputError
        If it is not in the table.
    BrokerError
        If the cluster cannot be reached or refuses.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    spec = next((s for s in TOPIC_TABLE if s.name == topic), None)
    if spec is None:
        raise InputError(f"topic {topic!r} is none of the desk's; expected one as market.data.raw (docs/stream.md)")
    told = {"retention.ms": _FOREVER if ms is None else ms, "retention.bytes": _ALL}
    if usual:
        told = {"retention.ms": spec.retention_ms, "retention.bytes": spec.retention_bytes}
    entries = [ConfigEntry(k, str(v), incremental_operation=AlterConfigOpType.SET) for k, v in told.items()]
    asked = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]
    client, end = admin(c), time.monotonic() + timeout_s
    try:
        for future in client.incremental_alter_configs(asked, request_timeout=timeout_s).values():
            future.result()
        while True:  # the controller has it; who keeps the topic hears of it a moment later
            [future] = client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
            found = future.result()
            if all(found[name].value == str(value) for name, value in told.items()):
                return
            if time.monotonic() > end:
                raise BrokerError(f"{c.bootstrap} did not take up {told} of {topic} within {timeout_s:g} s; try again")
            time.sleep(_LOOK_AGAIN_S)
    except KafkaException as e:
        raise BrokerError(f"altering {topic} at {c.bootstrap} failed: {e.args[0].str()}; see that it runs") from None


def default_partitions() -> int:
    """One for two processors, four at most: every partition has five stages and the broker work for it.

    On two, a second one made the desk a fifth slower.
    """
    return min(4, max(1, processors() // 2))


def create(c: Connection, partitions: int | None, replication: int = 1, *, timeout_s: float = 30.0) -> None:
    """Create the topics that are not there; those that are must agree where disagreement would be silent.

    Every partition answers when this returns. To one that does not yet, an idempotent producer's first request in
    flight is refused and its second taken; the first, sent again, then counts as a repeat: reported as delivered, and
    not there.

    Parameters
    ----------
    c
        The cluster.
    partitions, replication
        Of every topic; None: as many partitions as those that are there have, else `default_partitions`.
    timeout_s
        How long to wait for each answer.

    Raises
    ------
    DataError
        If a topic exists with another count of partitions (keys would lie elsewhere), with its records' own times, or
        with room for shorter records.
    BrokerError
        If the cluster cannot be reached or refuses.
    """
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic

    client = admin(c)
    try:
        there = client.list_topics(timeout=timeout_s).topics
        count = partitions if partitions is not None else _count(there) or default_partitions()
        specs = topic_specs(count, replication)
        known = [s for s in specs if s.name in there]
        _check_counts(known, there)
        _check_config(client, known, timeout_s)
        wanted = [
            NewTopic(s.name, num_partitions=s.partitions, replication_factor=s.replication, config=s.config)
            for s in specs
            if s.name not in there
        ]
        others = []
        made = client.create_topics(wanted, request_timeout=timeout_s) if wanted else {}
        for name, future in made.items():
            try:
                future.result()
            except KafkaException as e:
                if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                others += [spec for spec in specs if spec.name == name]  # another's, made since the topics were listed
        _check_config(client, others, timeout_s)
        _check_counts(specs, client.list_topics(timeout=timeout_s).topics)
    except KafkaException as e:
        mend = "see that it runs, or give another --bootstrap"
        raise BrokerError(f"creating the topics at {c.bootstrap} failed: {e.args[0].str()}; {mend}") from None
    _until_they_answer(c, [(spec.name, p) for spec in specs for p in range(spec.partitions)], timeout_s)


def _until_they_answer(c: Connection, partitions: list[tuple[str, int]], timeout_s: float) -> None:
    """Wait for topics that are there, though a broker that was silent for a moment may not know of them again yet."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            ends(c, partitions, timeout_s=timeout_s)
        except DataError:
            if time.monotonic() > end:
                raise
        else:
            return


def partitions_of(c: Connection, *, timeout_s: float = 30.0) -> int | None:
    """How many partitions the topics of a cluster have; None where there are none yet.

    Raises
    ------
    BrokerError
        If the cluster cannot be reached.
    """
    from confluent_kafka import KafkaException

    try:
        return _count(admin(c).list_topics(timeout=timeout_s).topics)
    except KafkaException as e:
        raise BrokerError(
            f"no broker answers at {c.bootstrap} ({e.args[0].str()}); see whether it runs, or mend the address"
        ) from None


def _count(there: dict[str, Any]) -> int | None:
    return next((len(there[spec.name].partitions) for spec in TOPIC_TABLE if spec.name in there), None)


def _check_counts(specs: list[TopicSpec], there: dict[str, Any]) -> None:
    for spec in specs:
        count = len(there[spec.name].partitions) if spec.name in there else spec.partitions
        if count != spec.partitions:
            raise DataError(
                f"topic {spec.name} has {count} partitions, {spec.partitions} are set; set QFLIB_BROKER__PARTITIONS to "
                f"{count}, or begin anew with --fresh"
            )


def _check_config(client: Any, specs: list[TopicSpec], timeout_s: float) -> None:
    from confluent_kafka.admin import ConfigResource, ResourceType

    if not specs:
        return
    asked = [ConfigResource(ResourceType.TOPIC, s.name) for s in specs]
    for resource, future in client.describe_configs(asked, request_timeout=timeout_s).items():
        found = future.result()
        for name, right in (
            ("message.timestamp.type", found["message.timestamp.type"].value == "LogAppendTime"),
            ("max.message.bytes", int(found["max.message.bytes"].value) >= MAX_BYTES),
        ):
            if not right:
                wanted = "LogAppendTime" if name == "message.timestamp.type" else f"at least {MAX_BYTES}"
                raise DataError(
                    f"topic {resource.name} has {name}={found[name].value}, {wanted} is needed; alter the topic, or "
                    "begin anew with --fresh"
                )
