"""The ticket that lets a browser into the dashboard: whoever can read the desk's folder may enter."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from qflib.api import own_file

FILE = "dash.ticket"


def made() -> str:
    """A ticket nobody can guess; its address fits on a line of a terminal."""
    return secrets.token_urlsafe(16)


def written(folder: Path, name: str = FILE) -> str:
    """A new ticket for the folder's dashboard: those before open nothing any more; nobody else may read the file.

    Parameters
    ----------
    folder
        The desk's.
    name
        Of the file: another dashboard than that of `qflib up` has another.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = written(Path(folder)), written(Path(folder))
    ...     first != second == read(Path(folder))
    True
    """
    folder.mkdir(parents=True, exist_ok=True)
    ticket = made()
    part = folder / f"{name}.{secrets.token_hex(4)}.part"
    own_file.write(part, ticket)
    part.replace(folder / name)
    return ticket


def read(folder: Path) -> str:
    """The folder's ticket; empty where there is none, or others could read it."""
    path = folder / FILE
    try:
        if path.stat().st_mode & 0o077:
            return ""
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def same(told: str, ticket: str) -> bool:
    """Whether a ticket is the one; takes as long wherever they differ, and no ticket opens nothing.

    Examples
    --------
    >>> same("abc", "abc"), same("abd", "abc"), same("", "")
    (True, False, False)
    """
    return bool(ticket) and hmac.compare_digest(told.encode(errors="replace"), ticket.encode())
