"""The dashboard as a process: `python dashboards/app.py --deployment FILE --bootstrap HOST:PORT --port N`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

#: Not arguments: those are in every list of processes.
KEY_VARIABLE, TICKET_VARIABLE = "QFLIB_DASH_KEY", "QFLIB_DASH_TICKET"


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    asked = _arguments().parse_args(argv)
    sys.path.insert(0, str(Path(__file__).parents[1]))  # started by path: the project's folder is not on it

    from tornado.ioloop import IOLoop

    from dashboards.api_trading import ApiTrading, folder_key, verifier
    from dashboards.desk import SharedDesk
    from dashboards.own_pages import own_pages
    from dashboards.server import Dashboard
    from dashboards.session import PAGES
    from dashboards.trading import NoTrading
    from qflib import logs, settings
    from qflib.api import ticket
    from qflib.broker.clients import Connection
    from qflib.desk.deployment import Deployment
    from qflib.history import desk_history
    from qflib.stream.metrics import serve
    from qflib.views import Views
    from qflib.views.endpoints import metrics_of

    chosen = settings.load()
    logs.set_up(chosen.log)
    deployment, folder = Deployment.load(asked.deployment), asked.deployment.parent
    connection = Connection.at(asked.bootstrap, chosen.broker, "dash")
    views = Views(deployment, connection, desk_history(folder / "history", chosen.store), metrics_of(folder))
    trading = ApiTrading(asked.api) if asked.api else NoTrading()
    pages = own_pages(p.name for p in PAGES)
    desk = SharedDesk(views, trading, deployment.config.currency, folder.parent, pages)
    given, own = os.environ.pop(KEY_VARIABLE, ""), os.environ.pop(TICKET_VARIABLE, "")
    try:
        made = Dashboard(
            desk, verifier(folder), asked.port, address=asked.address,
            ticket=lambda: own or ticket.read(folder),  # `qflib up` writes another one at each start
            ticket_key=lambda: given or folder_key(folder), origins=tuple(asked.origin),
        )  # fmt: skip
    except OSError as e:
        sys.exit(f"the dashboard cannot listen at {asked.address}:{asked.port} ({e.strerror}); set QFLIB_DASH__PORT")
    serve(asked.metrics_port, address=chosen.stream.metrics_host)
    loop = IOLoop.current()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.add_callback_from_signal(loop.stop))
    views.listen(lambda changed: loop.add_callback(loop.stop) if changed.anew else None)
    views.start()
    made.start()
    print(f"dashboard at http://{asked.address}:{made.port}/", flush=True)
    loop.start()
    made.stop()
    views.stop()
    if views.epoch:  # pages, instruments, sequences: all of them are another desk's
        sys.exit("the desk was begun anew, or is too far ahead to be caught up with; start its dashboard again")


def _arguments() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="dashboards/app.py", description="The live dashboard of a desk.")
    made.add_argument("--deployment", type=Path, required=True, help="deployment.json in the desk's folder")
    made.add_argument("--bootstrap", required=True, help="the broker: host:port")
    made.add_argument("--port", type=int, default=5006)
    made.add_argument("--address", default="127.0.0.1", help="where to listen")
    made.add_argument("--api", default="", help="URL of the HTTP API; without it nothing can be traded")
    made.add_argument("--origin", action="append", default=[], help="one more host:port that pages may come from")
    made.add_argument("--metrics-port", type=int, default=0)
    return made


if __name__ == "__main__":
    main()
