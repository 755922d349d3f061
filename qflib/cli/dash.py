"""`qflib dash`: the live dashboard of a running desk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from qflib.errors import InputError, MissingPartError

EXAMPLE = "Example: qflib dash --port 5006"

_APP = Path(__file__).parents[2] / "dashboards" / "app.py"
_TICKET = "dash.ticket"


def command(
    port: Annotated[int, typer.Option(help="Where the dashboard listens, on this machine alone.")] = 5006,
    api: Annotated[str | None, typer.Option(help="URL of the HTTP API; default: the running desk's.")] = None,
    key: Annotated[str | None, typer.Option(help="API key to enter and trade with; default: the desk's own.")] = None,
) -> None:
    """Show the running desk in the browser: market, risk, orders, what-if, system; Ctrl-C ends it."""
    from qflib import settings
    from qflib.stream.folder import DeskFolder

    if not _APP.is_file():
        raise MissingPartError(f"the dashboard's pages are not beside this installation ({_APP}); use a checkout")
    folder = DeskFolder(settings.load().state / "up")
    told = folder.running()
    if told is None or not told.get("bootstrap"):
        raise InputError(f"no desk runs in {folder.path}; start one with `qflib up`, or set QFLIB_STATE to its folder")
    argv = [sys.executable, str(_APP), "--deployment", str(folder.deployment), "--bootstrap", str(told["bootstrap"])]
    argv += ["--port", str(port)]
    url = api or told.get("api")
    argv += ["--api", str(url)] if url else []
    given = {"QFLIB_DASH_KEY": key} if key else {}  # not an argument: those are in every list of processes
    with subprocess.Popen(argv, env=os.environ | given) as process:
        try:
            _say(folder.path / _TICKET, port, process)
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()  # Ctrl-C at a terminal is the process's, too
    if code > 0:
        raise typer.Exit(code)


def _say(ticket: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    """The address that opens without a key, once there is one."""
    import time
    import urllib.error
    import urllib.request

    while process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
            continue
        print(f"http://127.0.0.1:{port}/login?ticket={ticket.read_text(encoding='utf-8').strip()}", flush=True)
        return
