"""`qflib audit`: nothing lost, doubled, out of order or torn on the topics, and every byte recomputed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qflib.cli.output import emit

if TYPE_CHECKING:
    from collections.abc import Callable

    from qflib.broker.clients import Connection
    from qflib.desk.deployment import Deployment
    from qflib.settings import Settings
    from qflib.stream.audit.report import Report

EXAMPLE = "Example: qflib audit --replay"

_COLUMNS = ("topic", "batches", "events", "lost", "duplicated", "reordered", "torn")
_STAGE_COLUMNS = ("stage", "inputs", "events", "records", "unequal", "states", "states_unequal", "from")


def command(
    replay: Annotated[bool, typer.Option("--replay", help="Recompute every output byte and state.")] = False,
    from_archive: Annotated[
        str | None, typer.Option(metavar="DATE", help="Recompute a day (UTC) from the archive alone, as 2026-01-05.")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Address of a cluster; default: the desk's own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Audit the desk that `qflib up` runs or ran: exit 0 where nothing is wrong, 1 where something is."""
    from qflib import settings
    from qflib.desk.deployment import Deployment
    from qflib.errors import InputError

    if from_archive is not None and not replay:
        raise InputError(f"--from-archive {from_archive} says what to recompute from; give --replay with it")
    flags = None if bootstrap is None else {"bootstrap": bootstrap}
    chosen = settings.load(broker=flags)
    folder = chosen.state / "up"
    deployment = Deployment.load(folder / "deployment.json")
    if from_archive is not None:
        report = _archived(chosen, folder, deployment, from_archive)
    else:
        report = _streamed(chosen, folder, deployment, replay)
    if json:
        emit(report.document)
    else:
        _show(report.document)
    raise typer.Exit(0 if report.ok else 1)


def _streamed(settings: Settings, folder: Path, deployment: Deployment, replay: bool) -> Report:
    from qflib.history.opening import desk_history
    from qflib.stream.audit.report import audit, parts_of

    # also where it is gone: what its group has committed is asked for
    history = desk_history(folder / "history", settings.store)
    connection, stop = _cluster(settings, folder)
    try:
        with audit_bar(parts_of(deployment, replay)) as told:
            return audit(connection, deployment, history=history, replay=replay, told=told)
    finally:
        stop()


def _archived(settings: Settings, folder: Path, deployment: Deployment, date: str) -> Report:
    from qflib.errors import DataError
    from qflib.history.opening import desk_history
    from qflib.stream.audit.archive import replay_archive
    from qflib.stream.audit.report import Report, jobs_here

    history = desk_history(folder / "history", settings.store)
    if not history.clusters:
        raise DataError(f"nothing was archived in {history.name}; `qflib up` archives")
    with audit_bar(len(deployment.stages)) as told:
        return Report(replay=replay_archive(history, deployment, date, jobs=jobs_here(), told=told))


def _cluster(settings: Settings, folder: Path) -> tuple[Connection, Callable[[], None]]:
    """The cluster, and what ends it: the kept broker is started where it does not run, and stopped again."""
    from qflib.broker.clients import Connection
    from qflib.broker.local import LocalBroker

    if (given := Connection.of(settings.broker)) is not None:
        return given, lambda: None
    broker = LocalBroker.of(settings.broker, folder / "broker")
    if broker.status().running:
        return broker.connection, lambda: None
    broker.start()
    return broker.connection, broker.stop


@contextmanager
def audit_bar(parts: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, on a terminal; what it gives moves it by one."""
    from tqdm import tqdm

    with tqdm(total=parts, desc="audit", unit=" parts", disable=None, leave=False) as bar:

        def told() -> None:
            bar.update(1)

        yield told


def _show(document: dict[str, Any]) -> None:
    from qflib.cli.output import table

    topics = document["topics"]
    if topics:
        used = {t: c for t, c in topics.items() if any(c.values())}
        table("Topics", _COLUMNS, [(t, *(c[n] for n in _COLUMNS[1:])) for t, c in used.items()])
    for f in document["findings"]:
        place = f"[{f['partition']}]" if f["partition"] >= 0 else ""
        print(f"{f['fault']}: {f['topic']}{place}{_at(f['offset'])}: {f['what']}")
    if "replay" in document:
        r = document["replay"]
        rows = [
            (s, *(v[n] for n in _STAGE_COLUMNS[1:-1]), ", ".join(sorted(set(v["from"]))))
            for s, v in r["stages"].items()
        ]
        table("Recomputed", [c.replace("_", " ") for c in _STAGE_COLUMNS], rows)
        if (d := r["first_difference"]) is not None:
            byte = f", byte {d['byte']}" if d["byte"] >= 0 else ""
            where = f"{d['topic']}[{d['topic_partition']}]{_at(d['offset'])}"
            print(f"first difference: {d['stage']}/{d['partition']}: {where}{byte}: {d['what']}")
    print("nothing is wrong" if document["ok"] else "something is wrong")


def _at(offset: int) -> str:
    return f" offset {offset}" if offset >= 0 else ""
