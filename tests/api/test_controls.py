"""Controls: the kill switch needs the broker alone, and a control that failed can be sent again."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from qflib.api import sender as sender_module
from qflib.api.problems import away
from qflib.api.sender import Sender
from qflib.broker.clients import Connection
from qflib.records import Partitions
from tests.api.served import ORDER, served


def test_the_kill_switch_needs_the_broker_alone(tmp_path: Path) -> None:
    up = [True]
    api = served(tmp_path, up=up)
    api.state._ready = lambda: False  # the views are reading
    api.sender.is_ready = False
    with api.client() as client:
        assert client.put("/v1/limits", json={"name": "max_es", "value": 1}).status_code == 503
        assert client.put("/v1/kill-switch", json={"on": True}).status_code == 202
        up[0] = False
        assert client.put("/v1/kill-switch", json={"on": True}).status_code == 503
    assert api.sender.urgent == [True]


def test_a_control_that_failed_tells_its_id(tmp_path: Path) -> None:
    api = served(tmp_path)
    api.sender.fails = away("not confirmed", "unknown_outcome")
    with api.client() as client:
        for path, body in (("/v1/kill-switch", {"on": True}), ("/v1/limits", {"name": "max_es", "value": 1})):
            told = client.put(path, json=body).json()
            assert (told["code"], len(told["context"]["control_id"])) == ("unknown_outcome", 32)
            told = client.put(path, json=body | {"control_id": "mine"}).json()
            assert told["context"]["control_id"] == "mine"


def test_without_a_line_to_the_broker_it_is_not_ready(tmp_path: Path) -> None:
    api = served(tmp_path)
    with api.client() as client:
        assert client.get("/readyz").json()["line"] is True
        api.sender.is_ready = False
        told = client.get("/readyz")
        assert (told.status_code, told.json()["context"]["line"], told.json()["context"]["broker"]) == (
            503,
            False,
            True,
        )
        assert client.post("/v1/orders", json=ORDER).json()["code"] == "broker_unavailable"
    assert not api.sender.orders


def test_what_is_urgent_waits_behind_no_booking(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def publish(c: Any, batches: list[Any], *_: Any, **__: Any) -> int:
        assert batches == ["kill"] or free.wait(20)
        return len(batches)

    monkeypatch.setattr(sender_module, "publish", publish)

    async def run() -> None:
        sender = Sender(Connection("127.0.0.1:9"), Partitions.spread(4, ("ACME",)))
        assert not sender.is_ready
        bookings: Any = ["bookings"]
        kill: Any = ["kill"]
        slow = [asyncio.create_task(sender.publish(bookings)) for _ in range(3)]
        await asyncio.sleep(0)
        try:
            assert await asyncio.wait_for(sender.publish(kill, urgent=True), 10) == 1
            assert not any(s.done() for s in slow)
        finally:
            free.set()
        assert await asyncio.gather(*slow) == [1] * 3

    asyncio.run(run())
