"""The PostgreSQL server of a desk's own: its last user stops it, and its socket is nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from qflib.errors import DataError
from qflib.history.postgres import PrivateServer

_USER = """
import sys
from qflib.history.postgres import PrivateServer
server = PrivateServer(sys.argv[1])
server.ensure()
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_the_last_user_of_a_private_server_stops_it(server: PrivateServer) -> None:
    """However the others ended."""
    folder = server.folder / "own"
    users = [
        subprocess.Popen([sys.executable, "-c", _USER, str(folder)], stdin=-1, stdout=-1, text=True) for _ in range(3)
    ]
    pids = {user.stdout.readline() for user in users if user.stdout is not None}
    assert len(pids) == 1
    own = PrivateServer(folder)
    users[0].communicate("")
    assert own.pid == int(pids.pop())
    users[1].kill()
    users[1].communicate()
    assert own.pid is not None
    last = psutil.Process(own.pid)
    users[2].communicate("")
    last.wait(30)
    assert own.pid is None
    (own.data / "postmaster.pid").write_text(f"{os.getpid()}\n{own.data}\n")  # as after a start of the machine
    assert own.ensure()
    assert own.pid not in (None, os.getpid())
    own.remove()
    assert own.pid is None
    own.leave()  # there is nothing to leave
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.dsn)


def test_a_socket_folder_that_another_made_is_refused(tmp_path: Path) -> None:
    """Who reaches the socket needs no password, and its place can be foretold."""
    server = PrivateServer(tmp_path / "server")
    server.socket_folder.symlink_to(tmp_path)
    try:
        with pytest.raises(DataError, match="is another user's; have it removed"):
            server.ensure()
    finally:
        server.socket_folder.unlink()
        server.leave()
