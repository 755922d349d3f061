"""`qflib promote`: a notebook's step into the project, with proof."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qflib.cli.output import emit, table
from qflib.errors import InputError, QflibError

if TYPE_CHECKING:
    from qflib.promote.candidate import Candidate
    from qflib.promote.fixture import Fixture
    from qflib.promote.ladder import Computed, Rung
    from qflib.promote.registry import Registered
    from qflib.promote.violation import Violation
    from qflib.steps.promoted.definition import Definition

EXAMPLE = "Example: qflib promote notebooks/promotion/realised_vol.ipynb --check"
SEED, DURATION = 7, "20s"  # of the market a step is tried on


@dataclass
class Outcome:
    """What became of a promotion."""

    name: str = ""
    violations: list[Violation] = field(default_factory=list)
    rungs: list[Rung] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    written: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is to be mended."""
        return not self.violations and not self.drift and all(r.ok for r in self.rungs)


def command(
    notebook: Annotated[Path, typer.Argument(help="The notebook; its cell tagged `step` is promoted.")],
    name: Annotated[str, typer.Option("--name", help="Of the step; default: its function's.")] = "",
    topic_in: Annotated[str | None, typer.Option("--topic-in", help="The topic whose rows `columns` are.")] = None,
    topic_out: Annotated[
        str | None, typer.Option("--topic-out", help="analytics.results, or orders.incoming: then it is a strategy.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only whether what is promoted still holds.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Only what the notebook has changed since.")] = False,
    file: Annotated[Path | None, typer.Option("--file", help="With --check: a recording to try it on.")] = None,
    venue: Annotated[str | None, typer.Option("--venue", help="Whose format the recording has.")] = None,
    instrument_file: Annotated[
        Path | None, typer.Option("--instrument-file", help="Of the recording: TOML, or the venue's own.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Promote a notebook's step: static checks, the parity ladder, then its file and lock in pipelines/steps."""
    from qflib.project import own_project
    from qflib.promote.candidate import Candidate

    if (file is not None or venue is not None) and not check:
        raise InputError("--file and --venue go with --check: a lock is of the simulated market, which everybody has")
    root = own_project(notebook.parent)
    if root is None:
        raise InputError(f"{notebook} lies in no project, which the step would be of; `qflib init DIR` makes one")
    made = Candidate.of(notebook, root, name=name, topic_in=topic_in, topic_out=topic_out)
    if diff:
        print(made.diff() or "no difference", end="")
        raise typer.Exit(1 if made.diff() else 0)
    done = _promoted(made, check=check, recording=(file, venue, instrument_file), quiet=json)
    if json:
        emit(_document(done))
    else:
        _show(done)
    if not done.ok:
        raise typer.Exit(1)


def _promoted(
    candidate: Candidate, *, check: bool, recording: tuple[Path | None, str | None, Path | None], quiet: bool
) -> Outcome:
    from qflib.progress import bar
    from qflib.promote.ladder import climb, inputs_of, inputs_sha256
    from qflib.promote.notebook_rung import notebook_rung
    from qflib.promote.rules import check as findings
    from qflib.steps.promoted.step import Placed

    done = Outcome(candidate.name)
    done.violations = findings(candidate.cells)
    if done.violations:
        return done
    with tempfile.TemporaryDirectory(prefix="qflib-promote-") as folder:
        tried = _tried(candidate, Path(folder))
        definition = tried.definition()
        candidate, done.name = candidate.named(definition), definition.name
        if not check:
            candidate.check_version(definition)
        fixture, told = _fixture(Placed(definition, candidate.orders), recording)
        inputs = inputs_of(definition, fixture.batches)
        with bar(total=8, desc=definition.name, unit=" rungs", disable=quiet or not sys.stderr.isatty()) as shown:
            reference, rungs = climb(definition, fixture.instruments, inputs, step=lambda _: shown.update())
            done.rungs = rungs
            done.rungs.append(notebook_rung(candidate.cells, fixture, reference, definition.name, candidate.topic_in))
            shown.update()
            done.rungs.append(_kafka(tried, fixture, reference))
            shown.update()
        sha = inputs_sha256(inputs)
        if check and recording[0] is None:
            done.drift = candidate.drift(definition, sha, reference)
        elif not check and done.ok:
            content = candidate.content(definition, told | {"sha256": sha, "rows": _rows(inputs)}, reference)
            done.written = candidate.write(candidate.root, definition, content).path
    return done


def _tried(candidate: Candidate, folder: Path) -> Registered:
    """The step written into a project of its own, from which it is loaded as it will be."""
    from qflib.project import STEPS
    from qflib.promote.registry import text
    from qflib.steps.promoted.definition import Definition

    place = folder / STEPS
    place.mkdir(parents=True)
    cell: dict[str, Any] = {}
    first = place / "cell.py"
    first.write_text(text("cell", candidate.notebook.name, candidate.cells.source), encoding="utf-8")
    try:
        exec(compile(first.read_text(encoding="utf-8"), str(first), "exec"), cell)
    except Exception as e:
        raise InputError(
            f"the cell cannot be executed alone ({type(e).__name__}: {e}); mend it in the notebook"
        ) from None
    named: Definition = Definition.of(cell, name=candidate.name, topic_in=candidate.topic_in)
    first.unlink()
    return candidate.write(folder, named, candidate.content(named))


def _fixture(placed: Any, recording: tuple[Path | None, str | None, Path | None]) -> tuple[Fixture, dict[str, Any]]:
    import qflib as qf
    from qflib.desk.step_feed import fixture_of

    file, venue, table_file = recording
    if file is None:
        told = {"market": "sim", "seed": SEED, "duration": DURATION}
        return fixture_of(qf.datasets.load("sim", seed=SEED, duration=DURATION), placed, "the simulated market"), told
    if venue is None:
        raise InputError("--file needs --venue, whose format the recording has")
    return fixture_of(qf.read(file, venue, table_file), placed, file.name), {"file": file.name}


def _kafka(tried: Registered, fixture: Fixture, reference: Computed) -> Rung:
    from qflib.desk.deployment import Deployment
    from qflib.desk.taken_along import TakenAlong
    from qflib.promote.ladder import Rung
    from qflib.stream.promotion import kafka_rung

    desk = Deployment(fixture.instruments, promoted=(TakenAlong.of(tried, live=tried.orders),))
    try:
        return kafka_rung(desk, fixture, reference)
    except QflibError as e:
        return Rung("kafka", False, str(e), 0.0)


def _rows(inputs: list[tuple[str, Any]]) -> int:
    return sum(len(columns[0]) for _, columns in inputs)


def _document(done: Outcome) -> dict[str, Any]:
    first = next((f"{r.name}: {r.first}" for r in done.rungs if not r.ok), None)
    step = {"name": done.name, "rungs": {r.name: r.ok for r in done.rungs}, "first_difference": first}
    return {
        "ok": done.ok,
        "steps": [step] if done.rungs else [],
        "violations": [
            {"rule": v.rule, "cell": v.cell, "line": v.line, "message": v.message} for v in done.violations
        ],
        "drift": done.drift,
    }  # fmt: skip


def _show(done: Outcome) -> None:
    for v in done.violations:
        print(v)
    if done.rungs:
        rows = [(r.name, "same bytes" if r.ok else "differs", f"{r.seconds:.1f} s", r.first) for r in done.rungs]
        table(f"step {done.name}", ("rung", "outputs and state", "took", "first difference"), rows)
    for text in done.drift:
        print(text)
    if done.written is not None:
        print(f"written: {done.written} and its lock; `qflib up` takes it along, `qflib run {done.name}` at once")
