"""pcapng captures as the pcap of nanoseconds that they amount to, a piece at a time.

Source of the layout: draft-ietf-opsawg-pcapng: section headers, interfaces, enhanced, simple and obsolete packets.
Other blocks (names, statistics, secrets) are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qflib.errors import DataError
from qflib.kernels.pcap import LONGEST

MAGIC = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14  # options of an interface
#: Of a block: a packet, and options.
_LONGEST_BLOCK = 4 * LONGEST
_LITTLE = b"\x4d\x3c\x2b\x1a"


class _Interface(NamedTuple):
    link: int
    snap: int
    unit: tuple[int, int]  # of time, in ns: numerator, denominator
    offset_ns: int


class Pcapng:
    """A capture's packets behind a header of pcap, to be read like a file.

    Parameters
    ----------
    path
        Where it comes from, for errors.
    f
        The file, behind `start`.
    start
        Its first bytes.

    Attributes
    ----------
    header : bytes
        24 bytes: pcap, little-endian, nanoseconds, the link type of the first interface.

    Raises
    ------
    DataError
        If the capture is truncated or broken (the byte is named), has no interface, or interfaces of several link
        types.
    """

    def __init__(self, path: Path, f: Any, start: bytes) -> None:
        self._path, self._f, self._start, self._place = path, f, start, 0
        self._link = -1
        self._records = self._read()
        self._left = next(self._records, b"")
        if self._link < 0:
            raise DataError(f"capture {path} has no interface; give one with packets")
        self.header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, LONGEST, self._link)

    def read(self, size: int) -> bytes:
        """So many bytes of pcap records, or more up to the end of a packet; nothing at the end."""
        parts, n = [self._left], len(self._left)
        self._left = b""
        while n < size and (record := next(self._records, b"")):
            parts.append(record)
            n += len(record)
        return b"".join(parts)

    def _read(self) -> Iterator[bytes]:
        """A record of pcap a packet."""
        order, interfaces, time_ns = "<", list[_Interface](), 0
        while head := self._bytes(8, first=True):
            at = self._place - 8
            if head[:4] == MAGIC:
                order = "<" if self._peek(4) == _LITTLE else ">"
                interfaces = []
            kind, length = struct.unpack(f"{order}II", head)
            if not 12 <= length <= _LONGEST_BLOCK or length % 4:
                raise DataError(f"capture {self._path} is broken at byte {at}: a block of {length} bytes cannot be")
            body = self._bytes(length - 12)
            if self._bytes(4) != head[4:]:
                raise DataError(f"capture {self._path} is broken at byte {at}: its block does not end as it begins")
            try:
                if kind == _INTERFACE:
                    interfaces.append(self._interface(body, order))
                elif kind in (_ENHANCED, _OBSOLETE, _SIMPLE):
                    time_ns, data = _packet(kind, body, order, interfaces, time_ns)
                    yield struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, len(data), len(data)) + data
            except (struct.error, ValueError, IndexError) as e:
                raise DataError(f"capture {self._path} is broken at byte {at}: {e}") from None

    def _interface(self, body: bytes, order: str) -> _Interface:
        link, snap = struct.unpack_from(f"{order}HxxI", body)
        if self._link not in (-1, link):
            raise ValueError(f"its interfaces have link types {self._link} and {link}; give one of a single type")
        self._link = link
        options = _options(body[8:], order)
        resolution = (options.get(_RESOLUTION) or b"\x06")[0]
        power: int = (2 if resolution & 0x80 else 10) ** (resolution & 0x7F)
        offset = options.get(_OFFSET, b"")
        seconds = struct.unpack(f"{order}q", offset)[0] if len(offset) == 8 else 0
        return _Interface(link, snap, (10**9, power), seconds * 10**9)

    def _bytes(self, size: int, first: bool = False) -> bytes:
        """So many bytes; none at the end of the file where a block may begin."""
        got = self._start[:size]
        self._start = self._start[size:]
        if len(got) < size:
            got += self._f.read(size - len(got))
        if len(got) < size and not (first and not got):
            raise DataError(f"capture {self._path} is truncated inside the block at byte {self._place}; fetch it again")
        self._place += len(got)
        return got

    def _peek(self, size: int) -> bytes:
        got = self._bytes(size)
        self._start, self._place = got + self._start, self._place - size
        return got


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], before_ns: int) -> tuple[int, bytes]:
    """A packet's time, and its bytes as far as they were kept."""
    if kind == _SIMPLE:  # it has no time
        (size,) = struct.unpack_from(f"{order}I", body)
        kept, at, time_ns = min(size, interfaces[0].snap or size), 4, before_ns
    else:
        number, high, low, kept = struct.unpack_from(f"{order}{'I' if kind == _ENHANCED else 'Hxx'}III", body)
        i, at = interfaces[number], 20
        time_ns = (high << 32 | low) * i.unit[0] // i.unit[1] + i.offset_ns
    if kept > min(LONGEST, len(body) - at) or not 0 <= time_ns < 10**9 << 32:
        raise ValueError("a packet of impossible length or time")
    return time_ns, body[at : at + kept]


def _options(data: bytes, order: str) -> dict[int, bytes]:
    """Options by code: each with its length, padded to four bytes; 0 ends them."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(f"{order}HH", data, at)
        if code == 0:
            break
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)
    return found
