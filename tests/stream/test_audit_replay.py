"""The desk recomputed from its topics, and from its archive: equal to the byte, and every change is seen."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from qflib.desk.datasets import load
from qflib.desk.deployment import Deployment
from qflib.errors import DataError
from qflib.history import DeltaHistory
from qflib.orderbook.books import Books
from qflib.records.codec import decode
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_RAW, ORDERS_EXECUTED, ORDERS_INCOMING, RISK_METRICS, journal
from qflib.stream import snapshots as snapshot_records
from qflib.stream.audit.archive import compare_stored, replay_archive
from qflib.stream.audit.books import books_digest, final_books
from qflib.stream.audit.records import Place, Record
from qflib.stream.audit.replay import Replay, replay_topics
from qflib.stream.audit.tally import Tally
from tests.stream.archived import stored
from tests.stream.chain import Lists, run

Good = tuple[Deployment, Lists]


@pytest.fixture(scope="module")
def good() -> Good:
    return run(2, duration="1500ms")


def filled(lists: Lists, topic: str) -> tuple[Place, list[Record]]:
    return next((place, r) for place, r in lists.topics.items() if place[0] == topic and len(r) > 1)


def test_every_byte_and_state_is_equal(good: Good) -> None:
    desk, lists = good
    made = replay_topics(lists, desk)
    assert (made.unequal, made.state_equal, made.ok) == (0, True, True)
    written = sum(len(r) for (t, _), r in lists.topics.items() if not t.endswith((".journal", ".snapshots")))
    outside = len([r for p in (0, 1) for r in lists.topics[MARKET_RAW, p]])
    assert written - outside - 40 < made.records < written - outside  # but for the opening and the poison
    stages = made.document["stages"]
    assert set(stages) == set(desk.stages)
    assert all(s["states"] >= desk.partitions and s["from"] == ["beginning"] * 2 for s in stages.values())


def test_component_shortfall_is_among_what_is_recomputed(good: Good) -> None:
    """Whichever partitions and order the stages ran in: it sums to the report's own figure."""
    records = [r for (t, _), rows in good[1].topics.items() if t == ANALYTICS_RESULTS for r in rows]
    told = [b.components for r in records if len((b := decode(r.value or b"")).components.es)]
    reports = [
        decode(r.value or b"").risk for (t, _), rows in good[1].topics.items() if t == RISK_METRICS for r in rows
    ]
    reported = {(int(r.time_ns[0]), float(r.es_current[0])) for r in reports}
    assert len(told) >= 2
    for c in told:
        assert (int(c.time_ns[0]), float(c.es[0])) in reported
        for by in (b"position", b"greek"):
            assert math.fsum(c.contribution[c.by == by]) == float(c.es[0])


def test_one_changed_byte_is_named(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    place, records = filled(lists, RISK_METRICS)
    value = bytearray(records[1].value or b"")
    value[-3] ^= 1
    records[1] = records[1]._replace(value=bytes(value))
    made = replay_topics(lists, desk)
    assert made.unequal == 1
    first = made.document["first_difference"]
    assert (first["topic"], first["topic_partition"], first["offset"]) == (*place, records[1].offset)
    assert first["byte"] == len(value) - 3


@pytest.mark.parametrize("at", [0, -1])
def test_a_lost_output_is_seen_the_last_one_too(good: Good, at: int) -> None:
    desk, lists = good[0], good[1].copy()
    filled(lists, RISK_METRICS)[1].pop(at)
    assert replay_topics(lists, desk).unequal == 1


def test_an_output_too_many_and_another_key_are_seen(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    place, records = filled(lists, RISK_METRICS)
    lists.send(*place, records[-1].key, records[-1].value or b"")
    records[0] = records[0]._replace(key=b"DESK9#0")
    made = replay_topics(lists, desk)
    assert made.unequal == 2
    assert made.document["first_difference"]["what"] == "another key"


def test_a_lost_input_is_seen(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    filled(lists, ORDERS_EXECUTED)[1].pop(0)
    assert replay_topics(lists, desk).unequal


def test_a_state_of_other_content_is_seen(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    records = lists.topics["exchange.snapshots", 0]
    other = lists.topics["exchange.snapshots", 1]
    records[-1] = records[-1]._replace(value=other[-1].value)
    made = replay_topics(lists, desk)
    assert (made.unequal, made.state_equal) == (0, False)


def trimmed(lists: Lists) -> None:
    """What a stage deletes: what lies before its last but one snapshot."""
    for (topic, p), records in list(lists.topics.items()):
        if not topic.endswith(".snapshots"):
            continue
        kept = list(snapshot_records.read(topic, [(r.offset, r.value or b"") for r in records]))[-2:]
        place = journal(topic.removesuffix(".snapshots")), p
        for at, low in (((topic, p), kept[0].first_offset), (place, kept[0].journal_offset)):
            lists.lows[at] = max(low, 0)
            lists.topics[at] = [r for r in lists.topics[at] if r.offset >= low]


def test_a_trimmed_journal_is_replayed_from_the_snapshot_before(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    trimmed(lists)
    made = replay_topics(lists, desk)
    assert made.ok, made.document
    begun = made.document["stages"]
    assert "snapshot" in begun["exchange"]["from"]
    assert 0 < begun["exchange"]["records"] < replay_topics(good[1], desk).document["stages"]["exchange"]["records"]


def test_the_books_of_all_partitions_are_those_of_replay(good: Good) -> None:
    desk, lists = good
    books, feed = Books(desk.instruments), load("sim", seed=7, duration="1500ms", rate=2_000)
    for events in feed.events():
        books.apply(events)
    assert final_books(lists, desk) == books.digest()
    without = lists.copy()  # as after a crash: the tail is folded
    for p in range(desk.partitions):
        without.topics["exchange.snapshots", p].pop()
    assert final_books(without, desk) == books.digest()


def test_books_kept_twice_are_refused() -> None:
    with pytest.raises(DataError, match="2 partitions"):
        books_digest([{0: "a", 1: "b"}, {1: "b"}])


@pytest.fixture(scope="module")
def kept() -> Good:
    # what strangers write into the core's own topics is kept as a hash alone: it cannot be read again
    return run(2, duration="1500ms", poison=(MARKET_RAW, ORDERS_INCOMING))


@pytest.fixture(scope="module")
def archived(kept: Good, tmp_path_factory: pytest.TempPathFactory) -> tuple[DeltaHistory, str]:
    return stored(*kept, tmp_path_factory.mktemp("history"))


def from_archive(archived: tuple[DeltaHistory, str], desk: Deployment) -> Replay:
    return replay_archive(archived[0], desk, archived[1])


def test_a_day_is_recomputed_from_the_archive_alone(kept: Good, archived: tuple[DeltaHistory, str]) -> None:
    desk, lists = kept
    made = from_archive(archived, desk)
    assert made.ok, made.document
    assert made.records == replay_topics(lists, desk).records


def test_a_difference_in_the_archive_is_seen(kept: Good, tmp_path: Path) -> None:
    desk, lists = kept[0], kept[1].copy()
    _, records = filled(lists, RISK_METRICS)
    records[1] = records[1]._replace(value=(records[1].value or b"") + b"x")
    made = from_archive(stored(desk, lists, tmp_path), desk)
    assert made.unequal == 2  # what was recomputed is not there, and what is there has no cause


def test_a_day_without_records_is_refused(good: Good, archived: tuple[DeltaHistory, str]) -> None:
    with pytest.raises(DataError, match="nothing of 1999-01-01"):
        replay_archive(archived[0], good[0], "1999-01-01")


@pytest.mark.parametrize(
    ("offsets", "faults"),
    [
        ([0, 1, 2], (0, 0, 0)),
        ([0, 2], (1, 0, 0)),
        ([0, 1, 1, 2], (0, 1, 0)),
        ([0, 1, 2, 3], (0, 1, 0)),
        ([0, -1, 2], (0, 0, 1)),
    ],
)
def test_the_archive_is_compared_by_offset(offsets: list[int], faults: tuple[int, int, int]) -> None:
    there = [Record(o, b"", bytes([o])) for o in range(3)]
    rows = [(abs(o), hashlib.sha256(bytes([o]) if o >= 0 else b"other").digest()) for o in offsets]
    tally = Tally()
    compare_stored(tally, "t", 0, there, rows)
    counts = tally.of("t")
    assert (counts.lost, counts.duplicated, counts.torn) == faults
