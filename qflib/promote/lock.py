"""A promoted step's lock: where it comes from, what it was tried on, and what it gave."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import platform
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np

import qflib
from qflib import kernels
from qflib.errors import DataError
from qflib.steps.promoted.definition import Definition

FORMAT = 1
#: What every lock tells, and as what: by section, "" for what stands above them.
_TOLD: dict[str, dict[str, type]] = {
    "": {"name": str, "version": int, "topics": list, "topic_out": str},
    "source": {"notebook": str, "cell_sha256": str, "git_commit": str},
    "layout": {"state": str, "out": str},
    "fixture": {},
    "outputs": {},
}


def layout_sha256(dtype: np.dtype[Any]) -> str:
    """Hash of a layout: names, types, offsets."""
    return hashlib.sha256(repr((dtype.descr, dtype.itemsize)).encode()).hexdigest()


def libraries() -> dict[str, str]:
    """What the bits were computed with."""
    told = {name: importlib.metadata.version(name) for name in ("numba", "numpy", "llvmlite")}
    return {"python": platform.python_version(), **told, "processor": llvmlite.binding.get_host_cpu_name()}


def kernel_hashes(source: str) -> dict[str, str]:
    """Of each kernel that a cell imports, the hash of its source and of all kernels that it calls."""
    names = [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "qflib.kernels"
        for alias in node.names
    ]
    root = Path(qflib.__file__).parent / "kernels"
    made = {}
    for name in sorted(names):
        h = hashlib.sha256()
        for file in _reached(root / f"{kernels.STEP_KERNELS[name][0]}.py", {}):
            h.update(f"{file.name}\0".encode() + file.read_bytes())
        made[name] = h.hexdigest()
    return made


def _reached(file: Path, seen: dict[Path, None]) -> list[Path]:
    """A kernel's file and those it imports from, each once, by name."""
    if file not in seen and file.is_file():
        seen[file] = None
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qflib.kernels"):
                own = (node.module or "").removeprefix("qflib.kernels").strip(".")
                for name in [own] if own else [a.name for a in node.names]:
                    _reached(file.with_name(f"{name}.py"), seen)
    return sorted(seen)


def git_commit(folder: Path) -> str:
    """The commit checked out there; empty outside of a repository."""
    told = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        made = subprocess.run(told, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return made.stdout.strip() if made.returncode == 0 else ""


def layouts(definition: Definition) -> dict[str, str]:
    """Hashes of a step's dtypes."""
    return {"state": layout_sha256(definition.state), "out": layout_sha256(definition.out)}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a lock; a reader never sees half of it."""
    lines = ["# Written by `qflib promote`; edit the notebook and promote it again.", f"format = {FORMAT}"]
    for name, value in content.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in value.items())]
        else:
            lines.append(f"{name} = {_toml(value)}")
    half = path.with_suffix(".part")
    half.write_text("\n".join(lines) + "\n", encoding="utf-8")
    half.replace(path)


def read(path: Path) -> dict[str, Any]:
    """A lock.

    Raises
    ------
    DataError
        If it is missing or was not written by `write`.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise DataError(f"{path} has format {told['format']}, not {FORMAT}; promote the notebook again")
        for part, names in _TOLD.items():
            _checked(told[part] if part else told, names)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; promote the notebook again") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as e:
        raise DataError(f"{path} is no lock ({e}); promote the notebook again") from None
    return told


def _checked(told: Any, names: Mapping[str, type]) -> None:
    if not isinstance(told, dict):
        raise TypeError(f"{told!r} is no section")
    for name, kind in names.items():
        if not isinstance(told[name], kind):
            raise TypeError(f"{name} is {told[name]!r}")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
