"""The API over the views of a recorded run; what is sent lands in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.testing import TestClient

from qflib.api.app import create_app
from qflib.api.keys import KeyStore, Scope
from qflib.api.state import Ack, ApiState
from qflib.records import ORDERS, Batch, Header
from qflib.settings import ApiSettings
from qflib.views import Views
from tests.views.recorded import recorded

SENT_MS = 1_767_600_900_000
NOW_NS = 1_767_600_010_000_000_000  # some seconds after the last record of the run
ORDER = {"client_order_id": "o-1", "account": "ALICE", "portfolio": "DESK1", "instrument": "ACME.F", "side": "buy",
         "price": "100.00", "qty": "3"}  # fmt: skip


class Memory:
    """Takes what is sent and confirms it at once; `hold` keeps confirmations back, `fails` refuses."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, tuple[Any, ...]]] = []
        self.signals: list[tuple[bytes, int]] = []
        self.batches: list[Batch] = []
        self.held: list[asyncio.Future[Ack]] | None = None
        self.fails: Exception | None = None
        self.is_ready = True
        self.urgent: list[bool] = []

    def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def order(self, underlying: str, row: tuple[Any, ...]) -> asyncio.Future[Ack]:
        """Confirmed at the next offset."""
        self.orders.append((underlying, row))
        return self._told(len(self.orders) - 1)

    def signal(self, payload: bytes, receipt_ns: int) -> asyncio.Future[Ack]:
        """Confirmed at the next offset."""
        self.signals.append((payload, receipt_ns))
        return self._told(len(self.signals) - 1)

    async def publish(self, batches: Sequence[Batch], *, urgent: bool = False) -> int:
        """All or none."""
        self.urgent.append(urgent)
        if self.fails is not None:
            raise self.fails
        self.batches += batches
        return len(batches)

    def _told(self, offset: int) -> asyncio.Future[Ack]:
        told: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        if self.fails is not None:
            told.set_exception(self.fails)
        elif self.held is not None:
            self.held.append(told)
        else:
            told.set_result(Ack(SENT_MS, 0, 10_000 + offset, 0))
        return told

    def order_batch(self, k: int) -> Batch:
        """The record in which Kafka has an order."""
        values = dict(zip((c.name for c in ORDERS.columns), ([v] for v in self.orders[k][1]), strict=True))
        return Batch.of(
            "order", Header("api.test", 1, k), "orders.incoming", self.orders[k][0], orders=ORDERS.make(**values)
        )


class Served(NamedTuple):
    """An application in front of a recorded run."""

    app: Litestar
    state: ApiState
    sender: Memory
    keys: KeyStore

    def headers(self, scope: Scope = "admin") -> dict[str, str]:
        """With a new key of a scope."""
        return {"authorization": f"Bearer {self.keys.create('test', scope)[0]}"}

    @contextmanager
    def client(self, scope: Scope | None = "admin") -> Iterator[TestClient[Litestar]]:
        """A client with a key of a scope, or without."""
        with TestClient(self.app, raise_server_exceptions=False) as client:
            if scope is not None:
                client.headers.update(self.headers(scope))
            yield client


def served(
    folder: Path,
    views: Views | None = None,
    more: list[Any] | None = None,
    *,
    sender: Memory | None = None,
    up: list[bool] | None = None,
    **settings: Any,
) -> Served:
    """The API of a recorded run; `up` holds whether the broker answers."""
    keys, memory = KeyStore(folder / "keys.json"), sender or Memory()
    told = ApiSettings(**{"rate": 1e6, "burst": 10**6, **settings})
    state = ApiState(views or recorded().views(), memory, keys, told, ready=lambda: True,
                     connected=lambda: up is None or up[0], now_ns=lambda: NOW_NS, kept=folder)  # fmt: skip
    return Served(create_app(state, more), state, memory, keys)
