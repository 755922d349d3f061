"""The disk runs full under a running desk, for real: where it keeps its state, and where the archive is; as root."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from qflib.errors import QflibError
from qflib.stream.running import ARCHIVE
from tests.faults.desk import FaultyDesk, running
from tests.faults.table import Row, Told
from tests.history.full_disk import mounted

pytestmark = pytest.mark.faults

FULL_S = 15.0
_LEFT = 8 << 20


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Nothing more goes onto a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out, suppress(OSError):
        os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(disk).free - _LEFT)
        out.seek(0, os.SEEK_END)
        while out.write(bytes(4096)):
            pass
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "state", "size=1500m") as disk:
        yield disk


@pytest.fixture
def history(state: Path) -> Iterator[Path]:
    (state / "up").mkdir()
    with mounted(state / "up" / "history", "size=300m") as disk:
        yield disk


def test_the_disk_of_the_archive_and_of_the_state_is_full(state: Path, history: Path, told: Told) -> None:
    with running(state) as faulty:
        archive = told.row(8, "of the archive")
        filled(faulty, history, archive)
        assert archive.ended == "goes on"
        assert faulty.said(ARCHIVE, "the disk is full")
        archive.seen = ["log `the disk is full`"]
        row = told.row(8, "of the state")
        filled(faulty, state, row)
        assert faulty.noted("broker died") or "stopped" in row.ended
        row.seen = ["log `broker died`, or the reason at the end"]
        faulty.judge(told)


def filled(faulty: FaultyDesk, disk: Path, row: Row) -> None:
    """Full for some seconds; a desk that stops says why, and goes on at its next start."""
    why = ""
    with full(disk):
        try:
            faulty.rest(FULL_S)
        except QflibError as e:
            why = str(e)
            print(why, flush=True)
    assert not why or "No space left" in why or "full" in why
    began = time.monotonic()
    if why:
        row.ended = "stopped with the reason; goes on at its next start"
        faulty.again()
    try:
        faulty.goes_on(*faulty.core, ARCHIVE)
    except QflibError as e:  # it was on the way down already
        row.ended = "stopped with the reason; goes on at its next start"
        print(e, flush=True)
        faulty.again()
        faulty.goes_on(*faulty.core, ARCHIVE)
    row.took(time.monotonic() - began)
