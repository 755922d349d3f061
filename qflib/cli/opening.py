"""What a desk opens with, from a process of its own: `python -m qflib.cli.opening --deployment FILE`.

`qflib up` does this itself; in a cluster, where each stage is started apart, a job does. It waits until there are books
of every underlying and publishes limits, positions and the scenario set; ids are hashes of their content, so that a
second time changes nothing.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from qflib.stream.process import Arguments, Stop, main

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment
    from qflib.records import Batch

_ASK_S = 0.5
_log = structlog.get_logger("qflib.opening")


def opening_of(desk: Deployment) -> list[Batch]:
    """What a desk opens with, of the source that its file names and the positions that are loaded.

    Raises
    ------
    QflibError
        If the source's history or the loaded positions cannot be read.
    """
    from qflib import settings
    from qflib.cli import deploying
    from qflib.stream.opening import opening

    feed = desk.feed
    file = feed.get("file")
    wanted = deploying.Wanted(desk.source, Path(file) if file else None, feed.get("venue"))
    chosen = settings.load(desk={k: feed[k] for k in ("seed", "rate") if feed.get(k) is not None} or None)
    market = deploying.with_loaded(deploying.market(wanted, chosen, desk))
    return opening(desk, market.positions, deploying.scenario_set(market, chosen))


def work(told: Arguments) -> None:
    """Open the desk.

    Raises
    ------
    BrokerError
        If the cluster is away.
    """
    from qflib.broker.publishing import publish
    from qflib.desk.deployment import Deployment
    from qflib.records.topics import EXCHANGE_MARKS, ORDERS_INCOMING
    from qflib.stream.opening import has_books
    from qflib.stream.waiting import await_topics

    stop = Stop()
    stop.listen()
    desk = Deployment.load(told.deployment)
    batches = opening_of(desk)
    await_topics(told.connection, (EXCHANGE_MARKS, ORDERS_INCOMING))
    while not has_books(told.connection, desk):
        if stop.wait(_ASK_S):
            return
    began = time.monotonic()
    sent = publish(told.connection, batches, desk.table) if batches else 0
    _log.info("opened", records=sent, seconds=round(time.monotonic() - began, 3))


if __name__ == "__main__":
    main("opening", work)
