"""What every step is: a state and a function from one batch to the batches it causes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from qflib.records import Batch, Header
from qflib.steps.state import State


class Step(Protocol):
    """A deterministic function (state, batch) -> batches. No Kafka, no clock, no files, no unseeded randomness."""

    name: str

    def feed(self, batch: Batch) -> list[Batch]:
        """Take one batch in; give the batches it causes, in order, addressed by topic and key."""

    def state(self) -> State:
        """The whole state as named arrays, from which `load` goes on bit for bit."""

    def load(self, state: State) -> None:
        """Go on from a state."""


class Outbox:
    """Numbers what a step sends: one sequence a topic, part of the step's state."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._next: dict[str, int] = {}

    def make(self, topic: str, key: str, kind: str, /, *, part: int = 0, parts: int = 1, **tables: Any) -> Batch:
        """The next batch of a topic."""
        seq = self._next.get(topic, 0)
        self._next[topic] = seq + 1
        return Batch.of(kind, Header(self.source, 0, seq, part, parts), topic, key, **tables)

    def state(self) -> State:
        """Topics and their next numbers."""
        names = sorted(self._next)
        return {
            "outbox.topics": np.array(names, "S64"),
            "outbox.next": np.array([self._next[n] for n in names], np.int64),
        }

    def load(self, state: State) -> None:
        """Go on numbering from a state."""
        names = [n.decode() for n in state["outbox.topics"].tolist()]
        self._next = dict(zip(names, state["outbox.next"].tolist(), strict=True))
