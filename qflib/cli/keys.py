"""`qflib keys create|list|revoke`: who may use the API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from qflib.cli.output import emit, is_read, table
from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.api.keys import KeyStore

EXAMPLE = "Example: qflib keys create --name alice --scope trade"
EXAMPLE_LIST = "Example: qflib keys list --json"
EXAMPLE_REVOKE = "Example: qflib keys revoke 0a1b2c3d4e5f"

app = typer.Typer(help="Keys of the API.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback()
def _group() -> None:
    """Keys of the API."""


@app.command("create", epilog=EXAMPLE)
def create(
    name: Annotated[str, typer.Option(help="Whose it is.")],
    scope: Annotated[str, typer.Option(help="read, trade or admin; each holds those before it.")] = "read",
    json: _Json = False,
) -> None:
    """Make a key. It is shown this once, or, where the output is no terminal's, put in a file that the output names.

    Its hash alone is kept: take the file away once its user has it.
    """
    from qflib.api import own_file
    from qflib.api.keys import SCOPES

    wanted = next((s for s in SCOPES if s == scope), None)
    if wanted is None:
        raise InputError(f"scope {scope!r} is unknown; expected one of {', '.join(SCOPES)}")
    store = _store()
    text, key = store.create(name, wanted)
    # stdout holds the key in both forms, so it is stdout that has to be a terminal
    place = None if is_read() else store.path.parent / f"key-{key.key_id}"
    if place is not None:
        own_file.write(place, f"{text}\n")
    if json:
        told = {"key": text} if place is None else {"key_file": place}
        emit({"id": key.key_id, "name": key.name, "scopes": list(key.scopes), **told})
    else:
        shown = text if place is None else f"the key is in {place}; take the file away once its user has it"
        print(f"{shown}\nkey {key.key_id} of {key.name} may {', '.join(key.scopes)}; it is not shown again")


@app.command("list", epilog=EXAMPLE_LIST)
def listed(json: _Json = False) -> None:
    """Show the keys, without their secrets."""
    keys = _store().listed()
    if json:
        shown = [{"id": k.key_id, "name": k.name, "scopes": list(k.scopes), "created": k.created,
                  "revoked": k.revoked or None} for k in keys]  # fmt: skip
        emit({"keys": shown})
    elif not keys:
        print("there are no keys; `qflib keys create` makes one")
    else:
        rows = [(k.key_id, k.name, ", ".join(k.scopes), _day(k.created), _day(k.revoked)) for k in keys]
        table("keys of the API", ("id", "name", "may", "made", "revoked"), rows)


@app.command("revoke", epilog=EXAMPLE_REVOKE)
def revoke(key_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")], json: _Json = False) -> None:
    """Put a key out of force; a server that runs refuses it within a second."""
    changed = _store().revoke(key_id)
    if json:
        emit({"id": key_id, "changed": changed})
    else:
        print(f"key {key_id} is revoked" if changed else f"key {key_id} was revoked already")


def _store() -> KeyStore:
    from qflib import settings
    from qflib.api.keys import store_of

    return store_of(settings.load().state / "up")


def _day(seconds: int) -> str | None:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) if seconds else None
