"""What each process of a desk may do on Kafka, and no more: access control lists, of its stages and topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from qflib.broker.clients import DESK, Connection, admin
from qflib.broker.topics import JOURNALLED, SNAPSHOT, TOPIC_TABLE
from qflib.errors import BrokerError
from qflib.records.topics import (
    EXCHANGE_MARKS,
    MARKET_RAW,
    ORDERS_INCOMING,
    RISK_METRICS,
    TOPICS,
    dead_letters,
    journal,
    snapshots,
)
from qflib.stream.stages import ARCHIVE_GROUP, STAGES, Stage

if TYPE_CHECKING:
    from confluent_kafka.admin import AclBinding

Kind = Literal["topic", "group", "transactional_id", "cluster"]
_ANSWER_S = 30.0
#: Names under which clients ask where records are; none of them commits.
_ASKING = ("qflib.ends", "qflib.read.", "qflib.views.")
#: Ingest looks at the last record of what stages read: after it stand as many markers as workers have written it.
_TRANSACTED = {t for s in STAGES.values() for t in s.inputs}
_GROUPS = (*(s.group for s in STAGES.values()), ARCHIVE_GROUP)


class Right(NamedTuple):
    """One process may do something with a resource, or with all whose names begin so."""

    process: str
    kind: Kind
    name: str
    operation: str  # as Kafka calls it: Read, Write, Describe, ...
    prefixed: bool = False


def rights() -> tuple[Right, ...]:
    """Of every process, sorted: stages, ingest, archive, opening, monitor, api, dash, and desk, whose are the commands.

    Examples
    --------
    >>> Right("portfolio", "topic", "risk.metrics", "Write") in rights()
    True
    >>> any(r.process == "normalize" and r.name == "orders.incoming" for r in rights())
    False
    """
    every = [t.name for t in TOPIC_TABLE]
    made = [r for stage in STAGES.values() for r in _of(stage)]
    made += [Right("ingest", "topic", MARKET_RAW, o) for o in ("Read", "Write")]
    seen = [t for s in STAGES.values() for t in s.inputs] + [ORDERS_INCOMING, RISK_METRICS]  # how far they have come
    made += [Right("ingest", "topic", t, "Read" if t in _TRANSACTED else "Describe") for t in seen]
    made += [Right("ingest", "group", g, "Describe") for g in _GROUPS]
    made += [Right("archive", "topic", t, o) for t in every for o in ("Read", "DescribeConfigs")]
    made += [Right("archive", "group", ARCHIVE_GROUP, "Read")]
    shown = (*TOPICS, *map(dead_letters, TOPICS))
    for reader, topics in (("api", shown), ("dash", shown), ("monitor", shown), (DESK, every)):
        made += [Right(reader, "topic", t, "Read") for t in topics]
        made += [Right(reader, "group", g, "Describe") for g in _GROUPS]
    made += [Right("api", "topic", t, "Write") for t in (MARKET_RAW, ORDERS_INCOMING)]
    made += [Right("api", "transactional_id", "qflib.api.", o, True) for o in ("Write", "Describe")]
    made += [Right("opening", "topic", EXCHANGE_MARKS, "Read")]
    for opener in ("opening", DESK):
        made += [Right(opener, "topic", ORDERS_INCOMING, "Write")]
        made += [Right(opener, "transactional_id", "qflib.opening.", o, True) for o in ("Write", "Describe")]
    made += [Right(DESK, "topic", t, o) for t in every for o in ("Create", "DescribeConfigs", "AlterConfigs", "Alter")]
    made += [Right(p, "group", "qflib.monitor", "Describe") for p in ("monitor", DESK)]
    made += [Right(p, "group", g, "Describe", True) for p in {r.process for r in made} for g in _ASKING]
    return tuple(sorted(set(made)))


def _of(stage: Stage) -> list[Right]:
    """A stage reads its inputs, writes its outputs and letters, and owns journal and snapshots."""
    own = [journal(stage.name)] if stage.name in JOURNALLED else []
    own += [snapshots(stage.name)] if stage.name in SNAPSHOT else []
    made = [Right(stage.name, "topic", t, "Read") for t in (*stage.inputs, *own)]
    made += [Right(stage.name, "topic", t, "Write") for t in (*stage.outputs, *stage.letters, *own)]
    made += [Right(stage.name, "topic", t, "Delete") for t in own]  # of records it needs no more
    made += [Right(stage.name, "topic", t, "DescribeConfigs") for t in (*stage.inputs, *stage.outputs, *stage.letters)]
    made += [Right(stage.name, "group", stage.group, "Read")]
    made += [Right(stage.name, "transactional_id", f"{stage.group}.", o, True) for o in ("Write", "Describe")]
    return made


def commands(of: Iterable[Right] | None = None) -> str:
    """A shell script for those who administer a cluster with Kafka's own tool."""
    lines = [
        "#!/bin/sh",
        "# What each process of a desk may do on Kafka, and no more; written by `qflib broker rights`.",
        "# BOOTSTRAP=HOST:PORT CONFIG=admin.properties PREFIX=User:qflib- sh deploy/kafka/acls.sh",
        "set -eu",
        'add() { kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$CONFIG" --add "$@"; }',
    ]
    calls: dict[tuple[str, Kind, bool, tuple[str, ...]], list[str]] = {}  # a call starts a Java of its own: few
    for (process, kind, name, prefixed), operations in _by_resource(rights() if of is None else of).items():
        calls.setdefault((process, kind, prefixed, tuple(operations)), []).append(name)
    for (process, kind, prefixed, called), names in calls.items():
        pattern = " --resource-pattern-type prefixed" if prefixed else ""
        allowed = "".join(f" --operation {o}" for o in called)
        resources = "".join(f" --{kind.replace('_', '-')} {name}" for name in names)
        lines.append(f'add --allow-principal "${{PREFIX:-User:qflib-}}{process}"{allowed}{pattern}{resources}')
    return "\n".join(lines) + "\n"


def users(of: Iterable[Right] | None = None) -> str:
    """The same for Strimzi: by process, the access list of its KafkaUser, as YAML for the chart."""
    lines = ["# What each process of a desk may do on Kafka, and no more; written by `qflib broker rights --strimzi`."]
    before = ""
    for (process, kind, name, prefixed), operations in _by_resource(rights() if of is None else of).items():
        if process != before:
            lines.append(f"{process}:")
            before = process
        told = f"type: {'transactionalId' if kind == 'transactional_id' else kind}, name: {name}"
        pattern = "prefix" if prefixed else "literal"
        lines.append(f"- resource: {{{told}, patternType: {pattern}}}")
        lines.append(f"  operations: [{', '.join(operations)}]")
    return "\n".join(lines) + "\n"


def _by_resource(of: Iterable[Right]) -> Mapping[tuple[str, Kind, str, bool], list[str]]:
    made: dict[tuple[str, Kind, str, bool], list[str]] = {}
    for r in of:
        made.setdefault((r.process, r.kind, r.name, r.prefixed), []).append(r.operation)
    return made


def grant(c: Connection, prefix: str = "User:qflib-") -> int:
    """Give every process its rights; how many there are.

    Parameters
    ----------
    c
        The cluster, asked as one who may alter it.
    prefix
        Before the process's name: its principal.

    Raises
    ------
    BrokerError
        If the cluster takes one of them not.
    """
    from confluent_kafka import KafkaException

    wanted = [_binding(r, prefix) for r in rights()]
    for binding, done in admin(c, client_id="qflib.rights").create_acls(wanted, request_timeout=_ANSWER_S).items():
        try:
            done.result()
        except KafkaException as e:
            raise BrokerError(f"{c.bootstrap} takes no rights of {binding.principal} ({e.args[0].str()})") from None
    return len(wanted)


def _binding(r: Right, prefix: str) -> AclBinding:
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    kinds: dict[Kind, Any] = {
        "topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "cluster": ResourceType.BROKER,
        "transactional_id": ResourceType.TRANSACTIONAL_ID,
    }  # fmt: skip
    words = "".join(f"_{ch}" if ch.isupper() else ch for ch in r.operation).strip("_").upper()
    pattern = ResourcePatternType.PREFIXED if r.prefixed else ResourcePatternType.LITERAL
    operation = AclOperation[words]
    return AclBinding(kinds[r.kind], r.name, pattern, f"{prefix}{r.process}", "*", operation, AclPermissionType.ALLOW)
