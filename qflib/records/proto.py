"""The protobuf schema, made from the declarations: the text others read, and the descriptors we parse with.

The published schema is idiomatic: packed repeated scalars, strings, bytes. Privately the same field numbers are
parsed as `bytes` (a packed column's wire form is its little-endian array), so that a column is an array without a
copy. Text and sub-messages have that same wire form, which is why `repeated bytes` reads text columns.

``python -m qflib.records.proto --write`` writes the schema; ``--release`` also takes it for the released one, which
from then on may only be added to.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from qflib.records import codes
from qflib.records.schema import PROTO_TYPE, TEXT_BYTES, Column, Record, Table
from qflib.records.tables import RECORDS, TABLES

PACKAGE = "qflib.v1"
SCHEMA = Path(__file__).with_name("qflib.proto")
RELEASED = Path(__file__).with_name("released.json")

#: name, protobuf type, field number and meaning of the header's fields.
HEADER_FIELDS: tuple[tuple[str, str, int, str], ...] = (
    ("source", "string", 1, "who numbered the batch"),
    ("epoch", "uint64", 2, "rises when a source starts its numbering anew"),
    ("seq", "uint64", 3, "from 0, rising by 1 in (topic, partition, source, epoch)"),
    ("part", "uint32", 4, "part k ..."),
    ("parts", "uint32", 5, "... of n, where a batch was fanned out; 1 otherwise"),
    ("count", "uint32", 6, "rows of the main table: a RawBatch's frames, any other record's first table"),
    ("crc", "fixed32", 7, "see above"),
)

_PREAMBLE = f"""\
// The records of qflib. Made by `python -m qflib.records.proto --write` from the declarations; do not edit.
//
// A record is an Envelope: a header and one body. A body holds tables; a table is a set of columns of equal length,
// row i being element i of each (blobs apart). Times are int64 nanoseconds UTC, prices integer ticks, quantities
// integer lots, unless a column says otherwise. Text has {TEXT_BYTES} bytes of UTF-8 at most and no zero byte.
//
// Evolution: a field is added with a new number; none is renumbered, retyped or used again. A column that an older
// writer left out reads as zeros, and so does a sparse one, which is left out where it is zero in every row; one that a
// newer writer added is ignored. New fields of a table are length-delimited on the wire (packed columns, strings,
// bytes), new fields of a body are tables.
//
// Header.crc is the CRC-32 of zlib (IEEE 802.3) over, in this order and all integers little-endian:
//   1. body's field number in Envelope, epoch, seq, part, parts, count as u32, u64, u64, u32, u32, u32;
//      length of `source` in bytes as u32, and its UTF-8;
//   2. for each table of the body that is not empty, by rising field number: its field number as u32, then for each
//      column that is not empty, by rising field number, (number as u32, length in bytes as u32, the bytes):
//      once for a packed column or blob (the bytes are the little-endian elements), once an element for strings.
// Columns that a reader does not know are part of it: its unknown fields have the same bytes.
"""


def body_number(record: Record) -> int:
    """Field number of a record in Envelope: 1 is the header's."""
    return record.number + 1


def enums() -> list[type[IntEnum]]:
    """The codes that columns hold, in the order they are declared."""
    found = [v for v in vars(codes).values() if isinstance(v, type) and issubclass(v, IntEnum) and v is not IntEnum]
    return [e for e in found if e.__module__ == codes.__name__]


def text() -> str:
    """The published schema.

    Examples
    --------
    >>> from qflib.records import proto
    >>> proto.text().splitlines()[-1]
    '}'
    """
    parts = [_PREAMBLE, f'syntax = "proto3";\n\npackage {PACKAGE};\n', _envelope(), _header()]
    parts += [_record(r) for r in RECORDS]
    parts += [_table(t) for t in TABLES]
    parts += [_enum(e) for e in enums()]
    return "\n".join(parts)


def _envelope() -> str:
    lines = ["message Envelope {", "  Header header = 1;", "  oneof body {"]
    lines += [f"    {r.message} {r.kind} = {body_number(r)};" for r in RECORDS]
    return "\n".join([*lines, "  }", "}", ""])


def _header() -> str:
    lines = [f"  {kind} {name} = {number};  // {doc}" for name, kind, number, doc in HEADER_FIELDS]
    return "\n".join(["message Header {", *lines, "}", ""])


def _record(r: Record) -> str:
    lines = [f"  {t.name} {name} = {number};" for name, t, number in r.tables]
    return "\n".join([*([f"// {r.doc}"] if r.doc else []), f"message {r.message} {{", *lines, "}", ""])


def _table(t: Table) -> str:
    lines = [f"  {_field(c)}{f'  // {c.doc}' if c.doc else ''}{'; sparse' if c.sparse else ''}" for c in t.columns]
    return "\n".join([f"// {t.doc}", f"message {t.name} {{", *lines, "}", ""])


def _field(c: Column) -> str:
    return f"{PROTO_TYPE[c.type]} {c.name} = {c.number};"


def _enum(e: type[IntEnum]) -> str:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", e.__name__).upper()
    values = {int(v): f"{prefix}_{v.name}" for v in e}
    if 0 not in values:  # proto3 wants a zero first
        values = {0: f"{prefix}_UNSPECIFIED", **values}
    lines = [f"  {name} = {value};" for value, name in sorted(values.items())]
    return "\n".join([f"enum {e.__name__} {{", *lines, "}", ""]).rstrip("\n") + "\n"


def fields() -> list[dict[str, Any]]:
    """Every published field and code: message, field, number, type."""
    out = [{"message": "Header", "field": n, "number": i, "type": k} for n, k, i, _ in HEADER_FIELDS]
    out += [{"message": "Envelope", "field": "header", "number": 1, "type": "Header"}]
    out += [{"message": "Envelope", "field": r.kind, "number": body_number(r), "type": r.message} for r in RECORDS]
    out += [
        {"message": r.message, "field": name, "number": i, "type": t.name} for r in RECORDS for name, t, i in r.tables
    ]
    out += [
        {"message": t.name, "field": c.name, "number": c.number, "type": PROTO_TYPE[c.type]}
        for t in TABLES
        for c in t.columns
    ]
    out += [{"message": e.__name__, "field": v.name, "number": int(v), "type": "enum"} for e in enums() for v in e]
    return out


@cache
def shadow() -> dict[str, Any]:
    """Message classes by name that parse the published wire form with every column as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="qflib_shadow.proto", package=PACKAGE, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    scalar = {
        "string": kinds.TYPE_STRING,
        "uint64": kinds.TYPE_UINT64,
        "uint32": kinds.TYPE_UINT32,
        "fixed32": kinds.TYPE_FIXED32,
    }
    header = file.message_type.add(name="Header")
    for name, kind, number, _ in HEADER_FIELDS:
        header.field.add(name=name, number=number, type=scalar[kind], label=kinds.LABEL_OPTIONAL)
    envelope = file.message_type.add(name="Envelope")
    bodies = [("header", "Header", 1), *((r.kind, r.message, body_number(r)) for r in RECORDS)]
    records = [(r.message, [(name, t.name, i) for name, t, i in r.tables]) for r in RECORDS]
    for message, parts in ((envelope, bodies), *((file.message_type.add(name=n), p) for n, p in records)):
        for name, of, number in parts:
            message.field.add(
                name=name,
                number=number,
                type=kinds.TYPE_MESSAGE,
                type_name=f".{PACKAGE}.{of}",
                label=kinds.LABEL_OPTIONAL,
            )
    for t in TABLES:
        message = file.message_type.add(name=t.name)
        for c in t.columns:
            label = kinds.LABEL_REPEATED if c.type == "text" else kinds.LABEL_OPTIONAL
            message.field.add(name=c.name, number=c.number, type=kinds.TYPE_BYTES, label=label)
    file.message_type.add(name="Unknown")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        m.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{m.name}"))
        for m in file.message_type
    }


def main() -> None:
    """Write the schema, or tell whether the file is the one that the declarations make."""
    parser = argparse.ArgumentParser(prog="python -m qflib.records.proto", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write qflib.proto")
    parser.add_argument("--release", action="store_true", help="also take today's schema for the released one")
    args = parser.parse_args()
    if args.write or args.release:
        SCHEMA.write_text(text(), encoding="utf-8")
    if args.release:
        rows = ",\n".join(json.dumps(f) for f in fields())
        RELEASED.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    if SCHEMA.read_text(encoding="utf-8") != text():
        sys.exit(f"{SCHEMA} differs from the declarations; run python -m qflib.records.proto --write")


if __name__ == "__main__":
    main()
