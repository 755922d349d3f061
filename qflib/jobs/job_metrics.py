"""What the scheduler counts, for Prometheus; `deploy/prometheus/jobs.rules.yaml` alerts by it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from qflib.jobs.process import Outcome

STATUSES = ("done", "already_done", "failed")
_BOUNDS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600)


class JobMetrics:
    """Runs by job.

    Parameters
    ----------
    registry
        Where they are scraped from.

    Examples
    --------
    >>> from qflib.jobs.job_metrics import JobMetrics
    >>> metrics = JobMetrics()
    >>> metrics.known("daily_risk")
    >>> metrics.registry.get_sample_value("qflib_job_runs_total", {"job": "daily_risk", "status": "failed"})
    0.0
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = r = registry or CollectorRegistry()
        self._runs = Counter("qflib_job_runs", "runs by what became of them", ["job", "status"], registry=r)
        self._missed = Counter("qflib_job_missed", "times missed and not run", ["job"], registry=r)
        self._kernels = Counter("qflib_job_kernels", "kernels that runs took", ["job"], registry=r)
        self._seconds = Histogram("qflib_job_seconds", "seconds of a run", ["job"], buckets=_BOUNDS_S, registry=r)
        self._success = Gauge("qflib_job_last_success_time_seconds", "end of the last good run", ["job"], registry=r)
        self._due = Gauge("qflib_job_due_time_seconds", "first time not dealt with yet", ["job"], registry=r)

    def known(self, job: str, success: float | None = None) -> None:
        """A job that is scheduled: its counts begin at 0, so that the first failure is a rise."""
        for status in STATUSES:
            self._runs.labels(job, status)
        self._missed.labels(job)
        self._kernels.labels(job)
        if success is not None:
            self._success.labels(job).set(success)

    def ran(self, job: str, outcome: Outcome, at: dt.datetime) -> None:
        """Count a run."""
        self._runs.labels(job, outcome.status).inc()
        self._kernels.labels(job).inc(outcome.attempts)
        self._seconds.labels(job).observe(outcome.seconds)
        if outcome.status != "failed":
            self._success.labels(job).set(at.timestamp())

    def missed(self, job: str) -> None:
        """Count a time that is not run."""
        self._missed.labels(job).inc()

    def due(self, job: str, at: dt.datetime | None) -> None:
        """When the job is due; behind the clock while it is not dealt with."""
        if at is not None:
            self._due.labels(job).set(at.timestamp())
