"""What a step would be handed of a feed: the records of its topics, as the stages before it make them."""

from __future__ import annotations

from collections import deque

from qflib.desk.deployment import Deployment
from qflib.desk.feed import Feed
from qflib.desk.flow import MOST_ANSWERS, READERS, without_end
from qflib.errors import InputError
from qflib.promote.fixture import Fixture
from qflib.steps.promoted.definition import TABLES
from qflib.steps.promoted.step import Placed, Promoted


def fixture_of(feed: Feed, placed: Placed, told: str) -> Fixture:
    """The records that a step takes in while a feed runs; a strategy's orders go to the exchange and come back.

    Parameters
    ----------
    feed
        Where market data come from.
    placed
        The step: its topics, and whether it sends orders.
    told
        What the fixture is called.

    Returns
    -------
    Fixture
    """
    desk = Deployment(feed.instruments)
    promoted = Promoted([placed], feed.instruments, desk.table)
    chain = {"normalize": desk.step("normalize"), "exchange": desk.step("exchange"), "promoted": promoted}
    kinds = {TABLES[t] for t in placed.definition.functions}
    taken = []
    for raw in feed.raw():
        queue, answered = deque([raw]), 0
        while queue:
            batch = queue.popleft()
            answered += 1
            if answered > MOST_ANSWERS:
                raise InputError(without_end(f"step {placed.definition.name!r}"))
            if (batch.kind, batch.topic) in kinds:
                taken.append(batch)
            for name in READERS.get(batch.topic, ()):
                if name in chain and (name != "promoted" or placed.orders):
                    queue += chain[name].feed(batch)
    return Fixture(told, feed.instruments, tuple(taken))
