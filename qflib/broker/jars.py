"""Apache Kafka's jars: pinned coordinates and sums, fetched once into a cache, checked before every use."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http.client
import importlib.resources
import os
import ssl
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from qflib.errors import ChecksumError, MissingPartError, SettingsError

_CHUNK = 1 << 16
_TRIES = 4  # a cut connection goes on where it was; after so many the repository is at fault
_TIMEOUT_S = 30.0
_AT_ONCE = 8
_SETTING = "the setting broker.repository (QFLIB_BROKER__REPOSITORY)"


@dataclass(frozen=True)
class Jar:
    """One file of a Maven repository, and what it must be.

    Examples
    --------
    >>> from qflib.broker.jars import Jar
    >>> Jar("org.slf4j:slf4j-api:1.7.36", 41125, "d3").path
    'org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar'
    """

    coordinates: str  # group:artifact:version
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"

    @property
    def path(self) -> str:
        """Where a Maven repository keeps it."""
        group, artifact, version = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.name}"


@cache
def _table() -> tuple[str, tuple[Jar, ...]]:
    table = tomllib.loads(importlib.resources.files("qflib.broker").joinpath("jars.toml").read_text("utf-8"))
    return table["kafka"], tuple(Jar(c, size, sha) for c, (size, sha) in table["jars"].items())


def kafka_version() -> str:
    """The version of Apache Kafka that is pinned."""
    return _table()[0]


def pinned() -> tuple[Jar, ...]:
    """Every jar the broker runs on."""
    return _table()[1]


def cache_folder(setting: Path | None = None) -> Path:
    """Where the jars are kept: the setting broker.cache, else the user's cache folder."""
    base = setting or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "qflib")
    return Path(base, f"kafka-{kafka_version()}")


def absent(folder: Path, jars: Sequence[Jar] | None = None) -> list[Jar]:
    """The jars that are not there, or not what they must be; 44 MB are summed in some 0.1 s."""
    jars = pinned() if jars is None else jars
    with ThreadPoolExecutor(2) as pool:
        right = pool.map(lambda jar: _is_right(folder / jar.name, jar), jars)
        return [jar for jar, ok in zip(jars, right, strict=True) if not ok]


def fetch(folder: Path, repository: str, jars: Sequence[Jar] | None = None, *, progress: bool = True) -> list[Path]:
    """The jars' paths, after fetching what is absent.

    Parameters
    ----------
    folder
        The cache. What a broken download left there is gone on with.
    repository
        A Maven repository's address, https or http, with ``user:password@`` where it asks for them.
    jars
        By default the pinned ones.
    progress
        Show a bar on a terminal's stderr.

    Raises
    ------
    MissingPartError
        If the repository is out of reach, lacks a jar or breaks off again and again.
    ChecksumError
        If it serves other bytes than those pinned.
    """
    jars = pinned() if jars is None else tuple(jars)
    if wanted := absent(folder, jars):
        source = _Repository(repository)
        with _alone(folder):  # two first starts at once: the later finds all done
            wanted = absent(folder, wanted)
            with _bar(wanted, progress) as on_bytes:
                _fetch_all(source, folder, wanted, on_bytes)
    return [folder / jar.name for jar in jars]


def _fetch_all(source: _Repository, folder: Path, wanted: Sequence[Jar], on_bytes: Callable[[int], object]) -> None:
    stop = Event()  # the first failure ends the others: nobody waits for 43 MB to read that one jar is missing
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        largest_first = sorted(wanted, key=lambda jar: -jar.size)
        running = [pool.submit(_fetch_one, source, folder, jar, on_bytes, stop) for jar in largest_first]
        try:
            for one in running:
                one.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(source: _Repository, folder: Path, jar: Jar, on_bytes: Callable[[int], object], stop: Event) -> None:
    part = folder / f"{jar.name}.part"
    why = ""
    for _ in range(_TRIES):
        if stop.is_set():
            return
        try:
            source.append(jar, part, on_bytes, stop)
        except (OSError, http.client.HTTPException) as e:  # cut, refused, timed out, no such host
            why = str(getattr(e, "reason", None) or e) or type(e).__name__
            continue
        if part.stat().st_size < jar.size:
            why = f"the connection ended after {part.stat().st_size:,} of {jar.size:,} bytes"
            continue
        if _is_right(part, jar):
            part.replace(folder / jar.name)
            return
        part.unlink()
        why = "wrong sum"
    if stop.is_set():
        return
    if why == "wrong sum":
        raise ChecksumError(
            f"{source.shown}/{jar.path} is not what is pinned (SHA-256 {jar.sha256[:16]}…, {jar.size:,} bytes); "
            f"let {_SETTING} name an honest mirror"
        )
    raise MissingPartError(
        f"{jar.name} of Apache Kafka cannot be fetched from {source.shown} ({why}); look at the network, "
        f"let {_SETTING} name a Maven repository within reach, and start again: what came is kept"
    )


class _Repository:
    def __init__(self, address: str) -> None:
        parts = _parts(address)
        host = parts.netloc.rpartition("@")[2]
        self.shown = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))  # without the password
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        self._login = f"Basic {base64.b64encode(login).decode()}" if parts.username else None
        self._certificates = _certificates() if parts.scheme == "https" else None

    def append(self, jar: Jar, part: Path, on_bytes: Callable[[int], object], stop: Event) -> None:
        """Fetch what the part lacks; returns early where the connection ends early."""
        have = part.stat().st_size if part.exists() else 0
        if have >= jar.size:  # a whole part is summed by the caller; a longer one is not ours
            if have > jar.size:
                part.unlink()
            return None if have == jar.size else self.append(jar, part, on_bytes, stop)
        request = urllib.request.Request(f"{self.shown}/{jar.path}")
        if self._login:
            request.add_unredirected_header("Authorization", self._login)
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self._certificates)
        except urllib.error.HTTPError as e:
            e.close()
            if e.code == 416:  # the part is from another file
                part.unlink(missing_ok=True)
                raise ConnectionError("the repository refuses to go on with the part") from None
            if e.code >= 500 or e.code == 429:
                raise ConnectionError(f"it answers {e.code} {e.reason}") from None
            raise MissingPartError(
                f"{self.shown} answers {e.code} {e.reason} for {jar.path}; let {_SETTING} name a Maven repository "
                "that has Apache Kafka"
            ) from None
        with answer, part.open("ab" if answer.status == 206 else "wb") as file:  # 200: it starts from the beginning
            if answer.status == 206:
                on_bytes(have)
            while file.tell() <= jar.size and not stop.is_set() and (chunk := answer.read(_CHUNK)):
                file.write(chunk)
                on_bytes(len(chunk))
        return None


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        # an @ after the host: a password with a slash, whose beginning would pass for the host and be shown
        behind = f"{parts.path}{parts.query}{parts.fragment}"
        right = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and "@" not in behind
    except ValueError:  # its words hold the address
        right = None
    if not right:
        raise SettingsError(
            "the address of the Maven repository is not shown, since it may hold a password: it is no https address as "
            f"https://user:password@host/path, or its password has a / or @ that is not written as %2F, %40; set "
            f"{_SETTING} right"
        )
    return parts


def _certificates() -> ssl.SSLContext:
    """The system's, SSL_CERT_FILE's (OpenSSL reads it itself), and what curl and requests are told to trust."""
    context = ssl.create_default_context()
    for variable in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if file := os.environ.get(variable):
            with contextlib.suppress(OSError):
                context.load_verify_locations(file)
    return context


def _is_right(file: Path, jar: Jar) -> bool:
    try:
        with file.open("rb") as f:
            return (
                os.fstat(f.fileno()).st_size == jar.size and hashlib.file_digest(f, "sha256").hexdigest() == jar.sha256
            )
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as e:
        raise SettingsError(
            f"cache folder {folder} cannot be written ({e.strerror}); set QFLIB_BROKER__CACHE to one that can"
        ) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _bar(wanted: Sequence[Jar], shown: bool) -> Iterator[Callable[[int], object]]:
    from tqdm import tqdm

    with tqdm(
        total=sum(jar.size for jar in wanted), unit="B", unit_scale=True, desc=f"Apache Kafka {kafka_version()}",
        disable=None if shown else True,  # None: only on a terminal
    ) as bar:  # fmt: skip
        yield bar.update
