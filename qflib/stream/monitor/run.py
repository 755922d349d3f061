"""The monitor as a process of its own, where no `qflib up` runs the desk: in a cluster each stage is started apart."""

from __future__ import annotations

import sys

from qflib.desk.deployment import Deployment
from qflib.records.topics import TOPICS
from qflib.stream.monitor.monitor import Monitor
from qflib.stream.monitor.observed import READ
from qflib.stream.process import FAILED, Arguments, Stop, serve_metrics
from qflib.stream.waiting import await_topics


def run(told: Arguments) -> None:
    """Look on until a signal comes; where the monitor fails, end by 1, to be started again.

    Raises
    ------
    DataError
        If the desk's file is missing or no desk's.
    BrokerError
        If the cluster cannot be reached at the start.
    """
    stop = Stop()
    stop.listen()
    desk = Deployment.load(told.deployment)
    await_topics(told.connection, (*READ, *TOPICS))
    monitor = Monitor(told.connection, desk, folder=told.deployment.parent, lost=stop.ask)
    monitor.start()
    serve_metrics(told.metrics_port)
    stop.wait()
    monitor.stop()
    if monitor.failed:
        sys.exit(FAILED)
