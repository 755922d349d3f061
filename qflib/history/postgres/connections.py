"""Connections to a database: a pool of them, what its faults mean, and how long a server may be away."""

from __future__ import annotations

import atexit
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any, TypeVar

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from qflib.errors import DataError, FullDiskError, InputError, MissingPartError, StoreUnavailableError
from qflib.history.postgres.private import PrivateServer

try:
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg_pool import ConnectionPool, PoolTimeout
except ImportError:
    raise MissingPartError(
        "a history in PostgreSQL needs psycopg, which is not installed; run `pip install 'qflib[postgres]'`"
    ) from None

_log = structlog.get_logger(__name__)

T = TypeVar("T")
NAMESPACE = "qflib"
#: A server that restarts, or its successor, is back within this; what is asked meanwhile waits.
PATIENCE_S = 20.0
_CONNECT_S = 5
#: The pool waits for seconds before it tries again to reach a server: we ask again sooner, and may have it started.
_WAIT_S, _AGAIN_S = 2.0, 0.1
#: What a server says to one whom it lets in never: libpq hands on no code of it.
_DENIED = re.compile(
    r'FATAL: +(password authentication failed|no pg_hba.conf entry|(role|database) ".*" does not exist)'
)
_AWAY = ("57P01", "57P02", "57P03", "53300", "08000", "08001", "08003", "08004", "08006", "25006", "40001", "40P01")


class Database:
    """A schema of a database, reached by a few connections.

    Parameters
    ----------
    dsn
        As libpq takes it; None: of `server`.
    namespace
        The schema.
    server
        A private one, to be started where it does not run.
    size
        Connections at most.
    patience_s
        How long a server that is away is awaited.
    """

    def __init__(
        self,
        dsn: str | None,
        namespace: str = NAMESPACE,
        server: PrivateServer | None = None,
        size: int = 8,
        patience_s: float = PATIENCE_S,
    ) -> None:
        if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", namespace) is None:
            raise InputError(f"schema {namespace!r} is no name of small letters, digits and _; give one as qflib")
        self.server, self.namespace = server, namespace
        self.dsn = dsn if server is None else server.dsn
        assert self.dsn is not None
        self._size, self._patience_s = size, patience_s
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._opening = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is that process's own."""
        server = None if self.server is None else str(self.server.folder)
        return database, (None if server else self.dsn, self.namespace, server, self._size)

    @property
    def name(self) -> str:
        """How it is told of: without a password."""
        return f"{shown(self.dsn or '')}, schema {self.namespace}" if self.server is None else str(self.server.folder)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the pool, in autocommit; a broken one is replaced."""
        pool = self._opened()
        try:
            c = pool.getconn()
        except PoolTimeout:  # the pool does not say why
            psycopg.connect(self.dsn or "", **self.parameters()).close()
            raise
        try:
            yield c
        finally:
            pool.putconn(c)

    def _opened(self) -> ConnectionPool[psycopg.Connection[Any]]:
        with self._opening:
            if self._pool is None:
                if self.server is not None:
                    self.server.ensure()
                atexit.register(self.close)  # before the server is left
                logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what it warns of is told by `_told`
                self._pool = ConnectionPool(
                    self.dsn or "",
                    kwargs=self.parameters(),
                    min_size=0,
                    max_size=self._size,
                    max_idle=60,
                    timeout=_WAIT_S,
                    reconnect_timeout=_AGAIN_S,
                    check=ConnectionPool.check_connection,
                    open=True,
                )
            return self._pool

    def parameters(self) -> dict[str, Any]:
        """Of a connection, beside the DSN."""
        return {
            "autocommit": True,
            "connect_timeout": _CONNECT_S,
            "application_name": "qflib",
            "options": f"-c search_path={self.namespace} -c timezone=UTC",
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }

    def run(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Do a piece of work, again from its beginning where the server went away meanwhile.

        Parameters
        ----------
        work
            Takes a connection. It must bear to be done twice.

        Raises
        ------
        DataError
            If the server does not come back in time, its disk is full, or it refuses.
        """
        try:
            for attempt in Retrying(
                retry=retry_if_exception(_away),
                stop=stop_after_delay(self._patience_s),
                wait=wait_random_exponential(multiplier=0.05, max=1.0),
                before_sleep=self._told,
                reraise=True,
            ):
                with attempt, self.connection() as c:
                    return work(c)
        except (psycopg.Error, PoolTimeout) as e:
            raise self.fault(e) from None
        raise AssertionError  # the loop returns or raises

    def fault(self, e: Exception) -> DataError:
        """What an error of the database means to a user."""
        line = " ".join(str(e).split())[:200]
        state = getattr(e, "sqlstate", None)
        if state == "53100":
            return FullDiskError(
                f"history {self.name} cannot be written: the disk is full; free some space and start again"
            )
        if _DENIED.search(line):  # told at once; who goes on meanwhile, as the archive does, may find it mended
            return StoreUnavailableError(
                f"history {self.name} does not let this user in: {line}; set QFLIB_STORE__DSN, or "
                "QFLIB_STORE__READER_DSN where that is told, right"
            )
        if state in ("42501", "28P01", "28000"):
            return DataError(f"history {self.name} refuses this user: {line}; give it a role of `qflib store roles`")
        if state in ("3F000", "42P01", "42703", "42883"):
            return DataError(f"history {self.name} has another schema version: {line}; run `qflib store migrate`")
        if _away(e):
            return StoreUnavailableError(f"history {self.name} cannot be reached: {line}; see whether its server runs")
        return DataError(f"history {self.name} cannot be used: {line}")

    def close(self) -> None:
        """End its connections."""
        if self._pool is not None:
            atexit.unregister(self.close)
            self._pool.close(timeout=1.0)
            self._pool = None

    def _told(self, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        _log.warning("waiting for PostgreSQL", attempt=state.attempt_number, why=" ".join(str(error).split())[:200])
        if self.server is not None:
            try:
                self.server.ensure()
            except StoreUnavailableError as e:  # it may at the next attempt
                _log.warning("the server does not start", why=str(e))


@lru_cache
def database(dsn: str | None, namespace: str = NAMESPACE, server: str | None = None, size: int = 8) -> Database:
    """The one of this process: all who read or write it share its connections.

    Parameters
    ----------
    dsn, namespace, size
        As `Database` takes them.
    server
        The folder of a private server.
    """
    return Database(dsn, namespace, None if server is None else PrivateServer(server), size)


def shown(dsn: str) -> str:
    """A DSN without its password.

    Raises
    ------
    InputError
        If it is none, or its password is cut up: what libpq says of it quotes a part of it, and is not told.

    Examples
    --------
    >>> from qflib.history.postgres.connections import shown
    >>> shown("postgresql://writer:secret@db.example/market")
    'user=writer dbname=market host=db.example'
    """
    try:
        told = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        told = {}
    # a / or @ in the password: its beginning passes for the port, its end for the database
    cut = any("@" in str(told.get(part, "")) for part in ("host", "hostaddr", "dbname"))
    if not told or cut or re.fullmatch(r"[0-9,]*", str(told.get("port", ""))) is None:
        raise InputError(
            "the setting store.dsn is not shown, since it may hold a password: it is no DSN of PostgreSQL as "
            "postgresql://user:password@host:5432/database, or its password has a character as / @ % or a space that "
            "is not written as %2F %40 %25 %20; set QFLIB_STORE__DSN right"
        )
    return make_conninfo(**{k: str(v) for k, v in told.items() if k not in ("password", "sslpassword")})


def _away(e: BaseException) -> bool:
    """Whether the server, or the way to it, was gone: the same question may be answered in a moment."""
    if isinstance(e, PoolTimeout):
        return True
    state = getattr(e, "sqlstate", None)
    if state is not None:
        return state in _AWAY
    if _DENIED.search(str(e)):
        return False
    return isinstance(e, psycopg.OperationalError | psycopg.InterfaceError)


__all__ = ["NAMESPACE", "Database", "database", "psycopg", "shown", "sql"]
