"""The history is tended while the archive runs, and left in peace at its end."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from qflib.history import Archiver, DeltaHistory, Log
from qflib.history.postgres import PostgresHistory, migrate
from qflib.history.postgres.connections import Database
from qflib.records.topics import MARKET_RAW
from qflib.stream.upkeep import Upkeep
from tests.postgres_server import database, server

__all__ = ["database", "server"]  # fixtures


def awaited(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_rounds_beside_a_writer(tmp_path: Path) -> None:
    history = DeltaHistory(tmp_path)
    archiver = Archiver(history)
    archiver.assign([Log("c1", MARKET_RAW, "t", 0)])
    offset = 0
    with Upkeep(history, every_s=0.01) as upkeep:
        until = time.monotonic() + 60
        while upkeep.rounds < 2:
            archiver.take(MARKET_RAW, 0, offset, 1, b"k", b"value")
            archiver.store()
            offset += 1
            assert time.monotonic() < until
    rows = history.scan("batches", ["offset"])
    assert sorted(rows["offset"].to_pylist()) == list(range(offset))
    dataset = history.dataset("batches")
    assert dataset is not None
    assert len(list(dataset.get_fragments())) < offset


@pytest.mark.parametrize(
    ("program", "limit_s", "why"),
    [
        (None, 60.0, "FileNotFoundError"),
        ("exec kill -9 $$", 60.0, "ended by SIGKILL"),
        ("echo so it is >&2; exit 3", 60.0, "ended with 3: so it is"),
        ("exec sleep 600", 0.05, "a round took more than 0.05 s and was broken off"),
    ],
)
def test_a_round_that_fails_is_told_and_the_next_one_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, limit_s: float, why: str
) -> None:
    python = tmp_path / "python"
    if program is not None:
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with capture_logs() as events, Upkeep(DeltaHistory(tmp_path / "history"), every_s=0.01, limit_s=limit_s) as upkeep:
        awaited(lambda: upkeep.rounds > 2)
    told = [e for e in events if e["event"] == "upkeep failed"]
    assert len(told) >= 3
    assert all(why in e["why"] and e["log_level"] == "error" for e in told)


def test_a_database_that_refuses_is_told_and_asked_again(database: Database) -> None:
    """Its schema is not there yet."""
    history = PostgresHistory(Database(None, "not_there_yet", database.server))
    with capture_logs() as events, Upkeep(history, every_s=0.01) as upkeep:
        awaited(lambda: upkeep.rounds > 1)
        told = list(events)
        migrate(history.database)  # a round in the midst of it may make partitions, and fail then
        at = upkeep.rounds
        awaited(lambda: upkeep.rounds > at)
        seen = len(events)
        awaited(lambda: upkeep.rounds > at + 2)
    with history.database.connection() as c:
        assert c.execute("SELECT count(*) > 0 FROM partitions_of('events')").fetchone() == (True,)
    history.database.close()
    assert len(told) > 1
    assert all(e["event"] == "upkeep failed" and e["log_level"] == "error" for e in told)
    assert all("run `qflib store migrate`" in e["why"] for e in told)
    assert not [e for e in events[seen:] if e["event"] == "upkeep failed"]
