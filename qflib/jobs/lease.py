"""A lease: one runner a key at a time. It is a lock on a file, so a runner that dies gives it back."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qflib.errors import DataError, StateError

_LOOK_S = 0.1


@contextmanager
def lease(file: Path, wait_s: float) -> Iterator[None]:
    """Hold a key; wait for whoever holds it.

    Parameters
    ----------
    file
        The lock's; it stays, because a name taken away and made again is two locks.
    wait_s
        Seconds to wait at most.

    Raises
    ------
    StateError
        If another runner still holds it: its process is named.
    DataError
        If the file cannot be made.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, lease(Path(folder, "key.lease"), 1.0):
    ...     print("held")
    held
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)  # not inherited: a kernel must not hold it on
    except OSError as e:
        raise DataError(f"{file} cannot be written ({e.strerror}); make its folder writable") from None
    try:
        _take(fd, file, time.monotonic() + wait_s)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(fd)  # and with it the lock


def _take(fd: int, file: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                told = os.pread(fd, 32, 0).decode(errors="replace") or "?"
                raise StateError(
                    f"{file.name.strip('.').removesuffix('.lease')} is being run by process {told}; wait for it, or "
                    "end it"
                ) from None
            time.sleep(_LOOK_S)
        else:
            return
