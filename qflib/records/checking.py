"""What a record says of itself, without its arrays."""

from __future__ import annotations

from typing import NamedTuple

from qflib.records.batch import Header
from qflib.records.codec import MAX_BYTES
from qflib.records.reading import header_of, miscounted, verified, where


class Checked(NamedTuple):
    """What a record says of itself."""

    kind: str
    header: Header
    crc: int
    rows: int


def check(data: bytes, *, max_bytes: int = MAX_BYTES) -> Checked:
    """What the record says of itself, its checksum and count verified; no array is made.

    Raises
    ------
    MalformedRecordError, TornBatchError
        As `decode`, but for what stands in columns beside the count: their lengths among each other, and text.

    Examples
    --------
    >>> from qflib.records.codec import encode
    >>> from qflib.records import Batch, MARKET_EVENTS
    >>> check(encode(Batch.of("market", events=MARKET_EVENTS.make(kind=[1, 3]))))[:2]
    ('market', Header(source='', epoch=0, seq=0, part=0, parts=1))
    """
    found = verified(data, max_bytes)
    if found.rows != found.told:
        raise miscounted(where(found.record, found.header), found.rows, found.told)
    return Checked(found.record.kind, found.header, found.crc, found.told)


def peek(data: bytes) -> Header:
    """What a record's header says, unchecked, without reading the body; an empty one where it cannot be read.

    Examples
    --------
    >>> from qflib.records.codec import encode
    >>> from qflib.records import Batch, Header
    >>> peek(encode(Batch.of("market", Header("sim:ACME", 0, 7)))).seq
    7
    """
    h = header_of(data)
    return Header() if h is None else Header(h.source, h.epoch, h.seq, h.part, h.parts)
