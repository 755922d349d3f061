"""Recomputed records on disk, by the offsets at which they stood: what the next stage reads."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from qflib.stream.audit.records import Record

_ROW = np.dtype([("offset", "i8"), ("key", "u4"), ("value", "u4")])  # lengths of the two that follow


@dataclass(frozen=True)
class Spool:
    """A folder of files, one a (topic, partition, writer); each in order of offset."""

    folder: Path

    def writer(self, name: str) -> SpoolWriter:
        """What one partition of a stage writes."""
        return SpoolWriter(self.folder, name)

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """The records of all writers, in order of offset."""
        files = sorted(self.folder.glob(f"{topic}.{partition}.*"))
        for r in heapq.merge(*map(_records, files), key=lambda r: r.offset):
            if start <= r.offset < stop:
                yield r


class SpoolWriter:
    """Appends records to the files of one writer."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name.replace("/", "-")
        self._files: dict[tuple[str, int, str], BinaryIO] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """All is written."""
        for f in self._files.values():
            f.close()

    def write(self, topic: str, partition: int, source: str, offset: int, key: bytes, value: bytes) -> None:
        """A record; those of one source in a partition come in order of offset."""
        file = topic, partition, source
        if file not in self._files:
            name = f"{topic}.{partition}.{self._name}.{len(self._files)}"
            self._files[file] = (self._folder / name).open("wb")
        head = np.array((offset, len(key), len(value)), _ROW).tobytes()
        self._files[file].writelines((head, key, value))


def _records(path: Path) -> Iterator[Record]:
    with path.open("rb") as f:
        while head := f.read(_ROW.itemsize):
            offset, key, value = np.frombuffer(head, _ROW)[0].tolist()
            yield Record(offset, f.read(key), f.read(value))
