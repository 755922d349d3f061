"""Batches to bytes and back: the wire form of `qflib.proto`, columns as arrays without a copy.

A message is its fields end to end, so it is written by joining columns; it is read through the shadow descriptors of
`qflib.records.proto`. The rule of the checksum stands in the schema's own comments.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from qflib.errors import InputError, MalformedRecordError, TornBatchError
from qflib.records.batch import Batch, Header
from qflib.records.codes import DeadReason
from qflib.records.proto import body_number, shadow
from qflib.records.schema import TEXT_BYTES, Column, Record, Table
from qflib.records.tables import BY_KIND, DEAD
from qflib.records.topics import dead_letters

MAX_BYTES = 8 << 20  # the longest record; a carrier's own bound is set to it

_LENGTH_DELIMITED = 2  # wire type of strings, bytes, packed columns and messages
_HEADER = 1  # its field number in Envelope
_NUMBERS = struct.Struct("<IQQIII")
_U32 = struct.Struct("<I")
_PREFIX = struct.Struct("<II")

#: What one column holds on the wire: an array's bytes, or one bytes an element of a text column.
_Content = NDArray[Any] | bytes | list[bytes]


class _Part(NamedTuple):
    """A table's place in a record."""

    name: str
    table: Table
    number: int
    columns: tuple[tuple[Column, np.dtype[Any]], ...]


def encode(batch: Batch, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a batch, with count and checksum.

    Parameters
    ----------
    batch
        Kind, header and tables are written; topic and key are the carrier's.
    max_bytes
        The bound on the record's length.

    Raises
    ------
    InputError
        If a header field is negative or too large, or columns differ in length or type.
    MalformedRecordError
        If the record is longer than `max_bytes`, or text is not UTF-8.

    Notes
    -----
    O(bytes): one pass for the checksum, one copy into the result.

    Examples
    --------
    >>> from qflib.records import Batch, MARKET_EVENTS
    >>> batch = Batch.of("market", events=MARKET_EVENTS.make(kind=[1, 3], price_ticks=[100, 101]))
    >>> decode(encode(batch)).events.price_ticks
    array([100, 101])
    """
    record, header, count = BY_KIND[batch.kind], batch.header, batch.count
    crc = _crc_of_header(record, header, count)
    wire: list[Any] = []
    size = 0
    for part in _parts(record.kind):
        contents = _contents(part, batch.tables[part.name]) if part.name in batch.tables else []
        if contents:
            crc = _crc_of_table(part.number, contents, crc)
            fields, length = _fields(contents)
            head = _head(part.number, length)
            wire += [head, *fields]
            size += len(head) + length
    said = shadow()["Header"](
        source=header.source,
        epoch=header.epoch,
        seq=header.seq,
        part=header.part,
        parts=header.parts,
        count=count,
        crc=crc,
    ).SerializeToString()
    out = b"".join([_head(_HEADER, len(said)), said, _head(body_number(record), size), *wire])
    _bounded(f"a {batch.kind} record", len(out), max_bytes)
    return out


def decode(data: bytes, *, max_bytes: int = MAX_BYTES) -> Batch:
    """The batch that the bytes hold; its arrays are aligned, contiguous and read-only.

    Parameters
    ----------
    data
        What `encode`, or any protobuf writer of the published schema, wrote.
    max_bytes
        The bound on the record's length.

    Raises
    ------
    MalformedRecordError
        If the bytes do not parse, are too long, hold no body or several, a body of unknown kind, text that is too
        long or not UTF-8, or a column that is not whole.
    TornBatchError
        If checksum, count or column lengths contradict the content.

    Notes
    -----
    O(bytes). A column that an older writer left out is zeros; one that a newer writer added counts for the checksum
    and is left out.
    """
    _bounded("a record", len(data), max_bytes)
    record, header, body = _envelope(data)
    said = Header(header.source, header.epoch, header.seq, header.part, header.parts)
    crc = _crc_of_header(record, said, header.count)
    contents = {}
    for number, message in _messages(body):
        known: list[tuple[int, _Content]] = [
            (d.number, value if isinstance(value, bytes) else list(value)) for d, value in message.ListFields()
        ]
        crc = _crc_of_table(number, _with_unknown(known, message), crc)
        contents[number] = dict(known)
    where = f"a {record.kind} batch of {said.source!r}, seq {said.seq},"
    if crc != header.crc:
        raise TornBatchError(
            f"{where} has checksum {crc:08x} where its header says {header.crc:08x}; have it sent again",
            DeadReason.BAD_CHECKSUM,
        )
    tables = {p.name: _columns(where, p, contents[p.number]) for p in _parts(record.kind) if contents.get(p.number)}
    batch = Batch(record.kind, tables, said)
    if batch.count != header.count:
        raise TornBatchError(
            f"{where} has {batch.count} rows where its header says {header.count}; have it sent again",
            DeadReason.TORN,
        )
    return batch


def decode_or_dead(data: bytes, topic: str, *, max_bytes: int = MAX_BYTES) -> Batch:
    """The batch that the bytes hold; a dead letter with the reason where they hold none.

    Parameters
    ----------
    data
        A record's value.
    topic
        Where it came from; the dead letter goes to its ``.dead``.
    max_bytes
        The bound on the record's length; of an oversized one the dead letter keeps the first half as many bytes.

    Examples
    --------
    >>> decode_or_dead(b"no record", "orders.incoming").kind
    'dead'
    """
    try:
        return decode(data, max_bytes=max_bytes)
    except (MalformedRecordError, TornBatchError) as e:
        kept = data[: max_bytes // 2]
        dead = DEAD.make(
            topic=[topic], reason=[int(e.reason)], detail=[str(e).encode()[:TEXT_BYTES].decode(errors="ignore")],
            length=[len(kept)], payload=kept,
        )  # fmt: skip
        return Batch.of("dead", topic=dead_letters(topic), key=topic, dead=dead)


def _bounded(what: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise MalformedRecordError(
            f"{what} of {size} bytes is longer than {max_bytes}; cut the batch", DeadReason.OVERSIZED
        )


@cache
def _parts(kind: str) -> tuple[_Part, ...]:
    return tuple(
        _Part(name, table, number, tuple((c, c.dtype) for c in table.columns))
        for name, table, number in sorted(BY_KIND[kind].tables, key=lambda t: t[2])
    )


# ---- the checksum


def _crc_of_header(record: Record, h: Header, count: int) -> int:
    try:
        source = h.source.encode()
        numbers = _NUMBERS.pack(body_number(record), h.epoch, h.seq, h.part, h.parts, count)
    except (struct.error, UnicodeEncodeError):
        raise InputError(
            f"{h} of {count} rows cannot be written; source must be UTF-8 text, epoch and seq 0 to 2**64 - 1, "
            "part and parts 0 to 2**32 - 1"
        ) from None
    return zlib.crc32(numbers + _U32.pack(len(source)) + source)


def _crc_of_table(number: int, contents: list[tuple[int, _Content]], crc: int) -> int:
    """Go on with the checksum over a table; an empty one counts for nothing."""
    if contents:
        crc = zlib.crc32(_U32.pack(number), crc)
    for column, data in contents:
        if isinstance(data, list):
            crc = zlib.crc32(b"".join([b for s in data for b in (_PREFIX.pack(column, len(s)), s)]), crc)
        else:
            size = data.nbytes if isinstance(data, np.ndarray) else len(data)
            crc = zlib.crc32(
                data.data if isinstance(data, np.ndarray) else data, zlib.crc32(_PREFIX.pack(column, size), crc)
            )
    return crc


# ---- writing


@lru_cache(4096)  # lengths of a stream's batches come again
def _head(number: int, length: int) -> bytes:
    """What stands before a length-delimited field."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _contents(part: _Part, columns: Any) -> list[tuple[int, _Content]]:
    """The columns that are not empty, by rising field number."""
    out: list[tuple[int, _Content]] = []
    rows = None
    for (c, dtype), a in zip(part.columns, columns, strict=True):
        if a.dtype != dtype or a.ndim != 1:
            raise InputError(f"{part.table.name}.{c.name} is {a.ndim}-dimensional {a.dtype}; make it by `Table.make`")
        if c.type != "blob":
            if rows is not None and len(a) != rows:
                raise InputError(
                    f"{part.table.name}.{c.name} has {len(a)} rows, the columns before it {rows}; give one length"
                )
            rows = len(a)
        if len(a):
            out.append((c.number, _texts(part, c, a.tolist()) if c.type == "text" else np.ascontiguousarray(a)))
    return out


def _fields(contents: list[tuple[int, _Content]]) -> tuple[list[Any], int]:
    """A table's fields as buffers to join, and their length together."""
    out: list[Any] = []
    size = 0
    for number, data in contents:
        if isinstance(data, list):
            out.append(b"".join([b for s in data for b in (_head(number, len(s)), s)]))
            size += len(out[-1])
        else:
            length = data.nbytes if isinstance(data, np.ndarray) else len(data)
            head = _head(number, length)
            out += [head, data]
            size += len(head) + length
    return out, size


# ---- reading


def _envelope(data: bytes) -> tuple[Record, Any, Any]:
    """The record, its header and its body."""
    try:
        envelope = shadow()["Envelope"].FromString(data)
    except DecodeError as e:
        raise MalformedRecordError(
            f"{len(data)} bytes are not a record ({e}); expected an Envelope of qflib.proto", DeadReason.UNPARSABLE
        ) from None
    unknown = UnknownFieldSet(envelope)
    if len(unknown):
        raise MalformedRecordError(
            f"a record has a body of unknown kind {unknown[0].field_number}; a newer writer made it, or it is torn: "
            "update this reader",
            DeadReason.UNKNOWN_KIND,
        )
    bodies = [(d.name, value) for d, value in envelope.ListFields() if d.number != _HEADER]
    if len(bodies) != 1:
        raise MalformedRecordError(
            f"a record of {len(data)} bytes has {len(bodies)} bodies; expected one", DeadReason.UNPARSABLE
        )
    kind, body = bodies[0]
    return BY_KIND[kind], envelope.header, body


def _messages(body: Message) -> list[tuple[int, Message]]:
    """The tables of a body by rising field number; one that only a newer writer knows has no known fields."""
    out: list[tuple[int, Message]] = [(d.number, message) for d, message in body.ListFields()]
    for number, data in _unknown(body):
        try:
            out.append((number, shadow()["Unknown"].FromString(data)))
        except DecodeError:
            raise MalformedRecordError(
                f"table {number} of a record does not parse; have it sent again", DeadReason.UNPARSABLE
            ) from None
    return sorted(out, key=lambda m: m[0])


def _unknown(message: Message) -> list[tuple[int, bytes]]:
    out = []
    fields = UnknownFieldSet(message)
    for field in map(fields.__getitem__, range(len(fields))):
        if field.wire_type != _LENGTH_DELIMITED:
            raise MalformedRecordError(
                f"field {field.field_number} of a record has wire type {field.wire_type}; expected a packed column",
                DeadReason.UNPARSABLE,
            )
        out.append((field.field_number, field.data))
    return out


def _with_unknown(known: list[tuple[int, _Content]], message: Message) -> list[tuple[int, _Content]]:
    unknown = _unknown(message)
    return sorted([*known, *unknown], key=lambda piece: piece[0]) if unknown else known


def _columns(where: str, part: _Part, contents: dict[int, _Content]) -> Any:
    """A table's arrays; a column that is not there is zeros."""
    arrays: list[NDArray[Any] | None] = []
    rows = -1
    for c, dtype in part.columns:
        data = contents.get(c.number)
        if data is None:
            arrays.append(None)
            continue
        if isinstance(data, list):
            a = np.array(_texts(part, c, data), dtype)
            a.setflags(write=False)
        elif len(data) % dtype.itemsize:
            raise TornBatchError(
                f"{where} has {len(data)} bytes in {part.table.name}.{c.name}; expected a multiple of {dtype.itemsize}",
                DeadReason.TORN,
            )
        else:
            a = np.frombuffer(data, dtype)
        if c.type != "blob":
            if rows not in (-1, len(a)):
                raise TornBatchError(
                    f"{where} has {len(a)} rows in {part.table.name}.{c.name}, {rows} in the columns before it",
                    DeadReason.TORN,
                )
            rows = len(a)
        arrays.append(a)
    return part.table.Columns(
        *(
            _zeros(0 if c.type == "blob" else max(rows, 0), dtype) if a is None else a
            for (c, dtype), a in zip(part.columns, arrays, strict=True)
        )
    )


def _zeros(n: int, dtype: Any) -> NDArray[Any]:
    out = np.zeros(n, dtype)
    out.setflags(write=False)
    return out


def _texts(part: _Part, column: Column, items: list[bytes]) -> list[bytes]:
    """The texts, checked: a zero byte between them leaves each one's UTF-8 as it is."""
    joined = b"\0".join(items)
    try:
        joined.decode()
        fits = joined.count(0) == len(items) - 1 and max(map(len, items)) <= TEXT_BYTES
    except UnicodeDecodeError:
        fits = False
    if not fits:
        raise MalformedRecordError(
            f"{part.table.name}.{column.name} holds text that is not UTF-8, has a zero byte or more than {TEXT_BYTES} "
            "bytes; have it sent right",
            DeadReason.BAD_VALUE,
        )
    return items
