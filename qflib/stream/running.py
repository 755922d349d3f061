"""A desk on Kafka, run from this process: its broker, its processes, what it opens with."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog

from qflib.broker import topics
from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.broker.local import LocalBroker
from qflib.broker.publishing import publish
from qflib.desk.deployment import Deployment
from qflib.desk.taken_along import TakenAlong
from qflib.errors import BrokerError, DataError, InputError, MissingPartError
from qflib.history.opening import establish
from qflib.project import toolkit
from qflib.records import Batch
from qflib.settings import Settings
from qflib.stream.drained import Drain
from qflib.stream.folder import DeskFolder
from qflib.stream.ingest.positions import ended
from qflib.stream.monitor.processes import Process
from qflib.stream.nursery import Nursery
from qflib.stream.opening import booking_ids, has_books
from qflib.stream.own_broker import OwnBroker
from qflib.stream.ports import Ports
from qflib.stream.stages import GROUP_PREFIX, STAGES
from qflib.stream.supervisor import Program, Supervisor, python

INGEST, ARCHIVE = "ingest", "archive"
_HANDED_OVER_S = 20.0
_ASK_S = 0.2
_STAGES_S = 3.5  # of the five that a stop may take; the rest is the broker's
_STOP_S = 5.0
_BULK_COMMIT_MS, _BULK_ARCHIVE_S = 25.0, 3.0
_GREAT_COMMIT_MS = 250.0  # the simulator's records hold some 10,000 events each: 256 of them are enough for as long

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Face:
    """A process beside the stages, for people: it may end and begin again, and the desk goes on.

    Parameters
    ----------
    name
        As "api".
    argv
        Its command; it is told beside the deployment, the broker and the port of its metrics.
    """

    name: str
    argv: Sequence[str]


@dataclass
class RunningDesk:
    """Starts and stops a desk, and what there is to do to it meanwhile.

    To be used from the main thread, which calls `tend` some ten times a second.

    Parameters
    ----------
    desk
        What it is.
    folder
        Where its data are, and its logs.
    settings
        Of the broker and the stages.
    batches
        Gives what is published once the market has begun (`qflib.stream.opening`).
    workers
        By stage, where it is not one.
    fresh
        Throw away what is kept.
    faces
        What runs beside it for people.
    nursery
        Forks its processes.

    Attributes
    ----------
    opened
        Whether what it opens with has been published.
    new
        Whether nothing was in its topics when it started.
    """

    desk: Deployment
    folder: DeskFolder
    settings: Settings
    batches: Callable[[], Sequence[Batch]] = tuple
    workers: Mapping[str, int] = field(default_factory=dict)
    fresh: bool = False
    faces: Sequence[Face] = ()
    nursery: Nursery = field(default_factory=Nursery)
    connection: Connection = field(init=False)
    supervisor: Supervisor = field(init=False)
    broker: OwnBroker = field(init=False)
    ports: Ports = field(init=False)
    opened: bool = field(init=False, default=False)
    new: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        for stage, n in self.workers.items():
            most = 1 if stage in (INGEST, ARCHIVE) else self.desk.partitions
            if stage not in self.stages:
                raise InputError(
                    f"--workers {stage}={n}: there is no such stage; it is one of {', '.join(self.stages)}"
                )
            if not 1 <= n <= most:
                more = (
                    ""
                    if stage in (INGEST, ARCHIVE) or n < 1
                    else f"; for {n}, put this desk aside (docs/runbooks/processes.md, a new beginning) and begin with "
                    f"QFLIB_BROKER__PARTITIONS={n}"
                )
                raise InputError(f"--workers {stage}={n}: {stage} can have 1 to {most} workers{more}")
        self._asked_at = 0.0
        self._told: dict[str, Any] = {}
        self.ports = Ports(self.settings.stream.metrics_port)
        own: LocalBroker | None = None
        existing = Connection.of(self.settings.broker)
        if existing is None:
            chosen = self.settings.broker
            known = LocalBroker.of(chosen, self.folder.broker).status().port
            # chosen here, so that the processes, which take longer than the broker, can start beside it
            port = chosen.port or known or free_port()
            own = LocalBroker.of(chosen.model_copy(update={"port": port}), self.folder.broker)
            self.connection = Connection(f"127.0.0.1:{port}")
        else:
            if self.fresh:
                raise InputError(
                    f"--fresh would empty the cluster {existing.bootstrap}, which is not this desk's own; delete its "
                    "topics and groups by hand, or leave --bootstrap out"
                )
            self.connection = existing
        self.broker = OwnBroker(own, self.connection, self.desk.partitions, self.settings.broker.replication)
        self.supervisor = Supervisor(
            [*map(self._program, self.stages), *map(self._face, self.faces)],
            self.folder.logs,
            self._environment(),
            self.nursery,
        )

    @property
    def stages(self) -> tuple[str, ...]:
        """All its processes' names, in the order of the flow."""
        return INGEST, *self.desk.stages, ARCHIVE

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """What each consumer group reads."""
        steps = {STAGES[s].group: STAGES[s].inputs for s in self.desk.stages}
        return steps | {f"{GROUP_PREFIX}{ARCHIVE}": tuple(spec.name for spec in topics.TOPIC_TABLE)}

    def start(self) -> None:
        """Start broker and processes beside each other; the broker answers and has its topics when this returns.

        Raises
        ------
        QflibError
            If something is missing, in use, or another desk's: nothing is left running.
        """
        self.folder.hold()
        try:
            if self.fresh:
                self.broker.stop(_STOP_S)  # before a process can reach it
                self.folder.wipe()
            self.new = self.folder.kept() is None and self.broker.own
            store = self.settings.store
            establish(self.folder.history, store.kind, store.dsn, store.namespace, store.url)
            self.desk = self.folder.keep(self.desk)
            self.broker.start(fresh=self.fresh)
            self.supervisor.start()  # they wait for the broker, and their imports take longer than its start
            self.supervisor.wait(lambda: self.broker.ready, float("inf"))
        except BaseException:
            self.stop()
            raise
        self.tell()

    def tell(self, **more: Any) -> None:
        """Let others know where the desk is: broker, metrics, and what is given beside."""
        self._told |= more
        self.folder.tell({"bootstrap": self.connection.bootstrap, "ports": self.metrics} | self._told)

    def check_sources(self) -> None:
        """Refuse to go on where there is nothing to come.

        Raises
        ------
        DataError
            If every source has ended in a former run.
        """
        if ended(self.connection, self.desk.table, self.desk.instruments.sources):
            raise DataError(
                f"the sources of the desk kept in {self.folder.path} have ended, nothing comes from them any more; "
                "begin anew with --fresh"
            )

    def tend(self) -> None:
        """See after the processes; publish the opening once the market has begun.

        Raises
        ------
        DeskStoppedError
            If the desk cannot go on.
        """
        self.supervisor.tend()
        now = time.monotonic()
        if now - self._asked_at < _ASK_S:
            return
        self._asked_at = now
        self.broker.tend()
        if (step := self.folder.asked()) is not None:
            self.take_along(step)
        if not self.opened and self._begun():
            self.open()

    def take_along(self, step: TakenAlong) -> None:
        """Begin a promoted step, or another version of it, while the desk runs: its stage alone is started (again)."""
        new = step.stage not in self.stages
        self.desk = self.folder.write(self.desk.taking(step))
        if new:
            self.supervisor.begin(self._program(step.stage), behind=self.stages[self.stages.index(step.stage) - 1])
            self.__dict__.pop("_drain", None)  # it knows the groups of before
            self.tell()
        else:
            # with patience: what is killed in the middle of its work cannot be taken over by another version
            self.supervisor.restart(step.stage, budget_s=_HANDED_OVER_S)
        _log.info("step taken along", step=step.label, stage=step.stage)

    def open(self) -> None:
        """Publish what the desk opens with; where the broker does not take it, at the next `tend`."""
        batches = self._opening
        if batches:
            ids = booking_ids(batches)
            try:
                sent = publish(self.connection, batches, self.desk.table, attempts=1)
            except BrokerError as e:  # it is this thread that starts a broker again; ids make a second time harmless
                _log.warning("not opened yet", reason=str(e))
                return
            self.folder.book(ids)
            _log.info("opened", records=sent, bookings=len(ids))
        self.opened = True

    def end_sources(self) -> None:
        """Tell ingest to send closing clocks and to end."""
        self.supervisor.send(INGEST, signal.SIGUSR1)

    def wait(self, until: Callable[[], bool], timeout_s: float, each: Callable[[], object] = lambda: None) -> bool:
        """Tend until something holds; False where it does not within the time. `each` is called between."""
        end = time.monotonic() + timeout_s
        while not until():
            if time.monotonic() >= end:
                return False
            self.tend()
            each()
            time.sleep(0.05)
        return True

    def wait_drained(self, timeout_s: float, each: Callable[[], object] = lambda: None) -> bool:
        """Wait until the sources have ended and every group has worked off its inputs."""
        end = time.monotonic() + timeout_s
        drain = self._drain
        return (
            self.wait(lambda: self.supervisor.ended(INGEST), timeout_s, each)
            and self.wait(lambda: self.opened, end - time.monotonic(), each)
            and self.wait(drain.ask, max(0.0, end - time.monotonic()), each)
        )

    def lag(self) -> dict[str, int]:
        """Records each group is behind; nothing where the broker gives no answer."""
        return self._drain.lag() or {}

    def kill(self, stage: str, ordinal: int = 0) -> None:
        """Kill a worker with -9, as a fault test does; it is started again."""
        self.supervisor.send(stage, signal.SIGKILL, ordinal)

    def scale(self, stage: str, workers: int) -> None:
        """Have so many workers of a stage from now on.

        Raises
        ------
        InputError
            If there is no such stage, or it cannot have so many.
        """
        if workers > (1 if stage in (INGEST, ARCHIVE) else self.desk.partitions):
            raise InputError(f"{workers} workers of {stage}: more than it can have")
        self.supervisor.scale(stage, workers)

    def stop_stages(self, budget_s: float = _STOP_S) -> list[str]:
        """Stop the processes, and leave the broker; the names of those that had to be killed."""
        return self.supervisor.stop(budget_s)

    def stop(self, budget_s: float = _STOP_S) -> list[str]:
        """Stop everything within five seconds in all; the names of what had to be killed."""
        if not self.folder.held:  # another process runs this desk
            return []
        end = time.monotonic() + budget_s
        killed = self.supervisor.stop(min(_STAGES_S, budget_s))
        self.broker.stop(max(0.5, end - time.monotonic()))
        self.ports.release()
        self.folder.release()
        return killed

    def processes(self) -> list[Process]:
        """Every worker, and the broker that is this desk's own, as the monitor takes them."""
        made = [
            Process(w.stage, w.ordinal, w.pid, w.restarts, self.ports.taken.get((w.stage, w.ordinal), 0))
            for w in self.supervisor.workers
        ]
        others = {"broker": (self.broker.pid, self.broker.restarts), "nursery": (self.nursery.pid, 0)}
        return made + [Process(name, 0, pid, n) for name, (pid, n) in others.items() if pid is not None]

    @property
    def metrics(self) -> dict[str, int]:
        """Where Prometheus finds each worker: "exchange-0" and its port."""
        return {f"{stage}-{k}": port for (stage, k), port in sorted(self.ports.taken.items())}

    @cached_property
    def _opening(self) -> list[Batch]:
        return list(self.batches())

    @cached_property
    def _drain(self) -> Drain:
        return Drain(self.connection, self.groups, self.desk.partitions)

    def _begun(self) -> bool:
        """Whether the exchange has published books of every underlying: then positions can be valued."""
        try:
            return has_books(self.connection, self.desk, new=self.new)
        except BrokerError:  # away for a moment
            return False

    def _program(self, stage: str) -> Program:
        script = toolkit() / "pipelines" / f"{stage}.py"
        if not script.is_file():
            raise MissingPartError(f"{script} is missing, the process of stage {stage}; install qflib again")

        def argv(ordinal: int) -> list[str]:
            return [*python(script), "--ordinal", str(ordinal), *self._whereabouts(stage, ordinal)]

        return Program(stage, argv, self.workers.get(stage, 1), ends=stage == INGEST)

    def _face(self, face: Face) -> Program:
        return Program(face.name, lambda k: [*face.argv, *self._whereabouts(face.name, k)], spare=True)

    def _whereabouts(self, name: str, ordinal: int) -> list[str]:
        port = str(self.ports.take((name, ordinal)))
        told = ["--deployment", str(self.folder.deployment), "--bootstrap", self.connection.bootstrap]
        return [*told, "--metrics-port", port]

    def _environment(self) -> dict[str, str]:
        """Settings that flags changed, for the processes: they read the file and the environment."""
        chosen = self.settings.stream
        # nobody waits for the reports of a market that runs as fast as it can: fewer transactions leave more for it
        bulk = self.desk.feed.get("speed") == "max"
        bulk_ms = _GREAT_COMMIT_MS if self.desk.source == "sim" else _BULK_COMMIT_MS
        least_ms, least_s = (bulk_ms, _BULK_ARCHIVE_S) if bulk else (0.0, 0.0)
        return {
            "QFLIB_STREAM__DELIVERY": chosen.delivery,
            "QFLIB_STREAM__COMMIT_MS": str(max(chosen.commit_ms, least_ms)),
            "QFLIB_STREAM__ARCHIVE_COMMIT_S": str(max(chosen.archive_commit_s, least_s)),
        }
