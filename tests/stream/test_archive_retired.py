"""The archive's group never commits what a retired store has left out, and a graceful stop stays one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from quixstreams.checkpointing import Checkpoint
from quixstreams.sinks import SinkManager

from qflib.broker import topics
from qflib.broker.clients import Connection
from qflib.history import Archiver, DeltaHistory, Log, RetiredError
from qflib.records.topics import MARKET_RAW
from qflib.stream.archive import ArchiveApplication, ArchiveSink, Metrics

LOG = Log("c1", MARKET_RAW, "id", 0)


class Commits:
    """Quix Streams' own checkpoint over an archiver that holds five records; of Kafka only what it is told."""

    def __init__(self, folder: Path) -> None:
        self.history, self.committed = DeltaHistory(folder), list[Any]()
        self._before = threading.enumerate()  # another test's may still be ending
        self.history.register("c1", _instruments())
        self.archiver = Archiver(self.history)
        self.archiver.assign([LOG])
        self.sinks = SinkManager()
        self.sinks.register(ArchiveSink(self.archiver, Metrics()))
        for offset in range(5):
            self.archiver.take(MARKET_RAW, 0, offset, 1, b"k", b"bytes")

    def checkpoint(self, budget_s: float = 10.0) -> Checkpoint:
        made = Checkpoint(
            commit_interval=0,
            producer=SimpleNamespace(flush=lambda timeout=None: 0, offsets={}),
            consumer=SimpleNamespace(commit=lambda offsets, asynchronous: self.committed.extend(offsets)),
            state_manager=None,
            sink_manager=self.sinks,
            dataframe_registry=None,
            revoke_flush_timeout=budget_s,
        )
        made.store_offset(MARKET_RAW, 0, 4)
        return made

    def stores(self) -> list[threading.Thread]:
        """The threads in which the framework stores for a revoke of ours."""
        return [t for t in threading.enumerate() if t.name.endswith("(_run)") and t not in self._before]

    @property
    def stored(self) -> int:
        return len(list(self.history.batches(MARKET_RAW, 0)))


@pytest.fixture
def commits(tmp_path: Path) -> Commits:
    return Commits(tmp_path)


def test_what_is_stored_is_committed(commits: Commits) -> None:
    commits.checkpoint().commit(revoking=True)
    assert (commits.stored, [tp.offset for tp in commits.committed]) == (5, [5])


def test_a_commit_after_the_assignment_is_refused(commits: Commits) -> None:
    commits.archiver.retire()
    with pytest.raises(RetiredError):
        commits.checkpoint().commit()
    assert (commits.stored, commits.committed) == (0, [])


def test_a_revoke_whose_store_ends_early_commits_nothing(commits: Commits) -> None:
    commits.archiver._lock.acquire()
    with ThreadPoolExecutor(1) as pool:
        revoke = pool.submit(commits.checkpoint().commit, revoking=True)
        while not commits.stores():
            assert not revoke.done()
        commits.archiver.retire()
        commits.archiver._lock.release()
        revoke.result()  # nothing is raised: a stop stays graceful
    assert (commits.stored, commits.committed) == (0, [])


def test_a_store_that_a_revoke_has_left_behind_stores_nothing(commits: Commits) -> None:
    commits.archiver._lock.acquire()
    commits.checkpoint(budget_s=0.05).commit(revoking=True)
    (left,) = commits.stores()
    commits.archiver.retire()
    commits.archiver._lock.release()
    left.join(10)
    assert not left.is_alive()
    assert (commits.stored, commits.committed) == (0, [])
    assert commits.archiver.assign([LOG]) == {LOG: 0}


def test_offsets_go_with_partitions_that_are_lost(kafka: Connection, tmp_path: Path) -> None:
    """Else the next assignment would commit them: what they stand for was dropped."""
    topics.create(kafka, 4)
    app = ArchiveApplication(kafka, Archiver(DeltaHistory(tmp_path)), topics=[MARKET_RAW])
    app._processing_context.init_checkpoint()
    app._processing_context.store_offset(MARKET_RAW, 0, 4)
    app._on_lost(None, [])
    assert app._processing_context.checkpoint.empty()


def _instruments() -> Any:
    from qflib.records import Instrument, Instruments

    return Instruments((Instrument("ACME", kind="spot", source="sim:0"),))
