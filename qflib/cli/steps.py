"""`qflib run NAME` and `qflib steps`: promoted steps on the desk that runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from qflib.cli.output import emit, table

_TAKEN_S = 10.0
EXAMPLE_RUN = "Example: qflib run realised_vol"
EXAMPLE_LIST = "Example: qflib steps --json"


def run(
    name: Annotated[str, typer.Argument(help="The promoted step; `qflib steps` tells which there are.")],
    live: Annotated[
        bool, typer.Option("--live", help="A strategy's orders go to the exchange; needs an admin key.")
    ] = False,
) -> None:
    """Have the desk that runs take a promoted step along, or its newest version."""
    from qflib import settings
    from qflib.cli.deploying import need_admin
    from qflib.desk.deployment import TakenAlong
    from qflib.errors import InputError
    from qflib.promote.registry import one
    from qflib.stream.folder import DeskFolder

    found, chosen = one(name), settings.load()
    if live and not found.orders:
        raise InputError(f"--live: the rows of {name} are no orders; promote it with --topic-out orders.incoming")
    if live:
        need_admin(chosen)
    found.definition()  # an error is told here, not in a log
    folder, step = DeskFolder(chosen.state / "up"), TakenAlong.of(found, live=live)
    folder.ask(step)
    end = time.monotonic() + _TAKEN_S
    while step not in getattr(folder.kept(), "promoted", ()):
        if time.monotonic() > end:
            raise InputError(
                f"the desk in {folder.path} has not taken {name} along within {_TAKEN_S:g} s: it runs no stage "
                f"{step.stage!r}, or is busy; start it again with `qflib up`"
            )
        time.sleep(0.1)
    how = "" if not found.orders else ", its orders live" if live else ", in shadow"
    print(f"{name} version {found.version} is taken along{how}; its tile is on the dashboard's page Steps")


def listed(json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """List promoted steps: version, provenance, and whether the desk that runs has them."""
    from qflib import settings
    from qflib.promote.registry import registered
    from qflib.stream.folder import DeskFolder

    folder = DeskFolder(settings.load().state / "up")
    desk = folder.kept() if folder.running() is not None else None
    along = {p.label: p for p in desk.promoted} if desk is not None else {}
    rows = []
    for name, r in registered().items():
        source = r.told["source"]
        p = along.get(name)
        state = "not running" if p is None else "another content runs" if p.cell_sha256 != source["cell_sha256"] else ""
        state = state or ("live" if p is not None and p.live else "shadow" if r.orders else "running")
        rows.append(
            {
                "name": name, "version": r.version, "notebook": source["notebook"],
                "cell_sha256": source["cell_sha256"],
                "git_commit": source["git_commit"], "topics": list(r.told["topics"]), "topic_out": r.told["topic_out"],
                "state": state,
            }
        )  # fmt: skip
    if json:
        emit({"steps": rows})
    elif not rows:
        print("no step is promoted; `qflib promote NOTEBOOK` makes one")
    else:
        columns = ("name", "version", "from", "commit", "reads", "state")
        table("promoted steps", columns, [
            (r["name"], str(r["version"]), r["notebook"], r["git_commit"][:10], ", ".join(r["topics"]), r["state"])
            for r in rows
        ])  # fmt: skip
