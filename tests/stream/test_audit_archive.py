"""The archive against the topics: what its group has committed is demanded, and its column tables row by row."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from qflib.desk.deployment import Deployment
from qflib.errors import TornBatchError
from qflib.history import DeltaHistory
from qflib.history.kept import KEPT, kept_of
from qflib.records import MARKET_EVENTS
from qflib.records.checking import check
from qflib.records.codec import decode
from qflib.records.proto import shadow
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, ORDERS_EXECUTED, RISK_METRICS, TOPICS
from qflib.stream.audit.archive import check_history
from qflib.stream.audit.records import Place, Record
from qflib.stream.audit.tally import Finding, Tally
from qflib.stream.stages import ARCHIVE_GROUP
from tests.stream.archived import CLUSTER, committed, doubled, stored, without
from tests.stream.chain import Lists, run


class Archived:
    """A desk that ran, its archive, and the audit of the two."""

    def __init__(self, desk: Deployment, lists: Lists, history: DeltaHistory) -> None:
        self.desk, self.lists, self.history = desk, lists, history

    def audited(self, history: DeltaHistory | None = None) -> Tally:
        tally = Tally()
        check_history(self.lists, history or self.history, CLUSTER, self.desk, tally)
        return tally

    def place(self, topic: str) -> tuple[Place, list[Record]]:
        return next((at, r) for at, r in self.lists.topics.items() if at[0] == topic and len(r) > 4)

    def rows(self, table: str) -> tuple[Place, int, int]:
        """A record that has rows in a table: where it lies, its offset, and how many."""
        kept = KEPT[table]
        for place, records in self.lists.topics.items():
            for r in records if place[0] == kept.topic else ():
                if r.value != b"no record" and (batch := decode(r.value or b"")).kind == kept.kind and batch.count:
                    return place, r.offset, batch.count
        raise AssertionError(f"nothing in {table}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archived:
    desk, lists = run(2, duration="700ms")
    history, _ = stored(desk, lists, tmp_path_factory.mktemp("history"))
    return Archived(desk, committed(lists), history)


@pytest.fixture
def archived(whole: Archived, tmp_path: Path) -> Archived:
    """One to spoil."""
    shutil.copytree(whole.history.root, tmp_path / "history")
    return Archived(whole.desk, whole.lists.copy(), DeltaHistory(tmp_path / "history"))


def test_a_whole_archive_is_clean(whole: Archived) -> None:
    tally = whole.audited()
    assert tally.ok, tally.findings


@pytest.mark.parametrize("topic", [MARKET_RAW, ORDERS_EXECUTED, RISK_METRICS])
def test_a_lost_tail_is_found(archived: Archived, topic: str) -> None:
    (_, p), records = archived.place(topic)
    tail = records[-3:]
    without(archived.history, "batches", f"topic = '{topic}' AND partition = {p} AND \"offset\" >= {tail[0].offset}")
    tally = archived.audited()
    what = f"not stored in the archive: 3 up to offset {tail[-1].offset:,}"
    assert tally.findings == [Finding(topic, p, tail[0].offset, "lost", what)]
    assert tally.of(topic).lost == 3


def test_a_lost_partition_is_found_and_leaves_room_for_others(archived: Archived) -> None:
    (_, p), records = archived.place(MARKET_RAW)
    without(archived.history, "batches", f"topic = '{MARKET_RAW}' AND partition = {p}")
    (_, q), others = archived.place(RISK_METRICS)
    without(archived.history, "batches", f"topic = '{RISK_METRICS}' AND \"offset\" = {others[1].offset} "
            f"AND partition = {q}")  # fmt: skip
    tally = archived.audited()
    assert tally.of(MARKET_RAW).lost == len(records)
    assert [f[:4] for f in tally.findings] == [
        (MARKET_RAW, p, records[0].offset, "lost"),
        (RISK_METRICS, q, others[1].offset, "lost"),
    ]


def test_an_archive_that_is_gone_is_missed(archived: Archived, tmp_path: Path) -> None:
    tally = archived.audited(DeltaHistory(tmp_path / "none"))
    records = sum(len(r) for (topic, _), r in archived.lists.topics.items() if not kept_of(topic))
    assert sum(c.lost for topic, c in tally.counts.items() if not kept_of(topic)) == records > 100


def test_nothing_is_demanded_of_an_archive_that_has_not_committed(archived: Archived, tmp_path: Path) -> None:
    for place in archived.lists.topics:
        archived.lists.groups.pop((ARCHIVE_GROUP, *place), None)
    assert archived.audited(DeltaHistory(tmp_path / "none")).ok
    assert archived.audited().ok  # what it stored beyond is still compared
    (_, p), records = archived.place(MARKET_RAW)
    without(archived.history, "batches", f"topic = '{MARKET_RAW}' AND partition = {p} AND \"offset\" = "
            f"{records[1].offset}")  # fmt: skip
    assert archived.audited().of(MARKET_RAW).lost == 1


def test_what_retention_has_taken_is_not_demanded(archived: Archived, tmp_path: Path) -> None:
    place, records = archived.place(MARKET_RAW)
    archived.lists.lows[place] = records[-2].offset
    archived.lists.topics[place] = records[-2:]
    assert archived.audited().ok
    tally = archived.audited(DeltaHistory(tmp_path / "none"))
    assert min(f.offset for f in tally.findings if (f.topic, f.partition) == place) == records[-2].offset


TABLES = pytest.mark.parametrize("table", ["events", "controls", "executions", "risk"])


@TABLES
def test_doubled_rows_are_found(archived: Archived, table: str) -> None:
    (topic, p), offset, n = archived.rows(table)
    doubled(archived.history, table, p, offset)
    tally = archived.audited()
    assert [f[:4] for f in tally.findings] == [(topic, p, offset, "duplicated")]
    assert table in tally.findings[0].what
    assert tally.of(topic).duplicated == n


@TABLES
def test_a_missing_row_is_found(archived: Archived, table: str) -> None:
    (topic, p), offset, _ = archived.rows(table)
    without(archived.history, table, f'partition = {p} AND "offset" = {offset} AND row = 0')
    assert archived.audited().findings == [Finding(topic, p, offset, "lost", f"rows not in table {table}")]


def test_rows_of_no_record_are_found(archived: Archived) -> None:
    (topic, p), offset, n = archived.rows("executions")
    archived.lists.topics[topic, p] = [r for r in archived.lists.topics[topic, p] if r.offset != offset]
    tally = archived.audited()
    assert tally.of(topic).duplicated == n + 1  # the record itself is stored, and not on the topic
    assert {f.offset for f in tally.findings} == {offset}


def test_a_lost_column_table_is_found(archived: Archived) -> None:
    shutil.rmtree(archived.history.root / "events")
    tally = archived.audited()
    rows = 0
    for (topic, _), records in archived.lists.topics.items():
        for r in records if topic == MARKET_NORMALIZED else ():
            if r.value != b"no record" and (batch := decode(r.value or b"")).kind == "market":
                rows += batch.count
    assert tally.of(MARKET_NORMALIZED).lost == rows > 100
    assert not any(tally.of(t).faults for t in TOPICS if t != MARKET_NORMALIZED)


def test_no_rows_are_demanded_of_a_record_that_no_decoder_reads(whole: Archived, tmp_path: Path) -> None:
    """Its checksum and count hold; its columns differ in length."""
    columns, m = MARKET_EVENTS.make(kind=[1, 3], qty=[5, 6]), shadow()["Envelope"]()
    m.market.events.kind, m.market.events.qty = columns.kind.tobytes(), columns.qty[:1].tobytes()
    m.header.count = 2
    with pytest.raises(TornBatchError) as e:
        check(m.SerializeToString())
    m.header.crc = int(re.findall("checksum ([0-9a-f]{8})", str(e.value))[0], 16)
    value = m.SerializeToString()
    assert check(value).rows == 2
    with pytest.raises(TornBatchError):
        decode(value)
    lists = Lists()
    lists.send(MARKET_NORMALIZED, 0, b"k", value)
    history, _ = stored(whole.desk, lists, tmp_path)
    tally = Archived(whole.desk, committed(lists), history).audited()
    assert tally.ok, tally.findings
