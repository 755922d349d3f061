"""Processes of a desk as the machine knows them: by their ports and their command; and one that stands still."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


def listeners() -> dict[int, int]:
    """Who listens, by TCP port."""
    found = (c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
    return {c.laddr.port: c.pid for c in found if c.pid is not None}


def broker_in(folder: Path) -> int:
    """The broker whose data lie in a folder.

    Raises
    ------
    StopIteration
        If none runs.
    """
    commands = ((p.pid, p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    return next(pid for pid, told in commands if "kafka.Kafka" in told and any(str(folder) in part for part in told))


def stand_still(pid: int | None) -> None:
    """Stop a process until it is told to go on; it stands when this returns, which the signal alone does not say."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    process, end = psutil.Process(pid), time.monotonic() + 10.0
    while (status := process.status()) != psutil.STATUS_STOPPED:
        assert time.monotonic() < end, status
        time.sleep(0.001)


@contextmanager
def stopped(pid: int | None) -> Iterator[float]:
    """A process stands still, from a moment of the monotonic clock on."""
    stand_still(pid)
    assert pid is not None
    try:
        yield time.monotonic()
    finally:
        os.kill(pid, signal.SIGCONT)
