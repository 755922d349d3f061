"""The PostgreSQL server of a desk's own: its last user stops it, and its socket is nobody else's."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from qflib.errors import DataError
from qflib.history.postgres import PrivateServer

_ADOPT = 36  # PR_SET_CHILD_SUBREAPER
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
    # as after a start of the machine, or of one that is dead and has not quite ended: the numbers are of a process
    for lock in (own.data / "postmaster.pid", own.socket_folder / ".s.PGSQL.5432.lock"):
        lock.write_text(f"{server.pid}\n{own.data}\n")
    assert own.ensure()
    assert own.pid not in (None, server.pid)
    own.remove()
    assert own.pid is None
    own.leave()  # there is nothing to leave
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.dsn)


def test_one_that_is_dead_and_noticed_by_nobody_is_started_again(server: PrivateServer) -> None:
    """It is a zombie of whoever adopted it, here of this process, as of `qflib up`."""
    own, prctl = PrivateServer(server.folder / "adopted"), ctypes.CDLL(None).prctl
    assert prctl(_ADOPT, 1, 0, 0, 0) == 0
    try:
        own.ensure()
        dead = own.pid
        assert dead is not None
        for p in [psutil.Process(dead), *psutil.Process(dead).children()]:
            p.kill()
        while psutil.Process(dead).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert own.pid is None
        own.ensure()
        assert own.pid not in (None, dead)
        assert psutil.Process(dead).status() == psutil.STATUS_ZOMBIE
    finally:
        prctl(_ADOPT, 0, 0, 0, 0)
        own.remove()
        for p in psutil.Process().children():
            if p.status() == psutil.STATUS_ZOMBIE:
                p.wait()


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
