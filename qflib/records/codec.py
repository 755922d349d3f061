"""Batches to bytes and back: the wire form of `qflib.proto`, columns as arrays without a copy.

A message is its fields end to end, so it is written by joining columns; it is read through the shadow descriptors of
`qflib.records.proto`. The rule of the checksum stands in the schema's own comments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError, InputError, MalformedRecordError, TornBatchError
from qflib.records.batch import Batch
from qflib.records.codes import DeadReason
from qflib.records.proto import body_number, shadow
from qflib.records.reading import bounded, miscounted, verified, where
from qflib.records.schema import TEXT_BYTES, Column
from qflib.records.tables import BY_KIND, DEAD
from qflib.records.topics import dead_letters
from qflib.records.wire import HEADER, Content, Part, crc_of_header, crc_of_table, head, parts

MAX_BYTES = 8 << 20  # the longest record; a carrier's own bound is set to it


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
    crc = crc_of_header(record, header, count)
    wire: list[Any] = []
    size = 0
    for part in parts(record.kind):
        contents = _contents(part, batch.tables[part.name]) if part.name in batch.tables else []
        if contents:
            crc = crc_of_table(part.number, contents, crc)
            fields, length = _fields(contents)
            before = head(part.number, length)
            wire += [before, *fields]
            size += len(before) + length
    said = shadow()["Header"](
        source=header.source,
        epoch=header.epoch,
        seq=header.seq,
        part=header.part,
        parts=header.parts,
        count=count,
        crc=crc,
    ).SerializeToString()
    out = b"".join([head(HEADER, len(said)), said, head(body_number(record), size), *wire])
    bounded(f"a {batch.kind} record", len(out), max_bytes)
    return out


def decode(data: bytes, *, max_bytes: int = MAX_BYTES) -> Batch:
    """The batch that the bytes hold; its arrays are aligned, contiguous and read-only.

    Parameters
    ----------
    data
        What `encode`, or any protobuf writer of the published schema, wrote.
    max_bytes
        The bound on the record's length.

    Returns
    -------
    Batch
        Without topic and key, which are the carrier's.

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
    return decode_checked(data, max_bytes=max_bytes)[0]


def decode_checked(data: bytes, *, max_bytes: int = MAX_BYTES) -> tuple[Batch, int]:
    """As `decode`, with the checksum that the header holds."""
    found = verified(data, max_bytes)
    kind, contents, of = found.record.kind, found.contents(), where(found.record, found.header)
    tables = {p.name: _columns(of, p, contents[p.number]) for p in parts(kind) if contents.get(p.number)}
    batch = Batch(kind, tables, found.header)
    if batch.count != found.told:
        raise miscounted(of, batch.count, found.told)
    return batch, found.crc


def decode_as(kind: str, data: bytes) -> Batch:
    """The batch that the bytes hold, where it is of a kind and has rows.

    Parameters
    ----------
    kind
        Of `Batch.kind`, as "snapshot".
    data
        A record's value.

    Raises
    ------
    DataError
        If it is of another kind, or empty.
    MalformedRecordError, TornBatchError
        As `decode` does.

    Notes
    -----
    Linear in the bytes.

    Examples
    --------
    >>> from qflib.records import TOPS, Batch, Header
    >>> from qflib.records.codec import decode_as, encode
    >>> tops = TOPS.make(
    ...     instrument=[0], bid_ticks=[99], bid_qty=[1], ask_ticks=[101], ask_qty=[1], time_ns=[1]
    ... )
    >>> value = encode(Batch.of("analytics", Header("desk", 0, 0), "analytics.results", "ACME", tops=tops))
    >>> decode_as("analytics", value).kind
    'analytics'
    >>> decode_as("snapshot", value)
    Traceback (most recent call last):
    qflib.errors.DataError: it is of kind 'analytics', not 'snapshot'
    """
    batch = decode(data)
    if batch.kind != kind:
        raise DataError(f"it is of kind {batch.kind!r}, not {kind!r}")
    if not batch.tables:
        raise DataError(f"it is a {kind!r} without rows")
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
        return Batch.of(
            "dead", topic=dead_letters(topic), key=topic, dead=dead_row(data, topic, e.reason, str(e), max_bytes)
        )


def dead_row(data: bytes, topic: str, reason: DeadReason, detail: str, max_bytes: int = MAX_BYTES) -> Any:
    """A dead letter's row: where the record came from, why it is one, and its bytes, the first half as many as may be.

    Examples
    --------
    >>> from qflib.records import DeadReason
    >>> dead_row(b"no record", "orders.incoming", DeadReason.UNPARSABLE, "not a record").length
    array([9], dtype=uint32)
    """
    kept = data[: max_bytes // 2]
    return DEAD.make(
        topic=[topic], reason=[int(reason)], detail=[detail.encode()[:TEXT_BYTES].decode(errors="ignore")],
        length=[len(kept)], payload=kept,
    )  # fmt: skip


# ---- writing


def _contents(part: Part, columns: Any) -> list[tuple[int, Content]]:
    """The columns that are not empty, by rising field number; sparse ones where a row is not zero."""
    out: list[tuple[int, Content]] = []
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
        if len(a) and not (c.sparse and _zero(a)):
            out.append((c.number, _texts(part, c, a.tolist()) if c.type == "text" else np.ascontiguousarray(a)))
    return out


def _zero(a: NDArray[Any]) -> bool:
    """Whether every bit is 0: a negative zero is another value to who reads."""
    return not (a.any() or (a.dtype.kind == "f" and np.signbit(a).any()))


def _fields(contents: list[tuple[int, Content]]) -> tuple[list[Any], int]:
    """A table's fields as buffers to join, and their length together."""
    out: list[Any] = []
    size = 0
    for number, data in contents:
        if isinstance(data, list):
            out.append(b"".join([b for s in data for b in (head(number, len(s)), s)]))
            size += len(out[-1])
        else:
            length = data.nbytes if isinstance(data, np.ndarray) else len(data)
            before = head(number, length)
            out += [before, data]
            size += len(before) + length
    return out, size


# ---- reading


def _columns(of: str, part: Part, contents: dict[int, Content]) -> Any:
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
                f"{of} has {len(data)} bytes in {part.table.name}.{c.name}; expected a multiple of {dtype.itemsize}",
                DeadReason.TORN,
            )
        else:
            a = np.frombuffer(data, dtype)
        if c.type != "blob":
            if rows not in (-1, len(a)):
                raise TornBatchError(
                    f"{of} has {len(a)} rows in {part.table.name}.{c.name}, {rows} in the columns before it",
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


def _texts(part: Part, column: Column, items: list[bytes]) -> list[bytes]:
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
