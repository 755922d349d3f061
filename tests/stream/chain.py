"""A whole desk on topics that are lists: what the stages do on Kafka, without Kafka, in one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from qflib.desk.datasets import load
from qflib.desk.deployment import Deployment
from qflib.desk.opening import bookings, hedging_control, scenario_controls
from qflib.hedging.hedgers import Band
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.records.partitions import name_of
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, ORDERS_INCOMING, journal, snapshots
from qflib.shortfall import scenarios
from qflib.steps.step import Outbox
from qflib.steps.strategy import StrategyConfig
from qflib.stream import marks
from qflib.stream import snapshots as snapshot_records
from qflib.stream.audit.records import Place, Record
from qflib.stream.fold import Fold
from qflib.stream.stages import STAGES

POISONED = (MARKET_RAW, ORDERS_INCOMING, MARKET_NORMALIZED)


@dataclass
class Lists:
    """Topics as lists of records; offsets have holes, as transactions' control markers leave them."""

    topics: dict[Place, list[Record]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[Place, int] = field(default_factory=lambda: defaultdict(int))
    lows: dict[Place, int] = field(default_factory=lambda: defaultdict(int))
    groups: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        at = self.ends[topic, partition]
        self.topics[topic, partition].append(Record(at, key, value))
        self.ends[topic, partition] = at + 1

    def copy(self) -> Lists:
        made = Lists()
        made.topics.update({k: list(v) for k, v in self.topics.items()})
        made.ends.update(self.ends)
        made.lows.update(self.lows)
        made.groups.update(self.groups)
        return made

    def spans(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        return {p: (self.lows.get(p, 0), self.ends.get(p, 0)) for p in places}

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        yield from (r for r in self.topics.get((topic, partition), []) if start <= r.offset < stop)

    def committed(self, group: str, places: Collection[Place]) -> dict[Place, int]:
        return {place: self.groups.get((group, *place), -1) for place in places}


class Chain:
    """Runs a deployment's stages on lists, an input at a time, in an order drawn from a seed."""

    def __init__(self, deployment: Deployment, seed: int = 0, every: int = 60, markers: bool = True) -> None:
        self.deployment, self.lists = deployment, Lists()
        self.folds = {
            (name, p): Fold(STAGES[name], deployment.step(name, p), p, deployment.table)
            for name in deployment.stages
            for p in range(deployment.partitions)
        }
        self.rng, self._every, self._markers = np.random.default_rng(seed), every, markers
        self._read: dict[tuple[str, int, str], int] = defaultdict(int)  # place in the list

    def send(self, batch: Batch) -> None:
        """A batch of a source outside."""
        key = self.deployment.table.key(batch.key)
        self.lists.send(batch.topic, self.deployment.table.place(batch.key), key, encode(batch))

    def drain(self) -> None:
        """Until no input is left."""
        while self.round():
            pass

    def stop(self) -> None:
        """Graceful snapshots."""
        for fold in self.folds.values():
            self._snapshot(fold, graceful=True)

    def round(self) -> int:
        order, done = list(self.folds.values()), 0
        for i in self.rng.permutation(len(order)).tolist():
            done += self._step(order[i], int(self.rng.integers(1, 6)))
        return done

    def _step(self, fold: Fold, most: int) -> int:
        """One transaction."""
        lists, stage, p, done = self.lists, fold.stage, fold.partition, 0
        touched = set()
        for _ in range(most):
            waiting = [t for t in stage.inputs if self._read[stage.name, p, t] < len(lists.topics[t, p])]
            if not waiting:
                break
            topic = waiting[int(self.rng.integers(len(waiting)))]
            record = lists.topics[topic, p][self._read[stage.name, p, topic]]
            self._read[stage.name, p, topic] += 1
            taken = fold.take(topic, *record)
            for out in taken.outputs:
                place = self.deployment.table.place(name_of(out.key))
                lists.send(out.topic, place, out.key, out.value)
                touched.add((out.topic, place))
            if stage.journalled:
                lists.send(journal(stage.name), p, b"", marks.write(fold, topic, record.offset, taken, "v"))
                touched.add((journal(stage.name), p))
            lists.groups[stage.group, topic, p] = record.offset + 1
            done += 1
            if fold.batches % self._every == 0:
                self._snapshot(fold, graceful=False)
        for place in touched:
            lists.ends[place] += self._markers  # the commit's
        return done

    def _snapshot(self, fold: Fold, graceful: bool) -> None:
        at = self.lists.ends.get((journal(fold.stage.name), fold.partition), -1)
        for value in snapshot_records.write(fold, "v", at, graceful):
            self.lists.send(snapshots(fold.stage.name), fold.partition, b"", value)


def run(
    partitions: int,
    seed: int = 7,
    duration: str = "2s",
    rate: float = 2_000,
    markers: bool = True,
    poison: Collection[str] = POISONED,
) -> tuple[Deployment, Lists]:
    """A simulated market through a whole desk with hedging, stopped gracefully."""
    feed = load("sim", seed=seed, duration=duration, rate=rate)
    desk = Deployment(
        feed.instruments,
        hedger=Band(),
        strategy=StrategyConfig(max_lots=5),
        risk=True,
        partitions=partitions,
    )
    chain = Chain(desk, seed, markers=markers)
    opening, heard = Outbox("opening", desk.table), 0
    for batch in feed.raw(100_000_000):
        numbered = replace(batch, topic=MARKET_RAW, key=batch.header.source)
        chain.send(numbered)
        heard += batch.kind == "clock"
        if heard == 4 * len(desk.instruments.sources) and batch.kind == "clock":
            chain.drain()
            heard += 1
            for b in _opening(desk, feed, opening):
                chain.send(b)
            # poison: it becomes a dead letter of every stage that reads it
            for topic in poison:
                chain.lists.send(topic, 0, None, b"no record")
        if chain.rng.random() < 0.3:
            chain.round()
    chain.drain()
    chain.stop()
    return desk, chain.lists


def _opening(desk: Deployment, feed: object, box: Outbox) -> Iterator[Batch]:
    every, n = desk.table.every, desk.partitions
    for k, name in enumerate(every):
        yield box.make(ORDERS_INCOMING, name, "control", part=k, parts=n,
                       **hedging_control("DESK1", on=False).tables)  # fmt: skip
    made = scenarios.default(feed.history, n_historical=50, n_simulated=50, seed=1)
    for b in (*bookings(desk.instruments, "DESK1", feed.positions), *scenario_controls(made)):
        yield box.make(ORDERS_INCOMING, b.key, b.kind, **b.tables)
    for k, name in enumerate(every):
        yield box.make(ORDERS_INCOMING, name, "control", part=k, parts=n,
                       **hedging_control("DESK1", on=True).tables)  # fmt: skip
