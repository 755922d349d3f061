"""A server under load: the API itself, or the least that a peer needs for the same answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qflib.api.app import create_app
from qflib.api.keys import KeyStore
from qflib.api.listener import BoundedServer
from qflib.api.state import Ack, ApiState
from qflib.api.stream import Hub
from qflib.cli.benches.faces.market import MID, SYMBOL, BookMarket
from qflib.settings import ApiSettings

_RATE = 20.0


class AtOnce:
    """A way to Kafka that confirms in the loop's next turn."""

    def __init__(self) -> None:
        self._n = 0

    @property
    def is_ready(self) -> bool:
        """Always."""
        return True

    def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def order(self, underlying: str, row: tuple[Any, ...]) -> asyncio.Future[Ack]:
        """Confirmed."""
        return self._told()

    def signal(self, payload: bytes, receipt_ns: int) -> asyncio.Future[Ack]:
        """Confirmed."""
        return self._told()

    async def publish(self, batches: Sequence[Any], *, urgent: bool = False) -> int:
        """Confirmed."""
        return len(batches)

    def _told(self) -> asyncio.Future[Ack]:
        self._n += 1
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Ack] = loop.create_future()
        loop.call_soon(told.set_result, Ack(time.time_ns() // 1_000_000, 0, self._n, 0))
        return told


def main(which: str) -> None:
    """Serve until stdin ends."""
    market = BookMarket(_RATE)
    with tempfile.TemporaryDirectory(prefix="qflib-bench-") as folder:
        keys = KeyStore(Path(folder, "keys.json"))
        key, _ = keys.create("bench", "admin")
        asyncio.run(_serve(which, market, keys, key))


async def _serve(which: str, market: BookMarket, keys: KeyStore, key: str) -> None:
    from granian.constants import Interfaces

    loop, views, sender = asyncio.get_running_loop(), market.views, AtOnce()
    if which == "starlette":
        from qflib.cli.benches.faces.peer import bare

        app: Any = bare(views, sender)
    else:
        unlimited = ApiSettings(rate=1e9, burst=10**9)
        state = ApiState(views, sender, keys, unlimited, Hub(views, settled=lambda: True), ready=lambda: True,
                         connected=lambda: True)  # fmt: skip
        app = create_app(state)
    port = _free()
    server = BoundedServer(app, "127.0.0.1", port, interface=Interfaces.ASGI, log_enabled=False, backlog=1_024)
    serving = loop.create_task(server.serve())
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        break
    market.start()
    told = {"port": port, "key": key, "pid": os.getpid(), "symbol": SYMBOL, "price": f"{MID // 100}.00"}
    print(json.dumps(told), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    market.stop()
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait((serving,), timeout=3.0)


def _free() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


if __name__ == "__main__":
    main(sys.argv[1])
