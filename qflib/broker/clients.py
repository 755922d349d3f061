"""The settings of every Kafka client: one place, so that all partition alike, recover alike and bound their memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qflib.records.codec import MAX_BYTES as MAX_RECORD_BYTES

if TYPE_CHECKING:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient

    from qflib.settings import BrokerSettings

#: Where clients that only ask say that a broker is away: their callers say it in a sentence.
LIBRDKAFKA = logging.getLogger("qflib.librdkafka")
LIBRDKAFKA.addHandler(logging.NullHandler())
LIBRDKAFKA.propagate = False
#: Where clients that work say it: `qflib.logs` takes it up. Without a logger librdkafka writes to stderr itself.
CLIENTS = logging.getLogger("qflib.kafka")
#: Kafka's `message.max.bytes`, for broker, producers and consumers: the longest record with its key and headers.
MAX_BYTES = MAX_RECORD_BYTES + (64 << 10)


#: Options that say how records are gathered and packed: of producers alone, and in the place of ours.
PACKING = ("linger.ms", "batch.size", "batch.num.messages", "compression.type", "compression.level")
#: Who asks where no process of the desk does: the commands.
DESK = "desk"


@dataclass(frozen=True)
class Connection:
    """A cluster's address, and what every client of it is told beside.

    Examples
    --------
    >>> from qflib.broker.clients import Connection
    >>> Connection("desk:9093", (("sasl.password", "secret"),))
    Connection(bootstrap='desk:9093')
    """

    bootstrap: str
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # SASL, TLS: not for a log

    @classmethod
    def of(cls, settings: BrokerSettings, process: str = DESK) -> Connection | None:
        """The existing cluster of the settings; None where they name none."""
        return None if settings.bootstrap is None else cls.at(settings.bootstrap, settings, process)

    @classmethod
    def at(cls, bootstrap: str, settings: BrokerSettings, process: str = DESK) -> Connection:
        """A cluster with the settings' options, in which `{process}` stands for who asks.

        So one file of settings gives each process a name, a password or a certificate of its own.

        Examples
        --------
        >>> from qflib.settings import BrokerSettings
        >>> told = BrokerSettings(options={"ssl.key.location": "/etc/qflib/{process}.key"})
        >>> Connection.at("desk:9093", told, "exchange").options
        (('ssl.key.location', '/etc/qflib/exchange.key'),)
        """
        options = {name: value.replace("{process}", process) for name, value in settings.options.items()}
        return cls(bootstrap, tuple(sorted(options.items())))


_THIS_MACHINE = ("127.0.0.1:", "localhost:", "[::1]:")
_ANSWER_MS = 2_000  # within which 8 MB are there and taken, on one machine


def common_config(c: Connection, *, client_id: str) -> dict[str, Any]:
    """What producers, consumers and admins have alike."""
    return {
        "bootstrap.servers": c.bootstrap,
        "client.id": client_id,
        # With librdkafka's own 10 s a stage found a broker again 9 s after it was back.
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 300,
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 300,
        # A broker that has just stood still tells for a moment of a cluster without brokers, and who asks for it then
        # gives up the only one it knows: by default it begins anew with the address of the settings after 5 minutes.
        "metadata.recovery.rebootstrap.trigger.ms": 1_000,
        "socket.nagle.disable": True,
        "socket.keepalive.enable": True,
        "message.max.bytes": MAX_BYTES,
        "enable.metrics.push": False,  # a thread and a request a minute for a broker that does not collect
        **{name: value for name, value in c.options if name not in PACKING},
    }


def producer_config(
    c: Connection, *, client_id: str, transactional_id: str | None = None, transaction_timeout_ms: int = 10_000
) -> dict[str, Any]:
    """A producer's settings: idempotent, keys by murmur2 as Quix Streams has them, 64 MB of queue at most.

    A plain producer keeps a record until the broker has it, however long that takes; a transactional one gives it up
    with its transaction.

    Parameters
    ----------
    c
        The cluster.
    client_id
        Its name in the broker's log and metrics.
    transactional_id
        The same after every restart of a worker; None: no transactions.
    transaction_timeout_ms
        After which the broker gives up on an open transaction.

    Examples
    --------
    >>> from qflib.broker.clients import Connection, producer_config
    >>> producer_config(Connection("127.0.0.1:9092"), client_id="ingest")["partitioner"]
    'murmur2'
    """
    config = common_config(c, client_id=client_id) | {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2",  # librdkafka's own is CRC32: another partition for the same key
        "linger.ms": 0.5,
        "queue.buffering.max.kbytes": 64 << 10,
        **{name: value for name, value in c.options if name in PACKING},
    }
    if transactional_id is None:
        return config | {"message.timeout.ms": 0}
    # Nothing of a transaction is seen before its end, and yet it does not pay to gather its records: what is ready goes
    # while the rest is worked on, and a flush that finds records lingering took 2 ms longer.
    own = {"transactional.id": transactional_id, "transaction.timeout.ms": transaction_timeout_ms}
    if c.bootstrap.startswith(_THIS_MACHINE):
        # A broker that was killed begins with what it knew, and a second later with a new epoch of the coordinator:
        # a request between both gets no answer, and was asked again only after the transaction's time.
        config = {"socket.timeout.ms": min(_ANSWER_MS, transaction_timeout_ms)} | config
    return config | own


def consumer_config(
    c: Connection, *, group: str, instance: str | None = None, session_timeout_ms: int = 10_000, committed: bool = True
) -> dict[str, Any]:
    """A consumer's settings: nothing committed by itself, a bounded queue, and no wait for more than there is.

    Parameters
    ----------
    c
        The cluster.
    group
        The consumer group.
    instance
        A static member's id, the same after every restart; None: a member that leaves at its end.
    session_timeout_ms
        How long a member may be silent.
    committed
        Committed records alone.

    Examples
    --------
    >>> from qflib.broker.clients import Connection, consumer_config
    >>> consumer_config(Connection("127.0.0.1:9092"), group="qflib.exchange")["isolation.level"]
    'read_committed'
    """
    config = common_config(c, client_id=instance or group) | {
        "group.id": group,
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": min(session_timeout_ms // 3, 1_000),
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed" if committed else "read_uncommitted",
        "fetch.wait.max.ms": 100,  # the broker answers at the first record; to ask every 5 ms cost it a third more
        "fetch.error.backoff.ms": 20,
        "fetch.queue.backoff.ms": 5,  # after a full queue; with librdkafka's own a partition rests for a second
        "queued.max.messages.kbytes": 16 << 10,
        "fetch.message.max.bytes": 1 << 20,  # a partition; a longer record still comes, alone
        "fetch.max.bytes": 2 * MAX_BYTES,
        "receive.message.max.bytes": 4 * MAX_BYTES,
    }
    return config if instance is None else config | {"group.instance.id": instance}


def producer(c: Connection, *, client_id: str, overrides: Mapping[str, Any] | None = None, **config: Any) -> Producer:
    """A producer; `config` is `producer_config`'s, `overrides` stand over it."""
    from confluent_kafka import Producer

    return Producer(producer_config(c, client_id=client_id, **config) | dict(overrides or {}), logger=CLIENTS)


def admin(c: Connection, *, client_id: str = "qflib.admin") -> AdminClient:
    """The process's admin client of a cluster: one dropped with an answer under way takes the process with it."""
    return _admin(c, client_id, _TURNS.get(c, 0))


def another_admin(c: Connection) -> AdminClient:
    """The next of a few admin clients, which `admin` gives from now on.

    One that was told of a cluster without brokers, as a broker that comes back tells, may never ask again.
    """
    _TURNS[c] = (_TURNS.get(c, 0) + 1) % _ADMINS
    return admin(c)


_ADMINS = 8  # asked in turn, and kept
_TURNS: dict[Connection, int] = {}


@lru_cache(maxsize=64)
def _admin(c: Connection, client_id: str, turn: int) -> AdminClient:
    from confluent_kafka.admin import AdminClient

    return AdminClient(common_config(c, client_id=client_id) | {"log_level": 0})  # what fails is raised
