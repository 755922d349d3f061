"""Records laid out as one before them: one unpacking instead of a walk.

Batches of a stream come with the same columns and rows again and again, and differ in content alone. Where each head of
a field stands where it stood in the record that a layout was learnt from, the fields are the same, and so are their
lengths: nothing is left to parse.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from qflib.records.proto import body_number
from qflib.records.schema import Record
from qflib.records.wire import Content, head, prefix, prefix_of_table, rows_of

_HINT = 6  # bytes of a body that say its kind, length and first table
_MOST = 512  # layouts kept
_LONGEST = 64  # fields; where each row's text is one, a layout seldom comes again


class Layout(NamedTuple):
    """Where the fields of a body are.

    Parameters
    ----------
    record, number, rows
        Its kind, the number of its field, and its rows.
    size
        Bytes, with the body's own head.
    unpack
        Gives heads and contents in turn.
    heads
        What stands before each content.
    prefixes
        What stands before each content in what the checksum is over.
    places
        Table, column, and whether it is text, a content.
    """

    record: Record
    number: int
    rows: int
    size: int
    unpack: Callable[[bytes, int], tuple[bytes, ...]]
    heads: tuple[bytes, ...]
    prefixes: tuple[bytes, ...]
    places: tuple[tuple[int, int, bool], ...]

    @classmethod
    def of(cls, record: Record, contents: Mapping[int, Mapping[int, Content]]) -> Layout | None:
        """The layout in which `encode` writes such contents; None where it would seldom come again."""
        fields = [
            (table, column, isinstance(data, list), [*map(len, data)] if isinstance(data, list) else [len(data)])
            for table, columns in contents.items()
            for column, data in columns.items()
        ]
        if not 0 < sum(len(sizes) for *_, sizes in fields) <= _LONGEST:
            return None
        inner = {
            table: sum(len(head(c, n)) + n for t, c, _, sizes in fields if t == table for n in sizes)
            for table, columns in contents.items()
            if columns
        }
        number = body_number(record)
        before, crc_before = head(number, sum(len(head(t, n)) + n for t, n in inner.items())), b""
        heads, prefixes, places, form, last = [], [], [], "", None
        for table, column, text, sizes in fields:
            if table != last:
                before, crc_before, last = before + head(table, inner[table]), prefix_of_table(table), table
            for n in sizes:
                heads.append(before + head(column, n))
                prefixes.append(crc_before + prefix(column, n))
                places.append((table, column, text))
                form += f"{len(heads[-1])}s{n}s"
                before = crc_before = b""
        whole = struct.Struct(form)
        rows = rows_of(record, contents)
        return cls(record, number, rows, whole.size, whole.unpack_from, tuple(heads), tuple(prefixes), tuple(places))

    def checksum(self, pieces: Sequence[bytes], crc: int) -> int:
        """Go on with the checksum over the body. O(bytes)."""
        over = list(pieces)
        over[::2] = self.prefixes
        return zlib.crc32(b"".join(over), crc)

    def contents(self, pieces: Sequence[bytes]) -> dict[int, dict[int, Any]]:
        """The columns' bytes by table and column."""
        out: dict[int, dict[int, Any]] = {}
        for (table, column, text), data in zip(self.places, pieces[1::2], strict=True):
            columns = out.setdefault(table, {})
            if text:
                columns.setdefault(column, []).append(data)
            else:
                columns[column] = data
        return out


_known: dict[bytes, Layout] = {}


def find(data: bytes, body: int) -> tuple[Layout, tuple[bytes, ...]] | None:
    """The layout that the body from `body` on has, and its heads and contents; None where it is not known."""
    layout = _known.get(data[body : body + _HINT])
    if layout is None or body + layout.size != len(data):
        return None
    pieces = layout.unpack(data, body)
    return (layout, pieces) if pieces[::2] == layout.heads else None


def learn(data: bytes, body: int, record: Record, contents: Mapping[int, Mapping[int, Content]]) -> None:
    """Know the next one that is laid out like this one."""
    layout = Layout.of(record, contents)
    if layout is not None and body + layout.size == len(data):
        if len(_known) >= _MOST:
            _known.clear()
        _known[data[body : body + _HINT]] = layout
