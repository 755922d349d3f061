"""The key of a run: the same job, date, parameters, settings, data and code have the same, and are run once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qflib
from qflib import settings as all_settings
from qflib.errors import DataError
from qflib.history.opening import desk_history
from qflib.history.where import field

#: Rooms whose code and data decide what a notebook shows. Commands, stages and servers do not.
ROOMS = (
    "kernels",
    "records",
    "venues",
    "orderbook",
    "pricing",
    "shortfall",
    "hedging",
    "market",
    "steps",
    "history",
    "desk",
    "views",
    "jobs",
)
DIGITS = 16


def code_hash(notebook: Path) -> str:
    """SHA-256 over the notebook's cells and the library's version and sources; outputs and metadata are left out.

    Parameters
    ----------
    notebook
        Its path.

    Returns
    -------
    str
        64 hexadecimal digits. O(bytes of the sources), some milliseconds.

    Raises
    ------
    DataError
        If the file is no notebook.

    Examples
    --------
    >>> from qflib.jobs import load_job
    >>> len(code_hash(load_job("daily_risk").notebook))
    64
    """
    sha = hashlib.sha256(f"qflib {qflib.__version__}\n".encode())
    for cell in cells_of(notebook):
        told = [cell["cell_type"], "".join(cell["source"]), sorted(cell.get("metadata", {}).get("tags", []))]
        sha.update(json.dumps(told).encode())
    root = Path(qflib.__file__).parent
    for room in ROOMS:
        for file in sorted((root / room).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                sha.update(f"\n{file.relative_to(root).as_posix()}\n".encode() + file.read_bytes())
    return sha.hexdigest()


def archived(state: Path, day: str) -> list[list[Any]]:
    """How far a date has been archived: table, cluster, partition and last offset of what its reports are made of.

    O(rows of the date), of three columns.

    Examples
    --------
    >>> from pathlib import Path
    >>> archived(Path("runs", "none"), "2026-01-05")
    []
    """
    history, made = desk_history(state / "up" / "history", all_settings.load().store), []
    for table in ("risk", "executions", "rolling"):
        rows = history.scan(table, ["cluster", "partition", "offset"], field("date") == day)
        last = rows.group_by(["cluster", "partition"]).aggregate([("offset", "max")])
        made += [[table, r["cluster"], r["partition"], r["offset_max"]] for r in last.to_pylist()]
    return sorted(made)


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    """The cells of a notebook's file.

    Raises
    ------
    DataError
        If the file is no notebook.
    """
    try:
        cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if all(isinstance(c["cell_type"], str) and isinstance(c["source"], str | list) for c in cells):
            return cells
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{notebook} is no notebook; save it from Jupyter, in format 4")


def run_key(
    job: str,
    as_of: str,
    parameters: Mapping[str, Any],
    code: str,
    data: Any = "",
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The key of a run, 16 hexadecimal digits.

    Parameters
    ----------
    job, as_of, parameters, code
        Name, date, values by name, `code_hash`.
    data
        Which data there are for it, where that decides: `archived`.
    settings
        Those that decide its figures, by name.

    Examples
    --------
    >>> run_key("daily_risk", "2026-01-05", {"seed": 7, "level": 0.975}, "ab")
    '...'
    """
    told = json.dumps([job, as_of, dict(parameters), code, data, dict(settings or {})], sort_keys=True, allow_nan=False)
    return hashlib.sha256(told.encode()).hexdigest()[:DIGITS]
