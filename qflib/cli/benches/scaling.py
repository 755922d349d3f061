"""The whole desk by workers, flat out and at a pace: what `deploy/sizing.py --fit` makes costs of, and tries them on.

Flat out: the default desk, then 1, 2 and 4 workers of exchange and exposures on four partitions; a run has three
windows of 15 s after one to warm up, and a rate is their median. At a pace: 100,000 events a second for a short and for
a longer while, which tells what a start takes from what each second does, and a fifth of that pace. Below each run
stands what it took: events, revaluations, seconds, the cores it had, and by stage CPU time, start and all, and the most
memory. No promoted steps. More workers than processors share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from qflib.cli.bench import Row
from qflib.cli.benches.pipeline import run, windows

_WINDOWS = 3
_WALL_S = 85  # the desk's start, which a busy machine draws out, the window to warm up, and three more
_PARTITIONS = 4
_SCALED = ("exchange", "exposures")
_WORKERS = (1, 2, 4)
#: By the run's name: events a second, and for how long.
_PACED = {"paced_short": (100_000, 30), "paced_long": (100_000, 90), "paced_fifth": (20_000, 60)}


def rows(peers: bool) -> Iterator[Row]:
    """Events a second, seconds, cores, megabytes; there is no peer that does the same."""
    yield from _flat_out("default", {}, 0)
    for n in _WORKERS:
        yield from _flat_out(f"{n}_workers", {"QFLIB_BROKER__PARTITIONS": str(_PARTITIONS)}, n)
    for name, (rate, wall_s) in _PACED.items():
        told = run("--speed", "1", "--rate", str(rate), "--steps", "none", wall_s=wall_s)
        yield from taken(name, told, rate)


def _flat_out(name: str, settings: dict[str, str], workers: int) -> Iterator[Row]:
    flags = [word for stage in _SCALED if workers for word in ("--workers", f"{stage}={workers}")]
    told = run("--speed", "max", "--steps", "none", *flags, wall_s=_WALL_S, **settings)
    rates = [w["events_per_s"] for w in windows(told, _WINDOWS)]
    yield Row(f"flat_out_{name}", median(rates), min(rates), "events/s")
    yield from taken(name, told, median(rates))


def taken(name: str, told: dict[str, Any], rate: float) -> Iterator[Row]:
    """What a run took; its cores are those that went into so many events a second."""
    cpu, events, seconds = told["cpu_s"], told["events"], told["seconds"]

    def one(row: str, value: float, unit: str) -> Row:
        return Row(f"{row}_{name}", value, value, unit)

    yield one("events", events, "events")
    yield one("revaluations", told["stages"]["exposures"]["events"], "revaluations")
    yield one("seconds", seconds, "s")
    # all CPU time over all seconds would count the start, and the drain's waiting; this is what went into the flow
    yield one("cores", sum(cpu.values()) / events * rate, "cores")
    for stage, spent in cpu.items():
        yield one(f"cpu_{stage}", spent, "s")
    for stage, figures in told["stages"].items():
        yield one(f"memory_{stage}", figures["peak_memory_mb"], "MB")
    yield one("memory_broker", told["broker"]["memory_mb"], "MB")
