"""The last rung: a promoted step as a stage of a Kafka of its own, killed half-way, its bytes recomputed."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from qflib.broker import topics
from qflib.broker.clients import Connection, producer
from qflib.broker.data_folder import free_port
from qflib.broker.local import LocalBroker
from qflib.broker.reading import committed, ends, read
from qflib.desk.deployment import Deployment
from qflib.errors import BrokerError
from qflib.project import toolkit
from qflib.promote.fixture import Fixture
from qflib.promote.ladder import Computed, Rung
from qflib.records.codec import decode, encode
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_INCOMING, journal, snapshots
from qflib.settings import BrokerSettings
from qflib.steps.state import State, digest
from qflib.stream import marks
from qflib.stream import snapshots as kept
from qflib.stream.fold import Fold, Output
from qflib.stream.stages import STAGES, Stage
from qflib.stream.supervisor import Program, Supervisor, python

_WORKED_OFF_S, _ENDS_S = 120.0, 15.0
_COMMIT_MS = 25


def kafka_rung(desk: Deployment, fixture: Fixture, reference: Computed) -> Rung:
    """Publish the fixture, let the stage take it in, kill it half-way, and compare.

    The stage's journal tells in which order it took its inputs; a fresh copy is handed them in that order, and every
    output byte and the final state must be the same. Where the step reads one topic its figures must be the
    reference's, too.

    Parameters
    ----------
    desk
        With the one promoted step, in one partition.
    fixture, reference
        The stream, and what it gives handed over whole.

    Raises
    ------
    QflibError
        If no broker can be started, or the stage does not work its inputs off.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="qflib-rung-") as folder, _broker(Path(folder)) as c:
        stage, file, half = STAGES[desk.promoted[0].stage], Path(folder, "deployment.json"), len(fixture.batches) // 2
        desk.save(file)
        argv = [
            *python(toolkit() / "pipelines" / f"{stage.name}.py"),
            "--deployment",
            str(file),
            "--bootstrap",
            c.bootstrap,
        ]
        workers = Supervisor(
            [Program(stage.name, lambda _: argv)], Path(folder, "logs"), {"QFLIB_STREAM__COMMIT_MS": str(_COMMIT_MS)}
        )
        try:
            workers.start()
            _publish(c, desk, fixture, 0, half)
            _await(c, desk, stage, workers)
            _publish(c, desk, fixture, half, len(fixture.batches))
            workers.send(stage.name, signal.SIGKILL)
            _await(c, desk, stage, workers)
        finally:
            workers.stop(_ENDS_S)
        first = _compared(c, desk, stage, reference)
    return Rung("kafka", not first, first, time.perf_counter() - begun)


@contextmanager
def _broker(folder: Path) -> Iterator[Connection]:
    own = LocalBroker.of(BrokerSettings(port=free_port()), folder / "broker")
    try:
        own.start()
        topics.create(own.connection, 1)
        yield own.connection
    finally:
        own.stop()


def _publish(c: Connection, desk: Deployment, fixture: Fixture, start: int, stop: int) -> None:
    client = producer(c, client_id="qflib.promote")
    for b in fixture.batches[start:stop]:
        client.produce(b.topic, encode(b), desk.table.key(b.key), partition=desk.table.place(b.key))
    if client.flush(_WORKED_OFF_S):
        raise BrokerError("the broker did not take the fixture; try again")


def _await(c: Connection, desk: Deployment, stage: Stage, workers: Supervisor) -> None:
    """Until the stage has committed all that lies in its inputs."""
    places = [(topic, p) for topic in stage.inputs for p in range(desk.partitions)]

    def done() -> bool:
        wanted = {at: n for at, n in ends(c, places).items() if n}
        reached = committed(c, stage.group, list(wanted))
        return all(reached[at] >= n for at, n in wanted.items())

    if workers.wait(done, _WORKED_OFF_S):
        return
    raise BrokerError(f"the stage has not worked off its inputs within {_WORKED_OFF_S:g} s")


def _compared(c: Connection, desk: Deployment, stage: Stage, reference: Computed) -> str:
    """The first record or state that differs, in words; empty where none does."""
    fold = Fold(stage, desk.step(stage.name), 0, desk.table)
    made: dict[str, list[Output]] = {}
    values = {t: {m.offset(): (m.key(), m.value()) for m in read(c, t, 0, 0)} for t in stage.inputs}
    name = journal(stage.name)
    for mark in marks.read(name, [(m.offset(), m.value()) for m in read(c, name, 0, 0)]):
        for out in fold.take(mark.input, mark.offset, *values[mark.input].pop(mark.offset)).outputs:
            made.setdefault(out.topic, []).append(out)
    if left := {t: len(v) for t, v in values.items() if v}:
        return f"inputs without a mark: {left}"
    figures: list[bytes] = []
    for topic in (*stage.outputs, *stage.letters):
        sent = [(m.key(), m.value()) for m in read(c, topic, 0, 0)]
        expected = [(o.key, o.value) for o in made.get(topic, [])]
        for i, (a, b) in enumerate(zip(sent, expected, strict=False)):
            if a != b:
                return f"record {i} of {topic} has other bytes than its inputs give"
        if len(sent) != len(expected):
            return f"{topic} holds {len(sent)} records, and its inputs give {len(expected)}"
        if topic == ANALYTICS_RESULTS:
            figures = [decode(value).values.value.tobytes() for _, value in sent]
        if topic not in (ANALYTICS_RESULTS, ORDERS_INCOMING) and sent:
            return f"{topic} holds a dead letter: {decode(sent[0][1]).dead.detail[0].decode()}"
    found = list(
        kept.read(snapshots("promoted"), [(m.offset(), m.value()) for m in read(c, snapshots("promoted"), 0, 0)])
    )
    if not found or digest(found[-1].state) != digest(fold.state()):
        return "the final state has other bytes than its inputs give"
    return _beside(desk, reference, b"".join(figures), fold.step.state())


def _beside(desk: Deployment, reference: Computed, figures: bytes, state: State) -> str:
    """One topic's order is that of the fixture: figures and state are those of the stream handed over whole."""
    definition = desk.promoted[0].placed.definition
    if len(definition.topics) > 1:
        return ""
    rows = np.column_stack([reference.out[n].astype(np.float64) for n in definition.figures])
    if figures != rows.tobytes():
        return "the figures on Kafka are others than those of the stream handed over whole"
    if state[f"promoted.{desk.promoted[0].placed.label}"].tobytes() != reference.state.tobytes():
        return "the state on Kafka is another than that of the stream handed over whole"
    return ""
