"""Notebooks executed as CI does, and their executed copies kept for the site: each is executed once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
KEPT = ROOT / "runs" / "notebooks"
#: Cells of this tag ask a running desk; pages and tests have none.
LIVE = "live"
#: What is executed in another's place: ten minutes of market would be most of a build.
SHORTER = {"00_quickstart": {'"10min"': '"2min"'}}
_SECONDS = 300


def execute(notebook: Path, data: Path | None = None) -> Any:
    """A notebook executed from the top in a fresh kernel, and its copy kept.

    Parameters
    ----------
    notebook
        Of `NOTEBOOKS`.
    data
        The folder of recordings; None: as the settings say. A copy made with recordings stands before one without.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    book = read(notebook)
    # encrypted: else the kernel warns that it is not
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    environment = os.environ | ({} if data is None else {"QFLIB_DATA": str(data.resolve())})
    client = NotebookClient(book, kernel_name="python3", timeout=_SECONDS, config=config)
    client.execute(env=environment)
    if data is None or any(data.iterdir()) or kept(notebook) is None:
        keep(notebook, book)
    return book


def read(notebook: Path) -> Any:
    """A notebook as it is executed: without what needs a running desk, and shortened."""
    book = nbformat.read(notebook, as_version=4)
    book.cells = [c for c in book.cells if LIVE not in c.metadata.get("tags", [])]
    for long, short in SHORTER.get(notebook.stem, {}).items():
        assert sum(c.source.count(long) for c in book.cells) == 1, f"{notebook.stem} has not one {long}"
        for cell in book.cells:
            cell.source = cell.source.replace(long, short)
    return book


def keep(notebook: Path, book: Any) -> None:
    """Keep an executed copy, in the place of older ones."""
    KEPT.mkdir(parents=True, exist_ok=True)
    place = _place(notebook)
    for old in KEPT.glob(f"{notebook.stem}-*.ipynb"):
        old.unlink(missing_ok=True)
    beside = place.with_suffix(f".{os.getpid()}")
    nbformat.write(book, beside)
    beside.replace(place)


def kept(notebook: Path) -> Path | None:
    """The copy executed from the notebook and the library as they are; None: there is none."""
    place = _place(notebook)
    return place if place.exists() else None


def _place(notebook: Path) -> Path:
    told = hashlib.sha256(notebook.read_bytes())
    for file in sorted((ROOT / "qflib").rglob("*.py")):
        told.update(file.read_bytes())
    return KEPT / f"{notebook.stem}-{told.hexdigest()[:16]}.ipynb"


def shortened(notebook: Path) -> Mapping[str, str]:
    """What its page's figures are of, in the place of what the notebook asks for."""
    return SHORTER.get(notebook.stem, {})
