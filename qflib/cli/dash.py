"""`qflib dash`: the live dashboard of a running desk."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from qflib.errors import InputError

EXAMPLE = "Example: qflib dash --port 5010"
_LISTENS = "dashboard at "  # what the process says once it does


def command(
    port: Annotated[
        int | None, typer.Option(help="Setting dash.port: on this machine alone; where it is in use, the next.")
    ] = None,
    api: Annotated[str | None, typer.Option(help="URL of the HTTP API; default: the running desk's.")] = None,
) -> None:
    """Show the running desk in the browser: market, risk, orders, what-if, system; Ctrl-C ends it.

    Where its output is no terminal's, it names the file of the ticket. QFLIB_DASH_KEY in the environment is the API key
    that it enters and trades with; default: the desk's own.
    """
    from qflib import settings
    from qflib.api import ticket
    from qflib.cli.faces import dashboard, free, origins
    from qflib.cli.output import is_read
    from qflib.stream.folder import DeskFolder

    app = dashboard()
    chosen = settings.load(dash={} if port is None else {"port": port})
    folder = DeskFolder(chosen.state / "up")
    told = folder.running()
    if told is None or not told.get("bootstrap"):
        raise InputError(f"no desk runs in {folder.path}; start one with `qflib up`, or set QFLIB_STATE to its folder")
    at = free("dash", chosen.api.host, chosen.dash.port)
    argv = [sys.executable, str(app), "--deployment", str(folder.deployment)]
    argv += ["--bootstrap", str(told["bootstrap"]), "--port", str(at), *origins(chosen)]
    url = api or told.get("api")
    argv += ["--api", str(url)] if url else []
    # a ticket of this one alone: the address that `qflib up` printed goes on
    place = folder.path / f"dash-{at}.ticket"
    way_in = ticket.made() if is_read() else ticket.written(folder.path, place.name)
    door = f"http://127.0.0.1:{at}/login"
    address = f"{door}?ticket={way_in}" if is_read() else f"{door}  ticket in {place}"
    # not arguments: those are in every list of processes
    with subprocess.Popen(
        argv, env=os.environ | {"QFLIB_DASH_TICKET": way_in}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                listens = line.startswith(_LISTENS)
                print(address if listens else line.rstrip("\n"), flush=True)
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()  # Ctrl-C at a terminal is the process's, too
        finally:
            place.unlink(missing_ok=True)
    if code > 0:
        raise typer.Exit(code)
