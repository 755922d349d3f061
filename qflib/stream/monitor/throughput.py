"""Events through all stages: what ingest, normalize, exchange and archive have committed, and the least of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from qflib.stream.data_ends import Place
from qflib.stream.monitor.folded import Folded
from qflib.stream.monitor.offsets import Progress

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


class Flow:
    """The rate of events from the slowest stage's first rise to its last.

    Both ends are moments of the same kind: what a desk took to open, and what the last event took on its way, are no
    part of it. Where the slowest stage rose but once, it is what came through since the market went on; where nothing
    rises while the market has not ended, that time counts too.
    """

    def __init__(self) -> None:
        self._begun: Through | None = None  # when the market went on
        self._first: Through | None = None
        self._last: Through | None = None
        self._until_ns = 0  # the last look at which the market had not ended

    def see(self, now: Through, opened_ns: int, *, over: bool = False) -> None:
        """Take note of where the stages stand.

        Parameters
        ----------
        now
            Events through each.
        opened_ns
            When the market went on; 0 while it has not.
        over
            Whether the market has ended.
        """
        if not opened_ns:
            self._begun = now
            return
        begun = self._begun or Through(0, dict.fromkeys(now.events, 0))
        self._begun = Through(opened_ns, begun.events)
        if now.least > (self._last or self._begun).least:
            self._first, self._last = self._first or now, now
        if not over:
            self._until_ns = now.at_ns

    @property
    def seconds(self) -> float:
        """From the first rise to the last."""
        return 0.0 if self._last is None else (max(self._last.at_ns, self._until_ns) - self._from.at_ns) / 1e9

    def rate(self, stage: str | None = None) -> float:
        """Events a second, of a stage or of the slowest."""
        if self._last is None or self.seconds <= 0.0:
            return 0.0
        if stage is None:
            rose = self._last.least - self._from.least
        else:
            rose = self._last.events.get(stage, 0) - self._from.events.get(stage, 0)
        return max(rose, 0) / self.seconds

    @property
    def _from(self) -> Through:
        assert self._begun is not None
        return self._begun if self._first is self._last or self._first is None else self._first
