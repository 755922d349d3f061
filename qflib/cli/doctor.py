"""`qflib doctor`: what is wrong with this installation, and the mend."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from qflib.cli.output import emit

if TYPE_CHECKING:
    from qflib.settings import Settings

EXAMPLE = "Example: qflib doctor --json"

_LEAST_POSTGRES = 150_000
_FREE_GB = 1.0  # kernels take some 50 MB, a day's recording some hundreds


class Finding(NamedTuple):
    """One thing looked at."""

    part: str
    ok: bool
    found: str
    mend: str = ""


def command(json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """Look at Python, packages, caches, Java, Kafka, store, data, disk, terminal; exit 1 where something is wrong."""
    findings = list(look())
    if json:
        emit({"ok": all(f.ok for f in findings), "findings": [f._asdict() for f in findings]})
    else:
        for f in findings:
            print(f"{'ok   ' if f.ok else 'WRONG'} {f.part}: {f.found}" + (f"; {f.mend}" if f.mend else ""))
    if not all(f.ok for f in findings):
        raise typer.Exit(1)


def look() -> Iterator[Finding]:
    """Every finding, in order."""
    yield _python()
    yield from _packages()
    yield _settings()
    yield _kernel_cache()
    yield _data()
    yield _disk()
    yield from _kafka()
    yield _store()
    yield _terminal()


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Finding("Python", ok, found, "" if ok else "install Python 3.11 or newer and run `make setup` again")


def _packages() -> Iterator[Finding]:
    wrong = 0
    try:
        required = importlib.metadata.requires("qflib") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("qflib", False, "is not installed", "run `make setup`")
        return
    for line in required:
        m = re.match(r"([A-Za-z0-9_.-]+)(?:>=([0-9.]+))?", line)
        if m is None or "extra ==" in line:
            continue
        name, least = m[1], m[2] or "0"
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong += 1
            yield Finding(name, False, "is not installed", "run `make setup`")
            continue
        if _numbers(version) < _numbers(least):
            wrong += 1
            yield Finding(name, False, f"{version} is older than {least}", "run `make setup`")
    if not wrong:
        yield Finding("packages", True, f"all {len(required)} required ones are there")


def _numbers(version: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", version)[:3]]


def _settings() -> Finding:
    from qflib import settings
    from qflib.errors import SettingsError

    try:
        settings.load()
    except SettingsError as e:
        return Finding("settings", False, str(e), "mend or remove it")
    file = settings.settings_file()
    return Finding(
        "settings", True, f"from {file}" if file.is_file() else f"defaults and environment ({file} is absent)"
    )


def _kernel_cache() -> Finding:
    place = Path(os.environ.get("NUMBA_CACHE_DIR", ""))
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as e:
        return Finding("kernel cache", False, f"{place}: {e.strerror}", "set QFLIB_KERNEL_CACHE to a writable folder")
    kernels = sum(1 for _ in place.rglob("*.nbc"))
    return Finding(
        "kernel cache", True, f"{place}, {kernels} kernels", "" if kernels else "`python -m qflib.warm` compiles them"
    )


def _data() -> Finding:
    from qflib import settings
    from qflib.errors import SettingsError

    try:
        place = settings.load().recordings
    except SettingsError:
        return Finding("data", False, "settings cannot be read", "see above")
    if place.is_dir():
        return Finding("data", True, str(place))
    return Finding("data", True, f"{place} is absent: the simulator stands in", "set QFLIB_DATA to your recordings")


def _disk() -> Finding:
    place = _loaded().state.absolute()
    while not place.is_dir():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    ok = free >= _FREE_GB
    return Finding("disk", ok, f"{free:.1f} GB free in {place}", "" if ok else f"free {_FREE_GB:.0f} GB")


def _loaded() -> Settings:
    """The settings, or the defaults where they cannot be read, which is a finding of its own."""
    from qflib import settings
    from qflib.errors import SettingsError

    try:
        return settings.load()
    except SettingsError:
        return settings.Settings.model_construct()


def _kafka() -> Iterator[Finding]:
    from qflib.broker import jars, java
    from qflib.errors import MissingPartError

    settings = _loaded()
    yield Finding("clients", True, _client_versions())
    if settings.broker.bootstrap is not None:
        yield _cluster(settings)
        return
    try:
        found = java.find()
        yield Finding("Java", True, f"{found.version} from {found.origin}")
    except MissingPartError as e:
        yield Finding("Java", False, str(e))
    place = jars.cache_folder(settings.broker.cache)
    absent, pinned = len(jars.absent(place)), len(jars.pinned())
    name = f"Apache Kafka {jars.kafka_version()}"
    if absent:
        yield Finding(name, True, f"{absent} of {pinned} jars are to be fetched to {place} at the first start")
    else:
        yield Finding(name, True, f"{pinned} jars in {place}, sums right")
    yield _port(settings)


def _client_versions() -> str:
    import confluent_kafka

    return f"librdkafka {confluent_kafka.libversion()[0]}, quixstreams {importlib.metadata.version('quixstreams')}"


def _cluster(settings: Settings) -> Finding:
    from qflib.broker.clients import Connection
    from qflib.broker.reading import cluster_id
    from qflib.errors import BrokerError

    connection = Connection.of(settings.broker)
    assert connection is not None
    try:
        return Finding("Kafka", True, f"cluster {cluster_id(connection, timeout_s=5.0)} at {connection.bootstrap}")
    except BrokerError as e:
        return Finding("Kafka", False, str(e), "mend the setting broker.bootstrap or broker.options")


def _port(settings: Settings) -> Finding:
    from qflib.broker.data_folder import is_free
    from qflib.broker.reading import cluster_id
    from qflib.cli.broker import local
    from qflib.errors import BrokerError, DataError

    try:
        status = local(settings).status()
        if status.running:
            # one that was stopped by a signal is there, and silent
            cluster_id(local(settings).connection, timeout_s=5.0)
            return Finding("broker", True, f"process {status.pid} at {status.bootstrap} answers")
    except DataError as e:
        return Finding("broker", False, str(e))
    except BrokerError:
        found = f"process {status.pid} at {status.bootstrap} gives no answer"
        mend = f"kill -CONT {status.pid} where it was stopped; else docs/runbooks/broker.md"
        return Finding("broker", False, found, mend)
    port = settings.broker.port or status.port
    if port is None:
        return Finding("broker", True, "never started; a free port is chosen at the first start")
    if is_free(port):
        return Finding("broker", True, f"does not run; port {port} is free")
    return Finding("broker", False, f"does not run; port {port} is in use", "end what listens there")


def _store() -> Finding:
    """Where a desk's history is kept, and whether it is there."""
    from qflib.errors import QflibError
    from qflib.history.opening import kept_in

    settings = _loaded()
    folder = settings.state / "up" / "history"
    try:
        kind = settings.store.kind or ("postgres" if settings.store.dsn else kept_in(folder).kind)
        if kind == "delta":
            where = settings.store.url or kept_in(folder).url or folder
            return Finding("store", True, f"Delta Lake tables in {where}")
        return _postgres(settings, folder)
    except QflibError as e:
        return Finding("store", False, " ".join(str(e).split()))


def _postgres(settings: Settings, folder: Path) -> Finding:
    from qflib.history.opening import database_of, kept_in
    from qflib.history.postgres.connections import Database
    from qflib.history.postgres.private import binaries
    from qflib.history.postgres.schema import pending

    dsn, kept = settings.store.dsn, kept_in(folder)
    if dsn is None and (kept.kind != "postgres" or kept.dsn is None):
        found = f"PostgreSQL of the desk's own, programs in {binaries()}"
        server = database_of(folder).server if kept.kind == "postgres" else None
        if server is None or server.pid is None:
            return Finding("store", True, f"{found}; it does not run")
        return Finding("store", True, f"{found}; process {server.pid}")
    database = Database(dsn or kept.dsn, settings.store.namespace, patience_s=3.0)
    try:
        version = database.run(lambda c: c.info.server_version)
        new = pending(database)
    finally:
        database.close()
    found = f"PostgreSQL {version // 10_000}.{version % 10_000} at {database.name}"
    if version < _LEAST_POSTGRES:
        return Finding("store", False, found, f"it is older than {_LEAST_POSTGRES // 10_000}: take a newer one")
    if new:
        return Finding("store", False, f"{found}, without migration {new[0]}", "run `qflib store migrate`")
    return Finding("store", True, found)


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        return Finding("terminal", True, "output is not a terminal: the live view prints lines")
    ok = size.columns >= 80 and size.lines >= 24
    return Finding(
        "terminal", ok, f"{size.columns} x {size.lines}", "" if ok else "widen it to 80 x 24 for the live view"
    )
