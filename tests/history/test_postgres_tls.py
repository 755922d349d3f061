"""PostgreSQL by TLS: the server proves who it is by a private authority, or nothing is sent to it."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
import trustme

from qflib.errors import DataError
from qflib.history.postgres import PostgresHistory, PrivateServer
from qflib.history.postgres.connections import Database

_SSL_REQUEST = 80_877_103


class TlsFront:
    """TLS before the private server, which is built without: the protocol's own request, then bytes passed on."""

    def __init__(self, context: ssl.SSLContext, server: PrivateServer) -> None:
        self._context, self._way = context, str(server.socket_folder / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.plain = 0  # those who would have spoken without TLS
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller:
            while (code := struct.unpack(">ii", caller.recv(8, socket.MSG_WAITALL))[1]) != _SSL_REQUEST:
                if code < _SSL_REQUEST:
                    self.plain += 1
                    return
                caller.sendall(b"N")  # it would have liked Kerberos
            caller.sendall(b"S")
            try:
                talk = self._context.wrap_socket(caller, server_side=True)
            except (ssl.SSLError, OSError):
                return
            with talk, socket.socket(socket.AF_UNIX) as behind:
                behind.connect(self._way)
                Thread(target=_pass, args=(behind, talk), daemon=True).start()
                _pass(talk, behind)


def _pass(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def front(authority: trustme.CA, server: PrivateServer) -> Iterator[TlsFront]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    made = TlsFront(context, server)
    yield made
    made.close()


def asked(dsn: str) -> int:
    database = Database(dsn, patience_s=0.1)
    try:
        return PostgresHistory(database).count("events")
    finally:
        database.close()


def test_only_the_server_of_the_authority_is_spoken_to(
    authority: trustme.CA, front: TlsFront, tmp_path: Path, new_postgres: Callable[[], PostgresHistory]
) -> None:
    new_postgres()
    right, wrong = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(right))
    trustme.CA().cert_pem.write_to_path(str(wrong))
    way = f"port={front.port} user=qflib dbname=qflib"
    assert asked(f"host=localhost {way} sslmode=verify-full sslrootcert={right}") == 0
    with pytest.raises(DataError, match="certificate verify failed"):
        asked(f"host=localhost {way} sslmode=verify-full sslrootcert={wrong}")
    with pytest.raises(DataError, match=r"does not match host name"):
        asked(f"host=127.0.0.1 {way} sslmode=verify-full sslrootcert={right}")
    assert front.plain == 0
    with pytest.raises(DataError, match="cannot be reached"):
        asked(f"host=localhost {way} sslmode=disable")
    assert front.plain > 0
