"""The desk's disk runs full, for real: a file system of its own, filled; run by `make faults`, as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.tools import cannot
from tests.deploy.watching import Watching, over, seen, watching

pytestmark = pytest.mark.faults

_LEFT = 100 << 20


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watching]:
    state = tmp_path / "desk" / "state"
    state.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "none", str(state)], check=False)
    if mounted.returncode:
        cannot("a file system can only be mounted by root")
    try:
        yield from watching(tmp_path / "desk", "--rate", "2000", "--no-faces", processes=7)
    finally:
        subprocess.run(["umount", str(state)], check=True)


def test_the_disk_fills_up(watched: Watching) -> None:
    filler, since = watched.state / "filler", time.monotonic()
    with filler.open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(watched.state).free - _LEFT)
    for alert in ("QflibDiskFull", "QflibDiskFilling"):
        seen(watched, alert, since)
    filler.unlink()
    mended = time.monotonic()
    for alert in ("QflibDiskFull", "QflibDiskFilling"):
        over(watched, alert, mended)
