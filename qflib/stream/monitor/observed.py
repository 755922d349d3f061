"""What records tell an onlooker: the live view, events by offset, dead letters, gaps, and reports' delays."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.desk.market_quality import Quality
from qflib.desk.standing import Standing
from qflib.errors import MalformedRecordError, TornBatchError
from qflib.records import BY_KIND
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import (
    ANALYTICS_RESULTS,
    MARKET_NORMALIZED,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_METRICS,
    TOPICS,
    dead_letters,
)
from qflib.stream.metrics import LONG, Buckets
from qflib.stream.monitor.delays import Delays
from qflib.stream.monitor.folded import Folded
from qflib.stream.monitor.glance import columns, glance
from qflib.stream.monitor.quantiles import Quantiles
from qflib.stream.monitor.thinned import Thinned
from qflib.stream.stages import STAGES

#: Topics that are read.
DEAD_TOPICS = tuple(dead_letters(t) for t in TOPICS)
READ = (MARKET_NORMALIZED, ORDERS_INCOMING, ORDERS_EXECUTED, RISK_METRICS, ANALYTICS_RESULTS, *DEAD_TOPICS)

_INGEST_NS = "ingest_ns"  # the Kafka header that ingest sets, and Quix Streams passes on to every output
_OPENING = "opening"  # the one of what ingest sent while the desk was opening
_WAIT_S = 2.0  # for market data that came in before a report: a partition may be idle
_MS = 1_000_000
_GREEKS = BY_KIND["risk"].by_name["greeks"]
_HEDGES = BY_KIND["risk"].by_name["hedges"]
_LIMITS = BY_KIND["risk"].by_name["limits"]
_POSITIONS = BY_KIND["risk"].by_name["positions"]
_RISK = BY_KIND["risk"].by_name["risk"]
_TOPS = BY_KIND["analytics"].by_name["tops"]


class DelayFigures:
    """Quantiles of latency and staleness in ms."""

    def __init__(self) -> None:
        self.latency, self.staleness = Quantiles(), Quantiles()

    def figures(self) -> dict[str, Any]:
        """Both, as the command prints them."""
        return {"latency_ms": self.latency.figures(), "staleness_ms": self.staleness.figures()}


class Observed:
    """Takes records in; memory is bounded however long the desk runs.

    Parameters
    ----------
    deployment
        The desk. Of a live one delays count from receipt times, else from the moments of ingest.

    Notes
    -----
    A desk that values positions opens first: it books, loads what it needs, makes its first hedges, reports. What its
    reports say of events that came in before tells how long that took, not how late the desk is: it is not counted.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.standing = Standing(deployment.instruments, deployment.portfolio)
        self.quality = Quality(deployment.instruments)
        self.reported: dict[str, tuple[Any, Any]] = {}  # RISK and LIMITS of each portfolio's last report
        self.events = 0  # market events normalized
        self.folded = [Folded() for _ in range(deployment.partitions)]  # of market.data.normalized
        self.first_ns = 0  # when the first event came in
        self.opened_ns = 0  # when the first event after the desk had opened came in
        self.market_time_ns = 0
        self.closed = False  # whether a source has ended
        self.dead: dict[str, int] = {}  # by stage
        self.gaps: dict[str, int] = {}  # by topic
        self.reports = 0
        self.total, self.window = DelayFigures(), DelayFigures()
        self.e2e = Buckets(LONG)  # seconds of latency
        self.es = Thinned(3)
        self.es_of: tuple[float, int] | None = None  # level and horizon
        self._reports, self._reported_ns = deployment.risk, 0
        self._live = deployment.source not in ("sim", "replay")
        self._delays = Delays()
        self._newest: dict[bytes, int] = {}  # by portfolio: when the newest event reported on came in
        self._waiting: deque[tuple[float, int, bytes, list[tuple[str, int]]]] = deque()
        self._append_ms = [0] * deployment.partitions
        self._next: dict[tuple[str, int, str, int], int] = {}
        self._report: bytes | None = None

    def take(self, seen: Seen) -> None:
        """Note a record; what cannot be read is its stage's and the audit's concern."""
        if (record := glance(seen.value)) is None:
            return
        self._number(seen, record.header)
        if seen.topic == MARKET_NORMALIZED:
            self._market(seen, record)
        elif seen.topic == RISK_METRICS:
            self._risk(seen, record)
        elif seen.topic == ANALYTICS_RESULTS:
            tops = columns(record.analytics.tops, _TOPS)
            self.standing.take_tops(tops)
            self.quality.take(tops, seen.append_ms * _MS)
        elif seen.topic in (ORDERS_EXECUTED, ORDERS_INCOMING):
            self._orders(seen, record)
        elif record.HasField("dead"):
            made_by = record.header.source.partition("/")[0]  # normalize signs in the name of its connection
            stage = made_by if made_by in STAGES else "normalize"
            self.dead[stage] = self.dead.get(stage, 0) + record.header.count
            self.standing.dead_letters += record.header.count

    def settle(self, *, now: float | None = None, all_of_them: bool = False) -> None:
        """Judge the reports before which all market data have been seen."""
        now = time.monotonic() if now is None else now
        seen_ms = min(self._append_ms)
        while self._waiting:
            read_at, append_ms, portfolio, as_of = self._waiting[0]
            if append_ms > seen_ms and now - read_at < _WAIT_S and not all_of_them:
                return
            self._waiting.popleft()
            self._judge(append_ms, portfolio, as_of)

    def cut(self) -> DelayFigures:
        """The delays since the cut before."""
        made, self.window = self.window, DelayFigures()
        return made

    def standing_now(self) -> Standing:
        """A copy of the live figures, the latest report decoded."""
        if self._report is not None:
            with suppress(MalformedRecordError, TornBatchError):  # then the former one stands
                self.standing.latest["risk"] = decode(self._report).to(RISK_METRICS, self.standing.portfolio)
            self._report = None
        return self.standing.copy()

    def _market(self, seen: Seen, record: Any) -> None:
        self._append_ms[seen.partition] = seen.append_ms
        if record.HasField("clock"):
            tick = record.clock.tick.time_ns
            self.closed = self.closed or any(record.clock.tick.closing)
            self.market_time_ns = max(self.market_time_ns, int.from_bytes(tick[:8], "little", signed=True))
        if not record.HasField("market") or not (rows := record.header.count):
            return
        self.events += rows
        self.folded[seen.partition].add(seen.offset, rows)
        receipts = np.frombuffer(record.market.events.receipt_ns, np.int64)
        ingest_ns = next((int(v) for k, v in seen.headers if k == _INGEST_NS), 0)
        came_ns = ingest_ns or seen.append_ms * _MS
        self.first_ns = self.first_ns or came_ns
        if not self.opened_ns and self._is_open(seen.headers, came_ns):
            self.opened_ns = came_ns
        name, source = name_of(seen.key or b""), record.header.source
        if self._live:
            for ns in np.unique(receipts).tolist():
                self._delays.add(name, source, ns, ns, ns)
        elif ingest_ns and len(receipts):
            self._delays.add(name, source, int(receipts[0]), int(receipts[-1]), ingest_ns)

    def _is_open(self, headers: Sequence[tuple[str, bytes]], came_ns: int) -> bool:
        """Whether an event found the desk open: a market that can wait says so, of a live one the first report does."""
        if self._live and self._reports:
            return 0 < self._reported_ns < came_ns
        return not any(name == _OPENING for name, _ in headers)

    def _risk(self, seen: Seen, record: Any) -> None:
        body = record.risk
        hedges = columns(body.hedges, _HEDGES)
        if len(hedges.price):
            self.standing.take_hedges(hedges, columns(body.positions, _POSITIONS))
        risk = columns(body.risk, _RISK)
        if not len(risk.level):
            return
        self.reports += 1
        self._reported_ns = self._reported_ns or seen.append_ms * _MS
        portfolio = name_of(seen.key or b"")
        self.reported[portfolio] = risk, columns(body.limits, _LIMITS)
        self.quality.take_es(portfolio, float(risk.es_unhedged[0]), int(risk.time_ns[0]))
        if portfolio == self.standing.portfolio:
            self._report = seen.value
            self.es.add((risk.es_unhedged[0], risk.es_current[0], risk.es_target[0]))
            self.es_of = float(risk.level[0]), int(risk.horizon_ns[0])
        greeks = columns(body.greeks, _GREEKS)
        as_of = {u.decode(): ns for u, ns in zip(greeks.underlying, greeks.as_of_ns.tolist(), strict=True) if ns}
        self._waiting.append((time.monotonic(), seen.append_ms, portfolio.encode(), list(as_of.items())))

    def _judge(self, append_ms: int, portfolio: bytes, as_of: list[tuple[str, int]]) -> None:
        """A report's delays; its latency only if it is the first on its newest event: a quiet market delays nothing."""
        if (made := self._delays.of(as_of, append_ms * _MS)) is None:
            return
        newest, latency, staleness = made
        if not self.opened_ns or newest < self.opened_ns:
            return
        for figures in (self.total, self.window):
            figures.staleness.add(staleness / _MS)
            if newest > self._newest.get(portfolio, 0):
                figures.latency.add(latency / _MS)
        if newest > self._newest.get(portfolio, 0):
            self._newest[portfolio] = newest
            self.e2e.observe(max(latency, 0) / 1e9)

    def _orders(self, seen: Seen, record: Any) -> None:
        if record.HasField("order"):
            numbers = np.frombuffer(record.order.orders.hedge_no, np.uint64)
            self.standing.hedge_orders += int((numbers > 0).sum())
        elif record.HasField("execution"):
            try:
                self.standing.take_executions(decode(seen.value or b"").executions)
            except (MalformedRecordError, TornBatchError):
                return

    def _number(self, seen: Seen, header: Any) -> None:
        stream = seen.topic, seen.partition, header.source, header.epoch
        due = self._next.get(stream, header.seq)
        if header.seq > due:
            self.gaps[seen.topic] = self.gaps.get(seen.topic, 0) + header.seq - due
        self._next[stream] = max(header.seq + 1, due)
