"""What a desk of another size takes: `python deploy/sizing.py --load 10`; `--write` writes the chart's sizes.

A load is a multiple of 100,000 events a second on four underlyings. What a stage does with an event costs by the event;
revaluations and reports cost by underlyings, which grow with the load: a greater market has more of them, not busier
ones alone. Their shares fall off as 1 / rank, so that the busiest gets busier too. A book is one partition's, and a
partition one worker's at a time; ingest, archive and a portfolio's sum are one worker's each. Where ingest or archive
is full, underlyings are dealt out to more desks; where the busiest underlying or a sum is, nothing here mends it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path
from typing import Any, NamedTuple

import yaml

VALUES = Path(__file__).parent / "helm" / "qflib" / "values"
_MB, _GB = 1e6, 1e9


class Cost(NamedTuple):
    """What a stage's processes take, as measured."""

    ns: float  # of CPU an event
    ms: float  # of CPU a revaluation of an underlying (exposures), or an exposure taken in and its part of a report
    resting: float  # cores, whatever comes: commits, heartbeats, the clock
    memory_mb: float  # a worker, at most


class Measured(NamedTuple):
    """Constants, each with where it comes from. Two cores of an AMD EPYC; CPU time, which other work hardly changes."""

    events_per_s: float = 100_000  # of load 1, and of the paced run below
    underlyings: int = 4
    reports_per_s: float = 4.0  # of a portfolio, and revaluations of an underlying: desk.period, 250 ms
    scenarios: int = 10_000  # desk.n_simulated and the historical ones

    # cpu_s and peak_memory_mb of `qflib up --source sim --rate 100000 --json`: what an event or a revaluation adds from
    # `--speed 1 --for 40s` (3.1 million events) to `--speed max --for 30s` (11.0 million); resting: of `SEEN`, what is
    # left of it. The onlooker, in `qflib up` or the monitor's pod, has 0.04 cores.
    ingest: Cost = Cost(264, 0, 0.045, 290)
    normalize: Cost = Cost(199, 0, 0.045, 180)
    exchange: Cost = Cost(239, 0, 0.05, 270)
    exposures: Cost = Cost(0, 1.68, 0.05, 250)
    portfolio: Cost = Cost(0, 0.84, 0.035, 250)
    archive: Cost = Cost(1_084, 0, 0.05, 560)
    broker: Cost = Cost(332, 0, 0.195, 790)

    # segments of the topics after the fast run, over its 10,971,601 events and 1,804 revaluations
    raw_bytes: float = 56.0  # an event
    normalized_bytes: float = 56.0
    other_bytes: float = 3.2  # analytics, marks, executions, journals
    exposure_bytes: float = 16.0  # a scenario of a revaluation: two vectors

    # `qflib bench store --rows 100000000`, in docs/storage.md; Delta's bytes: the same run's history
    store_rows_per_s: float = 398_000  # PostgreSQL, one archive, two crowded cores
    store_bytes: float = 166.0  # of PostgreSQL a row, indexes too
    delta_bytes: float = 24.0  # an event, `batches` too

    # assumed, not measured
    busy: float = 0.6  # of a core, at most: a burst and a restart's tail find room
    node_bytes_per_s: float = 1.25 * _GB / 2  # a broker's network: half of 10 Gbit/s
    replication: int = 3
    retention_s: float = 86_400.0  # of the topics, where 2 GB a partition are not fewer


M = Measured()
#: Cores that stages and broker had of a crowded machine, and events a second that went through, over 22 s of a market
#: that ran as fast as it could: processes' CPU times, and `qflib_events_total` of the archive.
SEEN = (0.666, 78_680.0)
STAGES = ("normalize", "exchange", "exposures", "portfolio")  # that have more workers than one
_SINGLE = ("ingest", "archive")
_NORMALIZED_READERS, _RAW_READERS, _EXPOSURE_READERS = 3, 2, 3  # with the archive, and the monitor


@dataclass(frozen=True)
class Load:
    """A market so many times that of the measurement."""

    factor: float
    exponent: float = 1.0  # of the underlyings' shares by rank
    measured: Measured = M

    @property
    def events_per_s(self) -> float:
        """Of all underlyings."""
        return self.factor * self.measured.events_per_s

    @property
    def underlyings(self) -> int:
        """In proportion; one at least."""
        return max(1, round(self.factor * self.measured.underlyings))

    @property
    def hottest_per_s(self) -> float:
        """Events of the busiest underlying; underlyings grow by parts here, so that one more never calms it."""
        n = max(1.0, self.factor * self.measured.underlyings)
        whole = sum(rank**-self.exponent for rank in range(1, int(n) + 1))
        return self.events_per_s / (whole + (n - int(n)) * (int(n) + 1) ** -self.exponent)

    @property
    def revaluations_per_s(self) -> float:
        """Of all underlyings, each for one portfolio."""
        return self.underlyings * self.measured.reports_per_s

    def cores(self, stage: str) -> float:
        """That a stage, or the broker, keeps busy in all."""
        cost: Cost = getattr(self.measured, stage)
        return self.events_per_s * cost.ns / 1e9 + self.revaluations_per_s * cost.ms / 1e3 + cost.resting

    def bytes_in(self) -> float:
        """That producers send to the brokers, a second."""
        m = self.measured
        an_event = m.raw_bytes + m.normalized_bytes + m.other_bytes
        return self.events_per_s * an_event + self.revaluations_per_s * m.scenarios * m.exposure_bytes

    def bytes_out(self) -> float:
        """That consumers are sent, a second; copies between brokers are beside it."""
        m = self.measured
        an_event = m.raw_bytes * _RAW_READERS + m.normalized_bytes * _NORMALIZED_READERS + m.other_bytes * 2
        return (
            self.events_per_s * an_event + self.revaluations_per_s * m.scenarios * m.exposure_bytes * _EXPOSURE_READERS
        )

    def store_a_day(self, *, postgres: bool = False) -> float:
        """Bytes of history, at this rate around the clock."""
        m = self.measured
        return self.events_per_s * 86_400 * (m.store_bytes if postgres else m.delta_bytes)


@dataclass(frozen=True)
class Plan:
    """What a load takes: desks that share the underlyings, and what each of them is."""

    load: Load

    @property
    def desks(self) -> int:
        """As many as ingest and archive, one worker each, ask for."""
        m, needed = self.load.measured, 1
        for stage in _SINGLE:
            cost: Cost = getattr(m, stage)
            needed = max(needed, ceil((self.load.cores(stage) - cost.resting) / (m.busy - cost.resting)))
        return needed

    @property
    def share(self) -> Load:
        """What one of them has."""
        return Load(self.load.factor / self.desks, self.load.exponent, self.load.measured)

    def workers(self, stage: str) -> int:
        """Of a stage, on one desk."""
        return max(1, ceil(self.share.cores(stage) / self.load.measured.busy))

    @property
    def partitions(self) -> int:
        """Of a desk's topics, a power of two: as underlyings, 8 at most, but twice what any stage needs; they stay."""
        most = max(self.workers(s) for s in STAGES)
        wanted = max(min(self.share.underlyings, 8), 2 * most if most > 1 else 1)
        return _power(wanted)

    @property
    def brokers(self) -> int:
        """Of all desks, by what the network and a broker's cores carry; copies count."""
        m = self.load.measured
        network = self.load.bytes_out() + self.load.bytes_in() * m.replication
        by_network = ceil(network / m.replication / m.node_bytes_per_s)
        return max(m.replication if self.load.factor > 0.5 else 1, by_network * m.replication)

    @property
    def cores(self) -> float:
        """That are busy, brokers included; a copy of a record is taken to cost a broker half of what the first does."""
        share, copies = self.share, self.load.measured.replication - 1
        stages = sum(share.cores(s) for s in (*STAGES, *_SINGLE))
        return self.desks * (stages + share.cores("broker") * (1 + copies / 2))


#: What is one worker's, or one store's: the part of it that a load takes; beyond 1 it is full.
LIMITS: Mapping[str, Callable[[Load], float]] = {
    "archive (one worker a desk)": lambda at: at.cores("archive") / at.measured.busy,
    "ingest (one worker a desk)": lambda at: at.cores("ingest") / at.measured.busy,
    "PostgreSQL (one archive's rows)": lambda at: at.events_per_s / at.measured.store_rows_per_s,
    "archive of the busiest underlying (one worker)": lambda at: (
        at.hottest_per_s * at.measured.archive.ns / 1e9 / at.measured.busy
    ),
    "the busiest underlying's book (one partition)": lambda at: (
        at.hottest_per_s * at.measured.exchange.ns / 1e9 / at.measured.busy
    ),
    "a portfolio over all underlyings (one partition)": lambda at: (
        at.revaluations_per_s * at.measured.portfolio.ms / 1e3 / at.measured.busy
    ),
    "one broker's network": lambda at: (
        (at.bytes_out() + at.bytes_in() * at.measured.replication)
        / at.measured.replication
        / at.measured.node_bytes_per_s
    ),
}


def breaks_at(limit: str, exponent: float = 1.0) -> float:
    """The least load that is too much for it, to a thousandth. O(log) steps, as no limit falls with the load."""
    low, high = 0.0, 1.0
    while LIMITS[limit](Load(high, exponent)) <= 1:
        low, high = high, high * 2
    while high - low > high / 1_000:
        middle = (low + high) / 2
        low, high = (middle, high) if LIMITS[limit](Load(middle, exponent)) <= 1 else (low, middle)
    return high


def flat_out(cores: float, measured: Measured = M) -> float:
    """Events a second of a market that runs as fast as so many cores go, on one worker a stage and one broker."""
    one, stages = Load(1.0, measured=measured), (*STAGES, *_SINGLE, "broker")
    resting = sum(getattr(measured, s).resting for s in stages)
    return (cores - resting) / (sum(one.cores(s) for s in stages) - resting) * one.events_per_s


def fitted(fast: Mapping[str, Any], paced: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """By how much more events and revaluations a stage's processor time rises: ns and ms of each, as `Cost` has them.

    `fast` and `paced` are what `qflib up --json` tells of a run that had many events, and of one that had few.
    """
    made = {}
    for stage in ("ingest", "normalize", "exchange", "exposures", "portfolio", "archive", "broker"):
        by_rows = stage in ("exposures", "portfolio")
        had = [run["stages"][stage]["events"] if by_rows else run["events"] for run in (fast, paced)]
        each = (fast["cpu_s"][stage] - paced["cpu_s"][stage]) / (had[0] - had[1])
        made[stage] = (0.0, each * 1e3) if by_rows else (each * 1e9, 0.0)
    return made


# ---- tables


def table(loads: tuple[float, ...], exponent: float = 1.0) -> str:
    """Markdown: a column a load."""
    plans = [Plan(Load(f, exponent)) for f in loads]
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
        "history a day, GB: Delta, PostgreSQL": lambda p: (
            f"{p.load.store_a_day() / _GB:,.0f}, {p.load.store_a_day(postgres=True) / _GB:,.0f}"
        ),
        "too much for one worker": lambda p: "; ".join(_beyond(p.load)) or "nothing",
    }
    head = [f"{f:g}×" for f in loads]
    lines = [["", *head], ["---"] * (len(loads) + 1)]
    lines += [[name, *(of(p) for p in plans)] for name, of in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def limits_table(exponent: float = 1.0) -> str:
    """Markdown: what breaks, the first on top."""
    at = sorted((breaks_at(limit, exponent), limit) for limit in LIMITS)
    lines = [["full", "at load", "events/s"], ["---"] * 3]
    lines += [[limit, f"{f:.1f}×", _short(f * M.events_per_s)] for f, limit in at]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


#: What splitting a market over desks does not mend, as the table names it.
_UNMENDED = {
    "archive of the busiest underlying (one worker)": "the busiest one's archive",
    "the busiest underlying's book (one partition)": "its book",
    "a portfolio over all underlyings (one partition)": "a sum over all",
}


def _beyond(load: Load) -> list[str]:
    return [f"{name} {LIMITS[limit](load):.1f} times" for limit, name in _UNMENDED.items() if LIMITS[limit](load) > 1]


def _short(x: float) -> str:
    return f"{x / 1e6:.2f} M" if x >= 1e6 else f"{x:,.0f}"


# ---- values of the chart

#: Load of each size: a desk of 20,000 events a second as settings have it, the measured one, the most of one archive.
SIZES: Mapping[str, float] = {"small": 0.2, "medium": 1.0, "large": 3.0}
_WEEK_S = 7 * 86_400
_TOPICS = 28  # of which each partition has a log: open segments, indexes
_PARTITION_GB = 11  # that retention keeps of a partition at most, over all topics (`qflib/broker/topics.py`)
_POOL, _FACES, _OTHERS = 8, 16, 24  # connections of a process, such processes, and of archive, jobs, people


def values(size: str) -> dict[str, Any]:
    """The chart's values of a size."""
    plan = Plan(Load(SIZES[size]))
    partitions = plan.partitions
    stages = {s: _stage(plan, s) | {"max": partitions} for s in STAGES} | {s: _stage(plan, s) for s in _SINGLE}
    return {
        "kafka": {"partitions": partitions, "strimzi": _broker(plan)},
        "stages": stages,
        "history": {"size": f"{ceil(plan.load.store_a_day() * 7 / 2**30)}Gi"},
        "postgresql": {"parameters": _postgresql(plan.load)},
    }


def _stage(plan: Plan, stage: str) -> dict[str, Any]:
    """Requests are of a core kept busy as far as it may be; a burst fills queues, a restore holds a state twice."""
    m, cost = plan.load.measured, getattr(plan.load.measured, stage)
    n = 1 if stage in _SINGLE else plan.workers(stage)
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
    kept = min(load.bytes_in() * m.retention_s / 2**30, _PARTITION_GB * plan.partitions) * copies / plan.brokers
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
    shared = _power(min(max(recent, 256), 16_384))
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


def _power(x: float) -> int:
    """The next power of two."""
    return int(2 ** ceil(log2(x)))


def files() -> dict[Path, str]:
    """What each file of values holds."""
    made = {}
    for size, factor in SIZES.items():
        told = f"# For {factor * M.events_per_s:,.0f} events a second on one desk: deploy/sizing.py writes it.\n"
        made[VALUES / f"size-{size}.yaml"] = told + yaml.safe_dump(values(size), sort_keys=False, width=120)
    return made


def main(argv: list[str] | None = None) -> int:
    """Print the tables, or write the files."""
    parser = argparse.ArgumentParser("sizing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--load", type=float, action="append", help="a multiple of 100,000 events/s; may be given again"
    )
    parser.add_argument("--exponent", type=float, default=1.0, help="of the underlyings' shares by rank; 0: all alike")
    parser.add_argument("--fit", nargs=2, type=Path, metavar="JSON", help="costs from two runs of `qflib up --json`")
    parser.add_argument("--write", action="store_true", help="write the chart's sizes")
    told = parser.parse_args(argv)
    loads = tuple(told.load or (1, 10, 100, 1_000))
    if any(not 0 < f <= 1e5 for f in loads) or not 0 <= told.exponent <= 3:
        parser.error("loads are above 0 and at most 100,000, the exponent between 0 and 3")
    if told.fit:
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in told.fit]
        for stage, (ns, ms) in fitted(*runs).items():
            print(f"{stage:10} {ns:8.0f} ns an event {ms:6.2f} ms a revaluation")
        return 0
    if told.write:
        for path, text in files().items():
            path.write_text(text, encoding="utf-8")
            print(path.name, file=sys.stderr)
        return 0
    print(table(loads, told.exponent), limits_table(told.exponent), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
