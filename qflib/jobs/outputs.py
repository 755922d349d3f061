"""Where a run's outputs lie, and how they come there: whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Outputs:
    """The files of one run key.

    Parameters
    ----------
    folder
        ``STATE/jobs/JOB/AS_OF``.
    run_id
        The key.

    Examples
    --------
    >>> from pathlib import Path
    >>> Outputs(Path("runs/jobs/daily_risk/2026-01-05"), "0123456789abcdef").html.name
    '0123456789abcdef.html'
    """

    folder: Path
    run_id: str

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.run_id}.ipynb"

    @property
    def html(self) -> Path:
        """The page."""
        return self.folder / f"{self.run_id}.html"

    @property
    def record(self) -> Path:
        """What was run, from what; it comes last, so that where it is the others are whole."""
        return self.folder / f"{self.run_id}.json"

    @property
    def failed(self) -> Path:
        """The notebook of the last run that failed, for inspection."""
        return self.folder / f"{self.run_id}.failed.ipynb"

    @property
    def lease(self) -> Path:
        """The lock."""
        return self.folder / f".{self.run_id}.lease"

    @property
    def building(self) -> Path:
        """Where outputs are made: beside their place, so that a rename moves them."""
        return self.folder / f".{self.run_id}.part"

    def done(self) -> dict[str, Any] | None:
        """The record of a run that is done, and whose files are what it says; None where there is none."""
        try:
            told: dict[str, Any] = json.loads(self.record.read_text(encoding="utf-8"))
            kept = told["sha256"]
            whole = kept["notebook"] == _sha256(self.notebook) and kept["html"] == _sha256(self.html)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return told if whole and told.get("status") == "done" else None

    def begin(self) -> Path:
        """An empty folder to build in: what a dead runner left is thrown away."""
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.mkdir(parents=True)
        return self.building

    def publish(self, notebook: Path, html: Path, record: Mapping[str, Any]) -> None:
        """Put the files in their place; the record, with the others' hashes, last."""
        told = {"format": FORMAT, **record, "sha256": {"notebook": _sha256(notebook), "html": _sha256(html)}}
        written = self.building / "record.json"
        written.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for made in (notebook, html, written):
            _to_disk(made)
        self.record.unlink(missing_ok=True)  # one whose files are not what it says
        notebook.replace(self.notebook)
        html.replace(self.html)
        _to_disk(self.folder)
        written.replace(self.record)
        _to_disk(self.folder)
        self.failed.unlink(missing_ok=True)
        self.clear()

    def keep_failed(self, notebook: Path) -> Path | None:
        """Keep what there is of a notebook that failed, under a name that no reader takes for a result."""
        kept = self.failed if notebook.is_file() else None
        if kept is not None:
            notebook.replace(kept)
        self.clear()
        return kept

    def clear(self) -> None:
        """Throw away what was being built."""
        shutil.rmtree(self.building, ignore_errors=True)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _to_disk(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
