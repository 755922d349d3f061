"""Between a client and its broker: a proxy that cuts the connection at a commit, or passes it on late; and a broker."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

from qflib.broker.clients import Connection
from qflib.broker.data_folder import free_port
from qflib.broker.local import LocalBroker
from qflib.broker.server import HOST
from qflib.settings import load

_END_TXN = 26
_FLEXIBLE = 3  # from this version on a request ends with tagged fields


class Severing:
    """Passes on what comes, but for commits (EndTxn): of those that it is told to cut it lets no answer back.

    The port is bound at once; `serve` says where to.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.commits = 0  # seen
        self.cuts = 0
        self.late = 0  # commits that have reached the broker after their time
        self._hold_s: list[float] = []
        self._wanted: list[bool] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((HOST, self.port))

    def serve(self, port: int) -> None:
        """Pass on to a port of this machine."""
        threading.Thread(target=self._accept, args=(port,), daemon=True).start()

    def cut(self, *, passed_on: bool, times: int = 1) -> None:
        """Cut the next commits' connections: once the broker has one and has answered, or before it has it."""
        with self._lock:
            self._wanted = [passed_on] * times

    def hold(self, seconds: float) -> None:
        """Pass the next commit on after so long, whether its client still waits or has sent it again."""
        with self._lock:
            self._hold_s = [seconds]

    def close(self) -> None:
        """Cut all."""
        self._listener.close()
        with self._lock:
            sever(*self._open)

    def _accept(self, port: int) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection((HOST, port))
                except OSError:  # it is away
                    sever(client)
                    continue
                for s in (client, broker):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open |= {client, broker}
                dropped: set[bytes] = set()  # correlation ids of requests whose answers cut the connection
                for way in (self._requests, self._answers):
                    threading.Thread(target=way, args=(client, broker, dropped), daemon=True).start()

    def _requests(self, client: socket.socket, broker: socket.socket, dropped: set[bytes]) -> None:
        with suppress(OSError):
            while frame := _frame(client):
                if _commits(frame):
                    with self._lock:
                        self.commits += 1
                        passed_on = self._wanted.pop(0) if self._wanted else None
                        held = self._hold_s.pop() if self._hold_s else 0.0
                    if passed_on is False:
                        self.cuts += 1
                        break
                    if passed_on:
                        dropped.add(frame[8:12])
                    if held:
                        time.sleep(held)
                        broker.sendall(frame)
                        self.late += 1
                        continue
                broker.sendall(frame)
        sever(client, broker)

    def _answers(self, client: socket.socket, broker: socket.socket, dropped: set[bytes]) -> None:
        with suppress(OSError):
            while frame := _frame(broker):
                if frame[4:8] in dropped:
                    self.cuts += 1
                    break
                client.sendall(frame)
        sever(client, broker)


def sever(*ends: socket.socket) -> None:
    """Close both ends at once, whoever waits at them."""
    for s in ends:
        with suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)
        s.close()


def _commits(frame: bytes) -> bool:
    """Whether a request with its length before it is an EndTxn that commits."""
    key, version = struct.unpack_from(">hh", frame, 4)
    return key == _END_TXN and bool(frame[-2 if version >= _FLEXIBLE else -1])


def _frame(s: socket.socket) -> bytes:
    """The next request or answer with its length before it; empty at the end."""
    head = exactly(s, 4)
    return head + exactly(s, int.from_bytes(head, "big")) if head else b""


def exactly(s: socket.socket, n: int) -> bytes:
    """So many bytes; none at the end."""
    got = bytearray()
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            return b""
        got += part
    return bytes(got)


class SeveredBroker(LocalBroker):
    """A broker with a second listener, whose clients are told the proxy's address."""

    def __init__(self, folder: Path, proxy: Severing) -> None:
        kafka = load().broker
        super().__init__(folder, light=True, repository=kafka.repository, cache=kafka.cache, progress=False)
        self._proxy = proxy

    @property
    def severed(self) -> Connection:
        """The cluster as it is reached through the proxy alone."""
        return Connection(f"{HOST}:{self._proxy.port}")

    def start(self, *, fresh: bool = False) -> object:
        """As `LocalBroker.start`."""
        self._behind = free_port(self._proxy.port)
        started = super().start(fresh=fresh)
        self._proxy.serve(self._behind)
        return started

    def _lay_out(self, *args: object) -> None:
        super()._lay_out(*args)
        more = {
            "listeners": f"SEVERED://{HOST}:{self._behind}",
            "advertised.listeners": f"SEVERED://{HOST}:{self._proxy.port}",
            "listener.security.protocol.map": "SEVERED:PLAINTEXT",
        }
        file = self._place.properties
        lines = [line.split("=", 1) for line in file.read_text().splitlines()]
        file.write_text("".join(f"{k}={v},{more[k]}\n" if k in more else f"{k}={v}\n" for k, v in lines))
