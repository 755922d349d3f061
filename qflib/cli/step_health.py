"""How the promoted steps of a running desk are: what they told of late, how far behind they are, what they refused."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qflib.broker.clients import Connection
from qflib.broker.reading import committed, ends, last_data_offset, read, starts
from qflib.desk.taken_along import TakenAlong
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import ANALYTICS_RESULTS, dead_letters
from qflib.stream.stages import STAGES
from qflib.views.figures import FiguresView
from qflib.views.versions import VersionsView

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment

_LOOKED_BACK = 30_000  # records of a partition that are read: some minutes
_LETTERS = 1_000


@dataclass
class StepHealth:
    """The newest figures, versions beside each other, refusals by step, and records behind by stage."""

    figures: FiguresView
    versions: VersionsView
    refused: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)

    def of(self, step: TakenAlong) -> str:
        """A step's, in words."""
        stamp = self.figures.stamp(step.label)
        told = (
            "nothing told yet" if stamp is None else f"told {max(0.0, time.time() - stamp.append_ns / 1e9):.0f} s ago"
        )
        parts = [told, f"{self.behind.get(step.stage, 0):,} behind"]
        if self.refused[step.name]:
            parts.append(f"{self.refused[step.name]:,} rows refused, the last: {self.why[step.name]}")
        return ", ".join(parts)


def health_of(c: Connection, desk: Deployment) -> StepHealth:
    """Read it from the desk's topics.

    Raises
    ------
    BrokerError
        If the broker does not answer.
    """
    made = StepHealth(FiguresView(desk.instruments), VersionsView(desk.instruments))
    every, stages = range(desk.partitions), [STAGES[s] for s in dict.fromkeys(p.stage for p in desk.promoted)]
    for stage in stages:
        inputs = [(t, p) for t in stage.inputs for p in every]
        reached, last = committed(c, stage.group, inputs), ends(c, inputs)
        waiting = [at for at in inputs if last[at] > max(reached[at], 0)]  # or control markers, which nobody commits
        made.behind[stage.name] = sum(max(0, last_data_offset(c, *at) + 1 - max(reached[at], 0)) for at in waiting)
    letters = [(dead_letters(t), p) for t in dict.fromkeys(t for s in stages for t in s.inputs) for p in every]
    told = [(ANALYTICS_RESULTS, p) for p in every]
    first = starts(c, [*told, *letters])
    for (topic, p), end in ends(c, [*told, *letters]).items():
        back = _LOOKED_BACK if topic == ANALYTICS_RESULTS else _LETTERS
        for m in read(c, topic, p, max(first[topic, p], end - back)):
            batch = decode(m.value())
            if topic == ANALYTICS_RESULTS:
                made.figures.take(batch, m.offset(), m.timestamp()[1])
                made.versions.take(batch, name_of(m.key() or b""))
                continue
            detail = batch.dead.detail[0].decode()
            if batch.header.source.startswith("promoted") and (parts := detail.split("'", 2))[0] == "step ":
                made.refused[parts[1]] += 1
                made.why[parts[1]] = parts[-1].strip()
    return made
