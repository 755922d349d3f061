"""Databento's decoder on records made here: actions, flags, symbology, exact ticks, refusals."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.records import DeadReason, EventFlag, EventKind, Header, Instrument, Instruments, Side
from qflib.venues.databento import Decoder
from qflib.venues.databento_layouts import LAYOUTS, UNDEFINED
from qflib.venues.databento_layouts import MBO as MBO_TYPE
from qflib.venues.venue import frames_of

MBO = LAYOUTS[MBO_TYPE, 56].dtype
TABLE = Instruments(
    (
        Instrument("ESH4", tick_schedule=(("0", "0.25"),), venue="databento", source="databento:GLBX"),
        Instrument("42", tick_schedule=(("0", "0.01"),), venue="databento", source="databento:GLBX"),
    )
)
METADATA = dbn.Metadata(
    dataset="GLBX.MDP3", start=0, stype_out=dbn.SType.INSTRUMENT_ID, stype_in=dbn.SType.RAW_SYMBOL,
    schema=dbn.Schema.MBO, symbols=["ESH4"], partial=[], not_found=[],
    mappings=[
        SimpleNamespace(
            raw_symbol="ESH4",
            intervals=[
                SimpleNamespace(
                    start_date=date(2023, 1, 1),
                    end_date=date(2024, 1, 1), symbol="17",
                )
            ],
        )
    ],
    ts_out=False,
).encode()  # fmt: skip


def records(*rows: dict[str, Any]) -> list[bytes]:
    made = np.zeros(len(rows), MBO)
    made["length"], made["rtype"], made["instrument_id"] = MBO.itemsize // 4, MBO_TYPE, 17
    made["price"], made["size"], made["side"] = 4_800_250_000_000, 3, b"B"
    made["ts_recv"] = made["ts_event"] = 1_700_000_000_000_000_000
    for i, row in enumerate(rows):
        for name, value in row.items():
            made[name][i] = value
    return [made[i].tobytes() for i in range(len(made))]


def decode(*payloads: bytes) -> Any:
    n = len(payloads) + 1
    return Decoder(TABLE, "s").decode(frames_of([5] * n, list(range(n)), [METADATA, *payloads]), Header())


def test_actions_sides_and_flags() -> None:
    made = decode(
        *records(
            {"action": b"A", "order_id": 7, "flags": 128},
            {"action": b"M", "order_id": 7, "side": b"A", "flags": 32 | 8},
            {"action": b"T", "side": b"N", "flags": 0},
            {"action": b"F", "order_id": 7},
            {"action": b"C", "order_id": 7, "flags": 130, "price": UNDEFINED},
            {"action": b"R", "price": UNDEFINED, "side": b"N", "size": 0},
            {"action": b"N"},
        )
    )
    e = made.events
    assert made.refused == ()
    assert e.kind.tolist() == [EventKind.ADD, EventKind.MODIFY, EventKind.TRADE, EventKind.CANCEL, EventKind.CLEAR]
    assert e.side.tolist() == [Side.BID, Side.ASK, Side.NONE, Side.BID, Side.NONE]
    assert e.flags.tolist() == [EventFlag.LAST, EventFlag.SNAPSHOT, 0, EventFlag.LAST, 0]
    assert e.price_ticks.tolist() == [19201, 19201, 19201, 0, 0]
    assert e.order_id.tolist() == [7, 7, 0, 7, 0]
    assert set(e.instrument.tolist()) == {0}


def test_what_cannot_be_used_is_refused_and_the_rest_is_taken() -> None:
    made = decode(
        *records({"action": b"A", "price": 4_800_300_000_000}, {"action": b"A", "price": UNDEFINED}),
        b"noise",
        *records({"action": b"Z"}, {"action": b"A", "instrument_id": 99}, {"action": b"A"}),
        bytes([4, 23]) + bytes(14),
    )
    assert [(r.frame, r.reason) for r in made.refused] == [
        (1, DeadReason.BAD_VALUE),
        (2, DeadReason.BAD_VALUE),
        (3, DeadReason.UNPARSABLE),
        (4, DeadReason.UNKNOWN_KIND),
        (5, DeadReason.UNKNOWN_INSTRUMENT),
        (7, DeadReason.UNKNOWN_KIND),
    ]
    assert made.events.kind.tolist() == [EventKind.ADD]


def test_a_gap_in_the_channel_is_told_once_an_instrument_and_its_records_are_taken() -> None:
    flags = [0, 4, 4, 128, 132, 4]
    payloads = [METADATA, *records(*({"action": b"A", "flags": f, "order_id": i} for i, f in enumerate(flags)))]
    payloads[-1:] = records({"action": b"A", "flags": 4, "instrument_id": 42, "order_id": 9})
    decoder = Decoder(TABLE, "s")
    told: list[tuple[int, DeadReason]] = []
    taken = 0
    for i, payload in enumerate(payloads):  # cut everywhere
        fresh = Decoder(TABLE, "s")
        fresh.load(decoder.state())
        decoder = fresh
        made = decoder.decode(frames_of([5], [i], [payload]), Header())
        told += [(i, r.reason) for r in made.refused]
        taken += len(made.events.kind)
    assert told == [(2, DeadReason.GAP), (5, DeadReason.GAP), (6, DeadReason.GAP)]
    assert taken == 6
    assert decoder.checks == {"gaps": 3}
    whole = Decoder(TABLE, "s").decode(frames_of([5] * 7, list(range(7)), payloads), Header())
    assert [r[:2] for r in whole.refused] == told
    marked = np.flatnonzero(whole.events.flags & EventFlag.GAP)
    assert marked.tolist() == [frame - 1 for frame, _ in told]  # the first frame is the metadata


@pytest.mark.parametrize("first", [{"action": b"F"}, {"action": b"N"}, {"price": 1}, {"action": b"A"}])
@pytest.mark.parametrize("cut", [False, True])
def test_a_gap_is_marked_at_the_next_row_whatever_its_first_record_is(first: dict[str, Any], cut: bool) -> None:
    told = records(
        {"action": b"A", "order_id": 1}, {"flags": 4, "order_id": 2} | first,
        *({"action": b"A", "flags": 4, "order_id": i} for i in (3, 4)),
    )  # fmt: skip
    payloads = [METADATA, *told]
    decoder, marks = Decoder(TABLE, "s"), []
    for part in [[p] for p in payloads] if cut else [payloads]:
        fresh = Decoder(TABLE, "s")
        fresh.load(decoder.state())
        decoder = fresh
        made = decoder.decode(frames_of([5] * len(part), list(range(len(part))), part), Header())
        marks += [(o, bool(f & EventFlag.GAP)) for o, f in zip(made.events.order_id, made.events.flags, strict=True)]
    assert decoder.checks == {"gaps": 1}
    assert [o for o, marked in marks if marked] == [2 if first == {"action": b"A"} else 3]


def test_an_id_without_a_symbol_is_its_own_symbol() -> None:
    made = decode(*records({"action": b"A", "instrument_id": 42, "price": 1_010_000_000}))
    assert made.events.instrument.tolist() == [1]
    assert made.events.price_ticks.tolist() == [101]


def test_a_symbol_is_its_ids_only_in_its_dates() -> None:
    day = 86_400_000_000_000
    decoder = Decoder(TABLE, "s")
    decoder.load(decoder.state() | {"named": np.array([[17, 0, 10 * day, 0], [17, 10 * day, 20 * day, 1]], np.int64)})
    payloads = records(*({"action": b"A", "ts_recv": d * day, "price": 250_000_000} for d in (3, 12, 25)))
    made = decoder.decode(frames_of([1, 2, 3], [0, 1, 2], payloads), Header())
    assert made.events.instrument.tolist() == [0, 1]
    assert [r.frame for r in made.refused] == [2]


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_the_decoder(noise: bytes, metadata: bool) -> None:
    payload = METADATA[:40] + noise if metadata else noise
    made = decode(payload, *records({"action": b"A"}))
    assert made.events.kind[-1:].tolist() == [EventKind.ADD]
    assert all(r.frame == 1 for r in made.refused)


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_cuts_and_restores_change_nothing(cut: int) -> None:
    payloads = [METADATA, *records(*({"action": a} for a in (b"A", b"Z", b"M", b"F", b"C")))]
    whole = Decoder(TABLE, "s").decode(frames_of([1] * 6, list(range(6)), payloads), Header())
    first, second = Decoder(TABLE, "s"), Decoder(TABLE, "s")
    a = first.decode(frames_of([1] * cut, list(range(cut)), payloads[:cut]), Header())
    second.load(first.state())
    b = second.decode(frames_of([1] * (6 - cut), list(range(6 - cut)), payloads[cut:]), Header())
    assert np.concatenate([a.events.kind, b.events.kind]).tolist() == whole.events.kind.tolist()
    assert len(a.refused) + len(b.refused) == len(whole.refused) == 1
