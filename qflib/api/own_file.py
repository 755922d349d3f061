"""A new file that its user alone may read: for keys, tickets, and what else opens a door."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Make the file, with mode 0600 from its first moment.

    Parameters
    ----------
    path
        Where there is none yet.
    text
        What it is to hold.

    Raises
    ------
    OSError
        If there is one, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "key"
    >>> write(place, "qf_secret")
    >>> oct(place.stat().st_mode & 0o777)
    '0o600'
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
