"""A running desk under Debian's Prometheus and Alertmanager: a fault is seen at the receiver, and that it is over."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.boards import boards
from tests.deploy.watching import Watching, watching


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    yield from watching(tmp_path_factory.mktemp("watched"), "--rate", "2000", "--faces")


def test_every_picture_of_grafana_has_series(watched: Watching) -> None:
    watched.until(lambda: watched.query('qflib_snapshot_seconds_count{stage="exchange"} > 0'), "no snapshot")
    httpx.get(f"http://127.0.0.1:{watched.environment['QFLIB_API__PORT']}/readyz")
    for _, panels in boards().BOARDS.values():
        for panel in panels:
            for expression in panel.expressions:
                watched.until(lambda e=expression: watched.query(e), f"{panel.title} is empty: {expression}", 20.0)


def test_a_stage_is_stopped_and_another_killed(watched: Watching) -> None:
    since = watched.send("exchange-0", signal.SIGSTOP)
    watched.send("normalize-0", signal.SIGKILL)
    watched.fired("QflibProcessDown", since, process="exchange-0", severity="critical")
    watched.fired("QflibWorkerRestarted", since, stage="normalize", severity="warning")
    watched.fired("QflibStageBehind", since, consumergroup="qflib.exchange")
    mended = watched.send("exchange-0", signal.SIGCONT)
    watched.cleared("QflibProcessDown", mended, process="exchange-0")
    watched.cleared("QflibStageBehind", mended, consumergroup="qflib.exchange")
    watched.cleared("QflibWorkerRestarted", since, stage="normalize")
