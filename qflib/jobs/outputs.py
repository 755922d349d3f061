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
#: In the folder that is built in: since when, and by whom.
STARTED = "started.json"


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
        """The notebook of a run that failed, for inspection."""
        return self.folder / f"{self.run_id}.failed.ipynb"

    @property
    def failure(self) -> Path:
        """What is known of that run."""
        return self.folder / f"{self.run_id}.failed.json"

    @property
    def proposal(self) -> Path:
        """What the run proposes, where it does."""
        return self.folder / f"{self.run_id}.proposal.npz"

    @property
    def approval(self) -> Path:
        """Who put the proposal in force, and when."""
        return self.folder / f"{self.run_id}.approved.json"

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
            kept: dict[str, str] = told["sha256"]
            whole = {"notebook", "html"} <= kept.keys() and all(h == _sha256(getattr(self, n)) for n, h in kept.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return told if whole and told.get("status") == "done" else None

    def begin(self, told: Mapping[str, Any] | None = None) -> Path:
        """An empty folder to build in, with what is told of the run: what a dead runner left is thrown away."""
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.mkdir(parents=True)
        write_json(self.building / STARTED, told or {})
        return self.building

    def publish(self, notebook: Path, html: Path, record: Mapping[str, Any], proposal: Path | None = None) -> None:
        """Put the files in their place; the record, with the others' hashes, last."""
        made = {"notebook": notebook, "html": html} | ({} if proposal is None else {"proposal": proposal})
        told = {"format": FORMAT, **record, "sha256": {name: _sha256(file) for name, file in made.items()}}
        written = self.building / "record.json"
        written.write_text(_text(told), encoding="utf-8")
        for file in (*made.values(), written):
            to_disk(file)
        self.record.unlink(missing_ok=True)  # one whose files are not what it says
        for name, file in made.items():
            file.replace(getattr(self, name))
        to_disk(self.folder)
        written.replace(self.record)
        to_disk(self.folder)
        self.failed.unlink(missing_ok=True)
        self.failure.unlink(missing_ok=True)
        self.clear()

    def keep_failed(self, notebook: Path, record: Mapping[str, Any] | None = None) -> Path | None:
        """Keep what there is of a run that failed, under names that no reader takes for a result."""
        kept = self.failed if notebook.is_file() else None
        if kept is not None:
            notebook.replace(kept)
        write_json(self.failure, {"format": FORMAT, **(record or {})})
        self.clear()
        return kept

    def clear(self) -> None:
        """Throw away what was being built."""
        shutil.rmtree(self.building, ignore_errors=True)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read_json(file: Path) -> dict[str, Any] | None:
    """What a file tells; None where there is none, or no object in it."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def write_json(file: Path, told: Mapping[str, Any]) -> None:
    """Write a file whole, or not at all."""
    half = file.with_name(f".{file.name}.{os.getpid()}.part")
    half.write_text(_text(told), encoding="utf-8")
    to_disk(half)
    half.replace(file)


def to_disk(path: Path) -> None:
    """Have a file, or a folder's names, on the disk before anything else is done."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _text(told: Mapping[str, Any]) -> str:
    return json.dumps(told, indent=1, allow_nan=False) + "\n"
