"""Each offset once in every table, whatever comes twice, late, torn or from another cluster."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qflib.history import Archiver, ConflictError, History, Log, RetiredError
from qflib.records import MARKET_EVENTS, TICK, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from tests.history.conftest import NewHistory

TABLE = Instruments((Instrument("ACME", kind="spot"),))
NS = 1_767_600_000_000_000_123


def log(topic: str = MARKET_NORMALIZED, partition: int = 0, cluster: str = "c1") -> Log:
    return Log(cluster, topic, f"id-of-{topic}", partition)


def market(offset: int, rows: int = 3, partition: int = 0) -> bytes:
    at = np.arange(rows, dtype=np.int64) + NS + offset * 1_000
    return encode(
        Batch.of(
            "market",
            Header(f"sim:{partition}", 2**63 + 1, offset),
            events=MARKET_EVENTS.make(
                kind=1, order_id=np.arange(rows, dtype=np.uint64) + 2**63, price_ticks=at % 100, receipt_ns=at
            ),
        )
    )


def clock(offset: int) -> bytes:
    return encode(Batch.of("clock", Header("sim:0", 0, offset), tick=TICK.make(time_ns=[NS + offset])))


def feed(archiver: Archiver, offsets: range, partition: int = 0, topic: str = MARKET_NORMALIZED) -> None:
    for o in offsets:
        value = clock(o) if o % 5 == 4 else market(o, partition=partition)
        archiver.take(topic, partition, o, NS, b"k", value, [("ingest_ns", b"1")])


def stored(history: History, table: str = "batches") -> list[tuple[str, int, int]]:
    rows = history.scan(table, ["cluster", "partition", "offset"]).to_pylist()
    return sorted((r["cluster"], r["partition"], r["offset"]) for r in rows)


def expected_events(n: int, partitions: int = 1) -> list[tuple[str, int, int]]:
    return sorted(("c1", p, o) for p in range(partitions) for o in range(n) if o % 5 != 4 for _ in range(3))


def test_rows_keep_every_bit(history: History) -> None:
    archiver = Archiver(history)
    assert archiver.assign([log()]) == {log(): 0}
    feed(archiver, range(10))
    archiver.store()
    rows = history.scan("events").sort_by([("offset", "ascending"), ("row", "ascending")])
    assert rows["receipt_ns"].to_pylist()[:4] == [NS, NS + 1, NS + 2, NS + 1_000]
    assert rows["order_id"].to_numpy().view(np.uint64)[0] == 2**63
    assert rows["epoch"].to_numpy().view(np.uint64)[0] == 2**63 + 1
    assert rows["row"].to_pylist()[:4] == [0, 1, 2, 0]
    assert set(rows["source"].to_pylist()) == {"sim:0"}
    assert set(rows["date"].to_pylist()) == {"2026-01-05"}
    assert history.scan("clocks")["time_ns"].to_pylist() == [NS + 4, NS + 9]
    assert archiver.counts == (10, 26, archiver.counts.value_bytes, 24)


def test_values_or_their_hashes(history: History) -> None:
    import hashlib

    history.register("c1", TABLE)
    archiver = Archiver(history)
    archiver.assign([log(), log(MARKET_RAW)])
    archiver.take(MARKET_RAW, 0, 0, NS, None, b"bytes", [("ingest_ns", b"7"), ("ingest_ns", None)])
    archiver.take(MARKET_RAW, 0, 1, NS, b"k", None)
    archiver.take(MARKET_NORMALIZED, 0, 0, NS, b"k", b"torn")
    archiver.store()
    first, second = history.batches(MARKET_RAW, 0)
    assert first.value == b"bytes"
    assert (first.key, first.sha256, first.length) == (None, None, 5)
    assert first.headers == (("ingest_ns", b"7"), ("ingest_ns", None))
    assert (second.value, second.length) == (None, -1)
    (torn,) = history.batches(MARKET_NORMALIZED, 0)
    assert torn.sha256 == hashlib.sha256(b"torn").digest()
    assert torn.value is None
    assert history.scan("events").num_rows == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12), st.booleans()), min_size=1, max_size=8))
def test_each_offset_once_whatever_comes_again(new_history: NewHistory, runs: list[tuple[int, int, bool]]) -> None:
    """Runs of records that begin anywhere at or before what was seen; some are lost before they are stored."""
    history = new_history()
    safe = 0
    for back, n, kept in runs:
        archiver = Archiver(history)
        archiver.assign([log(), log(partition=1)])
        start = max(0, safe - back)
        feed(archiver, range(start, start + n))
        feed(archiver, range(start, start + n), partition=1)
        if kept:
            archiver.store()
            safe = max(safe, start + n)
    assert stored(history) == sorted(("c1", p, o) for p in (0, 1) for o in range(safe))
    assert stored(history, "events") == expected_events(safe, 2)


def test_a_table_that_is_behind_catches_up(history: History) -> None:
    """An archive that died between two tables' commits."""
    first = Archiver(history)
    first.assign([log()])
    feed(first, range(5))
    first._store(first._columns[MARKET_NORMALIZED][0][1])  # then killed
    again = Archiver(history)
    again.assign([log()])
    feed(again, range(8))
    again.store()
    assert stored(history, "events") == expected_events(8)
    assert len(stored(history)) == 8


@pytest.mark.parametrize("there", [True, False])
def test_a_late_writer_is_refused(history: History, there: bool) -> None:
    """Whether the tables stood at its assignment, or its successor made them."""
    if there:
        before = Archiver(history)
        before.assign([log(partition=7)])
        feed(before, range(5), partition=7)
        before.store()
    late, successor = Archiver(history), Archiver(history)
    late.assign([log()])
    successor.assign([log()])
    feed(late, range(5))
    feed(successor, range(10))
    successor.store()
    with pytest.raises(ConflictError, match="another archive"):
        late.store()
    assert [r for r in stored(history, "events") if r[1] == 0] == expected_events(10)
    third = Archiver(history)
    assert third.assign([log()]) == {log(): 10}


def test_a_store_that_outlives_its_assignment_stores_nothing_and_says_so(history: History) -> None:
    from concurrent.futures import ThreadPoolExecutor

    archiver = Archiver(history)
    archiver.assign([log()])
    feed(archiver, range(5))
    taken = archiver._lock.acquire()
    assert taken
    with ThreadPoolExecutor(1) as pool:
        flush = pool.submit(archiver.store)
        archiver.retire()
        archiver._lock.release()
        with pytest.raises(RetiredError):
            flush.result()
    assert stored(history) == []
    archiver.assign([log()])
    feed(archiver, range(5))
    archiver.store()
    assert len(stored(history)) == 5


def test_a_store_that_begins_after_its_assignment_is_refused(history: History) -> None:
    archiver = Archiver(history)
    archiver.store()  # nothing was ever held
    archiver.assign([log()])
    feed(archiver, range(5))
    archiver.retire()
    with pytest.raises(RetiredError, match="the assignment is over"):
        archiver.store()
    assert stored(history) == []


def test_a_fresh_cluster_begins_anew(history: History) -> None:
    for cluster, n in (("c1", 10), ("c2", 5)):
        archiver = Archiver(history)
        archiver.assign([log(cluster=cluster)])
        feed(archiver, range(n))
        archiver.store()
    assert history.offsets(MARKET_NORMALIZED) == {("c1", 0): 10, ("c2", 0): 5}
    assert len(stored(history)) == 15


def test_too_much_is_stored_at_once(history: History) -> None:
    archiver = Archiver(history, max_rows=20)
    archiver.assign([log()])
    feed(archiver, range(10))
    assert len(stored(history)) >= 7


def test_two_workers_share_the_tables(history: History) -> None:
    workers = [Archiver(history), Archiver(history)]
    for p, worker in enumerate(workers):
        worker.assign([log(partition=p)])
    for start in (0, 5, 10):
        for p, worker in enumerate(workers):
            feed(worker, range(start, start + 5), partition=p)
            worker.store()
    assert stored(history, "events") == expected_events(15, 2)
