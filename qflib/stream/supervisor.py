"""The supervisor: starts a desk's processes, starts again what dies, stops them in the order of the flow.

It has no thread of its own: the process that owns it calls `tend` some ten times a second. (The kernel ends a child
when the *thread* that started it ends, so all starts are the main thread's.)
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from qflib.errors import InputError, QflibError
from qflib.stream.child import Child
from qflib.stream.nursery import Nursery, worker_environment
from qflib.stream.restarts import CRASHES, WINDOW_S

REFUSED = 2  # exit code: wrong use or refused state, which another start would not mend
_TEND_S = 0.05
_WATCH_S = 1.0

_log = structlog.get_logger(__name__)


class DeskStoppedError(QflibError):
    """A process of the desk refused to run, or crashes again and again: the whole desk is stopped."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one stage's workers are.

    Parameters
    ----------
    stage
        Its name.
    argv
        The command of a worker, by ordinal.
    workers
        How many.
    ends
        Whether a worker may end by itself, with exit code 0; of others every end is a death.
    spare
        Whether the desk goes on without it where it refuses to run, or crashes again and again.
    """

    stage: str
    argv: Callable[[int], Sequence[str]]
    workers: int = 1
    ends: bool = False
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """One worker, as it stands."""

    stage: str
    ordinal: int
    pid: int | None
    restarts: int
    memory: int
    peak_memory: int


class Supervisor:
    """The processes of a desk.

    Parameters
    ----------
    programs
        In the order of the flow.
    logs
        Folder of the processes' logs: NAME-K.log, former ones NAME-K.1.log and so on.
    environment
        Of every process, over this one's.
    nursery
        Forks the processes; None: each is executed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> sleeper = Program("sleeper", lambda k: ["sleep", "60"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     supervisor = Supervisor([sleeper], Path(folder))
    ...     supervisor.start()
    ...     supervisor.stop()
    []
    """

    def __init__(
        self,
        programs: Sequence[Program],
        logs: Path,
        environment: Mapping[str, str] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self._nursery = nursery
        self._programs = {p.stage: p for p in programs}
        self._logs = logs
        self._environment = os.environ | worker_environment() | dict(environment or {})
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # every start would compile every module
        self._children: dict[tuple[str, int], Child] = {}
        self._due: dict[tuple[str, int], float] = {}  # when a dead one is started again
        self._ended: set[tuple[str, int]] = set()
        self._restarts: dict[str, int] = dict.fromkeys(self._programs, 0)
        self._watched_at = 0.0

    def start(self) -> None:
        """Start every worker of every stage."""
        if self._nursery is not None:
            self._nursery.begin()
        for program in self._programs.values():
            for ordinal in range(program.workers):
                self._start(program.stage, ordinal)

    def tend(self) -> None:
        """Start again what has died and is due; look at memory once a second.

        Raises
        ------
        DeskStoppedError
            If a process refused to run (exit code 2), or died five times within 30 s. Everything has been stopped.
        """
        now = time.monotonic()
        for (stage, ordinal), child in list(self._children.items()):
            place = stage, ordinal
            if place in self._ended or place in self._due or child.running:
                continue
            code = child.code
            if code == 0 and self._programs[stage].ends:
                self._ended.add(place)
            elif code is not None:
                self._died(place, child, code, now)
        for place, due in list(self._due.items()):
            if now >= due:
                del self._due[place]
                self._restarts[place[0]] += 1
                self._children[place].start()
        if now - self._watched_at >= _WATCH_S:
            self._watched_at = now
            for child in self._children.values():
                child.watch()

    def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Tend until something holds; False where it does not within the time."""
        end = time.monotonic() + timeout_s
        while not until():
            if time.monotonic() >= end:
                return False
            self.tend()
            time.sleep(_TEND_S)
        return True

    def scale(self, stage: str, workers: int, budget_s: float = 5.0) -> None:
        """Have so many workers of a stage: the highest ordinals are started, or stopped gracefully.

        Raises
        ------
        InputError
            If there is no such stage, or `workers` is below 1.
        """
        if stage not in self._programs:
            raise InputError(f"no stage {stage!r} runs; there are {', '.join(self._programs)}")
        if workers < 1:
            raise InputError(f"{workers} workers of {stage}; give 1 at least")
        have = len(self.ordinals(stage))
        for ordinal in range(have, workers):
            self._start(stage, ordinal)
        surplus = [(stage, ordinal) for ordinal in range(have - 1, workers - 1, -1)]
        for place in surplus:
            self._due.pop(place, None)
            self._children[place].send(signal.SIGTERM)
        self._gone([self._children[place] for place in surplus], time.monotonic() + budget_s)
        for place in surplus:
            del self._children[place]
            self._ended.discard(place)

    def begin(self, program: Program, *, behind: str) -> None:
        """Run a stage more, behind another one in the order of the flow."""
        programs = []
        for p in self._programs.values():
            programs += [p, program] if p.stage == behind else [p]
        self._programs = {p.stage: p for p in programs}
        self._restarts[program.stage] = 0
        for ordinal in range(program.workers):
            self._start(program.stage, ordinal)

    def restart(self, stage: str, budget_s: float = 5.0) -> None:
        """Stop a stage's workers gracefully and start them again: what they read at their start has changed."""
        children = [self._children[stage, k] for k in self.ordinals(stage)]
        for child in children:
            child.send(signal.SIGTERM)
        self._gone(children, time.monotonic() + budget_s)
        for child in children:
            child.start()

    def send(self, stage: str, number: int, ordinal: int = 0) -> None:
        """Send a signal to one worker."""
        self._children[stage, ordinal].send(number)

    def stop(self, budget_s: float = 5.0) -> list[str]:
        """Ask all to end, in the order of the flow; kill what is left after `budget_s` in all.

        Returns
        -------
        list of str
            Those that had to be killed: "exchange-0".
        """
        self._due.clear()
        for child in self._in_order():
            child.send(signal.SIGTERM)
        killed = self._gone(self._in_order(), time.monotonic() + budget_s)
        for child in self._children.values():
            child.memory = 0
        if self._nursery is not None:
            self._nursery.end()
        return killed

    def ordinals(self, stage: str) -> list[int]:
        """Of a stage's workers."""
        return sorted(ordinal for name, ordinal in self._children if name == stage)

    def ended(self, stage: str) -> bool:
        """Whether all workers of a stage have ended by themselves."""
        places = [(stage, ordinal) for ordinal in self.ordinals(stage)]
        return bool(places) and all(place in self._ended for place in places)

    def restarts(self, stage: str) -> int:
        """How often workers of a stage were started again."""
        return self._restarts[stage]

    @property
    def stages(self) -> tuple[str, ...]:
        """In the order of the flow."""
        return tuple(self._programs)

    @property
    def workers(self) -> list[Running]:
        """All workers, in the order of the flow."""
        return [
            Running(stage, k, c.pid, c.restarts.count, c.memory, c.peak_memory)
            for stage in self._programs
            for k in self.ordinals(stage)
            for c in (self._children[stage, k],)
        ]

    def _start(self, stage: str, ordinal: int) -> None:
        name = f"{stage}-{ordinal}"
        argv, log = self._programs[stage].argv(ordinal), self._logs / f"{name}.log"
        child = self._children[stage, ordinal] = Child(name, argv, log, self._environment, self._nursery)
        child.start()

    def _died(self, place: tuple[str, int], child: Child, code: int, now: float) -> None:
        words = child.last_words()
        spare = self._programs[place[0]].spare
        if code == REFUSED and spare:
            self._give_up(place, words)
            return
        if code == REFUSED:
            self.stop()
            raise DeskStoppedError(words or f"{child.name} refused to run and did not say why; see {child.log}")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        wait = child.restarts.wait(code, now=now, lived=now - child.started_at)
        if wait is None and spare:
            self._give_up(place, words)
            return
        if wait is None:
            self.stop()
            raise DeskStoppedError(
                f"{child.name} died {CRASHES} times within {WINDOW_S:g} s, last by {how}"
                f"{f' ({words})' if words else ''}; the desk is stopped, see {child.log}"
            )
        _log.warning("process died", process=child.name, how=how, last_words=words, again_in_s=wait)
        self._due[place] = now + wait

    def _give_up(self, place: tuple[str, int], words: str) -> None:
        self._ended.add(place)
        child = self._children[place]
        _log.error("process given up, the desk goes on", process=child.name, last_words=words, log=str(child.log))

    def _in_order(self) -> list[Child]:
        return [self._children[stage, k] for stage in self._programs for k in self.ordinals(stage)]

    @staticmethod
    def _gone(children: Sequence[Child], end: float) -> list[str]:
        while any(c.running for c in children) and time.monotonic() < end:
            time.sleep(0.01)
        left = [c for c in children if c.running]
        for child in left:
            child.send(signal.SIGKILL)
        for child in left:
            child.kill()
            _log.warning("process killed: it did not end in time", process=child.name)
        return [c.name for c in left]


def python(script: Path, *arguments: str) -> list[str]:
    """The command of a Python program."""
    return [sys.executable, str(script), *arguments]
