"""The ingest process: the desk's market data into `market.data.raw`, each source from its own last record on."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from qflib import settings
from qflib.desk.deployment import Deployment
from qflib.records.topics import MARKET_RAW, ORDERS_INCOMING, RISK_METRICS
from qflib.stream.ingest.feeds import batches_of, speed_of
from qflib.stream.ingest.lag import IN_FLIGHT, Gate, Lags, followers
from qflib.stream.ingest.left import LeftMarket
from qflib.stream.ingest.metrics import Metrics
from qflib.stream.ingest.opened import Quiet, UntilOpened, has_reported
from qflib.stream.ingest.pace import Burst, Pace
from qflib.stream.ingest.play import Paces, close, play
from qflib.stream.ingest.positions import Position, positions
from qflib.stream.ingest.sender import LeftOff, Sender
from qflib.stream.process import Arguments, Stop, serve_metrics
from qflib.stream.stages import STAGES
from qflib.stream.traces import traces_of
from qflib.stream.waiting import await_topics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from qflib.broker.clients import Connection
    from qflib.stream.ingest.live import LiveSource

#: Periods of market time in a part of what a desk opens on: the exchange publishes books at the end of each.
_PART = 2

_log = structlog.get_logger("qflib.ingest")


def run(told: Arguments) -> None:
    """Ingest as the command line says, until the feed has ended or a signal comes."""
    stop, metrics = Stop(), Metrics()
    stop.listen()
    deployment, connection = Deployment.load(told.deployment), told.connection
    serve_metrics(told.metrics_port, metrics.registry)
    needed = {MARKET_RAW, ORDERS_INCOMING, RISK_METRICS, *(t for s in deployment.stages for t in STAGES[s].inputs)}
    if await_topics(connection, needed, lambda: stop.asked):
        ingest(deployment, connection, stop, metrics, told.deployment.parent / "market")


def ingest(
    deployment: Deployment, c: Connection, stop: Stop, metrics: Metrics | None = None, kept: Path | None = None
) -> None:
    """Send what the desk's sources have not sent, until they have ended or a stop is asked for.

    Parameters
    ----------
    deployment
        The desk.
    c
        The cluster.
    stop
        Who asks for an end.
    metrics
        Who is told.
    kept
        Folder that keeps where a simulated market stands; None: it is made from its beginning at every start.

    Raises
    ------
    DataError
        If the feed is not the one whose records are there.
    BrokerError
        If a record cannot be delivered.
    """
    metrics = metrics or Metrics()
    sources = deployment.sources
    at, trimmed = positions(c, deployment.table, sources)
    _log.info("going on", after={s: (p.epoch, p.seq) for s, p in at.items()})
    if all(s in at and at[s].closed for s in sources):
        _log.info("every source has ended; there is nothing to send")
        return
    traces = traces_of("ingest", 0, settings.load().stream.traces)
    sender = Sender(c, deployment.table, lambda: stop.leaving, traces, metrics.back_pressure.inc)
    with suppress(LeftOff):  # the broker is away: the next start goes on after what it has
        if deployment.source in ("sim", "replay"):
            _played(deployment, c, at, sender, stop, metrics, kept)
        else:
            # Retention took the source's numbers: an epoch above any that it can have had.
            at |= {s: Position(time.time_ns() // 10**9) for s in trimmed}
            _listened(deployment, at, sender, stop, metrics)
    sender.flush()
    _log.info("left off", at={s: (p.epoch, p.seq, p.closed) for s, p in at.items()})


def _played(
    deployment: Deployment,
    c: Connection,
    at: dict[str, Position],
    sender: Sender,
    stop: Stop,
    metrics: Metrics,
    kept: Path | None,
) -> None:
    told = deployment.feed
    groups = followers(
        deployment.stages, archive=bool(told.get("archive", True)), in_flight=int(told.get("in_flight", IN_FLIGHT))
    )

    def seen(lags: Mapping[str, int]) -> None:
        for group, lag in lags.items():
            metrics.lag.labels(group).set(lag)

    simulated = deployment.source == "sim" and not told.get("signals")
    left = LeftMarket(kept, deployment) if simulated and kept is not None else None
    batches, market = batches_of(deployment, left, at), Pace(speed_of(told), Burst.of(told))
    pace: Paces = market
    if deployment.risk and not has_reported(c, deployment.partitions):
        look = Lags(c, followers(deployment.stages, archive=False), deployment.partitions).look
        part_ns = _PART * deployment.config.period_ns
        sender.opening = True
        pace = UntilOpened(market, part_ns, Quiet(c, deployment.partitions, look), sender.opened)
    with Gate(groups, Lags(c, groups, deployment.partitions).look, seen, sender.pending) as gate:
        play(batches, at, sender, gate, pace, stop, metrics)
    if stop.ending:
        # A source that sent nothing ends where the others are: an end without a time would hold theirs back.
        now = max((p.time_ns for p in at.values()), default=0)
        close(deployment.sources, at, now, sender, metrics)


def _listened(deployment: Deployment, at: dict[str, Position], sender: Sender, stop: Stop, metrics: Metrics) -> None:
    from qflib.stream.ingest.live import listen

    async def run_all() -> None:
        sources = _live_sources(deployment, at, sender, metrics)
        try:
            await listen(sources, stop)
        finally:
            at.update({s.source: s.position for s in sources})

    asyncio.run(run_all())
    if stop.ending:
        close(deployment.sources, at, time.time_ns(), sender, metrics)


def _live_sources(
    deployment: Deployment, at: dict[str, Position], sender: Sender, metrics: Metrics
) -> list[LiveSource]:
    """A connection for each source of the table that has not ended."""
    from qflib.stream.ingest.live import LiveSource
    from qflib.venues.session import BACK_OFF_S, Session
    from qflib.venues.table import venue as venue_row

    told, made = deployment.feed, []
    for source in deployment.sources:
        position = at.get(source, Position())
        rows = [r for r in deployment.instruments if r.source == source]
        if position.closed:
            continue
        row = venue_row(rows[0].venue)
        live = row.live().elsewhere(told.get("url"), told.get("rest"), told.get("heartbeat_s"))
        back_off: tuple[float, float] = tuple(told.get("back_off_s", BACK_OFF_S))
        session = Session(live, [r.venue_symbol or r.symbol for r in rows], back_off)
        decoder = row.decoder(deployment.instruments, source)
        made.append(LiveSource(source, row.name, session, decoder, position, sender, metrics))
    return made
