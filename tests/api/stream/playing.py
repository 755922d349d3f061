"""The real API under granian, fed with the records of a run by hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from granian.constants import Interfaces
from prometheus_client import CollectorRegistry

from qflib.api.app import create_app
from qflib.api.keys import KeyStore
from qflib.api.listener import BoundedServer
from qflib.api.state import ApiState
from qflib.api.stream import Hub, StreamLimits
from qflib.views import Views
from tests.api.served import NOW_NS, Memory
from tests.views.recorded import recorded


class Playing:
    """A desk whose records are played by `play`, and its API at `url`."""

    def __init__(self, folder: Path, limits: StreamLimits | None = None) -> None:
        self.told = recorded()
        self.limits, self.keys = limits, KeyStore(folder / "keys.json")
        self.key, _ = self.keys.create("test", "admin")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws = f"ws://127.0.0.1:{self.port}/v1/stream"
        self.headers = {"Authorization": f"Bearer {self.key}"}
        self.sender = Memory()
        self.played = 0
        self.settled = True
        self.views = Views(self.told.deployment)

    def play(self, n: int | None = None, until: Callable[[Any], bool] | None = None) -> int:
        """Feed the next records, as the reader's thread would; how many there were."""
        stop = len(self.told.seen) if n is None else min(self.played + n, len(self.told.seen))
        first = self.played
        while self.played < stop:
            seen = self.told.seen[self.played]
            self.played += 1
            self.views.take(seen)
            if until is not None and until(seen):
                break
        return self.played - first

    def start(self) -> None:
        self._up, self._failed = Event(), []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._up.wait(20), self._failed

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._ask.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def restart(self, n: int) -> None:
        """A new process: it has read the first n records only."""
        self.stop()
        self.views, self.played = Views(self.told.deployment), 0
        self.play(n)
        self.start()

    def call(self, work: Callable[[], Any]) -> Any:
        """What `work` gives in the server's loop."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as e:
            self._failed.append(e)
            raise

    async def _serve(self) -> None:
        self.loop, self._ask = asyncio.get_running_loop(), asyncio.Event()
        self.hub = Hub(self.views, self.limits, settled=lambda: self.settled)
        self.state = ApiState(
            self.views, self.sender, self.keys, hub=self.hub, ready=lambda: True, connected=lambda: True,
            now_ns=lambda: NOW_NS, registry=CollectorRegistry(),
        )  # fmt: skip
        app = create_app(self.state)
        server = BoundedServer(app, "127.0.0.1", self.port, interface=Interfaces.ASGI, log_enabled=False)
        serving = self.loop.create_task(server.serve())
        while not serving.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            break
        self._up.set()
        await self._ask.wait()
        await self.hub.stop()
        server.stop()
        await asyncio.wait((serving,), timeout=3)
        if not serving.done():
            serving.cancel()


@contextmanager
def playing(folder: Path, limits: StreamLimits | None = None, n: int = 0) -> Iterator[Playing]:
    """A started one, which has read n records."""
    made = Playing(folder, limits)
    made.play(n)
    made.start()
    try:
        yield made
    finally:
        made.stop()
