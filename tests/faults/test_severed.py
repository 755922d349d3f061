"""A desk whose clients reach Kafka and PostgreSQL by proxies alone, which cut connections in the middle of commits."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qflib.history.postgres import PrivateServer, migrate
from qflib.history.postgres.connections import Database
from qflib.stream.running import ARCHIVE
from tests.faults.desk import running
from tests.faults.severing_postgres import SeveringPostgres
from tests.faults.table import Told
from tests.stream.severing import SeveredBroker, Severing

pytestmark = pytest.mark.faults

CUTS = 6


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[tuple[SeveredBroker, Severing]]:
    proxy = Severing()
    broker = SeveredBroker(tmp_path / "kafka", proxy)
    broker.prepare()
    broker.start()
    yield broker, proxy
    broker.stop()
    proxy.close()


@pytest.fixture
def postgres() -> Iterator[SeveringPostgres]:
    folder = tempfile.mkdtemp(prefix="qflib-test-")  # pytest's own would be closed to the server's user
    server = PrivateServer(folder)
    server.ensure()
    owner = Database(server.dsn)
    migrate(owner)
    owner.close()
    proxy = SeveringPostgres(server.socket_folder / ".s.PGSQL.5432")
    yield proxy
    proxy.close()
    server.remove()
    shutil.rmtree(folder, ignore_errors=True)


def test_connections_cut_in_commits_lose_and_double_nothing(
    tmp_path: Path, told: Told, kafka: tuple[SeveredBroker, Severing], postgres: SeveringPostgres
) -> None:  # fmt: skip
    broker, proxy = kafka
    dsn = f"host=127.0.0.1 port={postgres.port} user=qflib dbname=qflib"
    with running(
        tmp_path, stream={"archive_commit_s": 0.3}, store={"dsn": dsn}, broker={"bootstrap": broker.severed.bootstrap}
    ) as faulty:
        for passed_on, when in ((False, "before the server has it"), (True, "before its answer")):
            row = told.row(14, f"Kafka, {when}", goal="stateful")
            for n in range(CUTS):
                cuts, began = proxy.cuts, time.monotonic()
                proxy.cut(passed_on=passed_on)
                faulty.until(lambda c=cuts: proxy.cuts > c, "no commit came")
                row.took(faulty.goes_on(*faulty.core, since=began), f"{n}, {when}")
            row.seen = ["metric `qflib_checkpoint_seconds`"]
            row = told.row(14, f"PostgreSQL, {when}", goal="stateful")
            for n in range(CUTS):
                cuts, began = postgres.cuts, time.monotonic()
                postgres.cut(passed_on=passed_on)
                faulty.until(lambda c=cuts: postgres.cuts > c, "no commit of the archive came")
                row.took(faulty.goes_on(ARCHIVE, since=began), f"{n}, PostgreSQL, {when}")
            row.seen = ["log `waiting for PostgreSQL`"]
        assert faulty.metric("exchange", "qflib_checkpoint_seconds_count") > 0
        assert faulty.said(ARCHIVE, "waiting for PostgreSQL")
        for name, through in (("Kafka", proxy), ("PostgreSQL", postgres)):
            print(f"{through.cuts} of {through.commits} commits of {name} cut")
        faulty.judge(told)
