"""Rows of files: the stream as ITCH bytes, from the file to the books; JACOBI's wide-ranging recording, repeated."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.cli.bench import RUNS, Row
from qflib.cli.benches.orderbook.events import Market
from qflib.orderbook.books import Books
from qflib.records import Header
from qflib.venues.itch_messages import MESSAGES
from qflib.venues.table import venue

_JACOBI = "jacobi/issueN0003.bin.gz"
_REPEATS = 20
_LETTERS = {1: "A", 3: "X", 4: "E"}  # kinds of the stream's rows; a cancel of all is an X of all
_PAD = 2  # the length before a message


def itch_bytes_to_book(market: Market) -> Row:
    """Nanoseconds a message: a file of the stream, its instruments known, read, decoded and applied."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "stream.itch")
        path.write_bytes(as_itch(market.fill).tobytes() + as_itch(market.flow).tobytes())
        n = len(market.fill.kind) + len(market.flow.kind)
        figures = [_replayed(path) / n for _ in range(RUNS + 1)][1:]
    return Row("itch_bytes_to_book", median(figures), min(figures), "ns/event")


def as_itch(rows: Any) -> NDArray[np.uint8]:
    """Rows of the stream as ITCH 5.0 messages, each after its two-byte length."""
    kind: NDArray[np.uint32] = rows.kind
    size = np.zeros(len(kind), np.int64)
    for k, letter in _LETTERS.items():
        size[kind == k] = _PAD + MESSAGES[letter].dtype.itemsize
    at = np.cumsum(size) - size
    out = np.zeros(int(size.sum()), np.uint8)
    for k, letter in _LETTERS.items():
        which = np.flatnonzero(kind == k)
        layout = MESSAGES[letter].dtype
        made = np.zeros(len(which), [("length", ">u2"), *((n, layout[n]) for n in layout.names or ())])
        made["length"], made["type"] = layout.itemsize, letter
        made["stock_locate"] = rows.instrument[which] + 1
        made["order_reference_number"] = rows.order_id[which]
        made[{"A": "shares", "X": "cancelled_shares", "E": "executed_shares"}[letter]] = rows.qty[which]
        if letter == "A":
            made["buy_sell_indicator"] = np.where(rows.side[which] == 1, b"B", b"S")
            made["stock"], made["price"] = b"ACME    ", rows.price_ticks[which]
        raw = made.view(np.uint8).reshape(len(which), made.dtype.itemsize)
        out[at[which][:, None] + np.arange(raw.shape[1])] = raw
    return out


def _replayed(path: Path) -> int:
    recording = venue("itch").read(path)
    decoder, refused = venue("itch").decoder(recording.instruments, recording.source), 0
    books = Books(recording.instruments, ids=2**32)
    start = time.thread_time_ns()
    for frames in recording.chunks():
        refused += books.apply(decoder.decode(frames, Header()).events).refused
    ns = time.thread_time_ns() - start
    if refused:
        raise RuntimeError(f"{refused} events were refused: the writer or the decoder is wrong")
    return ns


def jacobi_over_normal(normal_ns: float) -> Row | None:
    """The recording's nanoseconds an event over those of a normal stream; None, and told, where it is not there."""
    path = Path(os.environ.get("QFLIB_TEST_DATA", "../shared/data"), _JACOBI)
    if not path.exists():
        print(f"qflib: jacobi_over_normal is left out: {path} is not there; set QFLIB_TEST_DATA", file=sys.stderr)
        return None
    recording = venue("jacobi").read(path)
    decoder = venue("jacobi").decoder(recording.instruments, recording.source)
    parts = [decoder.decode(frames, Header()).events for frames in recording.chunks()]
    figures = []
    for _ in range(RUNS + 1):
        books = [Books(recording.instruments) for _ in range(_REPEATS)]
        start = time.thread_time_ns()
        n = sum(b.apply(events).events for b in books for events in parts)
        figures.append((time.thread_time_ns() - start) / n / normal_ns)
    return Row("jacobi_over_normal", median(figures[1:]), min(figures[1:]), "ratio")
