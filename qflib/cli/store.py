"""`qflib store migrate|roles|tend`: a round of the history's upkeep; its schema and roles where it is in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qflib.cli.output import emit

if TYPE_CHECKING:
    from qflib.history.postgres.connections import Database
    from qflib.settings import Settings

EXAMPLE = "Example: qflib store migrate --check"
EXAMPLE_ROLES = "Example: qflib store roles | psql service=market"
EXAMPLE_TEND = "Example: qflib store tend --json"

app = typer.Typer(help="The history's store.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback()
def _group() -> None:
    """The history's store."""


@app.command("migrate", epilog=EXAMPLE)
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 where a migration is missing.")
    ] = False,
    json: _Json = False,
) -> None:
    """Make the schema, or bring it up to this version; who does it owns the tables."""
    from qflib.history.postgres.schema import migrate, pending

    database = _database()
    names = pending(database) if check else migrate(database)
    if json:
        emit({"history": database.name, "pending" if check else "applied": names})
    else:
        what = "are missing" if check else "were applied"
        print(f"{database.name}: {', '.join(names) or 'no migrations'} {what}")
    if check and names:
        raise typer.Exit(1)


@app.command("roles", epilog=EXAMPLE_ROLES)
def roles() -> None:
    """Print the SQL that makes the roles of a writer and a reader, for the schema's owner to run."""
    from qflib import settings
    from qflib.history.postgres.schema import roles

    print(roles(settings.load().store.namespace), end="")


@app.command("tend", epilog=EXAMPLE_TEND)
def tend(json: _Json = False) -> None:
    """Drop the days beyond store.retention_days; in PostgreSQL make the next days' partitions and index those over."""
    from qflib import settings
    from qflib.history import DeltaHistory, desk_history
    from qflib.history.postgres.tending import tend

    chosen = settings.load()
    history = desk_history(chosen.state / "up" / "history", chosen.store)
    if isinstance(history, DeltaHistory):
        _retire(chosen, history.name, json)
        return
    done = tend(_database(), chosen.store.retention_days)
    if json:
        emit(done._asdict())
    else:
        print(f"{done.made} partitions made, {done.indexed} indexed, {done.dropped} dropped")


def _retire(chosen: Settings, files: str, json: bool) -> None:
    """Days out of a history in files; at once where it is this machine's alone, and no desk runs."""
    from qflib.errors import InputError
    from qflib.history.retiring import retire
    from qflib.stream.folder import DeskFolder

    if chosen.store.retention_days is None:
        raise InputError(
            f"the history in {files} keeps all days; set QFLIB_STORE__RETENTION_DAYS to how many before the last one"
        )
    alone = "://" not in files and chosen.broker.bootstrap is None and DeskFolder(chosen.state / "up").running() is None
    days = retire(files, chosen.store.retention_days, at_once=alone)
    if json:
        emit({"dropped": days})
    else:
        print(f"{days} days of tables dropped; their files {'are deleted' if alone else 'go in an hour'}")


def _database() -> Database:
    """The one of the settings, or that of the desk that was kept here."""
    from qflib import settings
    from qflib.errors import InputError
    from qflib.history.opening import database_of, kept_in
    from qflib.history.postgres.connections import database

    chosen = settings.load()
    if chosen.store.dsn is not None:
        return database(chosen.store.dsn, chosen.store.namespace)
    folder = chosen.state / "up" / "history"
    if kept_in(folder).kind != "postgres":
        raise InputError(f"the history in {folder} is not in PostgreSQL; set QFLIB_STORE__DSN, or up --store postgres")
    return database_of(folder)
