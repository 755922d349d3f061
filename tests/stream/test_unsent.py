"""Outputs too long for a record: dead letters of their own topic, under their own numbers; nothing is lost silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.desk.deployment import Deployment
from qflib.history import DeltaHistory
from qflib.records import TICK, Batch, DeadReason, Header
from qflib.records.checking import peek
from qflib.records.codec import MAX_BYTES, decode, encode
from qflib.records.topics import (
    ANALYTICS_RESULTS,
    EXCHANGE_MARKS,
    MARKET_NORMALIZED,
    MARKET_RAW,
    ORDERS_INCOMING,
    TOPICS,
    dead_letters,
)
from qflib.stream.audit.archive import replay_archive
from qflib.stream.audit.check import check_topics
from qflib.stream.audit.replay import replay_topics
from qflib.stream.fold import Fold, Output
from tests.stream import toy
from tests.stream.archived import stored
from tests.stream.chain import Lists, run

DEAD = dead_letters(ANALYTICS_RESULTS)
LIMIT = 200


class Wide(toy.Toy):
    """Answers with as many rows as the input says, twice: the second has one row."""

    def feed(self, batch: Batch) -> list[Batch]:
        rows = int(batch.tick.time_ns[0])
        wide = self.out.make(ANALYTICS_RESULTS, batch.key, "clock", tick=TICK.make(time_ns=np.arange(rows)))
        return [wide, self.out.make(ANALYTICS_RESULTS, batch.key, "clock", tick=TICK.make(time_ns=[rows]))]


def fold() -> Fold:
    return Fold(toy.STAGE, Wide(0), 0, toy.PARTITIONS)


def given_to(f: Fold, rows: list[int], start: int = 0) -> list[Output]:
    out = []
    for k, n in enumerate(rows, start):
        value = encode(Batch.of("clock", Header("test", 0, k), tick=TICK.make(time_ns=[n])))
        taken = f.take(MARKET_NORMALIZED, k, toy.PARTITIONS.key("k0"), value)
        assert (taken.dead, taken.events) == (None, 1)  # the step has taken it in
        assert taken.letters == [DeadReason.UNSENT] * sum(o.topic == DEAD for o in taken.outputs)
        out += taken.outputs
    return out


def test_an_output_longer_than_a_record_may_be_becomes_a_dead_letter() -> None:
    rows = MAX_BYTES // 8 + 1
    letter, sent = given_to(fold(), [rows])
    assert (letter.topic, sent.topic) == (DEAD, ANALYTICS_RESULTS)
    assert letter.key == sent.key
    said = decode(letter.value).dead
    assert (said.topic[0].decode(), said.reason[0], said.position[0]) == (ANALYTICS_RESULTS, DeadReason.UNSENT, 0)
    assert MARKET_NORMALIZED in said.detail[0].decode()
    assert (said.source[0].decode(), said.epoch[0], said.seq[0]) == ("toy/0", 0, 0)
    assert peek(said.payload.tobytes()) == Header("toy/0", 0, 0)
    assert peek(sent.value).seq == 1


@given(st.lists(st.integers(0, 40), min_size=1), st.data())
def test_every_number_is_sent_or_in_a_letter_and_again_so(rows: list[int], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qflib.stream.fold.MAX_BYTES", LIMIT)
        first = given_to(fold(), rows)
        assert given_to(fold(), rows) == first
        at = data.draw(st.integers(0, len(rows)))
        begun = fold()
        before = given_to(begun, rows[:at])
        after = fold()
        after.load(begun.state())
        assert before + given_to(after, rows[at:], at) == first
    numbers, letters = [], []
    for out in first:
        if out.topic == DEAD:
            numbers.append(int(decode(out.value).dead.seq[0]))
            letters.append(peek(out.value).seq)
            assert len(decode(out.value).dead.payload) > LIMIT
        else:
            numbers.append(peek(out.value).seq)
            assert len(out.value) <= LIMIT
    assert numbers == [n for k in range(len(rows)) for n in (2 * k, 2 * k + 1)]
    assert letters == list(range(len(letters)))


def test_a_desk_with_outputs_too_long_is_audited_clean_and_a_letter_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("qflib.stream.fold.MAX_BYTES", 700)
    desk, lists = run(2, duration="1s", poison=(MARKET_RAW, ORDERS_INCOMING))
    of = [
        (decode(r.value or b"").dead.topic[0].decode(), dead_letters(t), p)
        for t in TOPICS
        for p in range(desk.partitions)
        for r in lists.topics[dead_letters(t), p]
    ]
    assert {MARKET_NORMALIZED, EXCHANGE_MARKS} < {topic for topic, _, _ in of}
    tally = check_topics(lists, desk.stages, desk.partitions)
    assert tally.ok, tally.findings
    for made in (replay_topics(lists, desk), replay_archive(*_archived(desk, lists, tmp_path))):
        assert made.ok, made.document
    topic, letters, p = next(o for o in of if o[0] == MARKET_NORMALIZED)
    lists.topics[letters, p].pop(0)
    assert check_topics(lists, desk.stages, desk.partitions).counts[topic].lost == 1
    assert replay_topics(lists, desk).unequal == 1


def _archived(desk: Deployment, lists: Lists, folder: Path) -> tuple[DeltaHistory, Deployment, str]:
    history, day = stored(desk, lists, folder)
    return history, desk, day
