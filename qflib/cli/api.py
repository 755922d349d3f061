"""`qflib api`: serve the API of the desk whose data are kept here."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: qflib api --port 8000"


def command(
    host: Annotated[str | None, typer.Option(help="Where it listens; default: the setting, 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Where it listens; default: the setting, 8000.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="An existing cluster, HOST:PORT.")] = None,
) -> None:
    """Serve books, orders, risk and history over HTTP and WebSocket, until Ctrl-C.

    `qflib up` serves it too: this is for a desk that runs elsewhere, or one that has stopped.
    """
    from qflib import settings
    from qflib.api.keys import CLIENT_FILE, development_key
    from qflib.api.serve import in_use, run
    from qflib.broker.clients import Connection
    from qflib.broker.data_folder import is_free
    from qflib.desk.deployment import Deployment
    from qflib.errors import InputError
    from qflib.stream.folder import DeskFolder

    chosen = settings.load(broker={"bootstrap": bootstrap} if bootstrap else None)
    folder = DeskFolder(chosen.state / "up")
    connection, told = Connection.of(chosen.broker), folder.running()
    if connection is None:
        if told is None or "bootstrap" not in told:
            raise InputError(f"no desk runs in {folder.path}; start one with `qflib up`, or give --bootstrap HOST:PORT")
        connection = Connection(told["bootstrap"], tuple(sorted(chosen.broker.options.items())))
    where, at = host or chosen.api.host, port or chosen.api.port
    url = f"{chosen.api.scheme}://{f'[{where}]' if ':' in where else where}:{at}"
    Deployment.load(folder.deployment)  # before anything is written: that it can serve
    if not is_free(at, where):
        raise in_use(where, at)
    own = (told or {}).get("api", url)
    if own == url:
        development_key(folder.path, url)
    else:  # `qf.connect()` goes on finding the desk's own
        print(f"the desk's own API is at {own}, and `qf.connect()` finds that one; name this one by its address")
    print(f"{url} serves the desk of {folder.path}; its pages: {url}/schema; key: {folder.path / CLIENT_FILE}")
    run(folder.deployment, connection, where, at)
