"""The whole desk on Kafka, broker and all: events a second flat out, and latency at 100,000 events a second.

A run has five windows of 15 s after one to warm up; a row is their median. What follows the rows of the goals is where
the time goes: CPU nanoseconds of each stage's processes, and of the broker, for an event.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from qflib.cli.bench import Row
from qflib.errors import DataError

_WINDOWS = 5
_WALL_S = 110  # the desk's start, the window to warm up, and five more
_RATE = 100_000  # the simulator's events a market second, in every run


def rows(peers: bool) -> Iterator[Row]:
    """Events a second, milliseconds, nanoseconds an event; there is no peer that does the same."""
    fast = run("--speed", "max")
    rates = [w["events_per_s"] for w in windows(fast)]
    yield Row("flat_out", median(rates), min(rates), "events/s")
    paced = run("--speed", "1")
    for q in ("p50", "p99"):
        yield _delay(f"{q}_100k", paced, "latency_ms", q)
    for q in ("p50", "p99"):
        yield _delay(f"staleness_{q}_100k", paced, "staleness_ms", q)
    for name, told in (("flat_out", fast), ("100k", paced)):
        yield from costs(name, told)


def costs(name: str, told: dict[str, Any]) -> Iterator[Row]:
    """CPU nanoseconds of each stage's processes, and of the broker, for an event: their start is in it."""
    for stage, seconds in told["cpu_s"].items():
        cost = seconds / told["events"] * 1e9
        yield Row(f"cpu_{stage}_{name}", cost, cost, "ns/event")


def _delay(row: str, told: dict[str, Any], which: str, q: str) -> Row:
    figures = [w[which][q] for w in windows(told)]
    return Row(row, median(figures), min(figures), "ms")


def windows(told: dict[str, Any], count: int = _WINDOWS) -> list[dict[str, Any]]:
    """So many stretches of 15 s after the first: what comes later holds the drain."""
    made: list[dict[str, Any]] = told["windows"][1 : 1 + count]
    if len(made) < count:
        raise DataError(f"the desk ran for {len(made)} of {count} windows; see its logs, or try a quieter machine")
    return made


def run(*options: str, wall_s: int = _WALL_S, **settings: str) -> dict[str, Any]:
    """What `qflib up` tells of a run of its own, in a folder of its own; settings by the names of the environment."""
    with tempfile.TemporaryDirectory(prefix="qflib-bench-") as folder:
        command = [sys.executable, "-m", "qflib.cli.main", "up", "--source", "sim", "--rate", str(_RATE)]
        command += [*options, "--for", f"{wall_s}s", "--fresh", "--json"]
        environment = os.environ | {"QFLIB_STATE": str(Path(folder))} | settings
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode not in (0, 1) or not done.stdout:
            said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise DataError(f"`qflib up` ended with exit code {done.returncode}: {said[0]}")
        figures: dict[str, Any] = json.loads(done.stdout)
        if not (figures.get("audit") or {}).get("ok"):
            raise DataError(f"`qflib up {' '.join(options)}` ran, but its audit falls short: {figures.get('audit')}")
        return figures
