"""Reading a partition from here to there: for restore, audit, views and tools; the stages' own reading is Quix's."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from qflib.broker.clients import LIBRDKAFKA, Connection, admin, consumer_config
from qflib.errors import BrokerError, DataError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_PATIENCE_S = 30.0  # a broker killed under load is back within 7 s
_ANSWER_S, _LOOK_S = 10.0, 4.0
_AT_ONCE = 500
_PAUSE_S = 0.05  # before asking again
_CREATED_S = 1.0  # a topic just created is known everywhere within
_TRY_S, _STUCK_S = 3.0, 1.0  # of one question; after which another client asks


class OffsetGoneError(DataError):
    """An offset lies outside what the partition still has: retention has taken it, or it was never written."""


def read(
    c: Connection,
    topic: str,
    partition: int,
    start: int,
    stop: int | None = None,
    *,
    committed: bool = True,
    patience_s: float = _PATIENCE_S,
) -> Iterator[Message]:
    """The partition's records from `start` on, in order.

    Parameters
    ----------
    c
        The cluster.
    topic, partition
        What to read.
    start
        The first offset; a control marker or an aborted record there is passed over.
    stop
        The offset to end before; None: the end as it stands when it is reached. Reading ends at the end in any case:
        it waits for nobody.
    committed
        Committed records alone, and the end is the last stable offset: behind an open transaction nothing is read.
    patience_s
        How long a broker may be silent.

    Raises
    ------
    OffsetGoneError
        If the partition does not reach back to `start`, or not so far.
    DataError
        If there is no such topic or partition.
    BrokerError
        If the broker keeps silent.

    Notes
    -----
    One consumer a call: a further `assign` on one that has read costs a second.
    """
    if stop is not None and stop <= start:
        return
    from confluent_kafka import KafkaError, TopicPartition

    consumer = _consumer(c, committed=committed, client_id="qflib.read")
    try:
        consumer.assign([TopicPartition(topic, partition, start)])
        heard, looked = time.monotonic(), False
        while True:
            first = consumer.poll(0.25)
            if first is None:
                silence = time.monotonic() - heard
                if silence > patience_s:
                    raise _silent(c, f"reading {topic}[{partition}]", patience_s)
                if silence > 1.0 and not looked:  # a consumer says nothing of a topic that is not there
                    looked = True
                    _look(c, topic, partition, min(_LOOK_S, patience_s))
                continue
            heard = time.monotonic()
            for message in (first, *consumer.consume(_AT_ONCE, 0)):
                if (error := message.error()) is None:
                    if stop is not None and message.offset() >= stop:
                        return
                    yield message
                    heard = time.monotonic()  # the reader may have taken its time
                    if stop is not None and message.offset() == stop - 1:
                        return
                elif error.code() == KafkaError._PARTITION_EOF:
                    return
                elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                    low, high = watermarks(c, topic, partition, committed=committed)
                    raise OffsetGoneError(
                        f"offset {start:,} of {topic}[{partition}] is asked for, and the topic holds "
                        f"{low:,} to {high:,}; read older records from the archive"
                    )
                elif error.code() in _unknown():
                    raise _no_topic(topic, partition)
                elif error.fatal() or not _passes(error):
                    raise BrokerError(f"reading {topic}[{partition}] at {c.bootstrap} failed: {error.str()}")
    finally:
        consumer.close()


def watermarks(
    c: Connection, topic: str, partition: int, *, committed: bool = True, timeout_s: float = 10.0
) -> tuple[int, int]:
    """The first offset kept, and the end: of committed data (the last stable offset), else of all.

    Parameters
    ----------
    c, topic, partition
        What is asked about.
    committed
        Whether an open transaction hides what lies behind it.
    timeout_s
        How long to wait for an answer.

    Raises
    ------
    DataError, BrokerError
        If there is no such topic or partition; if the broker keeps silent, or refuses.
    """
    low = _ends(c, [(topic, partition)], committed=committed, timeout_s=timeout_s, earliest=True)
    high = _ends(c, [(topic, partition)], committed=committed, timeout_s=timeout_s, earliest=False)
    return low[topic, partition], high[topic, partition]


def ends(
    c: Connection, partitions: Collection[tuple[str, int]], *, committed: bool = True, timeout_s: float = 10.0
) -> dict[tuple[str, int], int]:
    """The end of each partition, by one request.

    Parameters
    ----------
    c, partitions
        What is asked about.
    committed
        Whether an open transaction hides what lies behind it.
    timeout_s
        How long to wait for an answer.

    Raises
    ------
    DataError, BrokerError
        If there is no such topic or partition; if the broker keeps silent, or refuses.
    """
    return _ends(c, partitions, committed=committed, timeout_s=timeout_s, earliest=False)


def starts(
    c: Connection, partitions: Collection[tuple[str, int]], *, timeout_s: float = 10.0
) -> dict[tuple[str, int], int]:
    """The first offset kept of each partition, by one request; it raises as `ends`."""
    return _ends(c, partitions, committed=True, timeout_s=timeout_s, earliest=True)


def last_record(
    c: Connection,
    topic: str,
    partition: int,
    where: Callable[[Message], bool] | None = None,
    *,
    committed: bool = True,
    patience_s: float = _PATIENCE_S,
) -> Message | None:
    """The newest record that `where` agrees to, looking back from the end; None where there is none.

    Parameters
    ----------
    c, topic, partition, committed, patience_s
        As `read` takes them.
    where
        Which record; None: any.

    Raises
    ------
    DataError, BrokerError
        If there is no such topic or partition; if the broker keeps silent, or refuses.

    Notes
    -----
    The end itself may be control markers and aborted records, so ever wider windows are read: 8 records, 64, 512 …
    """
    low, high = watermarks(c, topic, partition, committed=committed, timeout_s=min(_ANSWER_S, patience_s))
    width = 8
    while high > low:
        start = max(low, high - width)
        found = None
        for message in read(c, topic, partition, start, high, committed=committed, patience_s=patience_s):
            if where is None or where(message):
                found = message
        if found is not None:
            return found
        high, width = start, width * 8
    return None


def last_data_offset(
    c: Connection, topic: str, partition: int, *, committed: bool = True, patience_s: float = _PATIENCE_S
) -> int:
    """The offset of the newest record that is no control marker; -1 where there is none.

    Parameters
    ----------
    c, topic, partition, committed, patience_s
        As `read` takes them; it raises as `ends`.
    """
    message = last_record(c, topic, partition, committed=committed, patience_s=patience_s)
    return -1 if message is None else int(message.offset())


def committed(
    c: Connection, group: str, topic_partitions: Collection[tuple[str, int]], *, timeout_s: float = 10.0
) -> dict[tuple[str, int], int]:
    """The group's next offset of each partition; -1 where it has none.

    Parameters
    ----------
    c, topic_partitions
        What is asked about.
    group
        The consumer group, which is not joined.
    timeout_s
        How long to wait for an answer.

    Raises
    ------
    BrokerError
        If the broker keeps silent, or refuses.
    """
    from confluent_kafka import KafkaException, TopicPartition

    out = dict.fromkeys(topic_partitions, -1)
    if not out:
        return out
    until = time.monotonic() + timeout_s
    while True:
        try:
            told = _group(c, group).committed([TopicPartition(t, p) for t, p in out], timeout=timeout_s)
        except KafkaException as e:  # a broker that has just started is still reading its offsets
            if not _passes(e.args[0]) or time.monotonic() > until:
                raise _refused(c, f"the offsets of group {group}", e) from None
            time.sleep(_PAUSE_S)
            continue
        for at in told:
            if at.error is not None:
                what = f"the offset of {at.topic}[{at.partition}] in group {group}"
                raise _refused(c, what, KafkaException(at.error))
            out[at.topic, at.partition] = at.offset if at.offset >= 0 else -1
        return out


@lru_cache(maxsize=32)
def _group(c: Connection, group: str) -> Consumer:
    """A client that asks for a group's offsets and never joins it.

    The admin client's own request for them crashes where the broker is still reading them.
    """
    from confluent_kafka import Consumer

    # not the stable offsets: under a commit every 5 ms the answer would wait for a moment without a transaction
    config = consumer_config(c, group=group, committed=False)
    return Consumer(config | {"client.id": "qflib.offsets"}, logger=LIBRDKAFKA)


def cluster_id(c: Connection, *, timeout_s: float = 10.0) -> str:
    """The cluster's own name; a BrokerError where nobody answers."""
    from confluent_kafka import KafkaException

    try:
        return str(admin(c).list_topics(timeout=timeout_s).cluster_id)
    except KafkaException as e:
        raise _refused(c, "metadata", e) from None


def _ends(
    c: Connection, partitions: Collection[tuple[str, int]], *, committed: bool, timeout_s: float, earliest: bool
) -> dict[tuple[str, int], int]:
    from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition

    when = OFFSET_BEGINNING if earliest else OFFSET_END
    began = begun = time.monotonic()
    while partitions:
        try:
            asked = [TopicPartition(t, p, when) for t, p in partitions]
            told = _asker(c, committed).offsets_for_times(asked, timeout=min(timeout_s, _TRY_S))
            wrong = next((at for at in told if at.error is not None), None)
            if wrong is None:
                return {(at.topic, at.partition): int(at.offset) for at in told}
            error, what = wrong.error, f"the end of {wrong.topic}[{wrong.partition}]"
        except KafkaException as e:
            wrong, error, what = None, e.args[0], "the ends of its topics"
        # a topic just created, a broker just back: its leader is about to be known
        waited, unknown = time.monotonic() - began, error.code() in _unknown()
        if unknown and waited > min(_CREATED_S, timeout_s) and (gone := _missing(c, partitions)) is not None:
            raise _no_topic(*gone)
        if unknown and time.monotonic() - begun > _STUCK_S:
            _asker.cache_clear()  # one that met partitions without a leader may never look for it again
            begun = time.monotonic()
        if waited > timeout_s or not (unknown or _passes(error)):
            raise _refused(c, what, KafkaException(error)) from None
        time.sleep(_PAUSE_S)
    return {}


def _unknown() -> tuple[int, ...]:
    """What is said of a topic or partition that is not there, or not yet."""
    from confluent_kafka import KafkaError

    return (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._NOENT,  # "No leaders found"
    )


def _missing(c: Connection, partitions: Collection[tuple[str, int]]) -> tuple[str, int] | None:
    """A partition that the cluster says it does not have; None where it has all, or says nothing."""
    from confluent_kafka import KafkaException

    try:
        there = admin(c).list_topics(timeout=5.0).topics
    except KafkaException:  # gone again: whoever asks will be told so
        return None
    return next(((t, p) for t, p in partitions if t not in there or p not in there[t].partitions), None)


def _look(c: Connection, topic: str, partition: int, timeout_s: float) -> None:
    """Refuse what the cluster, if it answers, does not have."""
    with contextlib.suppress(BrokerError):
        watermarks(c, topic, partition, timeout_s=timeout_s)


@lru_cache(maxsize=32)
def _asker(c: Connection, committed: bool) -> Consumer:
    """A client that asks where partitions begin and end, and reads nothing.

    The admin client's futures have brought a process down on a cluster that had just started.
    """
    from confluent_kafka import Consumer

    config = consumer_config(c, group="qflib.ends", committed=committed) | {"client.id": "qflib.ends"}
    return Consumer(config, logger=LIBRDKAFKA)


def _consumer(c: Connection, *, committed: bool, client_id: str) -> Consumer:
    from confluent_kafka import Consumer

    config = consumer_config(c, group=f"{client_id}.{uuid.uuid4().hex[:8]}", committed=committed)
    own = {"client.id": client_id, "enable.partition.eof": True, "auto.offset.reset": "error", "log_level": 0}
    return Consumer(config | own | {"fetch.wait.max.ms": 5})  # the end is told once the broker has waited in vain


def _passes(error: object) -> bool:
    """Whether asking again helps: the broker is away, or a leader is being found. Not every such error says so."""
    from confluent_kafka import KafkaError

    assert isinstance(error, KafkaError)
    return bool(error.retriable()) or error.code() in (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    )


def _silent(c: Connection, what: str, patience_s: float) -> BrokerError:
    return BrokerError(
        f"{what} at {c.bootstrap}: no answer for {patience_s:g} s; see `qflib broker status`, mend address or options"
    )


def _refused(c: Connection, what: str, e: Exception) -> BrokerError:
    error, mend = e.args[0], "see `qflib broker status`, mend address or options"
    said = error.str() if hasattr(error, "str") else str(error)
    return BrokerError(f"asking {c.bootstrap} for {what} failed: {said}; {mend}")


def _no_topic(topic: str, partition: int) -> DataError:
    return DataError(f"the cluster has no {topic}[{partition}]; `qflib broker start` creates the topics")
