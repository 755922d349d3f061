"""Events through all stages: what ingest, normalize, exchange and archive have committed, and the least of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from qflib.stream.monitor.folded import Folded
from qflib.stream.monitor.offsets import Place, Progress

#: Readers of market.data.normalized whose committed offsets say how many events went through.
READERS = ("exchange", "archive")


@dataclass(frozen=True, slots=True)
class Through:
    """Market events so far, a stage; `at_ns` is when they were asked for."""

    at_ns: int
    events: Mapping[str, int]

    @property
    def least(self) -> int:
        """Events through all of them."""
        return min(self.events.values(), default=0)


def through(
    at_ns: int,
    normalized: int,
    folded: Sequence[Folded],
    progress: Progress,
    groups: Mapping[str, str],
    start: Mapping[Place, int],
) -> Through:
    """Events that each stage has committed.

    Parameters
    ----------
    at_ns
        Now.
    normalized, folded
        Events seen in market.data.normalized, and by offset in each of its partitions.
    progress
        Committed offsets and ends.
    groups
        Consumer groups of normalize and of those `READERS` that run.
    start
        Where each partition ended when the count began.

    Notes
    -----
    A raw record's frames are not events before they are normalized, so that ingest's count is normalize's, in
    proportion to the raw records that are there and those that normalize has committed. It is exact when normalize has
    caught up, and never the least.
    """
    events = {"ingest": normalized, "normalize": normalized}
    raw = {place: first for place, first in start.items() if place[0] == MARKET_RAW}
    done = progress.committed.get(groups["normalize"], {})
    there = sum(progress.ends.get(place, first) - first for place, first in raw.items())
    taken = sum(max(done.get(place, first) - first, 0) for place, first in raw.items())
    if 0 < taken < there:
        events["ingest"] = round(normalized * there / taken)
    for stage in READERS:
        if stage in groups:
            offsets = progress.committed.get(groups[stage], {})
            events[stage] = sum(f.before(offsets.get((MARKET_NORMALIZED, p), 0)) for p, f in enumerate(folded))
    slowest = [progress.committed.get(groups[s], {}) for s in READERS if s in groups]
    for p, f in enumerate(folded):
        f.forget(min((o.get((MARKET_NORMALIZED, p), 0) for o in slowest), default=0))
    return Through(at_ns, events)
