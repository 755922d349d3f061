"""What a run was made of: versions, commit, and what its notebook says of itself."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import qflib

#: Under this type an output of the notebook tells where its data are from, and its chief figures.
FACTS = "application/vnd.qflib.facts+json"
_PACKAGES = ("numpy", "numba", "pandas", "pyarrow", "scipy", "hvplot", "papermill", "nbconvert", "ipykernel")


def versions() -> dict[str, str]:
    """Versions of Python, the library and what it computes with.

    Examples
    --------
    >>> "numpy" in versions()
    True
    """
    return {
        "python": platform.python_version(),
        "qflib": qflib.__version__,
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def commit(folder: Path) -> dict[str, Any] | None:
    """The commit that a folder is at, and whether files differ from it; None where it is under no git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return {"commit": head, "changed": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def facts_of(notebook: Path) -> dict[str, Any]:
    """What the outputs of an executed notebook tell under `FACTS`, the later over the earlier."""
    found: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            told = output.get("data", {}).get(FACTS)
            if isinstance(told, dict):
                found |= told
    return found


def _git(folder: Path, *words: str) -> str:
    made = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10)
    return made.stdout.strip()
