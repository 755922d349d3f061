"""The wire form of a record, field by field, and the checksum over it, whose rule stands in the schema's comments."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records.batch import Header
from qflib.records.proto import body_number
from qflib.records.schema import Column, Record, Table
from qflib.records.tables import BY_KIND

LENGTH_DELIMITED = 2  # wire type of strings, bytes, packed columns and messages
HEADER = 1  # its field number in Envelope
_NUMBERS = struct.Struct("<IQQIII")
_U32 = struct.Struct("<I")

#: What one column holds on the wire: an array's bytes, or one bytes an element of a text column.
Content = NDArray[Any] | bytes | list[bytes]


class Part(NamedTuple):
    """A table's place in a record."""

    name: str
    table: Table
    number: int
    columns: tuple[tuple[Column, np.dtype[Any]], ...]


@cache
def parts(kind: str) -> tuple[Part, ...]:
    """A record's tables, by rising field number."""
    return tuple(
        Part(name, table, number, tuple((c, c.dtype) for c in table.columns))
        for name, table, number in sorted(BY_KIND[kind].tables, key=lambda t: t[2])
    )


def rows_of(record: Record, contents: Mapping[int, Mapping[int, Content]]) -> int:
    """Rows of a record's counted table: the length of its first column that is there."""
    part = parts(record.kind)[-1 if record.kind == "raw" else 0]
    columns = contents.get(part.number, {})
    for c, dtype in part.columns:
        data = columns.get(c.number)
        if data is not None and c.type != "blob":
            return len(data) if isinstance(data, list) else len(data) // dtype.itemsize
    return 0


@lru_cache(4096)  # lengths of a stream's batches come again
def head(number: int, length: int) -> bytes:
    """What stands before a length-delimited field."""
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(length)


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


prefix = struct.Struct("<II").pack  # of a column: its number and bytes, before them in what the checksum is over
prefix_of_table = _U32.pack


def crc_of_header(record: Record, h: Header, count: int) -> int:
    """Begin the checksum."""
    try:
        source = h.source.encode()
        numbers = _NUMBERS.pack(body_number(record), h.epoch, h.seq, h.part, h.parts, count)
    except (struct.error, UnicodeEncodeError):
        raise InputError(
            f"{h} of {count} rows cannot be written; source must be UTF-8 text, epoch and seq 0 to 2**64 - 1, "
            "part and parts 0 to 2**32 - 1"
        ) from None
    return zlib.crc32(numbers + _U32.pack(len(source)) + source)


def crc_of_table(number: int, contents: list[tuple[int, Content]], crc: int) -> int:
    """Go on with the checksum over a table; an empty one counts for nothing."""
    if contents:
        crc = zlib.crc32(prefix_of_table(number), crc)
    for column, data in contents:
        if isinstance(data, list):
            crc = zlib.crc32(b"".join([b for s in data for b in (prefix(column, len(s)), s)]), crc)
        else:
            size = data.nbytes if isinstance(data, np.ndarray) else len(data)
            crc = zlib.crc32(data.data if isinstance(data, np.ndarray) else data, zlib.crc32(prefix(column, size), crc))
    return crc
