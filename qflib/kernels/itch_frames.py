"""Where the messages of ITCH lie: in files behind their two-byte lengths, in MoldUDP64 packets behind a head.

A frame is one message behind its length (of 0: by the type), or a packet: session (10 bytes), sequence number (8),
count (2), then as many messages behind their lengths (Nasdaq, MoldUDP64 protocol specification 1.00).
Nothing is read outside a frame: lengths are checked before fields.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book_state import Int
from qflib.kernels.jit import folded, lean_kernel

MOLD_HEAD: Final = 20
DAY_NS: Final = 86_400_000_000_000
_DIRECTORY = ord("R")


@folded
def be16(b: NDArray[np.uint8], at: Any) -> Any:
    """Big-endian integers at a place that the caller has checked."""
    i = np.uint64(at)
    return (np.int64(b[i]) << 8) | np.int64(b[i + np.uint64(1)])


@folded
def be32(b: NDArray[np.uint8], at: Any) -> Any:
    i = np.uint64(at)
    return (
        (np.int64(b[i]) << 24)
        | (np.int64(b[i + np.uint64(1)]) << 16)
        | (np.int64(b[i + np.uint64(2)]) << 8)
        | np.int64(b[i + np.uint64(3)])
    )


@folded
def be64(b: NDArray[np.uint8], at: Any) -> Any:
    return (np.uint64(be32(b, at)) << np.uint64(32)) | np.uint64(be32(b, at + 4))


@lean_kernel
def find_messages(
    data: NDArray[np.uint8], shapes: NDArray[np.int64], midnight: Int, receipt: Int,
    length: NDArray[np.uint32], receipt_ns: NDArray[np.int64],
) -> tuple[Int, Int, Int]:  # fmt: skip
    """Where the messages of a file lie, each behind its two-byte length.

    Parameters
    ----------
    data
        A piece of the file that begins with a message's length.
    shapes
        `itch_messages.SHAPES`.
    midnight, receipt
        Of the file's day, and of the message before, in ns.
    length, receipt_ns
        Written: each frame's bytes, and its own time, which never falls.

    Returns
    -------
    count, end, ok
        Messages found, where the last one ends, and 0 where the bytes there can be no message: a length of 0 before
        an unknown type. What is left after `end` is a message's beginning, or `length` is full.
    """
    at: Any = 0
    n, size = 0, len(data)
    while n < len(length) and at + 3 <= size:
        told = be16(data, at)
        known = shapes[0, data[at + 2]]
        if told == 0:
            if known == 0:
                return n, at, 0
            told = known
        if at + 2 + told > size:
            break
        if told >= 11:
            time = (be16(data, at + 7) << 32) | be32(data, at + 9)
            if time < DAY_NS and midnight + time > receipt:
                receipt = midnight + time
        length[n] = told + 2
        receipt_ns[n] = receipt
        at += told + 2
        n += 1
    return n, at, 1


@folded
def blocks(payload: NDArray[np.uint8], at: Any, length: Any, shapes: NDArray[np.int64]) -> tuple[Any, Int, Int]:
    """Where a frame's messages begin, how many there are (-1: torn, -2: nothing known), and whether it is a packet."""
    if length >= 2:
        told = be16(payload, at)
        if told == length - 2:
            return at, 1 if told > 0 else 0, 0
        if told == 0 and length > 2 and shapes[0, payload[at + 2]] == length - 2:
            return at, 1, 0
    if length < MOLD_HEAD:
        return at, -2, 0
    count = be16(payload, at + 18)
    if count == 0xFFFF:  # the session's end
        count = 0
    p, end = at + MOLD_HEAD, at + length
    for _ in range(count):
        if p + 2 > end:
            return at, -1, 1
        p += 2 + be16(payload, p)
        if p > end:
            return at, -1, 1
    if p != end:
        return at, -1, 1
    return at + MOLD_HEAD, count, 1


@lean_kernel
def survey(
    payload: NDArray[np.uint8], length: NDArray[np.uint32], shapes: NDArray[np.int64], names: NDArray[np.uint64]
) -> Int:
    """Note the stock of each locate that the messages of some frames tell.

    Parameters
    ----------
    payload, length
        Frames.
    shapes
        `itch_messages.SHAPES`.
    names
        (3, 65536), added to: locate seen (1), its stock in other messages, its stock in the directory (R).

    Returns
    -------
    frames that hold messages
    """
    at: Any = 0
    good: Int = 0
    for i in range(len(length)):
        if at + length[i] > len(payload):
            break
        p, count, mold = blocks(payload, at, np.int64(length[i]), shapes)
        good += count >= 0
        for _ in range(count):
            told = be16(payload, p) if mold == 1 else np.int64(length[i]) - 2
            kind = np.int64(payload[p + 2]) if told > 0 else 0
            if shapes[0, kind] == told and told > 0:
                locate = be16(payload, p + 3)
                if locate > 0:
                    names[0, locate] = np.uint64(1)
                    if shapes[1, kind] > 0:
                        names[2 if kind == _DIRECTORY else 1, locate] = be64(payload, p + 2 + shapes[1, kind])
            p += 2 + told
        at += np.int64(length[i])
    return good


@lean_kernel
def places(
    payload: NDArray[np.uint8], length: NDArray[np.uint32], shapes: NDArray[np.int64], place: NDArray[np.int64]
) -> int:
    """Where the known messages of some frames begin (their type's byte); returns how many. `place` is written."""
    at: Any = 0
    n = 0
    for i in range(len(length)):
        if at + length[i] > len(payload):
            break
        p, count, mold = blocks(payload, at, np.int64(length[i]), shapes)
        for _ in range(count):
            told = be16(payload, p) if mold == 1 else np.int64(length[i]) - 2
            if told > 0 and shapes[0, payload[p + 2]] == told and n < len(place):
                place[n] = p + 2
                n += 1
            p += 2 + told
        at += np.int64(length[i])
    return n
