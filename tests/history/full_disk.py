"""A small file system, and an archive that fills it and goes on once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from qflib.errors import DataError
from qflib.history import Archiver, History, Log
from qflib.records.topics import MARKET_RAW


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """A file system in memory; it needs root."""
    place.mkdir()
    asked = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def filled_and_gone_on(history: History, disk: Path) -> None:
    """Store until the disk is full, make room, and store what was not: each record is there once."""
    archiver, log = Archiver(history), Log("c1", MARKET_RAW, "t", 0)
    archiver.assign([log])
    noise, taken = np.random.default_rng(0), 0

    def fill() -> None:
        nonlocal taken
        for taken in range(100):
            archiver.take(MARKET_RAW, 0, taken, 1, None, noise.bytes(300_000))
            archiver.store()

    with pytest.raises(DataError, match="the disk is full; free some space"):
        fill()
    subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
    again = Archiver(history)
    start = again.assign([log])[log]
    assert 0 < start <= taken
    again.take(MARKET_RAW, 0, start, 1, None, b"x")
    again.store()
    assert sorted(history.scan("batches", ["offset"])["offset"].to_pylist()) == list(range(start + 1))
