"""The process that `qflib up` starts: `python -m qflib.api --deployment F --bootstrap H:P --port N`."""

from __future__ import annotations

from dataclasses import dataclass

from qflib import settings
from qflib.stream.process import Arguments, main, parser, serve_metrics


@dataclass(frozen=True)
class ApiArguments(Arguments):
    """What the process is told.

    Parameters
    ----------
    host, port
        Where it listens; None: the setting's.
    """

    host: str | None = None
    port: int | None = None


def arguments(prog: str, argv: list[str] | None = None) -> ApiArguments:
    """The command line."""
    wanted = parser(prog)
    wanted.add_argument("--host", help="where it listens; default: the setting")
    wanted.add_argument("--port", type=int, help="where it listens; default: the setting")
    told = wanted.parse_args(argv)
    return ApiArguments(told.deployment, told.ordinal, told.bootstrap, told.metrics_port, prog, told.host, told.port)


def work(told: ApiArguments) -> None:
    """Serve until told to stop."""
    from qflib.api.serve import run

    chosen = settings.load().api
    serve_metrics(told.metrics_port)
    run(told.deployment, told.connection, told.host or chosen.host, told.port or chosen.port)


if __name__ == "__main__":
    main("api", work, arguments)
