"""When a stage's transaction ends: after the commit interval, or as long as the last commit took, if that is longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields

from qflib.stream.quix import ProcessingContext

#: A commit that took longer than this was held up by something else than its own work.
_LONGEST_S = 0.2


class PacedContext(ProcessingContext):
    """Quix Streams' checkpoints, with an interval that follows the broker.

    A commit costs the broker the same however much is in it. Where it takes 30 ms, one every 5 ms would leave five
    parts in six of a worker's time to waiting, at a record or two a transaction: so inputs are gathered for as long as
    the last commit took. And where nothing came there is nothing to end: Quix Streams itself would abort an empty
    transaction and begin another at every interval.
    """

    @classmethod
    def of(cls, context: ProcessingContext, told: Callable[[float], object] = lambda _: None) -> PacedContext:
        """The same context, paced; `told` is called with what each commit took."""
        made = cls(**{f.name: getattr(context, f.name) for f in fields(context) if f.init})
        made.shortest_s = context.commit_interval
        made.told = told
        return made

    shortest_s: float = 0.0
    told: Callable[[float], object] = staticmethod(lambda _: None)  # what a commit took

    def commit_checkpoint(self, force: bool = False, revoking: bool = False) -> None:
        """As Quix Streams': commit where it is time, or where it must be."""
        if not force:
            if not self.checkpoint.expired():
                return
            if self.checkpoint.empty():
                self.checkpoint._created_at = time.monotonic()
                return
        began = time.monotonic()
        super().commit_checkpoint(force=force, revoking=revoking)
        took = time.monotonic() - began
        self.commit_interval = min(max(self.shortest_s, took), _LONGEST_S)
        self.checkpoint._commit_interval = self.commit_interval  # it has begun already, with the interval before
        self.told(took)
