"""The scheduler: every job at its times, once, whoever else schedules it; what was missed by the job's own policy.

APScheduler wakes the jobs, one instance of each. What it could keep of them is not used: its stores hold pickles, and
what matters is known better by the runs themselves. A file a job says up to which time it was dealt with, so whoever
starts next goes on there.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from qflib.errors import InputError, StateError
from qflib.jobs.cron import trigger
from qflib.jobs.definition import Job
from qflib.jobs.due import as_of, due_times, missed, next_due
from qflib.jobs.history import runs
from qflib.jobs.job_metrics import JobMetrics
from qflib.jobs.lease import lease
from qflib.jobs.outputs import read_json, write_json
from qflib.jobs.process import Outcome

#: Runs a job for a date; None: it was ended before it was through.
Run = Callable[[str, str, threading.Event], Outcome | None]
_AHEAD = dt.timedelta(days=1)  # that a clock may be put back; what it has run by then it does not run again
_TAKE_S = 1.0  # that another scheduler's lease is waited for, before it is looked whether to stop
_log = structlog.get_logger(__name__)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Scheduler:
    """Runs jobs at their times, until it is told to stop.

    Parameters
    ----------
    jobs
        Those that have a cron are scheduled.
    state
        Where it is kept how far each was dealt with: ``STATE/jobs/JOB/schedule.json``.
    run
        Runs one; `qflib.jobs.process.run`, in a process of its own.
    metrics
        Where runs are counted.
    now
        The clock, for tests.

    Raises
    ------
    InputError
        If no job has a cron.

    Notes
    -----
    Two schedulers of one folder share the work: a job's lease is held while one deals with it, and the other then
    finds it dealt with. Where the holder dies the other takes over, and runs again what was not done.

    Examples
    --------
    >>> import threading
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from qflib.jobs import load_job
    >>> from qflib.jobs.process import Outcome
    >>> from qflib.jobs.schedule import Scheduler
    >>> told = Scheduler([load_job("daily_risk")], Path(mkdtemp()), lambda *_: Outcome("done", 1.0, 1))
    >>> told.catch_up(told.jobs[0]), told.through(told.jobs[0]) is not None
    (None, True)
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        state: Path,
        run: Run,
        metrics: JobMetrics | None = None,
        now: Callable[[], dt.datetime] = _now,
    ) -> None:
        self.jobs = [j for j in jobs if j.cron is not None]
        if not self.jobs:
            raise InputError("no job has a cron, so there is nothing to schedule; add one to a file in pipelines/jobs")
        self._state, self._run, self._now = state, run, now
        self._metrics = metrics or JobMetrics()
        self._stopping, self._ending = threading.Event(), threading.Event()
        pool = ThreadPoolExecutor(len(self.jobs))
        defaults = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        self._waking = BackgroundScheduler(executors={"default": pool}, job_defaults=defaults, timezone="UTC")

    def start(self) -> None:
        """Deal with what was missed, and then with each time as it comes."""
        for job in self.jobs:
            self._metrics.known(job.name, self._last_success(job))
            at = trigger(job.cron or "", ZoneInfo(job.time_zone))
            self._waking.add_job(self.catch_up, at, [job], id=job.name, next_run_time=dt.datetime.now(dt.UTC))
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # that a run is still going on is no news
        self._waking.start()
        _log.info("jobs are scheduled", jobs=[j.name for j in self.jobs])

    def stop(self, within_s: float) -> None:
        """Begin nothing more; runs have so many seconds, then they are ended, and begun anew at the next start."""
        self._stopping.set()
        ending = threading.Timer(within_s, self._ending.set)
        ending.start()
        self._waking.shutdown(wait=True)
        ending.cancel()

    def end(self) -> None:
        """End runs at once."""
        self._stopping.set()
        self._ending.set()

    def catch_up(self, job: Job) -> None:
        """Deal with every time of a job up to now that nobody has dealt with."""
        while not self._stopping.is_set():
            with ExitStack() as held:
                try:
                    held.enter_context(lease(self._place(job, ".schedule.lease"), _TAKE_S))
                except StateError:  # another scheduler is at it
                    continue
                if self._dealt_with(job):
                    break

    def through(self, job: Job) -> dt.datetime | None:
        """Up to which time a job was dealt with; None where none ever was."""
        told = (read_json(self._place(job, "schedule.json")) or {}).get("through")
        try:
            at = dt.datetime.fromisoformat(told) if isinstance(told, str) else None
        except ValueError:
            at = None
        return at if at is not None and at.tzinfo is not None else None

    def _dealt_with(self, job: Job) -> bool:
        """Whether there is nothing left; a run takes its time, and another time may have come meanwhile."""
        now, since = self._now(), self.through(job)
        if since is not None and since - now > _AHEAD:  # written by a clock that was wrong: nothing would run till then
            _log.error("dealt with up to a time that has not come; begun anew", job=job.name, through=since.isoformat())
            since = None
        if since is None:  # a new job has missed nothing
            self._keep(job, now)
            since = now
        times = list(takewhile(lambda t: t <= now, due_times(job, since)))
        wanted = set(missed(job.missed, times, now))
        self._metrics.due(job.name, times[0] if times else next_due(job, now))
        for at in times:
            if at in wanted and not self._stopping.is_set():
                outcome = self._told(job, at)
                if outcome is None:
                    return True
            elif at in wanted:
                return True
            else:
                self._metrics.missed(job.name)
                _log.warning("a time was missed, and is not run", job=job.name, due=at.isoformat(), missed=job.missed)
            self._keep(job, at)
        self._metrics.due(job.name, next_due(job, max(now, times[-1]) if times else now))
        return not times

    def _told(self, job: Job, at: dt.datetime) -> Outcome | None:
        day, late = as_of(at), (self._now() - at).total_seconds()
        _log.info("job begins", job=job.name, as_of=day, due=at.isoformat(), late_s=round(late, 3))
        outcome = self._run(job.name, day, self._ending)
        if outcome is None:
            _log.warning("job ended before it was through; it is begun anew at the next start", job=job.name, as_of=day)
            return None
        self._metrics.ran(job.name, outcome, self._now())
        log = _log.error if outcome.status == "failed" else _log.info
        log(
            "job failed" if outcome.status == "failed" else "job is done", job=job.name, as_of=day,
            status=outcome.status, run_id=outcome.run_id, seconds=outcome.seconds, attempts=outcome.attempts,
            reason=outcome.reason,
        )  # fmt: skip
        return outcome

    def _last_success(self, job: Job) -> float | None:
        """When the last good run ended: an alert must not take a restart for it."""
        done = next((r for r in runs(self._state, job.name) if r.status == "done"), None)
        if done is None or done.seconds is None:
            return None
        try:
            return dt.datetime.fromisoformat(done.started).timestamp() + done.seconds
        except ValueError:
            return None

    def _keep(self, job: Job, at: dt.datetime) -> None:
        write_json(self._place(job, "schedule.json"), {"through": at.isoformat()})

    def _place(self, job: Job, name: str) -> Path:
        folder = self._state / "jobs" / job.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name
