"""What a load takes, by costs that were measured: cores, bytes, desks, brokers, and how long an archive may be away.

A load is a multiple of 100,000 events a second on four underlyings. What a stage does with an event costs by the event;
revaluations and reports cost by underlyings, which grow with the load: a greater market has more of them, not busier
ones alone. Their shares fall off as 1 / rank, so that the busiest gets busier too. A book is one partition's, and a
partition one worker's at a time; ingest, archive and a portfolio's sum are one worker's each. Where ingest, archive or
PostgreSQL is full, underlyings are dealt out to more desks; where the busiest underlying or a sum is, nothing here
mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, log2
from typing import Literal

from fitting import BUILT, Cost, costs, kept  # beside this file

from qflib.broker.topics import TOPIC_TABLE
from qflib.records.topics import MARKET_RAW, RISK_EXPOSURES

Store = Literal["delta", "postgres"]
_GB = 1e9


@cache
def _fitted() -> Mapping[str, Cost]:
    return costs(kept())


@dataclass(frozen=True)
class Measured:
    """Constants, each with where it comes from; costs of stages are `fitting.py`'s, of `bench scaling`."""

    events_per_s: float = 100_000  # of load 1, and of the paced runs
    underlyings: int = 4
    reports_per_s: float = 4.0  # of a portfolio, and revaluations of an underlying: desk.period, 250 ms
    scenarios: int = 10_000  # desk.n_simulated and the historical ones

    # segments of the topics after a fast run, over its 10,971,601 events and 1,804 revaluations
    raw_bytes: float = 56.0  # an event
    normalized_bytes: float = 56.0
    other_bytes: float = 3.2  # analytics, marks, executions, journals
    exposure_bytes: float = 16.0  # a scenario of a revaluation: two vectors

    # `qflib bench store --rows 100000000`, in docs/storage.md; Delta's bytes: a fast run's history
    store_rows_per_s: float = 398_000  # PostgreSQL, one archive, two crowded cores
    store_bytes: float = 166.0  # of PostgreSQL a row, indexes too
    delta_bytes: float = 24.0  # an event, `batches` too

    # assumed, not measured
    busy: float = 0.6  # of a core, and of the store's rate, at most: a burst and a restart's tail find room
    node_bytes_per_s: float = 1.25 * _GB / 2  # a broker's network: half of 10 Gbit/s
    node_cores: int = 8  # a broker's
    replication: int = 3
    retention_s: float = 86_400.0  # of the topics, where their bytes a partition are not fewer

    def cost(self, stage: str) -> Cost:
        """Of a stage's process, or the broker's."""
        return _fitted()[stage]


M = Measured()
STAGES = ("normalize", "exchange", "exposures", "portfolio")  # that have more workers than one
SINGLE = ("ingest", "archive")
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
        cost = self.measured.cost(stage)
        return self.events_per_s * cost.ns / 1e9 + self.revaluations_per_s * cost.ms / 1e3 + cost.resting

    @property
    def broker_cores(self) -> float:
        """Of all brokers; a copy of a record is taken to cost one half of what the first does."""
        return self.cores("broker") * (1 + (self.measured.replication - 1) / 2)

    @property
    def network(self) -> float:
        """Bytes a second of all brokers, in and out, copies too."""
        return self.bytes_out() + self.bytes_in() * self.measured.replication

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

    def store_a_day(self, store: Store = "delta") -> float:
        """Bytes of history, at this rate around the clock."""
        m = self.measured
        return self.events_per_s * 86_400 * (m.store_bytes if store == "postgres" else m.delta_bytes)


@dataclass(frozen=True)
class Plan:
    """What a load takes: desks that share the underlyings, and what each of them is."""

    load: Load
    store: Store = "delta"

    @property
    def desks(self) -> int:
        """As many as ingest and archive, one worker each, ask for, and PostgreSQL where it is the store."""
        m, load = self.load.measured, self.load
        needed = 1
        for stage in SINGLE:
            resting = m.cost(stage).resting
            needed = max(needed, ceil((load.cores(stage) - resting) / (m.busy - resting)))
        if self.store == "postgres":
            needed = max(needed, ceil(load.events_per_s / (m.busy * m.store_rows_per_s)))
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
        return power(wanted)

    @property
    def brokers(self) -> int:
        """Of all desks, by what the network and a broker's cores carry; copies count."""
        m, load = self.load.measured, self.load
        cores = self.desks * self.share.broker_cores  # each desk's topics rest by themselves
        if load.factor <= 0.5 and cores <= m.busy * m.node_cores:
            return 1
        by_network = ceil(load.network / m.replication / m.node_bytes_per_s)
        by_cores = ceil(cores / m.replication / (m.busy * m.node_cores))
        return max(1, by_network, by_cores) * m.replication

    @property
    def cores(self) -> float:
        """That are busy, brokers included."""
        share = self.share
        return self.desks * (sum(share.cores(s) for s in (*STAGES, *SINGLE)) + share.broker_cores)

    def fullest(self, topic: str) -> float:
        """Bytes a second of a topic's fullest partition, at least: the busiest underlying's, or an even share."""
        m = self.load.measured
        if topic == RISK_EXPOSURES:  # by portfolio, of which there is one
            return self.share.revaluations_per_s * m.scenarios * m.exposure_bytes
        return max(self.load.hottest_per_s, self.share.events_per_s / self.partitions) * m.raw_bytes

    @property
    def away_s(self) -> float:
        """Seconds that an archive may be away before retention takes what it has not read, at most."""
        return min(
            [self.load.measured.retention_s, *(RETAINED[t] / self.fullest(t) for t in (MARKET_RAW, RISK_EXPOSURES))]
        )


#: Bytes that a partition of a topic keeps; market.data.normalized has as many an event and as much room as the raw one.
RETAINED: Mapping[str, int] = {spec.name: spec.retention_bytes for spec in TOPIC_TABLE if spec.retention_bytes > 0}


def _of_core(at: Load, cores: float) -> float:
    return cores / at.measured.busy


def _of_store(at: Load, events_per_s: float) -> float:
    return events_per_s / at.measured.store_rows_per_s / at.measured.busy


_STORE = "PostgreSQL, where it is the store (one archive's rows)"
#: What is one worker's, or one store's: the part of it that a load takes; beyond 1 it is full.
LIMITS: Mapping[str, Callable[[Load], float]] = {
    "archive (one worker a desk)": lambda at: _of_core(at, at.cores("archive")),
    "ingest (one worker a desk)": lambda at: _of_core(at, at.cores("ingest")),
    _STORE: lambda at: _of_store(at, at.events_per_s),
    "PostgreSQL of the busiest underlying": lambda at: _of_store(at, at.hottest_per_s),
    "archive of the busiest underlying (one worker)": lambda at: _of_core(
        at, at.hottest_per_s * at.measured.cost("archive").ns / 1e9
    ),
    "the busiest underlying's book (one partition)": lambda at: _of_core(
        at, at.hottest_per_s * at.measured.cost("exchange").ns / 1e9
    ),
    "a portfolio over all underlyings (one partition)": lambda at: _of_core(
        at, at.revaluations_per_s * at.measured.cost("portfolio").ms / 1e3
    ),
    "a broker's network, of three": lambda at: at.network / at.measured.replication / at.measured.node_bytes_per_s,
    "a broker's eight cores, of three": lambda at: (
        at.broker_cores / at.measured.replication / at.measured.node_cores / at.measured.busy
    ),
}
#: What splitting a market over desks does not mend, as the table names it.
_UNMENDED = {
    "PostgreSQL of the busiest underlying": "the busiest one's rows for PostgreSQL",
    "archive of the busiest underlying (one worker)": "the busiest one's archive",
    "the busiest underlying's book (one partition)": "its book",
    "a portfolio over all underlyings (one partition)": "a sum over all",
}


def beyond(plan: Plan) -> list[str]:
    """What a plan asks too much of, and by how much."""
    told = [("PostgreSQL", LIMITS[_STORE](plan.share))]
    told += [(name, LIMITS[limit](plan.load)) for limit, name in _UNMENDED.items()]
    return [
        f"{name} {part:.1f} times"
        for name, part in told
        if part > 1 + 1e-9 and (plan.store == "postgres" or "PostgreSQL" not in name)
    ]


def breaks_at(limit: str, exponent: float = 1.0) -> float:
    """The least load that is too much for it, to a thousandth. O(log) steps, as no limit falls with the load."""
    low, high = 0.0, 1.0
    while LIMITS[limit](Load(high, exponent)) <= 1:
        low, high = high, high * 2
    while high - low > high / 1_000:
        middle = (low + high) / 2
        low, high = (middle, high) if LIMITS[limit](Load(middle, exponent)) <= 1 else (low, middle)
    return high


def power(x: float) -> int:
    """The next power of two."""
    return int(2 ** ceil(log2(x)))


assert set(BUILT) == {*STAGES, *SINGLE, "broker"}
