"""What a short run of the desk puts on its topics, as an onlooker would read it from Kafka."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import pytest

import qflib as qf
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.desk.record import Recorder
from qflib.hedging.hedgers import Band
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.views import Views


class Recorded(NamedTuple):
    """A run's records and the run itself."""

    deployment: Deployment
    seen: tuple[Seen, ...]
    run: qf.Run

    def views(self, n: int | None = None) -> Views:
        """Views that have read the first `n` records, or all."""
        views = Views(self.deployment)
        for seen in self.seen[:n]:
            views.take(seen)
        return views


@lru_cache(maxsize=2)
def recorded(duration: str = "20s", rate: float = 2_000.0, seed: int = 7) -> Recorded:
    """The records of a hedged desk on the simulated market, offsets rising a topic, one partition."""
    feed = qf.datasets.load("sim", seed=seed, duration=duration, rate=rate)
    batches: list[Batch] = []
    take = Recorder.take

    def tap(self: Recorder, batch: Batch) -> None:
        batches.append(batch)
        take(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "take", tap)
        desk = qf.Desk(feed, hedger=Band(risk_aversion=1.0))
        run = desk.run()
    deployment = Deployment(feed.instruments, desk.config, Band(risk_aversion=1.0), None, True, "DESK1")
    offsets: dict[str, int] = {}
    seen = []
    for k, batch in enumerate(batches):
        offset = offsets.get(batch.topic, -1) + 1
        offsets[batch.topic] = offset
        seen.append(Seen(batch.topic, 0, offset, batch.key.encode(), encode(batch), (), 1_767_600_000_000 + k))
    return Recorded(deployment, tuple(seen), run)
