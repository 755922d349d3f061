"""Sessions without browsers: each gets the page, opens its WebSocket, says that all is drawn, and reads."""

from __future__ import annotations

import json
import re
import urllib.request
from threading import Thread
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


class Reading:
    """One session on the Market page; `frames` and `size` of what it was told."""

    def __init__(self, url: str, cookie: str) -> None:
        request = urllib.request.Request(url, headers={"Cookie": cookie})
        with urllib.request.urlopen(request, timeout=60) as reply:
            page = reply.read().decode()
        token = re.search(r'"token":"([^"]+)"', page)
        assert token is not None
        self.frames = self.size = 0
        self._socket: ClientConnection = connect(
            url.replace("http", "ws") + "ws", subprotocols=["bokeh", token[1]], origin=url.rstrip("/"),
            additional_headers={"Cookie": cookie}, max_size=None,
        )  # fmt: skip
        self._answer()  # that we are known
        self._send("PULL-DOC-REQ", {})
        self._send("PATCH-DOC", {"events": [_ready(model) for model in _components(self._answer())]})
        Thread(target=self._read, daemon=True).start()

    def _send(self, kind: str, content: Any) -> None:
        for part in ({"msgid": kind, "msgtype": kind}, {}, content):
            self._socket.send(json.dumps(part))

    def _answer(self) -> Any:
        """The content of a message: the frame after header and metadata; buffers are told in frames of their own."""
        header = json.loads(self._socket.recv(timeout=60))
        self._socket.recv(timeout=60)
        content = json.loads(self._socket.recv(timeout=60))
        for _ in range(2 * header.get("num_buffers", 0)):
            self._socket.recv(timeout=60)
        return content

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def _read(self) -> None:
        try:
            for frame in self._socket:
                self.frames += 1
                self.size += len(frame)
        except ConnectionClosed:
            pass


def _components(document: Any) -> list[str]:
    """The ids of the models that run JavaScript of ours."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "esm" in (value.get("attributes") or {}):
                found.append(value["id"])
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(document)
    return found


def _ready(model: str) -> dict[str, Any]:
    data = {"type": "map", "entries": [["op", "ready"]]}
    values = {"type": "map", "entries": [["model", {"id": model}], ["data", data]]}
    event = {"type": "event", "name": "data_event", "values": values}
    return {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
