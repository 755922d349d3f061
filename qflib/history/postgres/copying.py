"""Rows between Arrow columns and PostgreSQL's binary COPY, a column at a time: no row is a Python object.

A row on the wire is the number of its columns, then of each its length and its bytes, the greatest byte first. Where
no column is text every row has the same length, and a table is one structured array. Text is written into the places
that its lengths leave; when rows are read, the server fills it up to 64 bytes, so that they have one length again.

Source: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.history.postgres.declared import Column
from qflib.records.schema import TEXT_BYTES

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = b"\xff\xff"
#: Bytes given to the connection at a time, and rows made at a time: the server takes in some while the next are made.
_PIECE = 1 << 20
_ROWS = 65_536
_WIRE = {
    "smallint": ">i2",
    "integer": ">i4",
    "date": ">i4",
    "bigint": ">i8",
    "double precision": ">f8",
    "text": f"S{TEXT_BYTES}",
}
_NATIVE = {"smallint": "<i4", "integer": "<i4", "date": "<i4", "bigint": "<i8", "double precision": "<f8"}
#: PostgreSQL counts days from 2000-01-01.
_EPOCH_DAYS = 10_957


class Text(NamedTuple):
    """A text column: where each row's begins in the bytes, its length, and the bytes."""

    begin: NDArray[np.int64]
    length: NDArray[np.int64]
    data: NDArray[np.uint8]


def day_numbers(dates: list[str]) -> NDArray[np.int32]:
    """Dates written as text, as PostgreSQL's numbers.

    Examples
    --------
    >>> day_numbers(["2000-01-02", "1999-12-31"]).tolist()
    [1, -1]
    """
    return (np.array(dates, "M8[D]").astype(np.int64) - _EPOCH_DAYS).astype(np.int32)


def day_text(numbers: NDArray[np.int32]) -> pa.Array:
    """PostgreSQL's numbers of days as dates written as text."""
    distinct, at = np.unique(numbers, return_inverse=True)
    names = pa.array([str(np.datetime64(int(d) + _EPOCH_DAYS, "D")) for d in distinct], pa.string())
    return pa.DictionaryArray.from_arrays(at.astype(np.int32), names).dictionary_decode()


def encoded(columns: tuple[Column, ...], rows: dict[str, Any], n: int) -> Iterator[memoryview]:
    """The rows as they go on the wire, in pieces; header and trailer are not in.

    Parameters
    ----------
    columns
        In the order of the statement.
    rows
        By column: an array of numbers, a number that all rows have, or an Arrow array of text.
    n
        How many rows.

    Notes
    -----
    O(bytes). A piece is good until the next is asked for: they are made in one place, where what all rows have stays.
    """
    texts = {c.name: _text(rows[c.name]) for c in columns if c.type == "text"}
    fixed = [c for c in columns if c.type != "text"]
    made = _begun(len(columns), fixed, rows, min(n, _ROWS))
    for first in range(0, n, _ROWS):
        some = slice(first, min(first + _ROWS, n))
        body = made[: some.stop - first]
        for c in fixed:
            if not np.isscalar(value := rows[c.name]):
                body[c.name] = value[some]
        head = body.view(np.uint8)
        lines = _lines(head.reshape(len(body), -1), list(texts.values()), some) if texts else head
        for at in range(0, len(lines), _PIECE):
            yield lines[at : at + _PIECE].data


def _begun(n_columns: int, fixed: list[Column], rows: dict[str, Any], n: int) -> NDArray[Any]:
    """Rows with what is the same in all of them: the lengths, and values that are one number."""
    line = np.zeros(1, _line(fixed, bounded=False))
    line[" columns"] = n_columns
    for c in fixed:
        line[f"{c.name} bytes"] = c.width
        if np.isscalar(rows[c.name]):
            line[c.name] = rows[c.name]
    made = np.empty(n, line.dtype)
    whole = f"V{line.itemsize}"  # as bytes: a field at a time would take ten times as long
    made.view(whole)[:] = line.view(whole)
    return made


def _lines(head: NDArray[np.uint8], texts: list[Text], some: slice) -> NDArray[np.uint8]:
    """Rows with their texts behind the columns of one length."""
    lengths = np.stack([t.length[some] for t in texts], axis=1)
    ends = np.cumsum(head.shape[1] + 4 * len(texts) + lengths.sum(axis=1))
    out = np.empty(int(ends[-1]), np.uint8)
    at = np.concatenate([[0], ends[:-1]])
    out[at[:, None] + np.arange(head.shape[1])] = head
    at = at + head.shape[1]
    for text, length in zip(texts, lengths.T, strict=True):
        out[at[:, None] + np.arange(4)] = length.astype(">i4").view(np.uint8).reshape(-1, 4)
        at = at + 4
        _place(out, at, text, some, length)
        at = at + length
    return out


def _place(out: NDArray[np.uint8], at: NDArray[np.int64], text: Text, some: slice, length: NDArray[np.int64]) -> None:
    """Bytes of a text column into their places: each one's number in its text, then where it comes from and goes."""
    total = int(length.sum())
    if not total:
        return
    ends = np.cumsum(length)
    inside = np.arange(total) - np.repeat(ends - length, length)
    out[np.repeat(at, length) + inside] = text.data[np.repeat(text.begin[some], length) + inside]


def _text(column: Any) -> Text:
    a = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    _, offsets, data = a.buffers()
    at = np.frombuffer(offsets, np.int32)[a.offset : a.offset + len(a) + 1].astype(np.int64)
    held = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Text(at[:-1], np.diff(at), held)


def _line(columns: Iterable[Column], bounded: bool) -> np.dtype[Any]:
    """A row on the wire: each column's length before it; text, where it is bounded, as long as it can be."""
    fields = [(" columns", ">i2")]
    for c in columns:
        if bounded or c.type != "text":
            fields += [(f"{c.name} bytes", ">i4"), (c.name, _WIRE[c.type])]
    return np.dtype(fields)


def selected(c: Column) -> str:
    """A column as it is asked for, so that all rows have one length."""
    if c.type != "text":
        return f'"{c.name}"'
    zeros = "00" * TEXT_BYTES
    return f"substring(convert_to(\"{c.name}\", 'UTF8') || '\\x{zeros}'::bytea FROM 1 FOR {TEXT_BYTES})"


def decoded(columns: tuple[Column, ...], data: bytes) -> dict[str, NDArray[Any]]:
    """Columns of rows as they came from the wire, header and trailer too.

    Parameters
    ----------
    columns
        As they were asked for, by `selected`.
    data
        All of it.

    Returns
    -------
    dict
        Native arrays; text as S64.

    Raises
    ------
    DataError
        If a row has another length: a text longer than the records allow was put there by somebody else.
    """
    line = _line(columns, bounded=True)
    body = len(data) - len(HEADER) - len(TRAILER)
    if body % line.itemsize:
        raise DataError("a row from PostgreSQL is longer or shorter than its columns; see who else writes the history")
    rows = np.frombuffer(data, line, body // line.itemsize, len(HEADER))
    return {c.name: rows[c.name].astype(_NATIVE.get(c.type, f"S{TEXT_BYTES}")) for c in columns}
