"""Real workers of a desk's stages, so many of each, on a broker that has nothing but what a test puts there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qflib.broker import reading, topics
from qflib.broker.clients import Connection, admin
from qflib.desk.deployment import Deployment
from qflib.project import toolkit
from qflib.stream.drained import Drain
from qflib.stream.nursery import Nursery
from qflib.stream.stages import STAGES
from qflib.stream.supervisor import Program, Supervisor, python

_PATIENCE_S = 90.0


class Workers:
    """So many workers of each of some stages."""

    def __init__(self, c: Connection, desk: Deployment, stages: tuple[str, ...], n: int, folder: Path) -> None:
        self.c, self.desk, self.stages, self.n = c, desk, stages, n
        desk.save(folder / "deployment.json")
        told = ["--deployment", str(folder / "deployment.json"), "--bootstrap", c.bootstrap]

        def program(stage: str) -> Program:
            script = toolkit() / "pipelines" / f"{stage}.py"
            return Program(stage, lambda k: [*python(script), "--ordinal", str(k), *told], n)

        self._supervisor = Supervisor([program(s) for s in stages], folder / "logs", nursery=Nursery())

    def start(self) -> None:
        """Start them, and wait until every partition lies where it will stay: an equal share with each worker."""
        topics.create(self.c, self.desk.partitions)
        self._supervisor.start()
        assert self._supervisor.wait(lambda: all(map(self._shared, self.stages)), _PATIENCE_S), "no equal shares"

    def _shared(self, stage: str) -> bool:
        row = STAGES[stage]
        [told] = admin(self.c).describe_consumer_groups([row.group]).values()
        held = [{(t.topic, t.partition) for t in m.assignment.topic_partitions} for m in told.result().members]
        share = self.desk.partitions // self.n * len(row.inputs)
        return [len(h) for h in held] == [share] * self.n

    def work_off(self) -> None:
        """Wait until all that is there is through every one of the stages; who dies meanwhile is started again."""
        drain = Drain(self.c, {STAGES[s].group: STAGES[s].inputs for s in self.stages}, self.desk.partitions)
        assert self._supervisor.wait(drain.ask, _PATIENCE_S), "not worked off"

    def wrote(self, topic: str) -> list[list[bytes]]:
        """The topic's records, by partition."""
        return [[m.value() for m in reading.read(self.c, topic, p, 0)] for p in range(self.desk.partitions)]

    def stop(self) -> None:
        """End them."""
        self._supervisor.stop()


@contextmanager
def workers(c: Connection, desk: Deployment, stages: tuple[str, ...], n: int, folder: Path) -> Iterator[Workers]:
    """Workers that run, until the block ends."""
    made = Workers(c, desk, stages, n, folder)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made._supervisor.stop(0.0)
