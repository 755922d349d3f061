"""A notebook's step on its way into the project: what it is, what it was, and the files it becomes."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qflib.errors import DataError, InputError
from qflib.project import STEPS
from qflib.promote import lock
from qflib.promote.cells import Cells, read_cells
from qflib.promote.ladder import Computed
from qflib.promote.registry import Registered, promoted_cell, registered, text
from qflib.records import Instrument, Instruments
from qflib.records.topics import ANALYTICS_RESULTS, MARKET_NORMALIZED, ORDERS_INCOMING
from qflib.steps.promoted.definition import MAIN, Definition
from qflib.steps.promoted.running import Working

TOPICS_OUT = (ANALYTICS_RESULTS, ORDERS_INCOMING)


@dataclass(frozen=True)
class Candidate:
    """The step of a notebook.

    Parameters
    ----------
    notebook
        Its path.
    cells
        The tagged cells.
    root
        The project.
    name, topic_in, topic_out
        As asked for, else as the lock of this notebook's step tells, else the usual ones; `name` "" until it is known.
    former
        The step as it lies in the project; None where it is new.
    """

    notebook: Path
    cells: Cells
    root: Path
    name: str
    topic_in: str
    topic_out: str
    former: Registered | None

    @classmethod
    def of(
        cls, notebook: Path, root: Path, *, name: str = "", topic_in: str | None = None, topic_out: str | None = None
    ) -> Candidate:
        """The step of a notebook in a project.

        Raises
        ------
        QflibError
            If the notebook has none, or a topic is not one of those a step reads or writes.
        """
        cells, there = read_cells(notebook), registered(root)
        former = there.get(name) or next((r for r in there.values() if not name and _is_of(r, notebook, root)), None)
        told: Mapping[str, Any] = former.told if former is not None else {}
        into = topic_in or str(told.get("topic_in", MARKET_NORMALIZED))
        out = topic_out or str(told.get("topic_out", ANALYTICS_RESULTS))
        if into not in MAIN:
            raise InputError(f"--topic-in {into!r} is none a step reads; expected one of {', '.join(MAIN)}")
        if out not in TOPICS_OUT:
            raise InputError(f"--topic-out {out!r} is none a step writes; expected one of {', '.join(TOPICS_OUT)}")
        return cls(notebook, cells, root, name or (former.name if former else ""), into, out, former)

    def named(self, definition: Definition) -> Candidate:
        """With the name that its cell gives it.

        Raises
        ------
        InputError
            If another notebook's step is called so.
        """
        former = registered(self.root).get(definition.name)
        if former is not None and not _is_of(former, self.notebook, self.root):
            raise InputError(
                f"step {definition.name!r} comes from {former.told['source']['notebook']}; give this one another --name"
            )
        return replace(self, name=definition.name, former=former)

    @property
    def orders(self) -> bool:
        """Whether it is a strategy."""
        return self.topic_out == ORDERS_INCOMING

    def write(self, root: Path, definition: Definition, content: Mapping[str, Any]) -> Registered:
        """Write file and lock into a project: the file first, so that no lock lacks its file."""
        folder = root / STEPS
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{definition.name}.py"
        half = path.with_suffix(".part")
        half.write_text(text(definition.name, self._where(), self.cells.source), encoding="utf-8")
        half.replace(path)
        lock.write(path.with_name(f"{definition.name}.lock.toml"), content)
        return registered(root)[definition.name]

    def content(
        self, definition: Definition, fixture: Mapping[str, Any] | None = None, made: Computed | None = None
    ) -> dict[str, Any]:
        """What the lock tells."""
        return {
            "name": definition.name,
            "version": definition.version,
            "topic_in": self.topic_in,
            "topic_out": self.topic_out,
            "topics": list(definition.topics),
            "figures": list(definition.figures),
            "orders": self.orders,
            "source": {
                "notebook": self._where(),
                "notebook_sha256": hashlib.sha256(self.notebook.read_bytes()).hexdigest(),
                "cell_sha256": self.cells.sha256,
                "git_commit": lock.git_commit(self.root),
            },
            "layout": lock.layouts(definition),
            "kernels": lock.kernel_hashes(self.cells.source),
            "fixture": dict(fixture or {}),
            "outputs": {} if made is None else _outputs(made),
            "libraries": lock.libraries(),
        }

    def drift(self, definition: Definition, fixture_sha256: str, made: Computed) -> list[str]:
        """What of the project's file and lock is no longer so, each in a sentence."""
        if self.former is None:
            return [f"{self._where()} is not promoted: run `qflib promote {self._where()}`"]
        told, mend = self.former.told, f"run `qflib promote {self._where()}`"
        found = []
        if told["source"]["cell_sha256"] != self.cells.sha256:
            found.append(
                f"the notebook's cell is not the one promoted ({self.diff().count(chr(10))} lines differ); {mend}"
            )
        try:
            _ = self.former.source
        except DataError as e:
            found.append(str(e))
        for what, now in (("layout", lock.layouts(definition)), ("kernels", lock.kernel_hashes(self.cells.source))):
            if dict(told.get(what, {})) != now:
                found.append(f"{what}: the lock tells {dict(told.get(what, {}))}, the code {now}; {mend}")
        if told["fixture"].get("sha256") != fixture_sha256:
            found.append(f"the stream it was tried on has other bytes now: the market or a stage has changed; {mend}")
        elif dict(told["outputs"]) != _outputs(made):
            other = {k: v for k, v in dict(told.get("libraries", {})).items() if lock.libraries().get(k) != v}
            why = f"with {other} then" if other else "with the same libraries"
            found.append(f"outputs or state have other bytes than the lock tells, {why}; {mend}")
        return found

    def check_version(self, definition: Definition) -> None:
        """Refuse a changed state under the former version.

        Raises
        ------
        InputError
            If the layout of State differs and VERSION does not rise, or nothing migrates it.
        StateError
            If `migrate` fails on a state of the former version, or makes another layout than State's.
        """
        if self.former is None or self.former.told["layout"]["state"] == lock.layouts(definition)["state"]:
            return
        if definition.version <= self.former.version:
            raise InputError(
                f"State of {definition.name!r} is laid out otherwise than in version {self.former.version}; set "
                f"VERSION = {self.former.version + 1} and define migrate(old) in the cell"
            )
        if definition.migrate is None:
            raise InputError(
                f"version {definition.version} of {definition.name!r} lays State out anew; define migrate(old), which "
                "makes an array of the new State of one of the old"
            )
        with suppress(DataError):  # a former file that cannot be loaded has no state to try it on
            former, table = self.former.definition(), Instruments((Instrument("ACME", kind="spot"),))
            Working(definition, table).load(Working(former, table).state(), former.version)

    def diff(self) -> str:
        """The notebook's cell beside the promoted one, as a unified diff."""
        old = "" if self.former is None else promoted_cell(self.former.path)
        lines = difflib.unified_diff(
            old.splitlines(True), self.cells.source.splitlines(True), "promoted", self._where(), n=3
        )
        return "".join(lines)

    def _where(self) -> str:
        notebook = self.notebook.resolve()
        return notebook.relative_to(self.root).as_posix() if notebook.is_relative_to(self.root) else notebook.name


def _is_of(found: Registered, notebook: Path, root: Path) -> bool:
    return (root / str(found.told["source"]["notebook"])).resolve() == notebook.resolve()


def _outputs(made: Computed) -> dict[str, Any]:
    return {"rows": len(made.out), "out_sha256": made.digest, "state_sha256": made.state_digest}
