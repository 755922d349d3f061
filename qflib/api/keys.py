"""API keys: made, listed, revoked; kept as hashes in one file that processes read anew when it changes."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import secrets
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

import structlog

from qflib import settings
from qflib.api import own_file
from qflib.errors import DataError, InputError

Scope = Literal["read", "trade", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FILE, CLIENT_FILE = "keys.json", "client.toml"
_NOBODY = hashlib.sha256(b"").hexdigest()
_log = structlog.get_logger("qflib.api")
_LOOK_S = 0.2  # between two looks whether the file has changed


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret.

    Parameters
    ----------
    key_id
        Public part of it.
    name
        Whose it is.
    scopes
        What it may do: a wider scope holds the narrower ones.
    sha256
        Of the secret, in hexadecimal.
    created, revoked
        Seconds since 1970; revoked 0: it is in force.
    """

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: int
    revoked: int = 0


class KeyStore:
    """The keys of a desk.

    Parameters
    ----------
    path
        The file, `keys.json` in the desk's folder; it need not exist.

    Examples
    --------
    >>> import tempfile
    >>> store = KeyStore(Path(tempfile.mkdtemp(), "keys.json"))
    >>> text, key = store.create("me", "trade")
    >>> store.verify(text).scopes, store.verify(text[:-1] + "x") is None
    (('read', 'trade'), True)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[str, Key] = {}
        self._seen: tuple[int, int, int] | None = None  # the file as it was read,
        self._failed: tuple[int, int, int] | None = None  # and as it was when it could not be
        self._looked = 0.0
        self._lock = Lock()

    def verify(self, text: str) -> Key | None:
        """The key in force that a text is; None: it is none. Takes as long for an unknown id as for a wrong secret."""
        head, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._current().get(key_id) if head == "qf" else None
        same = hmac.compare_digest(_hashed(secret), _NOBODY if key is None else key.sha256)
        return key if key is not None and same and not key.revoked else None

    def listed(self) -> list[Key]:
        """All keys, revoked ones too, in the order of their making."""
        return list(self._current(now=True).values())

    def create(self, name: str, scope: Scope = "read") -> tuple[str, Key]:
        """Make a key: its text, which is shown this once, and what is kept.

        Raises
        ------
        InputError
            If the name is empty or too long, or the scope unknown.
        DataError
            If the file cannot be written.
        """
        if not name.strip() or len(name) > 64 or not name.isprintable():
            raise InputError(f"name {name[:64]!r} of a key must have 1 to 64 printable characters; say whose it is")
        if scope not in SCOPES:
            raise InputError(f"scope {scope!r} is unknown; expected one of {', '.join(SCOPES)}")
        secret = secrets.token_hex(32)
        scopes = SCOPES[: SCOPES.index(scope) + 1]
        with self._writing() as keys:
            key = Key(secrets.token_hex(6), name, scopes, _hashed(secret), int(time.time()))
            keys[key.key_id] = key
        return f"qf_{key.key_id}_{secret}", key

    def revoke(self, key_id: str) -> bool:
        """Put a key out of force; whether it was in force.

        Raises
        ------
        InputError
            If there is no such key.
        DataError
            If the file cannot be written.
        """
        with self._writing() as keys:
            key = keys.get(key_id)
            if key is None:
                raise InputError(f"there is no key {key_id!r} in {self.path}; `qflib keys list` shows them")
            keys[key_id] = key if key.revoked else replace(key, revoked=int(time.time()))
        return not key.revoked

    def _current(self, now: bool = False) -> dict[str, Key]:
        at = time.monotonic()
        if now or at - self._looked >= _LOOK_S:
            self._looked = at
            stamp = _stamp(self.path)
            if now or stamp != self._seen:
                try:
                    self._keys = _read(self.path)
                except DataError as e:  # somebody's hand was in it: those who are in stay in, and it is looked at again
                    if now:
                        raise
                    if stamp != self._failed:
                        self._failed = stamp
                        _log.error("keys are not read anew", reason=str(e))
                else:
                    self._seen, self._failed = stamp, None
        return self._keys

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Key]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_suffix(".lock").open("w")
        except OSError as e:
            raise DataError(
                f"{self.path} cannot be written ({e.strerror}); set QFLIB_STATE to another folder, or where "
                "QFLIB_API__KEYS_FILE names a file, that"
            ) from None
        with self._lock, lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = _read(self.path)
            yield keys
            _write(self.path, json.dumps({"keys": [asdict(k) for k in keys.values()]}, indent=1))
            self._keys, self._seen = keys, _stamp(self.path)


def store_of(folder: Path) -> KeyStore:
    """The keys of a desk: of the file that the setting `api.keys_file` names, else of `keys.json` in its folder."""
    return KeyStore(settings.load().api.keys_file or folder / FILE)


def development_key(folder: Path, url: str) -> str:
    """The key that `qf.connect()` finds beside a desk, in `client.toml`: made with all scopes where there is none.

    Parameters
    ----------
    folder
        The desk's.
    url
        Where its API answers.

    Raises
    ------
    DataError
        If a file cannot be read or written.
    """
    store, file = store_of(folder), folder / CLIENT_FILE
    former: dict[str, object] = {}
    if file.is_file():
        try:
            former = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # nobody's but ours: it is made anew
            former = {}
    text = former.get("key")
    if not isinstance(text, str) or store.verify(text) is None:
        text = store.create("development", "admin")[0]
    if former.get("url") != url or former.get("key") != text:
        _write(file, f'url = "{url}"\nkey = "{text}"\n')
    return text


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_ino, told.st_size


def _read(path: Path) -> dict[str, Key]:
    try:
        rows: Iterable[dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))["keys"]
        keys = [Key(**(row | {"scopes": tuple(row["scopes"])})) for row in rows]  # type: ignore[arg-type]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise DataError(
            f"{path} is not readable as keys ({type(e).__name__}); move it away and make new ones"
        ) from None
    return {key.key_id: key for key in keys}


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for its owner alone."""
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        own_file.write(half, text)
        half.replace(path)
    except OSError as e:
        raise DataError(f"{path} cannot be written ({e.strerror}); make its folder writable") from None
