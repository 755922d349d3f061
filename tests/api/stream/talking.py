"""A client of the stream by hand."""

from __future__ import annotations

import json
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from qflib.api.stream.checksum import book_checksum
from tests.api.stream.playing import Playing


def ask(ws: ClientConnection, op: str, **told: Any) -> None:
    ws.send(json.dumps({"op": op} | told))


def told(ws: ClientConnection, timeout: float = 5) -> dict[str, Any]:
    """The next message that is no heartbeat."""
    while True:
        message: dict[str, Any] = json.loads(ws.recv(timeout))
        if message["type"] != "heartbeat":
            return message


def due(ws: ClientConnection) -> list[dict[str, Any]]:
    """All that is due now: until a ping is answered with nothing before its pong."""
    made: list[dict[str, Any]] = []
    while True:
        before = len(made)
        ask(ws, "ping", id="now")
        while (m := told(ws)) != {"type": "pong", "id": "now"}:
            made.append(m)
        if len(made) == before:
            return made


def drained(server: Playing) -> None:
    """Wait until what was played has gone through the hub."""
    while not server.call(server.hub.settled):
        time.sleep(0.005)


def closed(ws: ClientConnection, code: int | None) -> list[dict[str, Any]]:
    """The messages before the close, which has this code; None: any, or none at all."""
    made = []
    try:
        while True:
            made.append(told(ws))
    except ConnectionClosed as e:
        told_code = None if e.rcvd is None else e.rcvd.code
    assert code is None or told_code == code
    return made


class Book:
    """A book kept by hand."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        self.seq = -1

    def take(self, m: dict[str, Any]) -> None:
        if m["type"] == "snapshot":
            self.sides = {side: dict(m["data"][side]) for side in self.sides}
        else:
            assert m["prev_seq"] == self.seq
            for side, levels in self.sides.items():
                levels.update(m["data"][side])
                for price in [p for p, q in levels.items() if q == "0"]:
                    del levels[price]
        self.seq = m["seq"]
        assert book_checksum(*self.shown()) == m["data"]["checksum"]

    def shown(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids = sorted(self.sides["bids"].items(), key=lambda x: -float(x[0]))
        return bids, sorted(self.sides["asks"].items(), key=lambda x: float(x[0]))
