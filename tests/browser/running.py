"""A dashboard in a thread of this process, over a played desk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any

from dashboards.access import Principal
from dashboards.desk import SharedDesk
from dashboards.server import Dashboard
from dashboards.trading import NewOrder, RefusedError
from qflib.broker.data_folder import free_port
from tests.browser.player import Player

READER, TRADER, TICKET = "qf_reader_key", "qf_trader_key", "a-ticket-of-the-test"
KEYS = {
    READER: Principal("reader", frozenset(("read",))),
    TRADER: Principal("trader", frozenset(("read", "trade"))),
}


class Taken:
    """Trading that notes what it was asked."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, NewOrder]] = []
        self.cancels: list[tuple[str, str, str]] = []
        self.unknown: list[Exception] = []  # raised for the next orders, though they are taken

    def place(self, key: str, order: NewOrder) -> str:
        if order.qty == "666":
            raise RefusedError("order_size_limit: qty 666 is above the limit of 500 lots")
        fault = self.unknown.pop(0) if self.unknown else None
        self.orders.append((key, order))
        if fault is not None:
            raise fault
        return f"accepted: {order.side} {order.qty} {order.instrument}"

    def cancel(self, key: str, account: str, client_order_id: str) -> str:
        self.cancels.append((key, account, client_order_id))
        return f"cancel of {client_order_id} is on its way"


class Running:
    """The server, its loop and its player."""

    def __init__(
        self, speed: float = 1.0, port: int | None = None, address: str = "127.0.0.1", origins: tuple[str, ...] = ()
    ) -> None:
        self.player, self.trading = Player(speed), Taken()
        self.address, self.origins = address, origins
        self.kept = Path(mkdtemp())  # where jobs leave their runs
        self.keys = dict(KEYS)
        self.port = port or free_port()
        self._up, self._thread = Event(), Thread(target=self._run, daemon=True)
        self.dashboard: Any = None
        self._loop: Any = None

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def start(self) -> None:
        self.player.start()
        self._thread.start()
        assert self._up.wait(30)

    def stop(self) -> None:
        self.player.stop()
        self._loop.add_callback(self._end)
        self._thread.join(10)

    def _run(self) -> None:
        from tornado.ioloop import IOLoop

        asyncio.set_event_loop(asyncio.new_event_loop())
        self._loop = IOLoop.current()
        desk = SharedDesk(self.player.views, self.trading, kept=self.kept)
        self.dashboard = Dashboard(
            desk, self.keys.get, self.port, address=self.address, ticket=lambda: TICKET, ticket_key=lambda: TRADER,
            origins=self.origins,
        )  # fmt: skip
        self.dashboard.start()
        self._loop.add_callback(self._up.set)
        self._loop.start()

    def _end(self) -> None:
        self.dashboard.stop()
        self._loop.stop()


if __name__ == "__main__":  # to look at: python -m tests.browser.running
    import sys

    running = Running(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, 5077)
    running.start()
    print(f"{running.url}/login?ticket={TICKET}", flush=True)
    Event().wait()
