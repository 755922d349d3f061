"""What a desk of another size takes: `python deploy/sizing.py --load 10`; the model is in `load_model.py` beside it.

qflib bench scaling --json > FILE       # on a quiet machine, twelve minutes
python deploy/sizing.py --fit FILE      # costs from three of its runs, tried on the others; kept in scaling.json
python deploy/sizing.py --write         # the chart's sizes, and the tables of docs/scaling.md

"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import fitting  # beside this file
import yaml
from load_model import LIMITS, RETAINED, SINGLE, STAGES, Load, M, Plan, Store, beyond, breaks_at, power

from qflib.records.topics import MARKET_RAW, RISK_EXPOSURES

VALUES = Path(__file__).parent / "helm" / "qflib" / "values"
PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
_MB, _GB = 1e6, 1e9


_STORES: Mapping[Store, str] = {"delta": "files", "postgres": "PostgreSQL"}
_LOADS = (1.0, 10.0, 100.0, 1_000.0)

# ---- tables


def table(loads: tuple[float, ...], exponent: float = 1.0, store: Store = "delta") -> str:
    """Markdown: a column a load."""
    plans = [Plan(Load(f, exponent), store) for f in loads]
    rows: dict[str, Callable[[Plan], str]] = {
        "events/s": lambda p: f"{p.load.events_per_s:,.0f}",
        "underlyings": lambda p: f"{p.load.underlyings:,}",
        "the busiest one's events/s": lambda p: _short(p.load.hottest_per_s),
        "desks": lambda p: f"{p.desks:,}",
        f"workers a desk: {', '.join(STAGES)}": lambda p: ", ".join(str(p.workers(s)) for s in STAGES),
        "partitions a desk": lambda p: str(p.partitions),
        "cores busy, brokers' copies too": lambda p: f"{p.cores:,.1f}",
        "brokers": lambda p: f"{p.brokers:,}",
        "to / from brokers, MB/s": lambda p: f"{p.load.bytes_in() / _MB:,.0f} / {p.load.bytes_out() / _MB:,.0f}",
        "history a day, GB": lambda p: f"{p.load.store_a_day(p.store) / _GB:,.0f}",
        "an archive may be away for, at most": lambda p: _minutes(p.away_s),
        "too much": lambda p: "; ".join(beyond(p)) or "nothing",
    }
    head = [f"{f:g}×" for f in loads]
    lines = [[f"the store: {_STORES[store]}", *head], ["---"] * (len(loads) + 1)]
    lines += [[name, *(of(p) for p in plans)] for name, of in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def limits_table(exponent: float = 1.0) -> str:
    """Markdown: what breaks, the first on top."""
    at = sorted((breaks_at(limit, exponent), limit) for limit in LIMITS)
    lines = [["full", "at load", "events/s"], ["---"] * 3]
    lines += [[limit, f"{f:.1f}×", _short(f * M.events_per_s)] for f, limit in at]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min" if seconds < 7_200 else f"{seconds / 3_600:,.0f} h"


def _short(x: float) -> str:
    return f"{x / 1e6:.2f} M" if x >= 1e6 else f"{x:,.0f}"


# ---- values of the chart

#: Load of each size: a desk of 20,000 events a second as settings have it, the measured one, what one PostgreSQL takes.
SIZES: Mapping[str, float] = {"small": 0.2, "medium": 1.0, "large": 2.0}
#: Of history that is kept: `store.retention_days` and the last one; beside them the room of one to be dropped.
DAYS = 7
_TOPICS = 28  # of which each partition has a log: open segments, indexes
_POOL, _FACES, _OTHERS = 8, 16, 24  # connections of a process, such processes, and of archive, jobs, people


def values(size: str) -> dict[str, Any]:
    """The chart's values of a size."""
    plan = Plan(Load(SIZES[size]), "postgres")
    partitions = plan.partitions
    stages = {s: _stage(plan, s) | {"max": partitions} for s in STAGES} | {s: _stage(plan, s) for s in SINGLE}
    return {
        "desk": {"settings": {"QFLIB_STORE__RETENTION_DAYS": str(DAYS - 1)}},
        "kafka": {"partitions": partitions, "strimzi": _broker(plan)},
        "stages": stages,
        "history": {"size": f"{ceil(plan.load.store_a_day() * (DAYS + 1) / 2**30)}Gi"},
        "postgresql": {"parameters": _postgresql(plan.load)},
    }


def database_gb(load: Load) -> float:
    """Disk of PostgreSQL: the days that it keeps around the clock, one more until it is dropped, and its log."""
    log = 2 * float(_postgresql(load)["max_wal_size"].removesuffix("MB")) * 2**20
    return (load.store_a_day("postgres") * (DAYS + 1) + log) / _GB


def sizes_table() -> str:
    """Markdown: a row a size."""
    head = ["size", "events/s", "partitions", "broker: heap, threads of network and I/O, disk",
            "PostgreSQL: shared_buffers, max_connections", "its disk", "files' disk", "an archive may be away for",
            "GB a partition for an hour: market.data.raw, risk.exposures"]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for size, factor in SIZES.items():
        told, plan = values(size), Plan(Load(factor), "postgres")
        broker, database = told["kafka"]["strimzi"], told["postgresql"]["parameters"]
        lines.append([
            f"[{size}](../deploy/helm/qflib/values/size-{size}.yaml)", f"{plan.load.events_per_s:,.0f}",
            str(plan.partitions),
            f"{broker['heap']}, {broker['networkThreads']} and {broker['ioThreads']}, {broker['storage']}",
            f"{database['shared_buffers']}, {database['max_connections']}", f"{database_gb(plan.load) / 1e3:,.1f} TB",
            told["history"]["size"], _minutes(plan.away_s),
            ", ".join(f"{plan.fullest(t) * 3_600 / _GB:,.1f}" for t in (MARKET_RAW, RISK_EXPOSURES)),
        ])  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _stage(plan: Plan, stage: str) -> dict[str, Any]:
    """Requests are of a core kept busy as far as it may be; a burst fills queues, a restore holds a state twice."""
    m, cost = plan.load.measured, plan.load.measured.cost(stage)
    n = 1 if stage in SINGLE else plan.workers(stage)
    millis = max(100, 50 * ceil(plan.load.cores(stage) / n / m.busy * 1_000 / 50))
    memory = 64 * ceil(cost.memory_mb * _MB / 2**20 / 64)
    resources = {
        "requests": {"cpu": f"{millis}m", "memory": f"{memory}Mi"},
        "limits": {"memory": f"{256 * ceil(3 * memory / 256)}Mi"},
    }
    return {"replicas": n, "resources": resources}


def _broker(plan: Plan) -> dict[str, Any]:
    """A broker's: threads by its cores, heap by its logs, memory for a minute of what comes in beside the heap."""
    load, m = plan.load, plan.load.measured
    copies = 1 if plan.brokers == 1 else m.replication
    cores = max(1, ceil(load.cores("broker") * (1 + (copies - 1) / 2) / plan.brokers / m.busy))
    heap = max(512, 256 * ceil((384 + 4 * _TOPICS * plan.partitions) / 256))
    memory = 512 * ceil((2 * heap + load.bytes_in() * copies / plan.brokers * 60 / 2**20) / 512)
    kept = (
        min(load.bytes_in() * m.retention_s / 2**30, sum(RETAINED.values()) / 2**30 * plan.partitions)
        * copies
        / plan.brokers
    )
    return {
        "heap": f"{heap}m",
        "networkThreads": max(1, cores // 2),
        "ioThreads": max(2, cores),
        "storage": f"{10 * ceil((kept * 1.3 + 5) / 10)}Gi",
        "resources": {"requests": {"cpu": f"{cores}", "memory": f"{memory}Mi"}, "limits": {"memory": f"{memory}Mi"}},
    }


def _postgresql(load: Load) -> dict[str, str]:
    """Buffers for ten minutes of rows, which views ask for most; the sorts of all connections within as much again."""
    recent = load.events_per_s * load.measured.store_bytes * 600 / 2**20
    shared = power(min(max(recent, 256), 16_384))
    connections = _OTHERS + _POOL * _FACES
    return {
        "max_connections": str(connections),
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{3 * shared}MB",
        "work_mem": f"{max(4, shared // connections)}MB",
        "maintenance_work_mem": f"{max(64, shared // 8)}MB",
        "max_wal_size": f"{2 * shared}MB",
        "checkpoint_timeout": "10min",
    }


def tables() -> list[str]:
    """Those of the page, in its order."""
    runs = fitting.kept()
    of_loads = [table(_LOADS, store=store) for store in _STORES]
    return [fitting.errors_table(runs), fitting.costs_table(runs), *of_loads, limits_table(), sizes_table()]


def files() -> dict[Path, str]:
    """What each file of values holds, and the page with its tables."""
    made = {}
    for size, factor in SIZES.items():
        load = Load(factor)
        told = f"# For {load.events_per_s:,.0f} events a second on one desk: deploy/sizing.py writes it.\n"
        told += f"# {DAYS} days of history, and one to drop; PostgreSQL: {database_gb(load) / 1e3:,.1f} TB of disk.\n"
        made[VALUES / f"size-{size}.yaml"] = told + yaml.safe_dump(values(size), sort_keys=False, width=120)
    page = PAGE.read_text(encoding="utf-8").splitlines()
    for new in tables():
        name = new.split("|")[1]
        begin = next(k for k, line in enumerate(page) if line.startswith(f"|{name}|"))
        end = next(k for k in range(begin, len(page)) if not page[k].startswith("|"))
        page[begin:end] = new.splitlines()
    made[PAGE] = "\n".join(page) + "\n"
    return made


def main(argv: list[str] | None = None) -> int:
    """Print the tables, fit the costs, or write the files."""
    parser = argparse.ArgumentParser("sizing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--load", type=float, action="append", help="a multiple of 100,000 events/s; may be given again"
    )
    parser.add_argument("--exponent", type=float, default=1.0, help="of the underlyings' shares by rank; 0: all alike")
    parser.add_argument("--store", choices=_STORES, default="delta", help="files, or PostgreSQL, whose rate is less")
    parser.add_argument("--fit", type=Path, metavar="JSON", help="keep the runs of `qflib bench scaling --json`")
    parser.add_argument("--write", action="store_true", help="write the chart's sizes and the page's tables")
    told = parser.parse_args(argv)
    loads = tuple(told.load or _LOADS)
    if any(not 0 < f <= 1e5 for f in loads) or not 0 <= told.exponent <= 3:
        parser.error("loads are above 0 and at most 100,000, the exponent between 0 and 3")
    if told.fit:
        try:
            text = fitting.trimmed(json.loads(told.fit.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as e:
            parser.error(f"{told.fit} is no document of `qflib bench scaling --json`: {e!r}")
        fitting.FILE.write_text(text, encoding="utf-8")
        of = fitting.kept()
        print(fitting.costs_table(of), fitting.errors_table(of), sep="\n\n")
        return 0
    if told.write:
        for path, text in files().items():
            path.write_text(text, encoding="utf-8")
            print(path.name, file=sys.stderr)
        return 0
    print(table(loads, told.exponent, told.store), limits_table(told.exponent), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
