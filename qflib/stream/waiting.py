"""A process of the desk waits until the cluster is there, and says so: it is started beside its broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import structlog

from qflib.broker.clients import Connection, admin, another_admin
from qflib.broker.reading import ends
from qflib.broker.topics import TOPIC_TABLE
from qflib.errors import QflibError

_LONGEST_S = 0.2  # between two looks: what is awaited is the start of a desk
_SAY_S = 5.0
_ANSWER_S = 1.0

_log = structlog.get_logger(__name__)


def await_topics(
    c: Connection, topics: Collection[str] | None = None, leave_off: Callable[[], bool] = lambda: False
) -> bool:
    """Wait, for as long as it takes, until each partition of each topic answers.

    A broker that is gone later on is waited for by the clients themselves.

    Parameters
    ----------
    c
        The cluster.
    topics
        Those that are needed: of others one may not be told. None: all of the table.
    leave_off
        Whether there is no point in waiting any more.

    Returns
    -------
    bool
        False where it left off.
    """
    from confluent_kafka import KafkaException

    client, wanted = admin(c), {spec.name for spec in TOPIC_TABLE} if topics is None else set(topics)
    pause, said = 0.02, time.monotonic()
    while not leave_off():
        try:
            there = client.list_topics(timeout=2.0).topics
            missing = len(wanted - there.keys())
            if not missing:
                ends(c, [(t, p) for t in wanted for p in there[t].partitions], timeout_s=_ANSWER_S)
                return True
            reason = f"{missing} topics are not there yet"
        except KafkaException as e:
            reason = e.args[0].str()
        except QflibError as e:  # told of, and not there yet
            reason = str(e)
        if time.monotonic() - said >= _SAY_S:
            said = time.monotonic()
            _log.warning("waits for the broker", bootstrap=c.bootstrap, reason=reason)
            client = another_admin(c)
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_S)
    return False
