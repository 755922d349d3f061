"""Whether a desk has worked off all it was given."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import structlog

from qflib.broker.clients import Connection
from qflib.errors import BrokerError, QflibError
from qflib.stream.data_ends import Place
from qflib.stream.monitor.offsets import Offsets

APART_S = 0.2

_log = structlog.get_logger(__name__)


class Drain:
    """Asks, twice at least `APART_S` apart, whether every group is past the last data record of its inputs.

    Twice, since a record may stand between two stages: committed by the one, not yet seen at the end of the other's
    input. Outputs and offsets are committed in one transaction, so what stands still for so long is through.

    Parameters
    ----------
    c
        The cluster.
    groups
        Topics that each consumer group reads.
    partitions
        Of every topic.
    """

    def __init__(self, c: Connection, groups: Mapping[str, Sequence[str]], partitions: int) -> None:
        self._places = {g: [(t, p) for t in topics for p in range(partitions)] for g, topics in groups.items()}
        self._offsets = Offsets(c, self._places)
        self._since: float | None = None
        self._seen: dict[Place, int] = {}

    def ask(self) -> bool:
        """Whether it is drained: to be called again and again, after the sources have ended."""
        now, behind = time.monotonic(), self.lag()
        ends = self._offsets.progress.ends
        if behind is None or any(behind.values()) or self._since is None or ends != self._seen:
            self._since = now if behind is not None and not any(behind.values()) else None
            self._seen = ends
            return False
        return now - self._since >= APART_S

    def lag(self) -> dict[str, int] | None:
        """Offsets each group is behind the last data record of its inputs; None where the broker gives no answer.

        Control markers do not count: a transaction leaves one, which no reader is given.
        """
        if not self._offsets.ask():
            return None
        committed = self._offsets.progress.committed
        try:
            return {
                group: sum(self._behind(place, committed.get(group, {}).get(place, 0)) for place in places)
                for group, places in self._places.items()
            }
        except QflibError as e:  # it went away since, or trimmed what was looked at
            _log.info("broker does not give the last data records", error=str(e))
            return None

    def _behind(self, place: Place, offset: int) -> int:
        end = self._offsets.progress.ends.get(place)
        if end is None:
            raise BrokerError(f"the end of {place[0]}[{place[1]}] was not told")
        if offset >= end:
            return 0
        return max(0, self._offsets.data_ends.of(place, end) - offset)


def drained(c: Connection, groups: Mapping[str, Sequence[str]], partitions: int, timeout_s: float) -> bool:
    """Wait until every group has worked off its inputs; False where that takes longer.

    Parameters
    ----------
    c, groups, partitions
        As `Drain` takes them.
    timeout_s
        How long to wait.
    """
    drain, end = Drain(c, groups, partitions), time.monotonic() + timeout_s
    while not drain.ask():
        if time.monotonic() >= end:
            return False
        time.sleep(APART_S / 4)
    return True
