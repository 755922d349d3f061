"""Normalize: numbering, resends, gaps, dead letters, splitting by underlying, signals."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import InputError, UnknownVenueError
from qflib.records import (
    CONNECTION,
    MARKET_EVENTS,
    TICK,
    Batch,
    DeadReason,
    EventKind,
    Header,
    Instrument,
    Instruments,
)
from qflib.steps.normalize import Normalize
from qflib.steps.state import digest, pack, unpack
from qflib.venues.venue import frames_of

TABLE = Instruments(tuple(Instrument(s, underlying=s[0], source="file:0") for s in ("A1", "A2", "B1", "C1")))
ROW = MARKET_EVENTS.dtype


def rows(n: int, seed: int = 0, instruments: int = 4) -> Any:
    rng = np.random.default_rng(seed)
    made = np.zeros(n, ROW)
    made["kind"], made["side"] = EventKind.LEVEL, rng.integers(1, 3, n)
    made["instrument"], made["price_ticks"] = rng.integers(0, instruments, n), rng.integers(1, 99, n)
    made["receipt_ns"] = np.arange(n)
    return made


def raw(events: Any, seq: int, epoch: int = 0, former: int = -1, venue: str = "file", source: str = "file:0") -> Batch:
    frames = frames_of(
        events["receipt_ns"].tolist(), list(range(len(events))), [events[i].tobytes() for i in range(len(events))]
    )
    connection = CONNECTION.make(venue=[venue], connection=["0"], former_seq=[former])
    return Batch.of("raw", Header(source, epoch, seq), connection=connection, frames=frames)


def clock(seq: int, time_ns: int = 5, epoch: int = 0) -> Batch:
    return Batch.of("clock", Header("file:0", epoch, seq), tick=TICK.make(time_ns=[time_ns]))


def of_kind(out: list[Batch], kind: str) -> list[Batch]:
    return [b for b in out if b.kind == kind]


def test_one_batch_an_underlying_with_the_rows_in_order() -> None:
    events = rows(200)
    out = Normalize(TABLE).feed(raw(events, 0))
    assert [b.key for b in out] == ["A", "B", "C"]
    assert {b.topic for b in out} == {"market.data.normalized"}
    assert [b.header.seq for b in out] == [0, 1, 2]
    assert {b.header.source for b in out} == {"file:0"}
    for b, mine in zip(out, ((0, 1), (2,), (3,)), strict=True):
        assert np.array_equal(MARKET_EVENTS.to_struct(b.events), events[np.isin(events["instrument"], mine)])


def test_one_underlying_is_passed_on_without_a_copy() -> None:
    batch = raw(rows(50, instruments=2), 0)
    step = Normalize(TABLE)
    [out] = step.feed(batch)
    assert out.key == "A"
    assert step.checks["events"] == 50


def test_a_resend_is_dropped() -> None:
    step = Normalize(TABLE)
    first, second = raw(rows(5), 0), raw(rows(5, 1), 1)
    assert step.feed(first)
    assert step.feed(second)
    before = digest(step.state())
    assert step.feed(first) == []
    assert step.feed(second) == []
    assert digest(step.state()) == before
    assert step.feed(clock(2))[0].kind == "clock"


def test_a_gap_is_a_dead_letter_that_names_what_was_expected() -> None:
    step = Normalize(TABLE)
    step.feed(raw(rows(5), 0))
    out = step.feed(raw(rows(5, 1), 3))
    [dead] = of_kind(out, "dead")
    assert dead.topic == "market.data.raw.dead"
    assert dead.dead.reason.tolist() == [DeadReason.GAP]
    assert b"seq 1" in dead.dead.detail[0]
    assert of_kind(out, "market")  # what came is used: this venue has no snapshots
    assert step.checks["gaps"] == 1
    assert not of_kind(step.feed(clock(4)), "dead")


def test_clocks_count_in_the_sequence() -> None:
    step = Normalize(TABLE)
    assert of_kind(step.feed(clock(0)), "dead") == []
    assert of_kind(step.feed(raw(rows(3), 1)), "dead") == []
    assert of_kind(step.feed(clock(4)), "dead")


@pytest.mark.parametrize(("former", "gaps"), [(2, 0), (5, 1)])
def test_a_new_epoch_must_follow_the_last_one(former: int, gaps: int) -> None:
    step = Normalize(TABLE)
    for seq in range(3):
        step.feed(raw(rows(3), seq))
    out = step.feed(raw(rows(3), 0, epoch=1, former=former))
    assert len(of_kind(out, "dead")) == gaps
    assert of_kind(out, "market")
    assert step.feed(raw(rows(3), 2)) == []  # the former epoch is over


def test_a_stream_joined_late_is_a_gap() -> None:
    [dead] = of_kind(Normalize(TABLE).feed(raw(rows(3), 7)), "dead")
    assert dead.dead.reason.tolist() == [DeadReason.GAP]


def test_refused_frames_go_to_the_dead_letters_with_their_bytes() -> None:
    events = rows(6)
    events["instrument"][2], events["kind"][4] = 99, 77
    batch = raw(events, 0)
    out = Normalize(TABLE).feed(batch)
    [dead] = of_kind(out, "dead")
    assert dead.dead.reason.tolist() == [DeadReason.UNKNOWN_INSTRUMENT, DeadReason.UNKNOWN_KIND]
    assert dead.dead.position.tolist() == [2, 4]
    assert dead.dead.payload.tobytes() == events[2].tobytes() + events[4].tobytes()
    assert dead.dead.length.tolist() == [ROW.itemsize] * 2
    assert sum(b.count for b in of_kind(out, "market")) == 4


@given(st.integers(0, 9), st.lists(st.integers(1, 119), max_size=8), st.integers(0, 8))
def test_rows_do_not_depend_on_cuts_nor_on_a_restore(seed: int, cuts: list[int], restore_at: int) -> None:
    events = rows(120, seed)
    events["kind"][seed * 7] = 0
    whole = _by_key([Normalize(TABLE).feed(raw(events, 0))])
    edges = [0, *sorted(set(cuts)), 120]
    step, outs = Normalize(TABLE), []
    for seq, (a, b) in enumerate(pairwise(edges)):
        if seq == restore_at:
            fresh = Normalize(TABLE)
            fresh.load(unpack(pack(step.state())))
            assert digest(fresh.state()) == digest(step.state())
            step = fresh
        outs.append(step.feed(raw(events[a:b], seq)))
    assert _by_key(outs) == whole
    numbers = [b.header.seq for out in outs for b in of_kind(out, "market")]
    assert numbers == list(range(len(numbers)))


def _by_key(outs: list[list[Batch]]) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for out in outs:
        for b in out:
            packed = MARKET_EVENTS.to_struct(b.events).tobytes() if b.kind == "market" else b.dead.payload.tobytes()
            made[b.key] = made.get(b.key, b"") + packed
    return made


def test_signals_leave_by_the_underlying_of_their_instrument() -> None:
    payloads = [
        b'{"instrument": "B1", "direction": "sell", "strength": 0.5, "horizon": "5min"}',
        b'{"instrument": "nope", "direction": 1}',
        b'{"instrument": "A2", "direction": 2}',
        b'{"instrument": "A1", "direction": 1, "valid_until": "2026-01-05T14:30Z"}',
    ]
    connection = CONNECTION.make(venue=["signals"], connection=["0"], former_seq=[-1])
    frames = frames_of([10, 11, 12, 13], [0, 1, 2, 3], payloads)
    out = Normalize(TABLE).feed(Batch.of("raw", Header("signals:0"), connection=connection, frames=frames))
    assert [(b.kind, b.key) for b in out] == [("signal", "A"), ("signal", "B"), ("dead", "signals:0")]
    sell = out[1].signals
    assert (sell.direction[0], sell.strength[0], sell.valid_until_ns[0]) == (-1, 0.5, 10 + 300 * 10**9)
    assert out[2].dead.reason.tolist() == [DeadReason.UNKNOWN_INSTRUMENT, DeadReason.BAD_VALUE]


def test_wrong_wiring_is_told() -> None:
    with pytest.raises(InputError, match="takes raw and clock"):
        Normalize(TABLE).feed(Batch.of("market"))
    with pytest.raises(UnknownVenueError, match="'moon' is unknown; expected one of kraken"):
        Normalize(TABLE).feed(raw(rows(1), 0, venue="moon"))


def test_the_venue_is_taken_from_the_source_where_the_connection_is_bare() -> None:
    batch = raw(rows(3), 0)
    bare = replace(batch, tables={"frames": batch.frames})
    assert Normalize(TABLE).feed(bare)


def test_a_torn_batch_is_refused_with_the_bytes_that_are_there() -> None:
    batch = raw(rows(4), 0)
    torn = batch.frames._replace(payload=batch.frames.payload[: 3 * ROW.itemsize + 10])
    out = Normalize(TABLE).feed(replace(batch, tables={**batch.tables, "frames": torn}))
    [dead] = of_kind(out, "dead")
    assert dead.dead.reason.tolist() == [DeadReason.TORN]
    assert dead.dead.length.tolist() == [10]
    assert sum(b.count for b in of_kind(out, "market")) == 3
