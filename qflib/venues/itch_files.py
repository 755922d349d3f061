"""ITCH recordings, told apart by content: files of messages behind their lengths; pcap and pcapng of MoldUDP64.

Both may be compressed with gzip. They are read in bounded pieces; what a piece cuts off is carried to the next.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.kernels import itch_frames as kernel
from qflib.kernels import pcap
from qflib.records import FRAMES, Instrument, Instruments
from qflib.venues.itch_messages import MESSAGES, SHAPES, columns
from qflib.venues.new_york import midnight_ns
from qflib.venues.pcapng import MAGIC, Pcapng
from qflib.venues.venue import Recording

SOURCE = "itch:0"
_PIECE = 1 << 20  # bytes read at once
#: Magic numbers of pcap: byte order, nanoseconds a unit of the fraction.
_PCAP = {
    b"\xd4\xc3\xb2\xa1": (True, 1000), b"\xa1\xb2\xc3\xd4": (False, 1000),
    b"\x4d\x3c\xb2\xa1": (True, 1), b"\xa1\xb2\x3c\x4d": (False, 1),
}  # fmt: skip


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """An ITCH recording, read through once.

    Parameters
    ----------
    path
        A file as Nasdaq publishes it (``20190130.BX_ITCH_50.gz``, whose name tells the day; 1970-01-01 where it
        does not), or a pcap or pcapng of MoldUDP64 packets.
    instruments
        The table to use. By default one row a stock locate seen, by the directory (R), else by the stock that its
        other messages name; a locate without a stock of its own is its number.

    Raises
    ------
    DataError
        If the file is missing, truncated, or not ITCH 5.0: the byte is named.
    """
    first = last = 0
    names = np.zeros((3, 65_536), np.uint64)
    good = 0
    for frames in _chunks(path):
        if len(frames.length):
            first, last = first or int(frames.receipt_ns[0]), int(frames.receipt_ns[-1])
            good += kernel.survey(frames.payload, frames.length, SHAPES, names)
    if not good:
        raise DataError(f"{path} holds no ITCH message; give a file of ITCH 5.0 or a capture of MoldUDP64")
    table = instruments if instruments is not None else _discovered(names)
    return Recording("itch", SOURCE, table, lambda: _chunks(path), first, last)


def read_messages(path: str | Path, types: Iterable[str] | None = None) -> dict[str, pd.DataFrame]:
    """Every message of a recording with all its fields, a frame a type.

    Parameters
    ----------
    path
        As `read`.
    types
        Letters of the types wanted; default: all that occur.

    Returns
    -------
    dict
        By the type's letter, in the order of the specification: a row a message, in the order of the recording, the
        columns those of `qflib.venues.itch_messages`, as integers and text. Torn packets are left out.

    Raises
    ------
    InputError
        If a type is unknown.
    DataError
        As `read`.

    Notes
    -----
    Holds all rows in memory: O(messages wanted).
    """
    wanted = list(MESSAGES) if types is None else list(types)
    if unknown := [t for t in wanted if t not in MESSAGES]:
        raise InputError(f"message type {unknown[0]!r} is unknown; expected some of {''.join(MESSAGES)}")
    bodies: dict[str, list[NDArray[np.uint8]]] = {t: [] for t in wanted}
    for frames in _chunks(Path(path)):
        place = np.zeros(len(frames.payload) // 14 + 1, np.int64)  # no message is shorter than 12 bytes and its length
        n = kernel.places(frames.payload, frames.length, SHAPES, place)
        kinds = frames.payload[place[:n]]
        for t in wanted:
            at = place[:n][kinds == ord(t)]
            if len(at):
                bodies[t].append(frames.payload[at[:, None] + np.arange(SHAPES[0, ord(t)])])
    return {t: pd.DataFrame(columns(t, np.concatenate(parts))) for t, parts in bodies.items() if parts}


def _day_of_name(path: Path) -> int:
    """Midnight of the day that a file's name tells: 20190130, 01302019 or 013019."""
    for digits in re.findall(r"(?<!\d)(?:\d{8}|\d{6})(?!\d)", path.name):
        for form in ("%Y%m%d", "%m%d%Y") if len(digits) == 8 else ("%m%d%y",):
            try:
                day = datetime.strptime(digits, form)
            except ValueError:
                continue
            if 1990 <= day.year < 2100:
                return midnight_ns(day)
    return midnight_ns(date(1970, 1, 1))


def _chunks(path: Path) -> Iterator[Any]:
    """`FRAMES` columns: a message with its length, or a datagram's payload, a frame."""
    try:
        with _opened(path) as f:
            start = f.read(24)
            if start[:4] == MAGIC:
                packets = Pcapng(path, f, start)
                yield from _packets(path, packets, packets.header)
                return
            yield from _packets(path, f, start) if start[:4] in _PCAP else _messages(path, f, start)
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of an ITCH file") from None
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None


def _opened(path: Path) -> Any:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _messages(path: Path, f: Any, start: bytes) -> Iterator[Any]:
    length, receipt_ns = np.zeros(_PIECE // 8, np.uint32), np.zeros(_PIECE // 8, np.int64)
    midnight = receipt = _day_of_name(path)
    left, position = start, 0
    while True:
        piece = f.read(_PIECE)
        data = np.frombuffer(left + piece, np.uint8)
        n, end, ok = kernel.find_messages(data, SHAPES, midnight, receipt, length, receipt_ns)
        if not ok or (position == 0 and not (n and _known(data))):
            raise DataError(f"{path} is not ITCH 5.0 at byte {position + end}: no message begins there")
        if n:
            # Every message lies behind the one before: a frame's place is where the bytes before it end.
            yield FRAMES.make(
                receipt_ns=receipt_ns[:n].copy(), position=position + _starts(length[:n]), length=length[:n].copy(),
                payload=data[:end],
            )  # fmt: skip
            receipt = int(receipt_ns[n - 1])
        left = data[end:].tobytes()
        position += end
        if not piece and n < len(length):
            if left not in (b"", b"\0\0"):  # a length of 0 ends the session
                raise DataError(f"recording {path} is truncated inside the message at byte {position}; fetch it again")
            return


def _known(data: NDArray[np.uint8]) -> bool:
    """Is the first message one of ITCH's?"""
    told = int(data[0]) << 8 | int(data[1])
    known = int(SHAPES[0, data[2]])
    return known > 0 and told in (0, known)


def _packets(path: Path, f: Any, start: bytes) -> Iterator[Any]:
    if len(start) < 24:
        raise DataError(f"capture {path} is truncated inside its header; fetch it again")
    little, unit_ns = _PCAP[start[:4]]
    link = int.from_bytes(start[20:24], "little" if little else "big") & 0xFFFF
    if link not in (pcap.ETHERNET, pcap.RAW, pcap.RAW_BSD, pcap.LINUX_COOKED):
        raise DataError(f"capture {path} has link type {link}; give one of Ethernet, raw IP or Linux cooked packets")
    length, receipt_ns = np.zeros(_PIECE // 8, np.uint32), np.zeros(_PIECE // 8, np.int64)
    at = np.zeros(_PIECE // 8, np.uint64)
    left, position, receipt = b"", 24, 0
    while True:
        piece = f.read(_PIECE)
        data = np.frombuffer(left + piece, np.uint8)
        payload = np.empty(len(data), np.uint8)
        n, used, end, ok = pcap.udp_payloads(
            data, little, unit_ns, link, position, receipt, payload, length, receipt_ns, at
        )
        if not ok:
            raise DataError(f"capture {path} is broken at byte {position + end}: its packet has no possible length")
        if n:
            yield FRAMES.make(
                receipt_ns=receipt_ns[:n].copy(),
                position=at[:n].copy(),
                length=length[:n].copy(),
                payload=payload[:used],
            )
            receipt = int(receipt_ns[n - 1])
        left = data[end:].tobytes()
        position += end
        if not piece and n < len(length):
            if left:
                raise DataError(f"capture {path} is truncated inside the packet at byte {position}; fetch it again")
            return


def _starts(length: NDArray[np.uint32]) -> NDArray[np.uint64]:
    made = np.zeros(len(length), np.uint64)
    np.cumsum(length[:-1], dtype=np.uint64, out=made[1:])
    return made


def _discovered(names: NDArray[np.uint64]) -> Instruments:
    """One row a locate seen; by its number where it has no stock, or not one of its own."""
    rows: dict[str, Instrument] = {}
    seen = np.flatnonzero(names[0]).tolist()
    told = {i: _stock(int(names[2, i] or names[1, i])) for i in seen}
    times: dict[str, int] = {}
    for stock in told.values():
        times[stock] = times.get(stock, 0) + 1
    for i, stock in told.items():
        symbol = stock if stock and times[stock] == 1 else str(i)
        # Below a dollar prices move by 1/10,000, above by a cent.
        rows[symbol] = Instrument(
            symbol, tick_schedule=(("0", "0.0001"), ("1", "0.01")), calendar="XNYS", venue="itch", venue_symbol=symbol,
            source=SOURCE,
        )  # fmt: skip
    return Instruments(tuple(rows.values()))


def _stock(word: int) -> str:
    return word.to_bytes(8).decode("latin-1").strip(" \0")
