"""Which days of a history are made and which are dropped, whatever times its rows tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from qflib.history import Archiver, DeltaHistory, History
from qflib.history.kept import KEPT
from qflib.history.postgres import PostgresHistory
from qflib.history.postgres.connections import psycopg
from qflib.history.postgres.tending import tend
from qflib.history.reading import in_time
from qflib.history.retiring import retire
from qflib.history.rows import MAX_DAYS
from qflib.records import MARKET_EVENTS, Batch, Header
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED
from tests.history.some_days import DAY, LOGS, NS, TABLE

FAR = 2**62  # in the year 2116


def taken(archiver: Archiver, offset: int, receipt_ns: NDArray[np.int64] | list[int], append_ns: int) -> None:
    rows = MARKET_EVENTS.make(kind=1, instrument=0, receipt_ns=np.array(receipt_ns, np.int64))
    record = encode(Batch.of("market", Header("sim:0", 0, offset), events=rows))
    archiver.take(MARKET_NORMALIZED, 0, offset, append_ns, b"k", record)


def writing(history: History) -> Archiver:
    history.register("c1", TABLE)
    made = Archiver(history)
    made.assign([LOGS[0]])
    return made


def aged(history: History) -> None:
    """As if what was stored had been stored on the day that it is of; in files the append tells."""
    if isinstance(history, PostgresHistory):
        with history.database.connection() as c:
            c.execute("UPDATE days SET written = day + time '12:00'")


def dropped(history: History, days: int) -> int:
    if isinstance(history, DeltaHistory):
        return retire(history.name, days, at_once=True)
    assert isinstance(history, PostgresHistory)
    return tend(history.database, days).dropped


def offsets(history: History, table: str) -> list[int]:
    return sorted(set(history.scan(table, ["offset"])["offset"].to_pylist()))


def day(ns: int) -> str:
    return str(np.datetime64(ns // DAY, "D"))


# -- dropped ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("append_ns", [None, FAR], ids=["row", "record"])
def test_a_row_dated_in_the_future_makes_no_other_old(history: History, append_ns: int | None) -> None:
    """By a clock that was ahead: the source's, or the broker's."""
    now, archiver = time.time_ns(), writing(history)
    for offset, at in enumerate((now - 9 * DAY, now - DAY, now)):
        taken(archiver, offset, [at], at)
    taken(archiver, 3, [FAR], append_ns or now)
    archiver.store()
    aged(history)
    assert dropped(history, 6) == 2  # of events and of records
    for table in ("events", "batches"):
        assert offsets(history, table) == [1, 2, 3]
    assert dropped(history, 6) == 0


def test_an_old_day_of_the_market_that_was_stored_lately_stays(history: History) -> None:
    """Another recording, of a day long ago."""
    now, archiver = time.time_ns(), writing(history)
    taken(archiver, 0, [NS], NS)
    archiver.store()
    aged(history)
    taken(archiver, 1, [NS + DAY], now)
    taken(archiver, 2, [now], now)
    archiver.store()
    assert dropped(history, 7) == 2
    for table in ("events", "batches"):
        assert offsets(history, table) == [1, 2]


def test_a_record_of_midnight_keeps_no_day_longer(history: History) -> None:
    """It has the last rows of a day, and is stored on the next."""
    today, archiver = time.time_ns() // DAY, writing(history)
    for offset, ago in enumerate(range(7, -1, -1)):
        at = (today - ago) * DAY
        taken(archiver, offset, [at - 1, at], at)
    archiver.store()
    aged(history)
    assert dropped(history, 6) == 3  # of events eight days ago and seven, of records seven
    for table in ("events", "batches"):
        assert offsets(history, table) == list(range(1, 8))
    assert history.dates("events", "c1")[0] == day((today - 6) * DAY)


def test_what_was_stored_just_before_midnight_is_not_old_just_after_it(history: History) -> None:
    """A recording of days long ago, replayed over midnight, in a history that keeps a day."""
    archiver, midnight = writing(history), time.time_ns() // DAY * DAY
    for offset, minutes in enumerate((-60 * 24, -10, 5)):
        taken(archiver, offset, [NS + offset * DAY], midnight + minutes * 60 * 10**9)
    archiver.store()
    if isinstance(history, PostgresHistory):  # in files the append tells
        with history.database.connection() as c:
            for offset, stored in enumerate(("-1 day", "-10 minutes", "5 minutes")):
                c.execute(
                    'UPDATE days SET written = %s::timestamptz + %s::interval WHERE "table" = %s AND day = %s',
                    (f"{day(midnight)} UTC", stored, "events", day(NS + offset * DAY)),
                )
    dropped(history, 1)
    assert offsets(history, "events") == [1, 2]


def test_a_day_that_is_being_added_to_stays(new_postgres: Callable[[], PostgresHistory]) -> None:
    """Its first rows are in, and nobody sees them yet."""
    history = new_postgres()
    database, now, archiver = history.database, time.time_ns(), writing(history)
    taken(archiver, 0, [now], now)
    archiver.store()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'qflib'"

    def held_up(c: psycopg.Connection[tuple[int]], n: int) -> bool:
        told = c.execute(waiting.encode()).fetchone()
        return told is not None and told[0] >= n

    def until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    with database.connection() as before, database.connection() as look, ThreadPoolExecutor(2) as pool:
        before.execute("SELECT make_partition('events', '2026-01-05')")
        with before.transaction(force_rollback=True):
            before.execute("INSERT INTO days SELECT 'events', id, '2026-01-05', 0, now() FROM clusters")
            taken(archiver, 1, [NS], now)
            storing = pool.submit(archiver.store)
            until(lambda: held_up(look, 1))  # all its rows copied, at the count of its day
            tending = pool.submit(tend, database, 7)
            until(lambda: tending.done() or held_up(look, 2))
        storing.result()
        assert tending.result().dropped == 0
    assert offsets(history, "events") == [0, 1]


# -- made -------------------------------------------------------------------------------------------------------------


def test_a_record_of_wild_times_makes_no_day_for_each(history: History) -> None:
    archiver = writing(history)
    wild = np.random.default_rng(7).integers(-(2**63), 2**63 - 1, 1_000)
    with capture_logs() as events:
        taken(archiver, 0, wild, NS)
        taken(archiver, 1, NS + np.arange(MAX_DAYS) * DAY, NS)
    archiver.store()
    (told,) = [e for e in events if e["log_level"] == "error"]
    assert (told["table"], told["partition"], told["offset"], told["rows"]) == ("events", 0, 0, 1_000)
    assert told["days"] > 900
    rows = history.scan("events").sort_by([("offset", "ascending"), ("row", "ascending")])
    assert rows["receipt_ns"].to_pylist()[:1_000] == wild.tolist()
    assert set(rows["date"].to_pylist()[:1_000]) == {day(NS)}
    assert history.dates("events", "c1") == [day(NS + d * DAY) for d in range(MAX_DAYS)]
    assert len(history.read(MARKET_NORMALIZED, raw=True)) == 1_000 + MAX_DAYS
    windows = [w["receipt_ns"].to_pylist() for w in in_time(history, KEPT["events"], window_rows=100)]
    assert len(windows) > 5
    assert [ns for w in windows for ns in w] == sorted(rows["receipt_ns"].to_pylist())


def test_days_of_many_records_are_made_some_at_a_time(history: History) -> None:
    """A year of daily data, as fast as it comes: no transaction holds it all."""
    archiver = writing(history)
    for offset in range(100):
        taken(archiver, offset, [NS + offset * DAY], NS)
    assert 50 < history.count("events") < 100
    archiver.store()
    assert history.dates("events", "c1") == [day(NS + d * DAY) for d in range(100)]
    assert offsets(history, "events") == offsets(history, "batches") == list(range(100))
