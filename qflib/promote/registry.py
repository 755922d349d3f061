"""The registry of promoted steps: the files of `pipelines/steps` and their locks."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from qflib.errors import DataError, InputError
from qflib.project import STEPS, project
from qflib.promote import lock
from qflib.records.topics import MARKET_NORMALIZED
from qflib.steps.promoted.definition import Definition

_SOURCE = "# --- the cell\n"  # what stands above is the file's own


@dataclass(frozen=True)
class Registered:
    """A promoted step as it lies in the project.

    Parameters
    ----------
    name
        Of the step.
    path
        Its file; its lock lies beside it.
    told
        The lock.
    """

    name: str
    path: Path
    told: Mapping[str, Any]

    @property
    def version(self) -> int:
        """Of the step."""
        return int(self.told["version"])

    @property
    def orders(self) -> bool:
        """Whether it is a strategy."""
        return bool(self.told.get("orders", False))

    @property
    def source(self) -> str:
        """The cell's text as it was promoted.

        Raises
        ------
        DataError
            If the file was changed since.
        """
        return cell_of(self.path, str(self.told["source"]["cell_sha256"]))

    def definition(self) -> Definition:
        """The step, compiled functions and all.

        Raises
        ------
        DataError
            If its file was changed since it was promoted, or its layout is not the lock's.
        """
        source = self.source
        made = Definition.of(
            vars(_module(self.path)), name=self.name, topic_in=str(self.told.get("topic_in", MARKET_NORMALIZED)),
            source=source,
        )  # fmt: skip
        if lock.layouts(made) != dict(self.told["layout"]):
            raise DataError(
                f"{self.path} lays its State or Out out otherwise than its lock; promote the notebook again"
            )
        return made


def registered(root: Path | None = None) -> dict[str, Registered]:
    """All promoted steps of a project, by name.

    Raises
    ------
    DataError
        If a lock cannot be read, or lacks its file.
    """
    folder = (root or project()) / STEPS
    made = {}
    for path in sorted(folder.glob("*.lock.toml")):
        told = lock.read(path)
        name = path.name.removesuffix(".lock.toml")
        if told["name"] != name:
            raise DataError(f"{path} is the lock of {told['name']!r}; name it so, or promote the notebook again")
        made[name] = Registered(name, path.with_name(f"{name}.py"), told)
    return made


def one(name: str, root: Path | None = None) -> Registered:
    """A promoted step by its name.

    Raises
    ------
    InputError
        If there is none.
    """
    there = registered(root)
    if name not in there:
        told = ", ".join(there) or "none yet"
        raise InputError(f"step {name!r} is not promoted; there are {told}: `qflib promote NOTEBOOK` makes one")
    return there[name]


def text(name: str, notebook: str, source: str) -> str:
    """A promoted step's file."""
    sha = hashlib.sha256(source.encode()).hexdigest()
    head = f"{name}: promoted from {notebook}; edit the notebook, then `qflib promote` it."
    return f'"""{head}\n\ncell sha256 {sha}\n"""\n\n{_SOURCE}{source}'


def promoted_cell(path: Path) -> str:
    """The cell in a promoted step's file, whatever became of it; empty where there is none.

    Raises
    ------
    DataError
        If the file is missing.
    """
    try:
        return path.read_text(encoding="utf-8").partition(_SOURCE)[2]
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{path} is not readable ({e}); promote the notebook again") from None


def cell_of(path: Path, sha256: str) -> str:
    """The cell in a promoted step's file.

    Raises
    ------
    DataError
        If it is missing, or not the one with this hash.
    """
    source = promoted_cell(path)
    if hashlib.sha256(source.encode()).hexdigest() != sha256:
        raise DataError(
            f"{path} was changed by hand: it is not what its lock tells; edit the notebook and promote that"
        )
    return source


class _AsRead(SourceFileLoader):
    """A file as it was when it was hashed; neither it nor the bytecode beside it is read again."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._content, self.path)


def _module(path: Path) -> ModuleType:
    """The file as a module of its own name; loaded once a content."""
    content = path.read_bytes()
    name = f"qflib_promoted_{path.stem}_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_AsRead(name, str(path), content))
    if spec is None or spec.loader is None:
        raise DataError(f"{path} cannot be loaded; promote the notebook again")
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    try:
        spec.loader.exec_module(made)
    except Exception as e:
        del sys.modules[name]
        raise DataError(f"{path} cannot be loaded ({type(e).__name__}: {e}); promote the notebook again") from e
    for f in vars(made).values():
        if hasattr(f, "enable_caching"):
            with suppress(RuntimeError):  # a folder that nothing can be written beside: compiled at each start
                f.enable_caching()
    return made
