"""The metadata of DBZ, Databento's format before DBN, as DBN's: the first frame of a zstd file, which readers skip.

Source of the layout: github.com/databento/dbn, rust/dbn/src/decode/dbz.rs (Apache-2.0).
"""

from __future__ import annotations

import struct
from datetime import date
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import pyarrow as pa

from qflib.errors import DataError

_FIXED = struct.Struct("<3sB16sHQQQQBBB39x")
_SYMBOL = 22
_MOST = 1 << 26  # bytes of the symbology, decompressed


def is_dbz(start: bytes) -> bool:
    """Does a file that begins with these 12 bytes hold DBZ?"""
    return len(start) >= 12 and start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5 and start[8:12] == b"DBZ\x01"


def dbn_metadata(frame: bytes) -> bytes:
    """The content of the skippable frame as encoded DBN metadata.

    Raises
    ------
    DataError
        If it is cut short or contradicts itself.
    """
    try:
        _, _, dataset, schema, start, end, limit, _, _, stype_in, stype_out = _FIXED.unpack_from(frame)
        with pa.CompressedInputStream(pa.py_buffer(frame[_FIXED.size :]), "zstd") as f:
            tail = _Tail(f.read(_MOST))
        tail.take(4 + tail.number(0))  # a definition of the schema, never used
        symbols, partial, not_found = tail.symbols(), tail.symbols(), tail.symbols()
        mappings = [tail.mapping() for _ in range(tail.count(_SYMBOL + 4))]
        metadata: Any = dbn.Metadata(
            dataset=dataset.rstrip(b"\0").decode(), start=start, end=end or None, limit=limit or None,
            schema=dbn.Schema.from_int(schema), stype_in=dbn.SType.from_int(stype_in),
            stype_out=dbn.SType.from_int(stype_out), symbols=symbols, partial=partial, not_found=not_found,
            mappings=mappings, ts_out=False,
        )  # fmt: skip
    except (struct.error, ValueError, OSError, TypeError, OverflowError, dbn.DBNError) as e:
        raise DataError(f"DBZ metadata cannot be decoded ({e}); fetch the file again") from None
    made: bytes = metadata.encode()
    return made


class _Tail:
    """The symbology's bytes, from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        part = self.data[self.at : self.at + n]
        if n < 0 or len(part) < n:
            raise ValueError("the symbology is cut short")
        self.at += n
        return part

    def number(self, ahead: int = -1) -> int:
        """The next u32; with `ahead` 0 without going past it."""
        value = int.from_bytes(self.take(4), "little")
        if ahead == 0:
            self.at -= 4
        return value

    def count(self, each: int) -> int:
        n = self.number()
        if n * each > len(self.data) - self.at:
            raise ValueError(f"the symbology counts {n} rows, which it does not hold")
        return n

    def symbol(self) -> str:
        return self.take(_SYMBOL).rstrip(b"\0").decode()

    def symbols(self) -> list[str]:
        return [self.symbol() for _ in range(self.count(_SYMBOL))]

    def mapping(self) -> Any:
        name = self.symbol()
        intervals = [
            SimpleNamespace(start_date=self.date(), end_date=self.date(), symbol=self.symbol())
            for _ in range(self.count(8 + _SYMBOL))
        ]
        return SimpleNamespace(raw_symbol=name, intervals=intervals)

    def date(self) -> date:
        digits = self.number()
        return date(digits // 10_000, digits // 100 % 100, digits % 100)
