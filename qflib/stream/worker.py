"""The process of one worker: a stage's application from start to a graceful end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import structlog

from qflib import settings
from qflib.errors import QflibError, StateError
from qflib.records import Partitions
from qflib.steps.step import Step
from qflib.stream.application import StageApplication
from qflib.stream.fold import Fold
from qflib.stream.metrics import StageMetrics
from qflib.stream.process import Arguments, freeze, serve_metrics
from qflib.stream.restore import Record
from qflib.stream.schedule import Schedule
from qflib.stream.stages import Stage
from qflib.stream.traces import traces_of
from qflib.stream.version import step_version
from qflib.stream.waiting import await_topics

_log = structlog.get_logger(__name__)


def run(stage: Stage, make: Callable[[int], Step], partitions: Partitions, desk_digest: str, told: Arguments) -> None:
    """Run a worker until it is told to stop.

    Parameters
    ----------
    stage
        The row of the table of stages.
    make
        Gives the step of a partition in its first state.
    partitions
        Where names lie.
    desk_digest
        What the desk's settings hash to: part of the step's version.
    told
        The process's arguments.

    Raises
    ------
    StateError
        If the last state cannot be taken up.
    """
    chosen = settings.load().stream
    metrics = StageMetrics(stage.name, told.ordinal)
    serve_metrics(told.metrics_port)
    for p in range(partitions.n):
        make(p)  # while the broker starts: what a step loads and compiles at its first use
    await_topics(told.connection, stage.topics)
    application = StageApplication(
        told.connection,
        stage,
        lambda p: Fold(stage, make(p), p, partitions),
        step_version(stage.name, desk_digest),
        told.ordinal,
        metrics,
        commit_s=chosen.commit_ms / 1000,
        exactly_once=chosen.delivery == "exactly-once",
        schedule=Schedule(chosen.snapshot_s, chosen.snapshot_batches),
        kept=partial(_kept, told.deployment.parent / "history"),
        traces=traces_of(stage.name, told.ordinal, chosen.traces),
    )
    freeze()  # what is here stays: no collection walks it again
    _log.info("starts", stage=stage.name, ordinal=told.ordinal, version=application.version)
    run_to_end(application)


def _kept(folder: Path, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
    """Inputs that retention has taken, from the archive.

    Raises
    ------
    StateError
        If it does not have them, or only their hashes.
    """
    from qflib.history.opening import desk_history

    found, history = start, desk_history(folder, settings.load().store)
    for r in history.batches(topic, partition, start=start, stop=stop):
        if r.value is None:
            break
        yield r.offset, r.key, r.value
        found = r.offset + 1
    if found == start:
        raise StateError(
            f"retention has taken offsets {start:,} to {stop:,} of {topic}[{partition}], and the history "
            f"{history.name} does not have their bytes; begin anew in another QFLIB_STATE, for --fresh deletes history "
            "and logs too"
        )


def run_to_end(application: StageApplication) -> None:
    """Run an application; an error raised on purpose comes out as itself, not as Quix Streams has wrapped it."""
    try:
        application.run()
    except Exception as e:
        refused = _refusal(e)
        if refused is None:
            raise
        raise refused from None


def _refusal(e: BaseException | None) -> QflibError | None:
    """The error raised on purpose that Quix Streams has wrapped, if one is."""
    while e is not None and not isinstance(e, QflibError):
        e = e.__cause__ or e.__context__
    return e
