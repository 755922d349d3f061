"""Who is at the dashboard: a login is kept here, the browser has nothing but a signed token of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

import structlog

from qflib.api.rates import Rates

_log = structlog.get_logger(__name__)
_LASTS_S = 12 * 3600.0
_LOOK_S = 0.5  # between two looks whether the keys are still in force: a revoked one's pages end within a second
_TRIES, _TRIES_S = 10, 60.0  # wrong keys and tickets a minute an address
_MOST = 1_000  # logins at a time


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose key it is, and what it may do (`read`, `trade`, `admin`)."""

    name: str
    scopes: frozenset[str]

    @property
    def may_trade(self) -> bool:
        """Whether orders may be sent."""
        return "trade" in self.scopes


#: Checks a key: whose it is; None where it is not in force.
Verify = Callable[[str], Principal | None]


@dataclass(slots=True)
class Login:
    """One login; `key` is what orders are sent with and never leaves this process otherwise."""

    principal: Principal
    key: str = field(repr=False)
    ends: float
    over: bool = False

    @property
    def in_force(self) -> bool:
        """Whether it has neither been ended nor run out."""
        return not self.over and time.monotonic() <= self.ends


class Logins:
    """All logins of this process.

    Parameters
    ----------
    verify
        Checks a key.

    Examples
    --------
    >>> me = Principal("me", frozenset(("read",)))
    >>> logins = Logins(lambda key: me if key == "k" else None)
    >>> token = logins.open("k")
    >>> logins.find(token).principal.name, logins.open("x") is None, logins.find("forged") is None
    ('me', True, True)
    """

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._by_token: dict[str, Login] = {}
        self._wrong = Rates(_TRIES / _TRIES_S, _TRIES)
        self._shut: dict[str, float] = {}  # addresses, until when
        self._lock, self._ending = Lock(), Event()
        self._thread: Thread | None = None

    def shut(self, address: str) -> bool:
        """Whether too many wrong keys or tickets came from an address: it has to wait."""
        with self._lock:
            self._shut = {a: t for a, t in self._shut.items() if t > time.monotonic()}
            return address in self._shut

    def wrong(self, address: str) -> None:
        """Count a wrong key or ticket."""
        with self._lock:
            if waits := self._wrong.take(address):
                self._shut[address] = time.monotonic() + waits

    def open(self, key: str, address: str = "") -> str | None:
        """The token of a new login; None where the key is not in force, which is counted of the address."""
        principal = self._verify(key)
        if principal is None or "read" not in principal.scopes:
            self.wrong(address)
            return None
        return self._kept(Login(principal, key, time.monotonic() + _LASTS_S))

    def find(self, token: str | None) -> Login | None:
        """The login of a token; None where there is none, or it has ended."""
        login = self._by_token.get(token or "")
        return login if login is not None and login.in_force else None

    def close(self, token: str | None) -> None:
        """End a login; its open pages are told."""
        with self._lock:
            login = self._by_token.pop(token or "", None)
        if login is not None:
            login.over = True

    def look(self) -> None:
        """End the logins whose keys were revoked or whose time is over."""
        for token, login in list(self._by_token.items()):
            try:
                gone = time.monotonic() > login.ends or self._verify(login.key) is None
            except Exception:  # the look must go on, or no key that is revoked would end its pages any more
                _log.exception("a key could not be checked; it is asked again")
                continue
            if gone:
                self.close(token)

    def start(self) -> None:
        """Look again and again, in a thread."""
        self._thread = Thread(target=self._run, name="logins", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_S):
            self.look()

    def _kept(self, login: Login) -> str:
        token = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._by_token) >= _MOST:
                self._by_token.pop(next(iter(self._by_token))).over = True
            self._by_token[token] = login
        return token
