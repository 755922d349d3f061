"""The audit of the topics: a good run is clean, and every fault put into it is found where it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.desk.deployment import Deployment
from qflib.records import CONNECTION, FRAMES, TICK, Batch, Header
from qflib.records.checking import peek
from qflib.records.codec import decode, encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, ORDERS_INCOMING, TOPICS, dead_letters, journal
from qflib.stream.audit.check import check_topics
from qflib.stream.audit.fanout import Fanouts
from qflib.stream.audit.numbering import Numbering
from qflib.stream.audit.records import Place, Record
from qflib.stream.audit.tally import Tally
from tests.stream.chain import Lists, run

Good = tuple[Deployment, Lists]


@pytest.fixture(scope="module")
def good() -> Good:
    return run(2, duration="1500ms")


def tally_of(desk: Deployment, lists: Lists) -> Tally:
    return check_topics(lists, desk.stages, desk.partitions)


def test_a_good_run_is_clean(good: Good) -> None:
    desk, lists = good
    tally = tally_of(desk, lists)
    assert tally.ok, tally.findings
    for (topic, _), records in lists.topics.items():
        assert not records or tally.counts[topic].batches >= len(records)
    assert tally.counts[MARKET_RAW].events > 100
    assert set(TOPICS) < set(tally.counts)


def test_a_desk_of_one_partition_has_its_clocks_counted_too() -> None:
    desk, lists = run(1, duration="500ms")
    tally = tally_of(desk, lists)
    assert tally.ok, tally.findings
    records = lists.topics[MARKET_NORMALIZED, 0]
    clock = next(r for r in records if decode(r.value or b"").kind == "clock")
    records.remove(clock)
    found = [f for f in tally_of(desk, lists).findings if "clocks of" in f.what]
    assert [(f.topic, f.fault) for f in found] == [(MARKET_NORMALIZED, "lost")]


def numbered(lists: Lists) -> list[tuple[Place, int, int]]:
    """Places and indexes of records that have a successor of the same source, with the successor's."""
    out = []
    for place, records in sorted(lists.topics.items()):
        if place[0].endswith(".snapshots"):
            continue
        sources = [peek(r.value or b"").source for r in records]
        for i, source in enumerate(sources):
            later = [j for j in range(i + 1, len(sources)) if sources[j] == source]
            if source and later:
                out.append((place, i, later[0]))
    return out


def put_in(good: Good, data: st.DataObject, change: Callable[[list[Record], int, int], None]) -> tuple[str, Tally]:
    desk, lists = good[0], good[1].copy()
    candidates = numbered(lists)
    topics = sorted({place[0] for place, _, _ in candidates})
    topic = data.draw(st.sampled_from(topics))
    (place, i, j) = data.draw(st.sampled_from([c for c in candidates if c[0][0] == topic]))
    change(lists.topics[place], i, j)
    lists.ends[place] = max(lists.ends[place], lists.topics[place][-1].offset + 1)
    return topic, tally_of(desk, lists)


@settings(max_examples=25)
@given(st.data())
def test_a_lost_record_is_found(good: Good, data: st.DataObject) -> None:
    topic, tally = put_in(good, data, lambda records, i, _: records.pop(i) and None)
    assert tally.counts[topic].lost
    assert any(f.topic == topic and f.fault == "lost" for f in tally.findings)


@settings(max_examples=25)
@given(st.data())
def test_a_doubled_record_is_found(good: Good, data: st.DataObject) -> None:
    def double(records: list[Record], i: int, _: int) -> None:
        records.append(records[i]._replace(offset=records[-1].offset + 2))

    topic, tally = put_in(good, data, double)
    assert tally.counts[topic].duplicated == 1


@settings(max_examples=25)
@given(st.data())
def test_records_out_of_order_are_found(good: Good, data: st.DataObject) -> None:
    def swap(records: list[Record], i: int, j: int) -> None:
        a, b = records[i], records[j]
        records[i], records[j] = b._replace(offset=a.offset), a._replace(offset=b.offset)

    topic, tally = put_in(good, data, swap)
    assert tally.counts[topic].reordered >= 1


@settings(max_examples=25)
@given(st.data())
def test_a_torn_record_is_found(good: Good, data: st.DataObject) -> None:
    def tear(records: list[Record], i: int, _: int) -> None:
        value = bytearray(records[i].value or b"")
        value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        records[i] = records[i]._replace(value=bytes(value))

    topic, tally = put_in(good, data, tear)
    assert tally.counts[topic].torn >= 1


def test_poison_is_no_fault_of_the_desk_but_its_lost_dead_letter_is(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    topic = dead_letters(ORDERS_INCOMING)
    place = next(p for p, records in lists.topics.items() if p[0] == topic and records)
    lists.topics[place].clear()
    tally = tally_of(desk, lists)
    assert (tally.counts[topic].lost, tally.counts[ORDERS_INCOMING].torn) == (1, 1)


def test_a_lost_poison_is_found(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    records = lists.topics[MARKET_RAW, 0]
    records.remove(next(r for r in records if r.value == b"no record"))
    assert not tally_of(desk, lists).ok  # the states of normalize have taken in one record more


def test_the_last_part_of_a_fan_out_is_missed(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    records = lists.topics[MARKET_NORMALIZED, 1]
    last = next(r for r in reversed(records) if peek(r.value or b"").parts > 1)
    records.remove(last)
    assert tally_of(desk, lists).counts[MARKET_NORMALIZED].torn == 1


def test_a_clock_that_did_not_come_out_is_missed(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    records = lists.topics[MARKET_RAW, 0]
    clock = next(decode(r.value or b"") for r in reversed(records) if r.value != b"no record")
    assert clock.kind == "clock"
    h = Header(clock.header.source, 0, clock.header.seq + 1)
    lists.send(MARKET_RAW, 0, records[-1].key, encode(Batch.of("clock", h, tick=TICK.make(time_ns=[1]))))
    assert tally_of(desk, lists).ok  # nobody has read it yet
    lists.groups["qflib.normalize", MARKET_RAW, 0] = lists.ends[MARKET_RAW, 0]
    assert tally_of(desk, lists).counts[MARKET_NORMALIZED].lost == 1


def test_a_mark_of_another_content_is_found(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    records = lists.topics[MARKET_NORMALIZED, 0]
    i = next(i for i, r in enumerate(records) if peek(r.value or b"").source)
    batch = decode(records[i].value or b"")
    other = encode(Batch(batch.kind, {}, batch.header))
    records[i] = records[i]._replace(value=other)
    tally = tally_of(desk, lists)
    assert tally.counts[journal("exchange")].torn == 1
    assert zlib.crc32(other) != zlib.crc32(good[1].topics[MARKET_NORMALIZED, 0][i].value or b"")


def test_a_mark_ahead_of_its_group_is_found(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    lists.groups["qflib.exchange", ORDERS_INCOMING, 0] -= 1
    assert tally_of(desk, lists).counts[journal("exchange")].torn == 1


def test_a_cut_beginning_is_no_loss(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    for place, records in lists.topics.items():
        if len(records) > 10 and not place[0].endswith(".snapshots"):
            lists.lows[place] = records[3].offset
            del records[:3]
    tally = tally_of(desk, lists)
    assert {f.fault for f in tally.findings} <= set(), tally.findings


def test_a_cut_state_is_torn(good: Good) -> None:
    desk, lists = good[0], good[1].copy()
    r = lists.topics["exchange.snapshots", 0][0]
    lists.topics["exchange.snapshots", 0][0] = r._replace(value=(r.value or b"")[:-1])
    assert tally_of(desk, lists).counts["exchange.snapshots"].torn == 1


@given(st.permutations(range(8)), st.sets(st.integers(0, 7), max_size=3))
def test_numbers_are_counted_as_their_definition_says(order: list[int], lost: set[int]) -> None:
    tally = Tally()
    numbering = Numbering(MARKET_RAW, 0, True, tally)
    came = [n for n in order if n not in lost]
    for at, n in enumerate(came):
        numbering.take(at, "clock", Header("s", 0, n), b"")
    numbering.finish()
    counts = tally.of(MARKET_RAW)
    assert counts.lost == len([n for n in lost if n < max(came)])
    assert counts.reordered == sum(n < max(came[:i], default=-1) for i, n in enumerate(came))
    assert counts.duplicated == 0


@pytest.mark.parametrize(("named", "lost", "reordered"), [(2, 0, 0), (4, 2, 0), (1, 0, 1), (-1, 0, 3)])
def test_a_new_epoch_names_the_last_number_of_the_former(named: int, lost: int, reordered: int) -> None:
    tally = Tally()
    numbering = Numbering(MARKET_RAW, 0, True, tally)
    for seq in range(3):
        numbering.take(seq, "clock", Header("s", 5, seq), b"")
    connection = CONNECTION.make(venue=["v"], connection=["s"], former_seq=[named])
    value = encode(Batch.of("raw", Header("s", 9, 0), connection=connection, frames=FRAMES.make()))
    numbering.take(3, "raw", Header("s", 9, 0), value)
    numbering.finish()
    counts = tally.of(MARKET_RAW)
    assert (counts.lost, counts.reordered) == (lost, reordered)


def test_a_stage_never_begins_a_new_epoch() -> None:
    tally = Tally()
    numbering = Numbering(MARKET_NORMALIZED, 0, True, tally)
    numbering.take(0, "market", Header("s", 0, 0), b"")
    numbering.take(1, "market", Header("s", 1, 0), b"")
    assert tally.of(MARKET_NORMALIZED).reordered == 1


def test_parts_that_are_still_to_come_are_not_missed() -> None:
    fanouts, tally = Fanouts(), Tally()
    tick = TICK.make(time_ns=[7])
    fanouts.take("t", Batch.of("clock", Header("s", 0, 0, 0, 2), tick=tick), demanded=False)
    fanouts.finish(tally, set())
    assert tally.ok
    fanouts.take("t", Batch.of("clock", Header("s", 0, 1, 1, 2), tick=TICK.make(time_ns=[8])), demanded=True)
    fanouts.finish(tally, set())
    assert tally.of("t").torn == 1
