"""What every process of a running desk has: its arguments, its signals, its metrics, and how it ends."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from qflib import logs, settings
from qflib.broker.clients import DESK, Connection
from qflib.errors import BrokerError, InputError, QflibError, StoreUnavailableError
from qflib.settings import LogSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

T = TypeVar("T", bound="Arguments")
#: Wrong use, or a state that is refused: starting again would change nothing.
REFUSED = 2
#: The broker failed us: starting again may mend it.
FAILED = 1


@dataclass(frozen=True)
class Arguments:
    """What a process is told on its command line.

    Parameters
    ----------
    deployment
        The desk's file.
    ordinal
        Which of the stage's workers.
    bootstrap
        The cluster's address; None: the setting's.
    metrics_port
        Where Prometheus finds it; 0: nowhere.
    process
        Who it is to the broker, where options name it.
    """

    deployment: Path
    ordinal: int = 0
    bootstrap: str | None = None
    metrics_port: int = 0
    process: str = DESK

    @property
    def connection(self) -> Connection:
        """The cluster: the argument's address, else the setting's, with the setting's options.

        Raises
        ------
        InputError
            If neither names one.
        """
        told = settings.load(broker={"bootstrap": self.bootstrap} if self.bootstrap else None)
        made = Connection.of(told.broker, self.process)
        if made is None:
            raise InputError("no broker is named; give --bootstrap HOST:PORT or set QFLIB_BROKER__BOOTSTRAP")
        return made


def arguments(prog: str, argv: list[str] | None = None) -> Arguments:
    """The command line of a process of the desk; a wrong one ends it with 2.

    Examples
    --------
    >>> arguments("exchange", ["--deployment", "runs/up/deployment.json", "--ordinal", "1"]).ordinal
    1
    """
    told = parser(prog).parse_args(argv)
    return Arguments(told.deployment, told.ordinal, told.bootstrap, told.metrics_port, prog)


def parser(prog: str) -> argparse.ArgumentParser:
    """What every process is told; one that is told more adds to it."""
    parser = argparse.ArgumentParser(prog)
    parser.add_argument("--deployment", type=Path, required=True, help="the desk's file, which `qflib up` writes")
    parser.add_argument("--ordinal", type=int, default=0, help="which of the stage's workers")
    parser.add_argument("--bootstrap", help="the cluster, as 127.0.0.1:9092; default: the setting")
    parser.add_argument("--metrics-port", type=int, default=0, help="for Prometheus; 0: none")
    return parser


class Stop:
    """What signals ask of a process.

    SIGTERM and SIGINT: leave off, to go on at the next start. SIGUSR1, which ingest alone heeds: end the market with
    closing clocks, then leave off. The first that comes counts; but who waits for the broker on the way to an end gives
    up at a SIGTERM that follows it.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.ending = False
        #: Whether to leave off at once, whatever cannot be sent.
        self.leaving = False
        #: Called once when something is asked for, in the main thread.
        self.notify: Callable[[], object] = lambda: None

    def listen(self) -> None:
        """Take the signals; in the main thread alone."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._take)

    @property
    def asked(self) -> bool:
        """Whether to leave off."""
        return self._asked.is_set()

    def ask(self, *, end: bool = False) -> None:
        """As if a signal had come."""
        self.leaving = self.leaving or not end
        if not self.asked:
            self.ending = end
            self._asked.set()
            self.notify()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait so long, or until asked; whether it was."""
        return self._asked.wait(seconds)

    def _take(self, number: int, _: object) -> None:
        self.ask(end=number == signal.SIGUSR1)


def serve_metrics(port: int, registry: CollectorRegistry | None = None) -> None:
    """Serve the process's metrics where `stream.metrics_host` says, the collector's pauses among them; port 0: don't.

    Raises
    ------
    SettingsError
        If the port is taken.
    """
    from prometheus_client import REGISTRY

    from qflib.stream.metrics import LogEvents, serve, watch_gc

    watch_gc(registry or REGISTRY)
    LogEvents(registry or REGISTRY)
    serve(port, registry or REGISTRY, settings.load().stream.metrics_host)


def freeze() -> None:
    """Take what lives now out of the collector's sight: called once warm, it keeps later pauses short."""
    gc.collect()
    gc.freeze()


def main(prog: str, work: Callable[[T], None], parse: Callable[[str], T] = arguments) -> NoReturn:  # type: ignore[assignment]
    """Run a process of the desk; an error is one sentence on stderr and an exit code.

    `parse` reads a command line that tells more than `arguments`.

    0: it left off as asked. 2: wrong use, or a refused state. Anything else: start it again.
    """
    told = parse(prog)
    faulthandler.enable()  # a crash below Python would leave nothing in the log
    try:
        logging = settings.load().log
        logs.set_up(LogSettings(level="info" if logging.level == "warning" else logging.level, format="json"))
        work(told)
    except QflibError as e:
        print(f"{prog}: {e}", file=sys.stderr)
        sys.exit(FAILED if isinstance(e, BrokerError | StoreUnavailableError) else REFUSED)
    sys.exit(0)
