"""The topics of a cluster as a reader finds them: whose they are, where they begin and end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qflib.broker.clients import admin
from qflib.broker.reading import cluster_id, ends, starts
from qflib.errors import BrokerError

if TYPE_CHECKING:
    from qflib.broker.clients import Connection

Place = tuple[str, int]  # topic, partition
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Topics:
    """What a cluster tells of some partitions.

    Parameters
    ----------
    cluster
        Its id: another after it was emptied.
    ids
        Kafka's own id a topic: one made anew under the same name is another.
    low, committed, high
        The first offset kept, the end of what is committed, and the end.
    """

    cluster: str
    ids: Mapping[str, str]
    low: Mapping[Place, int]
    committed: Mapping[Place, int]
    high: Mapping[Place, int]

    @classmethod
    def of(cls, c: Connection, places: Collection[Place]) -> Topics:
        """Ask; once every partition has a leader.

        Raises
        ------
        BrokerError, DataError
            If the cluster keeps silent or refuses; if it has no such topic or partition.
        """
        cluster = cluster_id(c, timeout_s=_ANSWER_S)
        low = starts(c, places, timeout_s=_ANSWER_S)
        committed = ends(c, places, timeout_s=_ANSWER_S)
        high = ends(c, places, committed=False, timeout_s=_ANSWER_S)
        return cls(cluster, _ids(c, {t for t, _ in places}), low, committed, high)

    def back(self, at: Place, n: int | None) -> int:
        """The offset that is `n` records before the committed end; None: where the partition begins."""
        return self.low[at] if n is None else max(self.low[at], self.committed[at] - n)

    def other_than(self, former: Topics, reached: Mapping[Place, int], whole: Callable[[Place], bool]) -> str:
        """Why what was read up to these offsets does not go on here; empty: it does.

        Parameters
        ----------
        former
            What was read from.
        reached
            The next offset of each partition.
        whole
            Whether none of a partition's records may be left out.
        """
        if self.cluster != former.cluster:
            return f"cluster {former.cluster} is now {self.cluster}"
        for topic, its in self.ids.items():
            if former.ids.get(topic, its) != its:
                return f"topic {topic} was made anew"
        for at, n in reached.items():
            if self.high[at] < n:
                return f"{at[0]}[{at[1]}] was read to {n} and ends at {self.high[at]}"
            if self.low[at] > n and whole(at):
                return f"{at[0]}[{at[1]}] was read to {n} and begins at {self.low[at]}"
        return ""


def _ids(c: Connection, topics: Collection[str]) -> dict[str, str]:
    from confluent_kafka import KafkaException, TopicCollection

    client = admin(c)  # held: its futures end with it
    try:
        told = client.describe_topics(TopicCollection(sorted(topics)), request_timeout=_ANSWER_S)
        return {name: str(future.result().topic_id) for name, future in told.items()}
    except KafkaException as e:
        raise BrokerError(f"the topics of {c.bootstrap} cannot be described: {e.args[0].str()}") from None
