"""NASDAQ ITCH 5.0: frames (see `itch_frames`) to rows of market events, a batch a call.

A frame whose structure is broken changes nothing; nothing is read outside a frame.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.bits import prefetch
from qflib.kernels.book_state import Int
from qflib.kernels.itch_frames import DAY_NS, be16, be32, be64, blocks
from qflib.kernels.jit import folded, lean_kernel
from qflib.kernels.order_memory import LIVE, OrderMemory, empty, forget, home_of, keep, lessen, recall

ADD, CANCEL, EXECUTE, TRADE, CLEAR, STATUS = 1, 3, 4, 5, 7, 8
LAST = 1
BID, ASK = 1, 2
PRE_OPEN, CONTINUOUS, HALT, CLOSED = 1, 2, 3, 4

# Why a frame was refused: DeadReason's codes.
UNPARSABLE, UNKNOWN_INSTRUMENT, GAP, TORN, BAD_VALUE, UNKNOWN_KIND = 1, 3, 4, 5, 7, 9

# Rows of the instrument table by stock locate: not told yet; told, and not in the table.
UNTOLD, UNWANTED = -1, -2

# Places in `ItchState.counts`.
GAPS: Final = 0
DOUBLED: Final = 1  # messages whose sequence number had come before
N_COUNTS: Final = 2

SESSIONS: Final = 16  # MoldUDP64 sessions kept; a further one takes the oldest's place
AHEAD: Final = 8  # frames
_ID_ENDS: Final = 21  # in a frame of one message about an order
_SHORTEST: Final = 14  # bytes of the shortest message that makes rows, with its length

_S, _R, _H, _A, _F, _E, _C = (ord(c) for c in "SRHAFEC")
_X, _D, _U, _P, _Q = (ord(c) for c in "XDUPQ")
_B = ord("B")


class ItchState(NamedTuple):
    """What the decoder knows of the stream so far."""

    memory: OrderMemory
    rows: NDArray[np.int64]  # by stock locate
    names: NDArray[np.uint64]  # stocks of the instrument table, sorted, as 8 big-endian bytes
    name_rows: NDArray[np.int64]  # their rows
    sessions: NDArray[np.uint64]  # (SESSIONS, 4): the name's first 8 bytes, its last 2, next sequence number, last use
    counts: NDArray[np.int64]


class Rows(NamedTuple):
    """Room for rows of `MarketEvents`."""

    kind: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    instrument: NDArray[np.uint32]
    side: NDArray[np.uint32]
    order_id: NDArray[np.uint64]
    price_ticks: NDArray[np.int64]
    qty: NDArray[np.int64]
    venue_ns: NDArray[np.int64]
    receipt_ns: NDArray[np.int64]


@lean_kernel
def decode(
    s: ItchState, payload: NDArray[np.uint8], length: NDArray[np.uint32], receipt_ns: NDArray[np.int64],
    shapes: NDArray[np.int64], start: Int, stop: Int, at: Int, midnight: Int, out: Rows,
    problems: NDArray[np.int64],
) -> tuple[Int, Int, Int, Int]:  # fmt: skip
    """Decode frames `start` to `stop` into rows.

    Parameters
    ----------
    s
        The decoder's state; changed in place.
    payload, length, receipt_ns
        Frames; `payload` holds the bytes of all of them.
    shapes
        `itch_messages.SHAPES`.
    at
        Where frame `start` begins.
    midnight
        Of the day in New York that the frames were received on, in ns UTC.
    out
        Room for rows.
    problems
        Room for (frame, reason, a, b): a refused frame's reason with its message's type and length or order ids; a
        GAP is at -1 less the rows made before it, with the sequence numbers expected and come.

    Returns
    -------
    frame, at, rows, problems
        Where it stopped: at `stop`, or before a frame for which rows, problems or the order memory have no room.
    """
    m: Int = 0
    wrong: Int = 0
    every = len(s.name_rows)
    soon = np.int64(at)  # where the frame AHEAD of the next one begins
    for f in range(start, min(start + AHEAD, stop)):
        soon += np.int64(length[f])
    for f in range(start, stop):
        size = np.int64(length[f])
        if f + AHEAD < stop and soon + _ID_ENDS <= len(payload):
            prefetch(s.memory.cells, home_of(s.memory, np.uint64(0), be64(payload, soon + _ID_ENDS - 8)))
            soon += np.int64(length[f + AHEAD])
        if at + size > len(payload):
            return f, at, m, wrong
        if m + size // 7 + 2 + every > len(out.kind) or wrong + 2 > len(problems):
            return f, at, m, wrong
        if 2 * (s.memory.heads[LIVE] + size // _SHORTEST + 1) > len(s.memory.cells):
            return f, at, m, wrong
        p, count, mold = blocks(payload, at, size, shapes)
        first: Int = 0
        before = wrong
        if count < 0:
            wrong = _tell(problems, wrong, f, UNPARSABLE if count == -2 else TORN, 0, size)
        elif mold == 1:
            first, wrong = _in_sequence(s, payload, at, count, m, problems, wrong)
            before = wrong
        for k in range(count):
            told = be16(payload, p) if mold == 1 else size - 2
            if k >= first:
                m, wrong = _message(
                    s, payload, p, told, receipt_ns[f], shapes, midnight, f, out, m, problems, wrong, before
                )
            p += 2 + told
        at += size
    return stop, at, m, wrong


@lean_kernel
def _in_sequence(
    s: ItchState, payload: NDArray[np.uint8], at: Any, count: Int, m: Int, problems: NDArray[np.int64], wrong: Int
) -> tuple[Int, Int]:
    """How many of a packet's messages have come before; a gap is counted and told: before row `m`."""
    name, rest, seq = be64(payload, at), np.uint64(be16(payload, at + 8)), be64(payload, at + 10)
    found, oldest, newest = -1, 0, np.uint64(0)
    for k in range(SESSIONS):
        if s.sessions[k, 3] > 0 and s.sessions[k, 0] == name and s.sessions[k, 1] == rest:
            found = k
        if s.sessions[k, 3] < s.sessions[oldest, 3]:
            oldest = k
        newest = max(newest, s.sessions[k, 3])
    if found < 0:
        found = oldest
        s.sessions[found, 0], s.sessions[found, 1], s.sessions[found, 2] = name, rest, seq
    s.sessions[found, 3] = newest + np.uint64(1)
    following = s.sessions[found, 2]
    if seq > following:
        s.counts[GAPS] += 1
        problems[wrong, 0], problems[wrong, 1] = -1 - m, GAP
        problems[wrong, 2], problems[wrong, 3] = np.int64(following), np.int64(seq)
        wrong += 1
        following = seq
    old = min(following - seq, np.uint64(count))
    s.counts[DOUBLED] += np.int64(old)
    s.sessions[found, 2] = max(following, seq + np.uint64(count))
    return np.int64(old), wrong


@lean_kernel
def _tell(problems: NDArray[np.int64], wrong: Any, frame: Any, reason: Any, a: Any, b: Any) -> Any:
    problems[wrong, 0] = frame
    problems[wrong, 1] = reason
    problems[wrong, 2] = a
    problems[wrong, 3] = b
    return wrong + 1


@lean_kernel
def row_of(s: ItchState, stock: Any) -> Any:
    """Row of the instrument table by a stock's name; UNWANTED where it has none. O(log stocks)."""
    low, high = 0, len(s.names)
    while low < high:
        middle = (low + high) // 2
        if s.names[middle] < stock:
            low = middle + 1
        else:
            high = middle
    if low < len(s.names) and s.names[low] == stock:
        return s.name_rows[low]
    return UNWANTED


@folded
def _message(
    s: ItchState, b: NDArray[np.uint8], at: Any, told: Any, receipt: Any, shapes: NDArray[np.int64], midnight: Any,
    frame: Int, out: Rows, m: Int, problems: NDArray[np.int64], wrong: Int, before: Int,
) -> tuple[Int, Int]:  # fmt: skip
    """One message of `told` bytes behind its length at `at`: rows and problems after it, one problem a frame."""
    if told == 0:
        return m, wrong
    kind = np.int64(b[at + 2])
    if shapes[0, kind] != told:
        if wrong == before:
            reason = UNKNOWN_KIND if shapes[0, kind] == 0 else TORN
            wrong = _tell(problems, wrong, frame, reason, kind, told)
        return m, wrong
    p = at + 2
    locate = be16(b, p + 1)
    venue = midnight + ((be16(b, p + 5) << 32) | be32(b, p + 7))
    if venue > receipt + DAY_NS // 2:
        venue -= DAY_NS
    if kind == _S:
        code = np.int64(b[p + 11])
        if code == ord("O"):  # the first message of a day: nothing rests
            empty(s.memory)
        if code in (ord("O"), ord("E")):
            for k in range(len(s.name_rows)):
                told_kind, value = (CLEAR, 0) if code == ord("O") else (STATUS, CLOSED)
                m = _row(out, m, told_kind, LAST, s.name_rows[k], 0, 0, 0, value, venue, receipt)
        return m, wrong
    if kind == _R:
        row = row_of(s, be64(b, p + 11))
        if row >= 0 or s.rows[locate] < 0:
            s.rows[locate] = row
        return m, wrong
    moves = kind in (_A, _D, _E, _X, _U, _C, _F, _P, _Q, _H)
    if not moves:
        return m, wrong
    row = s.rows[locate]
    if row < 0:
        stock_at = shapes[1, kind]
        if row == UNTOLD and stock_at > 0:
            row = row_of(s, be64(b, p + stock_at))
            s.rows[locate] = row
        if row == UNTOLD and wrong == before:
            wrong = _tell(problems, wrong, frame, UNKNOWN_INSTRUMENT, kind, locate)
        if row < 0:
            return m, wrong
    if kind in (_A, _F):
        buys = BID if b[p + 19] == _B else ASK
        m = _add(s, out, m, row, buys, be64(b, p + 11), be32(b, p + 32), be32(b, p + 20), venue, receipt)
    elif kind in (_D, _X, _E, _C):
        oid = be64(b, p + 11)
        cell = recall(s.memory, 0, oid)
        left = np.int64(s.memory.cells[cell].qty)
        side: Any = 0
        price: Any = np.int64(0)
        if left > 0:
            side, price = np.int64(s.memory.cells[cell].at & np.uint32(1)) + 1, s.memory.cells[cell].price
        qty = left if kind == _D else be32(b, p + 19)
        if left > 0:
            lessen(s.memory, cell, qty)
        if kind == _C:
            price = be32(b, p + 32)
        m = _row(out, m, EXECUTE if kind in (_E, _C) else CANCEL, LAST, row, side, oid, price, qty, venue, receipt)
    elif kind == _U:
        old, new = be64(b, p + 11), be64(b, p + 19)
        cell = recall(s.memory, 0, old)
        left = np.int64(s.memory.cells[cell].qty)
        if left == 0:
            m = _row(out, m, CANCEL, LAST, row, 0, old, 0, 0, venue, receipt)
            if wrong == before:
                wrong = _tell(problems, wrong, frame, BAD_VALUE, np.int64(old), np.int64(new))
        else:
            side = np.int64(s.memory.cells[cell].at & np.uint32(1)) + np.int64(1)
            m = _row(out, m, CANCEL, 0, row, side, old, s.memory.cells[cell].price, left, venue, receipt)
            forget(s.memory, cell)
            m = _add(s, out, m, row, side, new, be32(b, p + 31), be32(b, p + 27), venue, receipt)
    elif kind == _P:  # against an order that was not shown; its side is not told since 2014
        m = _row(out, m, TRADE, LAST, row, 0, 0, be32(b, p + 32), be32(b, p + 20), venue, receipt)
    elif kind == _Q:
        shares = be64(b, p + 11)
        if shares > np.uint64(1) << np.uint64(60):
            if wrong == before:
                wrong = _tell(problems, wrong, frame, BAD_VALUE, np.int64(locate), np.int64(shares))
        elif shares > 0:  # 0: there was no cross
            m = _row(out, m, TRADE, LAST, row, 0, 0, be32(b, p + 27), np.int64(shares), venue, receipt)
    else:
        state = np.int64(b[p + 19])
        value = 0
        if state == ord("T"):
            value = CONTINUOUS
        elif state in (ord("H"), ord("P")):
            value = HALT
        elif state == ord("Q"):
            value = PRE_OPEN
        m = _row(out, m, STATUS, LAST, row, 0, 0, 0, value, venue, receipt)
    return m, wrong


@folded
def _add(
    s: ItchState, out: Rows, m: Any, row: Any, side: Any, oid: Any, price: Any, qty: Any, venue: Any, receipt: Any
) -> Any:
    """An order joins; one whose id is live stays what it was, as in the book."""
    cell = recall(s.memory, 0, oid)
    if qty > 0 and s.memory.cells[cell].qty == 0:
        keep(s.memory, cell, 0, side, oid, price, qty)
    return _row(out, m, ADD, LAST, row, side, oid, price, qty, venue, receipt)


@folded
def _row(
    out: Rows, m: Any, kind: Any, flags: Any, instrument: Any, side: Any, order_id: Any, price: Any, qty: Any,
    venue: Any, receipt: Any,
) -> Any:  # fmt: skip
    out.kind[m] = kind
    out.flags[m] = flags
    out.instrument[m] = instrument
    out.side[m] = side
    out.order_id[m] = order_id
    out.price_ticks[m] = price
    out.qty[m] = qty
    out.venue_ns[m] = venue
    out.receipt_ns[m] = receipt
    return m + 1
