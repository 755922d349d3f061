"""What every step is: a state and a function from one batch to the batches it causes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from qflib.records import Batch, Header, Partitions
from qflib.steps.state import State


class Step(Protocol):
    """A deterministic function (state, batch) -> batches. No Kafka, no clock, no files, no unseeded randomness.

    A step that is run in parallel has one instance a partition.
    """

    name: str

    def feed(self, batch: Batch) -> list[Batch]:
        """Take one batch in; give the batches it causes, in order, addressed by topic and key.

        Raises
        ------
        QflibError
            If the batch cannot be used; then the state is as it was.
        """

    def state(self) -> State:
        """The whole state as named arrays, from which `load` goes on bit for bit."""

    def load(self, state: State) -> None:
        """Go on from a state."""


class Outbox:
    """Numbers what a step sends: one sequence a topic and partition, part of the step's state."""

    def __init__(self, source: str, partitions: Partitions | None = None) -> None:
        self.source = source
        self._partitions = partitions or Partitions()
        self._next: dict[tuple[str, int], int] = {}

    def make(self, topic: str, key: str, kind: str, /, *, part: int = 0, parts: int = 1, **tables: Any) -> Batch:
        """The next batch of a topic, in the partition of its key."""
        place = topic, self._partitions.place(key)
        seq = self._next.get(place, 0)
        self._next[place] = seq + 1
        return Batch.of(kind, Header(self.source, 0, seq, part, parts), topic, key, **tables)

    def state(self) -> State:
        """Topics and partitions with their next numbers."""
        places = sorted(self._next)
        return {
            "outbox.topics": np.array([t for t, _ in places], "S64"),
            "outbox.next": np.array([(p, self._next[t, p]) for t, p in places], np.int64).reshape(-1, 2),
        }

    def load(self, state: State) -> None:
        """Go on numbering from a state."""
        names = [n.decode() for n in state["outbox.topics"].tolist()]
        self._next = {(t, p): n for t, (p, n) in zip(names, state["outbox.next"].tolist(), strict=True)}
