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
from typing import Annotated, NamedTuple

import typer

from qflib.cli.output import emit

EXAMPLE = "Example: qflib doctor --json"

_FREE_GB = 1.0  # kernels take some 50 MB, a day's recording some hundreds


class Finding(NamedTuple):
    """One thing looked at."""

    part: str
    ok: bool
    found: str
    mend: str = ""


def command(json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """Look at Python, packages, the kernel cache, data, disk and terminal; exit code 1 where something is wrong."""
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
    return Finding("kernel cache", True, f"{place}, {kernels} kernels", "" if kernels else "`make setup` compiles them")


def _data() -> Finding:
    from qflib import settings
    from qflib.errors import SettingsError

    try:
        place = settings.load().data
    except SettingsError:
        return Finding("data", False, "settings cannot be read", "see above")
    if place.is_dir():
        return Finding("data", True, str(place))
    return Finding("data", True, f"{place} is absent: the simulator stands in", "set QFLIB_DATA to your recordings")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    ok = free >= _FREE_GB
    return Finding("disk", ok, f"{free:.1f} GB free here", "" if ok else f"free {_FREE_GB:.0f} GB")


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        return Finding("terminal", True, "output is not a terminal: the live view prints lines")
    ok = size.columns >= 80 and size.lines >= 24
    return Finding(
        "terminal", ok, f"{size.columns} x {size.lines}", "" if ok else "widen it to 80 x 24 for the live view"
    )
