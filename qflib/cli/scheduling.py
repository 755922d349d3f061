"""The scheduler as a process: its metrics, its signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from qflib.errors import SettingsError
from qflib.jobs.job_metrics import JobMetrics
from qflib.jobs.process import run
from qflib.jobs.schedule import Scheduler

if TYPE_CHECKING:
    from qflib.jobs import Job
    from qflib.settings import Settings


def serve(jobs: Sequence[Job], settings: Settings) -> None:
    """Schedule jobs until SIGTERM or Ctrl-C.

    Raises
    ------
    SettingsError
        If the port of the metrics is in use.
    InputError
        If there is nothing to schedule.
    """
    metrics, port = JobMetrics(), settings.jobs.metrics_port
    scheduler = Scheduler(jobs, settings.state, run, metrics)
    if port:
        try:
            start_http_server(port, "127.0.0.1", metrics.registry)
        except OSError as e:
            raise SettingsError(
                f"jobs.metrics_port {port} cannot be listened on ({e.strerror}); set QFLIB_JOBS__METRICS_PORT, 0: none"
            ) from None
    asked = threading.Event()

    def stop(*_: object) -> None:
        if asked.is_set():
            scheduler.end()
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    scheduler.start()
    where = f", metrics at http://127.0.0.1:{port}/metrics" if port else ""
    print(f"scheduling {', '.join(j.name for j in scheduler.jobs)}{where}", flush=True)
    while not asked.wait(1.0):
        pass
    scheduler.stop(settings.jobs.stop_s)
