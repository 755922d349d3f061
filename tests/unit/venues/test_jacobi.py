"""JACOBI records made here: what each one does, many books, refusals, and bytes that are none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import DataError
from qflib.records import DeadReason, EventKind, Header, Instrument, Instruments, Side
from qflib.venues.jacobi import RECORD, Decoder, read
from qflib.venues.venue import frames_of

TABLE = Instruments(tuple(Instrument(b, tick_schedule=(("0", "1"),), venue="jacobi") for b in ("0", "9")))


def record(op: int, oid: int, qty: int = 0, price: int = 0, side: int = 0, book: int = 0) -> bytes:
    return np.array([(book, op, side, 0, oid, qty, 0, price)], RECORD).tobytes()


STREAM = [
    record(0, 1, 100, 50, 1), record(0, 1, 10, 60, 0, book=9), record(1, 1, 30), record(2, 1, 20), record(3, 1, 40, 49),
    record(1, 1, 5, book=9), record(4, 1), record(4, 1), record(4, 1, book=9),
]  # fmt: skip


def decode(*payloads: bytes, decoder: Decoder | None = None) -> Any:
    n = len(payloads)
    return (decoder or Decoder(TABLE, "s")).decode(frames_of([1] * n, list(range(n)), list(payloads)), Header())


def rows(made: Any) -> list[tuple[int, ...]]:
    e = made.events
    names = ("kind", "instrument", "side", "order_id", "price_ticks", "qty")
    return list(zip(*(getattr(e, n).tolist() for n in names), strict=True))


def test_records_are_completed_from_what_was_told() -> None:
    assert rows(decode(*STREAM)) == [
        (EventKind.ADD, 0, Side.BID, 1, 50, 100),
        (EventKind.ADD, 1, Side.ASK, 1, 60, 10),
        (EventKind.EXECUTE, 0, Side.BID, 1, 50, 30),
        (EventKind.CANCEL, 0, Side.BID, 1, 50, 20),
        (EventKind.MODIFY, 0, Side.BID, 1, 49, 40),
        (EventKind.EXECUTE, 1, Side.ASK, 1, 60, 5),
        (EventKind.CANCEL, 0, Side.BID, 1, 49, 40),
        (EventKind.CANCEL, 0, Side.NONE, 1, 0, 0),  # not live: for the book to count
        (EventKind.CANCEL, 1, Side.ASK, 1, 60, 5),
    ]


def test_what_is_no_record_is_refused() -> None:
    made = decode(record(9, 1), b"short", record(0, 1, 1, 1, book=4), record(0, 1, 1, 1 << 63), record(0, 2, 5, 6))
    assert [(r.frame, r.reason) for r in made.refused] == [
        (0, DeadReason.UNKNOWN_KIND),
        (1, DeadReason.TORN),
        (2, DeadReason.UNKNOWN_INSTRUMENT),
        (3, DeadReason.BAD_VALUE),
    ]
    assert rows(made) == [(EventKind.ADD, 0, Side.ASK, 2, 6, 5)]


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_cuts_and_restores_change_nothing(cut: int) -> None:
    first, second = Decoder(TABLE, "s"), Decoder(TABLE, "s")
    a = decode(*STREAM[:cut], decoder=first)
    second.load(first.state())
    assert rows(a) + rows(decode(*STREAM[cut:], decoder=second)) == rows(decode(*STREAM))


def test_files_packed_or_not_and_broken_ones(tmp_path: Path) -> None:
    path = tmp_path / "events.bin"
    for data in (b"".join(STREAM), gzip.compress(b"".join(STREAM))):
        path.write_bytes(data)
        recording = read(path)
        assert [r.symbol for r in recording.instruments] == ["0", "9"]
        assert (recording.start_ns, recording.end_ns) == (1, len(STREAM))
    for data in (b"", STREAM[0][:-1], b"x" * 32, gzip.compress(b"".join(STREAM))[:-9]):
        path.write_bytes(data)
        with pytest.raises(DataError):
            read(path)


@pytest.mark.fuzz
@given(st.lists(st.one_of(st.binary(max_size=40), st.binary(min_size=32, max_size=32)), max_size=8))
def test_no_bytes_crash_the_decoder(noise: list[bytes]) -> None:
    made = decode(*noise, *STREAM)
    assert len(made.events.kind) + len(made.refused) == len(noise) + len(STREAM)
