"""A desk whose history is in PostgreSQL, on real Kafka: backends, server and archive killed, and the audit is clean."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import qflib as qf
from qflib import settings
from qflib.broker import reading
from qflib.cli import deploying
from qflib.desk.history_day import day_of, days_of
from qflib.errors import BrokerError
from qflib.history.opening import database_of, opened, remove
from qflib.history.postgres import PostgresHistory
from qflib.records.topics import MARKET_NORMALIZED
from qflib.stream.audit import audit
from qflib.stream.audit.archive import replay_archive
from qflib.stream.folder import DeskFolder
from qflib.stream.opening import opening
from qflib.stream.running import RunningDesk
from qflib.stream.stages import ARCHIVE_GROUP
from tests.faults.table import Told

pytestmark = pytest.mark.faults

RATE = 4_000.0
SPAN_S = 60
_SEEN_S = 150.0
_COPYING = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state <> 'idle'"


class Watched:
    """A running desk, and how far its archive is."""

    def __init__(self, folder: Path) -> None:
        wanted = deploying.Wanted("sim", rate=RATE, seed=7)
        chosen = settings.load(
            state=folder,
            desk={"rate": RATE, "n_historical": 300, "n_simulated": 700},
            store={"kind": "postgres"},
            stream={"archive_commit_s": 0.2},
        )
        market = deploying.market(wanted, chosen)
        made = deploying.deployment(wanted, chosen, market, 2)
        made = replace(made, feed={**made.feed, "duration": f"{SPAN_S}s"})
        self.folder = DeskFolder(folder / "up")
        self.desk = RunningDesk(
            made, self.folder, chosen, lambda: opening(made, market.positions, deploying.scenario_set(market, chosen))
        )

    @property
    def committed(self) -> int:
        places = [(MARKET_NORMALIZED, p) for p in range(2)]
        try:
            told = reading.committed(self.desk.connection, ARCHIVE_GROUP, places, timeout_s=0.3)
        except BrokerError:
            return 0
        return sum(max(o, 0) for o in told.values())

    def until(self, condition: Callable[[], bool], what: str) -> None:
        assert self.desk.wait(condition, _SEEN_S), what

    def goes_on(self, since: float) -> float:
        """Seconds until the archive has committed twice more: one commit may have been on its way."""
        for _ in range(2):
            self.until(lambda: self.committed > 0, "no answer")
            before = self.committed or self.committed
            self.until(lambda b=before: self.committed > b, "the archive does not go on")
        return time.monotonic() - since


@pytest.fixture
def watched() -> Iterator[Watched]:
    folder = Path(tempfile.mkdtemp(prefix="qflib-test-"))  # pytest's own would be closed to the server's user
    made = Watched(folder)
    made.desk.start()
    yield made
    made.desk.stop()
    remove(made.folder.history)
    shutil.rmtree(folder)


def test_kills_lose_and_double_nothing(watched: Watched, told: Told) -> None:
    waited = "waiting for PostgreSQL"
    desk, database = watched.desk, database_of(watched.folder.history)
    assert database.server is not None
    watched.until(lambda: desk.opened and watched.committed > 10, "nothing was archived")
    server, backend = (
        told.row(7, "the server", goal="stateful"),
        told.row(7, "a backend in its COPY", goal="stateless"),
    )
    archive = told.row(1, "the archive", goal="stateless")
    for _ in range(2):
        began = time.monotonic()
        database.server.kill()
        server.took(watched.goes_on(began))
        watched.until(lambda: database.run(lambda c: c.execute(_COPYING).fetchone())[0] > 0, "no COPY was seen")
        backend.took(watched.goes_on(time.monotonic()))
        began = time.monotonic()
        desk.kill("archive")
        archive.took(watched.goes_on(began))
    assert any(waited in log.read_text() for log in watched.folder.logs.glob("archive-0*.log"))
    server.seen = [f"log `{waited}`"]
    assert desk.wait_drained(2 * SPAN_S + _SEEN_S), str(desk.lag())
    desk.stop_stages()
    history = opened(watched.folder.history)
    assert isinstance(history, PostgresHistory)
    report = audit(desk.connection, desk.desk, history=history, replay=True)
    told.judged(report)
    assert report.ok, report.document["findings"]
    assert report.document["replay"]["records"] > 300
    again = replay_archive(history, desk.desk, time.strftime("%Y-%m-%d", time.gmtime()))
    assert (again.unequal, again.ok) == (0, True)
    feed = qf.read(watched.folder.history, venue="history")
    assert len(feed.to_frame(None)) == history.count("events") > 0.9 * RATE * SPAN_S
    [day] = days_of(watched.folder.history, "DESK1")
    assert len(day_of(history, day).run.risk) > 10
