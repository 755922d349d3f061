"""Between a client and PostgreSQL: a proxy that cuts the connection at a commit."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

from tests.stream.severing import exactly, sever

HOST = "127.0.0.1"
_ASKS = (b"Q", b"P")  # a query, in one message or in several


class SeveringPostgres:
    """Passes on what comes, but for commits: of those that it is told to cut it lets no answer back.

    Parameters
    ----------
    way
        The server's socket.
    """

    def __init__(self, way: Path) -> None:
        self._way, self._listener = str(way), socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.commits = self.cuts = 0
        self._wanted: list[bool] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, passed_on: bool) -> None:
        """Cut the next commit's connection: once the server has it and has answered, or before it has it."""
        with self._lock:
            self._wanted = [passed_on]

    def close(self) -> None:
        """Cut all."""
        self._listener.close()
        sever(*self._open)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self._way)
                except OSError:  # it is away
                    sever(client, server)
                    continue
                self._open |= {client, server}
                silent = threading.Event()  # from then on no answer is let back
                for to in (self._questions, self._answers):
                    threading.Thread(target=to, args=(client, server, silent), daemon=True).start()

    def _questions(self, client: socket.socket, server: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            begun = False
            while head := exactly(client, 5 if begun else 4):
                length = int.from_bytes(head[-4:], "big") - 4
                message = head + exactly(client, length)
                begun = begun or message[4:6] == b"\0\3"  # before it: requests for TLS or Kerberos
                if begun and message[:1] in _ASKS and b"COMMIT\0" in message:
                    with self._lock:
                        self.commits += 1
                        passed_on = self._wanted.pop(0) if self._wanted else None
                    if passed_on is not None:
                        self.cuts += 1
                    if passed_on is False:
                        break
                    if passed_on:
                        silent.set()
                server.sendall(message)
        sever(client, server)

    @staticmethod
    def _answers(client: socket.socket, server: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while (part := server.recv(1 << 16)) and not silent.is_set():
                client.sendall(part)
        sever(client, server)
