"""The command's entry: registers the commands, turns errors into one sentence."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qflib import __version__
from qflib.cli import (
    api,
    audit,
    bench,
    broker,
    dash,
    desk,
    doctor,
    init,
    jobs,
    keys,
    positions,
    promote,
    record,
    replay,
    steps,
    store,
    up,
    verify,
)
from qflib.errors import QflibError

app = typer.Typer(
    name="qflib",
    help="Order books, derivative hedging and expected shortfall.",
    epilog="Example: qflib desk --source sim --seed 7 --for 10min",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _started(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="json, console or auto.")] = None,
) -> None:
    from qflib import logs, settings

    if version:
        print(f"qflib {__version__}")
        raise typer.Exit
    flags = {k: v for k, v in {"level": log_level, "format": log_format}.items() if v is not None}
    logs.set_up(settings.load(log=flags or None).log)


app.command("desk", epilog=desk.EXAMPLE)(desk.command)
app.command("up", epilog=up.EXAMPLE)(up.command)
app.command("dash", epilog=dash.EXAMPLE)(dash.command)
app.command("replay", epilog=replay.EXAMPLE)(replay.command)
app.command("verify", epilog=verify.EXAMPLE)(verify.command)
app.command("bench", epilog=bench.EXAMPLE)(bench.command)
app.command("record", epilog=record.EXAMPLE)(record.command)
app.command("audit", epilog=audit.EXAMPLE)(audit.command)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.command)
app.command("api", epilog=api.EXAMPLE)(api.command)
app.command("promote", epilog=promote.EXAMPLE)(promote.command)
app.command("init", epilog=init.EXAMPLE)(init.command)
app.command("run", epilog=steps.EXAMPLE_RUN)(steps.run)
app.command("steps", epilog=steps.EXAMPLE_LIST)(steps.listed)
app.add_typer(keys.app, name="keys")
app.add_typer(positions.app, name="positions")
app.add_typer(broker.app, name="broker")
app.add_typer(jobs.app, name="jobs")
app.add_typer(store.app, name="store")


def run() -> None:
    """Run the command: exit 0 done, 1 a check falls short, 2 wrong use or a missing part, 130 interrupted."""
    try:
        app()
    except QflibError as e:
        print(f"qflib: {' '.join(str(e).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("qflib: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `qflib ... | head`: the reader has what it wanted
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    run()
