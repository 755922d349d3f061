"""An index of a partition: which source wrote each record, under which number, and the record's fingerprint."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.records.checking import peek
from qflib.stream.audit.records import Record

ROW = np.dtype(
    [
        ("offset", "i8"),
        ("source", "u4"),  # place in the list of names
        ("key", "u4"),  # CRC-32
        ("epoch", "u8"),
        ("seq", "u8"),
        ("sha", "u8", (2,)),  # the first half of SHA-256: 128 bits
    ]
)
_AT_ONCE = 1 << 16


class Entry(NamedTuple):
    """A row before it is written."""

    offset: int
    key: bytes | None
    source: str
    epoch: int
    seq: int
    sha256: bytes


@dataclass(frozen=True)
class Index:
    """The index of one partition, a file that is mapped into memory: 40 bytes a record.

    Parameters
    ----------
    path
        The file of rows; the names of sources lie beside it.
    """

    path: Path

    @classmethod
    def write(cls, folder: Path, topic: str, partition: int, entries: Iterable[Entry], hashed: bool = False) -> Index:
        """Write the index of a partition; entries come in order of offset. `hashed`: nobody knows who wrote them."""
        made, names = cls.at(folder, topic, partition), dict[str, int]()
        with made.path.open("wb") as f:
            rows: list[tuple[Any, ...]] = []
            for e in entries:
                name = names.setdefault(e.source, len(names))
                rows.append((e.offset, name, zlib.crc32(e.key or b""), e.epoch, e.seq, _half(e.sha256)))
                if len(rows) == _AT_ONCE:
                    np.array(rows, ROW).tofile(f)
                    rows = []
            np.array(rows, ROW).tofile(f)
        made._names.write_text(json.dumps(None if hashed else list(names)), encoding="utf-8")
        return made

    @classmethod
    def at(cls, folder: Path, topic: str, partition: int) -> Index:
        """Where the index of a partition lies."""
        return cls(folder / f"{topic}.{partition}.index")

    @cached_property
    def sources(self) -> list[str]:
        """Who wrote into the partition."""
        return self._written or []

    @property
    def hashed(self) -> bool:
        """Whether it is not known who wrote what: a record is found by its fingerprint."""
        return self._written is None

    @cached_property
    def _written(self) -> list[str] | None:
        names: list[str] | None = json.loads(self._names.read_text(encoding="utf-8"))
        return names

    def fingerprints(self) -> NDArray[Any]:
        """The rows by rising fingerprint."""
        rows = np.array(self.rows)
        return rows[np.argsort(rows["sha"][:, 0], kind="stable")]

    def of(self, source: str) -> NDArray[Any]:
        """The rows of one source, in order of offset."""
        if source not in self.sources:
            return np.zeros(0, ROW)
        rows = self.rows
        mine: NDArray[Any] = rows[rows["source"] == self.sources.index(source)]
        return mine

    @property
    def rows(self) -> NDArray[Any]:
        """All rows."""
        if not self.path.stat().st_size:
            return np.zeros(0, ROW)
        return np.memmap(self.path, ROW, "r")

    @property
    def _names(self) -> Path:
        return self.path.with_suffix(".json")


def entries(records: Iterable[Record]) -> Iterator[Entry]:
    """The entries of records; one whose header cannot be read is of nobody."""
    for at, key, value in records:
        h = peek(value or b"")
        yield Entry(at, key, h.source, h.epoch, h.seq, hashlib.sha256(value or b"").digest())


def same(row: Any, key: bytes, value: bytes) -> bool:
    """Whether a record has the key and every byte of what a row was made from."""
    return bool(row["key"] == zlib.crc32(key)) and tuple(row["sha"].tolist()) == _half(hashlib.sha256(value).digest())


def fingerprint(value: bytes) -> int:
    """By what `Index.fingerprints` are sorted."""
    return _half(hashlib.sha256(value).digest())[0]


def _half(sha256: bytes) -> tuple[int, int]:
    return int.from_bytes(sha256[:8], "little"), int.from_bytes(sha256[8:16], "little")
