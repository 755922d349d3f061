"""The monitor of a running desk: one thread, one consumer, a few requests a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import REGISTRY, CollectorRegistry

from qflib.broker.clients import CLIENTS, Connection, consumer_config
from qflib.broker.reading import ends
from qflib.broker.seen import Seen
from qflib.desk import Progressed
from qflib.desk.deployment import Deployment
from qflib.records.topics import MARKET_RAW, TOPICS
from qflib.stream.data_ends import Place
from qflib.stream.monitor.exported import Exported
from qflib.stream.monitor.lag_time import LagTime
from qflib.stream.monitor.market_exported import MarketExported
from qflib.stream.monitor.observed import READ, DelayFigures, Observed
from qflib.stream.monitor.offsets import Offsets
from qflib.stream.monitor.processes import Costs, Process
from qflib.stream.monitor.stalls import Stalls
from qflib.stream.monitor.surroundings import Surroundings
from qflib.stream.monitor.throughput import Flow, Through, through
from qflib.stream.stages import GROUP_PREFIX, STAGES

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_POLL_S = 0.1
_SILENT = 3  # polls in a row: together longer than `fetch.wait.max.ms` and the way there and back
_AT_ONCE = 1_000
_PATIENCE_S = 10.0
_ASK_S = 0.5  # offsets, CPU and memory
_SCRAPE_S = 5.0
_WINDOWS = 960  # four hours
_CONSUMER = {
    # records wait at the broker until they are many: an onlooker has time, and a fetch costs more than a record
    "fetch.wait.max.ms": 100,
    "fetch.min.bytes": 1 << 20,
    "queued.min.messages": 1_000,
}
_log = structlog.get_logger(__name__)


class Monitor:
    """Looks on from `start` to `stop`; what was in the topics before does not count, unless all of it is to.

    Parameters
    ----------
    connection
        The cluster; its topics are there.
    deployment
        The desk.
    processes
        The desk's processes as they stand, the broker's under "broker".
    registry
        Where lag and latency are exported; None: nowhere.
    window_s
        Length of the stretches that `figures` also tells apart.
    whole
        Look on from the topics' beginning: a new desk's stages may have begun before the monitor.
    folder
        Where the desk keeps its data: the room left on its disk is exported.
    lost
        Called in its thread where that ends by an error: what is exported tells nothing from then on.

    Attributes
    ----------
    failed
        Whether it has ended by an error, which is logged.
    """

    def __init__(
        self,
        connection: Connection,
        deployment: Deployment,
        processes: Callable[[], Iterable[Process]] = tuple,
        registry: CollectorRegistry | None = REGISTRY,
        window_s: float = 15.0,
        whole: bool = False,
        folder: Path | None = None,
        lost: Callable[[], object] = lambda: None,
    ) -> None:
        self.failed, self._lost = False, lost
        self._connection, self._deployment, self._processes = connection, deployment, processes
        self._window_s, self._whole = window_s, whole
        self.stages = ("ingest", *deployment.stages, "archive")
        self.groups = {s: STAGES[s].group for s in deployment.stages} | {"archive": f"{GROUP_PREFIX}archive"}
        self._observed = Observed(deployment)
        inputs = {self.groups[s]: STAGES[s].inputs for s in deployment.stages} | {self.groups["archive"]: TOPICS}
        every = range(deployment.partitions)
        self._offsets = Offsets(
            connection, {g: [(t, p) for t in topics for p in every] for g, topics in inputs.items()}
        )
        self._costs = Costs()
        self._lock = threading.Lock()  # over what has been observed
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = self._scraped_at = 0.0
        self._start: dict[Place, int] = {}
        self._through = Through(0, {})
        self._flow, self._stalls = Flow(), Stalls()
        self._late, self._still = LagTime(), set[str]()
        self._surroundings: Surroundings | None = None
        self._window: tuple[int, int] | None = None  # when the window began, and the events through before
        self._windows: deque[dict[str, Any]] = deque(maxlen=_WINDOWS)
        if registry is not None:
            progress = lambda: self._offsets.progress  # noqa: E731
            Exported(self._observed, progress, self._processes, self._late, lambda: self._still, registry)
            MarketExported(self._observed, registry, deployment.risk)
            self._surroundings = Surroundings(folder, registry)

    def start(self) -> None:
        """Note where the topics end, and look on from there.

        Raises
        ------
        BrokerError
            If the broker does not answer.
        """
        from confluent_kafka import Consumer, TopicPartition

        self._start = self._begin()
        consumer = Consumer(consumer_config(self._connection, group="qflib.monitor") | _CONSUMER, logger=CLIENTS)
        consumer.assign([TopicPartition(t, p, at) for (t, p), at in self._start.items() if t != MARKET_RAW])
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(consumer,), name="monitor", daemon=True)
        self._thread.start()

    def _begin(self) -> dict[Place, int]:
        """Where each partition of what is looked at ends, or its beginning where all of it counts."""
        places = [(t, p) for t in (*READ, MARKET_RAW) for p in range(self._deployment.partitions)]
        if self._whole:
            return dict.fromkeys(places, 0)
        return ends(self._connection, places, timeout_s=_PATIENCE_S)

    def stop(self) -> None:
        """Read what is there, judge every report, and end."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Ask the processes for their counts and cost now: the last moment for it is before they are stopped."""
        processes = list(self._processes())
        with self._lock:
            self._costs.scrape(processes)
            self._costs.see(processes)

    def progressed(self) -> Progressed:
        """Where the desk stands: what `qflib.cli.snapshots.snapshot` makes the live view's snapshot of."""
        with self._lock:
            seen = self._observed
            elapsed = time.monotonic() - self._began
            return Progressed(elapsed, seen.market_time_ns, seen.events, seen.standing_now())

    def figures(self) -> dict[str, Any]:
        """What `qflib up --json` tells of throughput, delays, stages and hedges.

        Returns
        -------
        dict
            events, events_per_s, latency_ms, staleness_ms, reports, stages, hedge, es; windows: the same figures of
            stretches one after the other; cpu_s: CPU seconds by process, the broker's among them.
        """
        with self._lock:
            seen, now = self._observed, self._through
            standing, es, es_of = seen.standing, seen.es.median(), seen.es_of
            stages = {s: self._stage(s, now) for s in self.stages}
            return {
                "events": now.least,
                "events_per_s": self._flow.rate(),
                "flow_seconds": self._flow.seconds,
                "opening_s": max(seen.opened_ns - seen.first_ns, 0) / 1e9 if seen.opened_ns else None,
                **seen.total.figures(),
                "reports": seen.reports,
                "sequence_gaps": sum(seen.gaps.values()),
                "stages": stages,
                "hedge": {
                    "orders": standing.hedge_orders,
                    "fills": standing.hedge_fills,
                    "rejects": standing.hedge_rejects,
                    "cost": float(standing.realised_cost),
                },
                "es": {
                    "level": None if es_of is None else es_of[0],
                    "horizon": None if es_of is None else _horizon(es_of[1]),
                    **dict(zip(("unhedged_median", "current_median", "target_median"), es or (None,) * 3, strict=True)),
                },
                "cpu_s": {s: self._costs.figures(s)["cpu_s"] for s in self._costs.stages()},
                "window_s": self._window_s,
                "windows": list(self._windows),
            }

    def _stage(self, stage: str, now: Through) -> dict[str, Any]:
        """Market stages count market events; the others the rows they say they took in."""
        cost = self._costs.figures(stage)
        events = now.events.get(stage, int(cost["events"]))
        return {
            "events": events,
            "events_per_s": self._flow.rate(stage) if stage in now.events else events / (self._flow.seconds or inf),
            "lag": self._offsets.progress.lag(self.groups[stage]) if stage in self.groups else 0,
            "dead_letters": self._observed.dead.get(stage, 0),
            "restarts": int(cost["restarts"]),
            "memory_mb": cost["memory_mb"],
            "peak_memory_mb": cost["peak_memory_mb"],
            "cpu_s": cost["cpu_s"],
        }

    def _run(self, consumer: Consumer) -> None:
        asked = 0.0
        try:
            while not self._ending.is_set():
                self._read(consumer)
                if time.monotonic() - asked >= _ASK_S:
                    asked = time.monotonic()
                    self._ask()
            silent = 0  # what was written before the end; an answer may take longer than a poll
            while silent < _SILENT:
                silent = 0 if self._read(consumer) else silent + 1
            self._ask(last=True)
        except Exception:
            _log.exception("monitor ended")  # the desk goes on without it
            self.failed = True
            self._lost()
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> bool:
        messages = consumer.consume(_AT_ONCE, _POLL_S)
        with self._lock:
            for m in messages:
                if m.error() is None:
                    self._observed.take(Seen.of(m))
            self._observed.settle()
        return bool(messages)

    def _ask(self, last: bool = False) -> None:
        processes = list(self._processes())
        if last or time.monotonic() - self._scraped_at >= _SCRAPE_S:
            self._scraped_at = time.monotonic()
            self.look()
        known = self._offsets.ask()
        progress, now = self._offsets.progress, time.monotonic()
        self._still = set(self._stalls.see(progress if known else None, now))
        if known:
            self._late.see(progress, now)
        if self._surroundings is not None:
            self._surroundings.see(known, time.time())
        with self._lock:
            self._costs.see(processes)
            if known:
                self._measure(last)
            if last:
                self._observed.settle(all_of_them=True)

    def _measure(self, last: bool) -> None:
        seen, progress = self._observed, self._offsets.progress
        archived = bool(progress.committed.get(self.groups["archive"])) or "archive" in self._costs.stages()
        groups = {s: g for s, g in self.groups.items() if s != "archive" or archived}
        now = through(time.time_ns(), seen.events, seen.folded, progress, groups, self._start)
        self._through = now
        self._flow.see(now, seen.opened_ns, over=seen.closed)
        if not seen.opened_ns:
            return
        if self._window is None:
            self._window = now.at_ns, now.least
            seen.cut()
            return
        seconds = (now.at_ns - self._window[0]) / 1e9
        if seconds >= self._window_s or (last and seconds >= self._window_s / 2):
            self._windows.append(_window(seconds, now.least - self._window[1], seen.cut()))
            self._window = now.at_ns, now.least


def _window(seconds: float, events: int, delays: DelayFigures) -> dict[str, Any]:
    return {"seconds": seconds, "events_per_s": events / seconds, **delays.figures()}


def _horizon(ns: int) -> str:
    days = ns / 86_400e9
    return f"{days:g}D" if days >= 1 else f"{ns / 60e9:g}min"
