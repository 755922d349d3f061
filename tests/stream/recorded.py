"""A market recorded by a desk in lists: marks, executions and exposures of portfolios over several underlyings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from qflib.broker.clients import Connection, producer
from qflib.desk.deployment import Deployment
from qflib.desk.feed import Feed
from qflib.desk.opening import bookings, scenario_controls
from qflib.records import Batch
from qflib.records.codec import decode
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING
from qflib.shortfall import scenarios
from qflib.steps.step import Outbox
from tests.stream.chain import Chain, Lists

#: One in each of four partitions, and one that shares; each holds another multiple of the feed's positions.
PORTFOLIOS = ("DESK2", "DESK3", "DESK1", "DESK4", "DESK8")
PARTITIONS = 4


def recorded(feed: Feed, period_ns: int, opens_at: int) -> tuple[Deployment, Lists]:
    """A desk that measures and never hedges; it opens when each source has told `opens_at` clocks."""
    desk = Deployment(feed.instruments, risk=True, partitions=PARTITIONS)
    chain, heard = Chain(desk, 7, markers=False), 0
    for batch in feed.raw(period_ns):
        chain.send(replace(batch, topic=MARKET_RAW, key=batch.header.source))
        heard += batch.kind == "clock"
        if heard == opens_at * len(desk.instruments.sources) and batch.kind == "clock":
            chain.drain()
            heard += 1
            for b in _opening(desk, feed):
                chain.send(b)
        if chain.rng.random() < 0.3:
            chain.round()
    chain.drain()
    return desk, chain.lists


def _opening(desk: Deployment, feed: Feed) -> list[Batch]:
    box, made = Outbox("opening", desk.table), []
    assert feed.positions is not None
    assert feed.history is not None
    for k, name in enumerate(PORTFOLIOS):
        held = feed.positions.assign(qty=feed.positions["qty"] * (k + 1))
        made += list(bookings(desk.instruments, name, held.iloc[k:]))
    made += list(scenario_controls(scenarios.default(feed.history, n_historical=50, n_simulated=250, seed=1)))
    return [box.make(ORDERS_INCOMING, b.key, b.kind, **b.tables) for b in made]


def values(lists: Lists, topic: str) -> list[list[bytes]]:
    """The topic's records, by partition."""
    return [[r.value or b"" for r in lists.topics[topic, p]] for p in range(PARTITIONS)]


def by_source(records: list[list[bytes]]) -> dict[tuple[int, str], list[bytes]]:
    """A topic's records by partition and who wrote them, each in its own order."""
    made: dict[tuple[int, str], list[bytes]] = {}
    for p, values in enumerate(records):
        for value in values:
            made.setdefault((p, decode(value).header.source), []).append(value)
    return made


def put(c: Connection, lists: Lists, topic: str, of: Callable[[bytes], bool] = lambda value: True) -> None:
    """The topic's records on Kafka, or some of them, each in the partition where it was."""
    client = producer(c, client_id="recorded")
    for p in range(PARTITIONS):
        for r in (r for r in lists.topics[topic, p] if of(r.value or b"")):
            client.produce(topic, r.value, key=r.key, partition=p)
    assert client.flush(30) == 0
