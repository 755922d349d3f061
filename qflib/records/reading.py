"""A record's bytes to those of its columns, the checksum verified: through protobuf, or laid out as one before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from qflib.errors import MalformedRecordError, TornBatchError
from qflib.records import layouts
from qflib.records.batch import Header
from qflib.records.codes import DeadReason
from qflib.records.proto import shadow
from qflib.records.schema import Record
from qflib.records.tables import BY_KIND
from qflib.records.wire import HEADER, LENGTH_DELIMITED, Content, crc_of_header, crc_of_table, rows_of


def bounded(what: str, size: int, max_bytes: int) -> None:
    """Refuse what is too long."""
    if size > max_bytes:
        raise MalformedRecordError(
            f"{what} of {size} bytes is longer than {max_bytes}; cut the batch", DeadReason.OVERSIZED
        )


def where(record: Record, said: Header) -> str:
    """The record in an error's sentence."""
    return f"a {record.kind} batch of {said.source!r}, seq {said.seq},"


def miscounted(of: str, rows: int, count: int) -> TornBatchError:
    """The error of a record that has not the rows it says."""
    return TornBatchError(f"{of} has {rows} rows where its header says {count}; have it sent again", DeadReason.TORN)


class Verified(NamedTuple):
    """A record whose checksum holds: its header, the rows told and those there, what gives its columns' bytes."""

    record: Record
    header: Header
    crc: int
    told: int
    rows: int
    contents: Callable[[], dict[int, dict[int, Content]]]


def verified(data: bytes, max_bytes: int) -> Verified:
    """The record that the bytes hold; its checksum holds."""
    bounded("a record", len(data), max_bytes)
    body = _body(data)
    found = layouts.find(data, body) if body else None
    if found is None:
        return _parsed(data, body)
    layout, pieces = found
    try:
        header = shadow()["Header"].FromString(data[_start(data) : body])
    except DecodeError:
        return _parsed(data, 0)
    said, count = Header(header.source, header.epoch, header.seq, header.part, header.parts), header.count
    crc = layout.checksum(pieces, crc_of_header(layout.record, said, count))
    _same(layout.record, said, crc, header.crc)
    return Verified(layout.record, said, crc, count, layout.rows, partial(layout.contents, pieces))


def parsed(data: bytes, max_bytes: int) -> Verified:
    """As `verified`, through protobuf whatever was before."""
    bounded("a record", len(data), max_bytes)
    return _parsed(data, 0)


def header_of(data: bytes) -> Any:
    """What stands in the record's first field, if that is a header; None where it is not or does not parse."""
    body = _body(data)
    try:
        return shadow()["Header"].FromString(data[_start(data) : body]) if body else None
    except DecodeError:
        return None


def _start(data: bytes) -> int:
    """Where the header's content begins: it is shorter than two bytes of length can say."""
    return 2 if data[1] < 128 else 3


def _body(data: bytes) -> int:
    """Where the body begins if a header is the record's first field, else 0."""
    if len(data) < 3 or data[0] != HEADER << 3 | LENGTH_DELIMITED:
        return 0
    return data[1] + 2 if data[1] < 128 else (data[1] & 127 | data[2] << 7) + 3


def _same(record: Record, said: Header, crc: int, told: int) -> None:
    if crc != told:
        raise TornBatchError(
            f"{where(record, said)} has checksum {crc:08x} where its header says {told:08x}; have it sent again",
            DeadReason.BAD_CHECKSUM,
        )


def _parsed(data: bytes, body: int) -> Verified:
    record, header, message = _envelope(data)
    said = Header(header.source, header.epoch, header.seq, header.part, header.parts)
    crc = crc_of_header(record, said, header.count)
    contents: dict[int, dict[int, Content]] = {}
    for number, table in _messages(message):
        known: list[tuple[int, Content]] = [
            (d.number, value if isinstance(value, bytes) else list(value)) for d, value in table.ListFields()
        ]
        crc = crc_of_table(number, _with_unknown(known, table), crc)
        contents[number] = dict(known)
    _same(record, said, crc, header.crc)
    if body:
        layouts.learn(data, body, record, contents)
    return Verified(record, said, crc, header.count, rows_of(record, contents), lambda: contents)


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
    bodies = [(d.name, value) for d, value in envelope.ListFields() if d.number != HEADER]
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
        if field.wire_type != LENGTH_DELIMITED:
            raise MalformedRecordError(
                f"field {field.field_number} of a record has wire type {field.wire_type}; expected a packed column",
                DeadReason.UNPARSABLE,
            )
        out.append((field.field_number, field.data))
    return out


def _with_unknown(known: list[tuple[int, Content]], message: Message) -> list[tuple[int, Content]]:
    unknown = _unknown(message)
    return sorted([*known, *unknown], key=lambda piece: piece[0]) if unknown else known
