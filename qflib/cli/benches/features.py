"""Features after every event, beside the replay that they ride on: simulated order flow of one future."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from qflib.cli.bench import RUNS, Row
from qflib.kernels import event_features as E
from qflib.kernels.book_batch import N_COUNTERS, apply_events
from qflib.kernels.book_state import new_state
from qflib.records import MARKET_EVENTS

_BATCH = 16_384
_LEVELS = 5


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an event: the replay alone, and what spread, micro-price, flow and imbalance add to it."""
    events = _events()
    n = len(events.kind)
    alone, with_features = _replay(events), _featured(events)
    alone(), with_features()
    plain, both = [], []
    for _ in range(2 * RUNS):  # in turns, so that both see the same machine
        plain.append(_ns(alone) / n)
        both.append(_ns(with_features) / n)
    yield Row("features_replay", median(plain), min(plain), "ns/event")
    added = median(b - a for a, b in zip(plain, both, strict=True))
    yield Row("features_added", added, min(both) - min(plain), "ns/event")


def _events() -> Any:
    """A future's order flow, each event a message."""
    from qflib.market import SimulatedMarket
    from qflib.steps.normalize import Normalize

    feed = SimulatedMarket(seed=7, duration="10s", rate=100_000, underlyings=1)
    normalize = Normalize(feed.instruments)
    parts = [b.events for raw in feed.raw() for b in normalize.feed(raw) if b.kind == "market"]
    every = MARKET_EVENTS.concat(parts)
    mine = MARKET_EVENTS.take(every, np.flatnonzero(every.instrument == 0))
    return mine._replace(flags=np.full(len(mine.kind), 1, np.uint32))


def _ns(work: Callable[[], None]) -> int:
    start = time.process_time_ns()
    work()
    return time.process_time_ns() - start


def _replay(events: Any) -> Callable[[], None]:
    def run() -> None:
        b, counters, n = new_state(1, 65_536, 4_096, 1_024), np.zeros(N_COUNTERS, np.int64), len(events.kind)
        for first in range(0, n, _BATCH):
            stop = min(n, first + _BATCH)
            done = apply_events(
                b, events.kind, events.flags, events.instrument, events.side, events.order_id, events.price_ticks,
                events.qty, events.receipt_ns, first, stop, counters,
            )  # fmt: skip
            if done != stop:
                raise RuntimeError(f"the book had no room at event {done}")

    return run


def _featured(events: Any) -> Callable[[], None]:
    tops, values = np.zeros((_BATCH, E.N_TOP), np.int64), np.zeros((_BATCH, E.N_VALUE))
    ladder = np.zeros((_BATCH, 0), np.int64)

    def run() -> None:
        b, counters, n = new_state(1, 65_536, 4_096, 1_024), np.zeros(N_COUNTERS, np.int64), len(events.kind)
        memory, near = E.new_memory(_LEVELS)
        row = 0
        while row < n:
            before = row
            row, _ = E.replay_events(
                b, events.kind, events.flags, events.instrument, events.side, events.order_id, events.price_ticks,
                events.qty, events.receipt_ns, row, 0, memory, near, tops, values, ladder, counters,
            )  # fmt: skip
            if row == before:
                raise RuntimeError(f"the book had no room at event {row}")

    return run
