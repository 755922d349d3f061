"""The whole desk flat out by workers: of exchange and exposures, 1, 2 and 4 on four partitions, and the default desk.

A run has three windows of 15 s after one to warm up; a rate is their median. Below it, what workers cost: CPU
nanoseconds an event, their start among them, and a stage's most memory. More workers than processors share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from qflib.cli.bench import Row
from qflib.cli.benches.pipeline import costs, run, windows

_WINDOWS = 3
_WALL_S = 85  # the desk's start, which a busy machine draws out, the window to warm up, and three more
_PARTITIONS = 4
_SCALED = ("exchange", "exposures")
_WORKERS = (1, 2, 4)


def rows(peers: bool) -> Iterator[Row]:
    """Events a second, nanoseconds, megabytes; there is no peer that does the same."""
    yield from _measured("default", {}, 0)
    for n in _WORKERS:
        yield from _measured(f"{n}_workers", {"QFLIB_BROKER__PARTITIONS": str(_PARTITIONS)}, n)


def _measured(name: str, settings: dict[str, str], workers: int) -> Iterator[Row]:
    flags = [word for stage in _SCALED if workers for word in ("--workers", f"{stage}={workers}")]
    told = run("--speed", "max", *flags, wall_s=_WALL_S, **settings)
    rates = [w["events_per_s"] for w in windows(told, _WINDOWS)]
    yield Row(f"flat_out_{name}", median(rates), min(rates), "events/s")
    yield from costs(name, told)
    for stage, figures in told["stages"].items():
        yield Row(f"memory_{stage}_{name}", figures["peak_memory_mb"], figures["peak_memory_mb"], "MB")
