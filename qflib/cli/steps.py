"""`qflib run NAME` and `qflib steps`: promoted steps on the desk that runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qflib.cli.output import emit, table

if TYPE_CHECKING:
    from qflib.cli.step_health import StepHealth
    from qflib.desk.taken_along import TakenAlong
    from qflib.promote.registry import Registered
    from qflib.views.versions import Minute

_TAKEN_S = 10.0
EXAMPLE_RUN = "Example: qflib run realised_vol"
EXAMPLE_LIST = "Example: qflib steps --json"


def run(
    name: Annotated[str, typer.Argument(help="The promoted step; `qflib steps` tells which there are.")],
    live: Annotated[
        bool, typer.Option("--live", help="A strategy's orders go to the exchange; needs an admin key.")
    ] = False,
    beside: Annotated[
        bool, typer.Option("--beside", help="Run it beside the version in force; `qflib steps` compares their minutes.")
    ] = False,
) -> None:
    """Have the desk that runs take a promoted step along, or its newest version."""
    from qflib import settings
    from qflib.cli.deploying import need_admin
    from qflib.desk.taken_along import TakenAlong
    from qflib.errors import InputError
    from qflib.promote.registry import one
    from qflib.stream.folder import DeskFolder

    found, chosen = one(name), settings.load()
    if live and not found.orders:
        raise InputError(f"--live: the rows of {name} are no orders; promote it with --topic-out orders.incoming")
    if live and beside:
        raise InputError("--live --beside: one version's orders are live; put it in force first, without --beside")
    if live:
        need_admin(chosen)
    found.definition()  # an error is told here, not in a log
    folder = DeskFolder(chosen.state / "up")
    asked = TakenAlong.of(found, live=live, beside=beside)
    desk = folder.kept() if folder.running() is not None else None
    if desk is not None:
        force = [p for p in desk.promoted if p.name == name and not p.beside]
        if beside:
            _refuse_beside(asked, force)
        desk.taking(asked)  # refused here, and not in the desk that runs
        for former in force:
            asked.check_goes_on(former, desk.instruments)
    step = folder.ask(asked)
    end = time.monotonic() + _TAKEN_S
    while step not in getattr(folder.kept(), "promoted", ()):
        if time.monotonic() > end:
            raise InputError(
                f"the desk in {folder.path} has not taken {name} along within {_TAKEN_S:g} s: it is busy, "
                "or has ended; `qflib steps` tells"
            )
        time.sleep(0.1)
    how = ", beside the version in force" if beside else ""
    how = how or ("" if not found.orders else ", its orders live" if live else ", in shadow")
    print(f"{name} version {found.version} is taken along{how}; its tile is on the dashboard's page Steps")


def _refuse_beside(step: TakenAlong, force: list[TakenAlong]) -> None:
    """Refuse to run a version beside none, or beside itself."""
    from qflib.errors import InputError

    if not force:
        raise InputError(f"--beside: the desk runs no other version of {step.name}; leave --beside out")
    if force[0].cell_sha256 == step.cell_sha256:
        raise InputError(f"--beside: this version of {step.name} is in force already; edit its notebook and promote it")


def listed(json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """List promoted steps: version, provenance, how they are on the desk that runs, and versions beside each other."""
    from qflib import settings
    from qflib.broker.clients import Connection
    from qflib.cli.step_health import health_of
    from qflib.promote.registry import registered
    from qflib.stream.folder import DeskFolder

    chosen = settings.load()
    folder, there = DeskFolder(chosen.state / "up"), registered()
    desk = folder.kept() if folder.running() is not None else None
    health = None
    if desk is not None and desk.promoted:
        health = health_of(Connection.at(str((folder.running() or {}).get("bootstrap")), chosen.broker), desk)
    rows = [_row(there, p, health) for p in (desk.promoted if desk is not None else ())]
    along = {r["name"] for r in rows}
    rows += [_row(there, r, None) for name, r in there.items() if name not in along]
    if json:
        emit({"steps": rows})
    elif not rows:
        print("no step is promoted; `qflib promote NOTEBOOK` makes one")
    else:
        columns = ("step", "version", "notebook", "commit", "state", "health", "newest", "beside")
        table("promoted steps", columns, [
            (r["label"], str(r["version"]), r["notebook"].rpartition("/")[2], r["git_commit"][:7], r["state"],
             r["health"] or "", (r["newest"] or "–")[11:19] or "–", _compared(r["minutes"])) for r in rows
        ])  # fmt: skip


def _row(there: Mapping[str, Registered], step: TakenAlong | Registered, health: StepHealth | None) -> dict[str, Any]:
    """What is told of a step; `health` of the desk that runs it."""
    from qflib.promote.registry import Registered

    along = None if isinstance(step, Registered) else step
    newest, found = there.get(step.name), step if isinstance(step, Registered) else step.registered
    label = step.name if along is None else along.label
    state = "not running" if along is None else "beside" if along.beside else "live" if along.live else ""
    state = state or ("shadow" if found.orders else "running")
    source = found.told["source"]
    if along is not None and newest is not None and newest.told["source"]["cell_sha256"] != source["cell_sha256"]:
        state += "; a newer one is promoted"
    at, how = 0, None
    minutes: tuple[Minute, ...] = ()
    if health is not None and along is not None:
        at, minutes = health.figures.time_ns(label), health.versions.minutes(label)
        how = health.of(along)
    return {
        "name": step.name, "label": label, "version": found.version, "notebook": source["notebook"],
        "cell_sha256": source["cell_sha256"], "git_commit": source["git_commit"],
        "topics": list(found.told["topics"]), "topic_out": found.told["topic_out"], "state": state,
        "health": how,
        "newest": datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="milliseconds") if at else None,
        "minutes": [asdict(m) | {"same": m.same} for m in minutes],
    }  # fmt: skip


def _compared(minutes: list[dict[str, Any]]) -> str:
    """Minutes of two versions, in words."""
    if not minutes:
        return ""
    apart = [m for m in minutes if not m["same"]]
    told = f"{len(minutes) - len(apart)} of {len(minutes)} minutes the same"
    return told if not apart else f"{told}; last: {apart[-1]['first']}"
