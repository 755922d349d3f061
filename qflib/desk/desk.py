"""The steps chained in one process: the same ones that run on the stream, without Kafka."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import structlog

from qflib import logs
from qflib.desk.config import DeskConfig
from qflib.desk.deployment import Deployment
from qflib.desk.feed import Feed
from qflib.desk.flow import MOST_ANSWERS, READERS, without_end
from qflib.desk.frame_feed import as_feed
from qflib.desk.latency import OrderLatency
from qflib.desk.opening import bookings, hedging_control, limits_control, scenario_controls
from qflib.desk.record import Recorder
from qflib.desk.run import Run
from qflib.desk.standing import Standing
from qflib.desk.trial import Trial
from qflib.errors import InputError
from qflib.hedging.hedgers import Band
from qflib.records import BY_KIND, Batch, DeadReason, ExecType
from qflib.records.instruments import Instruments
from qflib.records.topics import (
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
)
from qflib.shortfall import ScenarioSet
from qflib.shortfall import scenarios as make_scenarios
from qflib.steps.promoted.step import Promoted
from qflib.steps.state import digest
from qflib.steps.step import Step
from qflib.steps.strategy import StrategyConfig

_log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    from qflib.hedging import Portfolio as Positions
    from qflib.market import SimulatedMarket

Progress = Callable[["Progressed"], None]


@dataclass(slots=True)
class Progressed:
    """Where a run stands: what a live view shows."""

    seconds: float
    market_time_ns: int
    events: int
    recorder: Standing


@dataclass
class _Timed:
    """A step with what it has cost."""

    step: Step
    events: int = 0
    seconds: float = 0.0


class Desk:
    """Market data, book, executions, exposures, expected shortfall and hedge, one step after the other.

    Deterministic: the same feed and settings give the same bytes, however the recording is cut into frames.

    Parameters
    ----------
    feed
        Where market data come from: a feed, the simulator, or a DataFrame as `Feed.to_frame` gives it.
    portfolio
        Opening positions (default: the feed's own; None of either: no risk).
    hedger
        A band of `qf.hedgers`, which may rest orders inside it (`LimitMarket`); None: no hedging.
    scenarios
        The scenario set (default: 1,000 historical and 9,000 simulated from the feed's history).
    strategy
        Settings of the signal-following strategy, or a step of `qf.step` whose rows are orders; None: none runs.
    signals
        What the strategy follows: ``qf.read("signals.csv", venue="signals", instruments=feed.instruments)``.
    instruments
        The table of a DataFrame's symbols.

    Raises
    ------
    InputError
        If the feed is none, a setting is out of range, or positions cannot be valued: no history and no scenarios.
    config
        Settings of the steps.

    Examples
    --------
    >>> import qflib as qf
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> desk = qf.Desk(feed, hedger=qf.hedgers.Band(risk_aversion=1.0))
    >>> run = desk.run()
    >>> bool((run.risk.es_current <= run.risk.es_unhedged.max()).all())
    True
    """

    def __init__(
        self,
        feed: Feed | pd.DataFrame | SimulatedMarket,
        portfolio: Positions | None = None,
        hedger: Band | None = None,
        scenarios: ScenarioSet | None = None,
        strategy: StrategyConfig | Trial | None = None,
        config: DeskConfig | None = None,
        signals: Feed | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self.feed = feed = as_feed(feed, instruments)
        self.config = c = config or DeskConfig()
        if c.period_ns <= 0:
            raise InputError(f"period_ns {c.period_ns} must be positive; give nanoseconds, as 250_000_000")
        if hedger is not None and not isinstance(hedger, Band):
            raise InputError(f"hedger is {hedger!r}; expected a policy, as qf.hedgers.Band(risk_aversion=1.0)")
        self._latency = OrderLatency(c.order_latency_ns)
        self._reporting = OrderLatency(c.report_latency_ns, "report_latency_ns")
        self._name = "DESK1"
        self._positions = feed.positions
        if portfolio is not None:
            self._name, self._positions = portfolio.name, portfolio.to_frame()
        self._scenarios = scenarios
        if scenarios is None and self._positions is not None:
            if feed.history is None:
                raise InputError("the feed has no history to make scenarios from; give `scenarios`, or no portfolio")
            self._scenarios = make_scenarios.default(feed.history)
        self._signals = signals
        self._chain = self._steps(hedger, strategy)
        self._held: deque[tuple[int, Batch]] = deque()  # orders on their way
        self._reports: deque[tuple[int, Batch]] = deque()  # and what became of them on its way back
        self._sha = hashlib.sha256()
        self._clocks: dict[str, int] = {}
        self._now_ns = 0
        self._ran = False
        self._events = 0

    def run(
        self,
        progress: bool | Progress = False,
        every: float = 0.1,
        digests: bool = True,
        until: pd.Timestamp | None = None,
    ) -> Run:
        """Run the feed, once.

        Parameters
        ----------
        progress
            True for a bar; or a function that is called with a `Progressed`.
        every
            Seconds between two calls of `progress`.
        digests
            Whether to hash every output byte (a few per cent of the time).
        until
            Market time to stop at, with a time zone; None: the feed's end.

        Returns
        -------
        Run
            Executions, risk, forecasts, explain; figures and pictures.

        Raises
        ------
        InputError
            If the desk has run already, or `until` has no time zone.
        """
        if self._ran:
            raise InputError("this desk has run; make another one for another run")
        if until is not None and until.tzinfo is None:
            raise InputError(f"until {until} has no time zone; give an instant with one")
        self._ran = True
        if not structlog.is_configured():  # in a notebook: warnings on stderr, nothing in the results
            logs.set_up()
        end = self.feed.end if until is None else min(until, self.feed.end)
        _log.info("desk starts", feed=repr(self.feed), start=str(self.feed.start), end=str(end))
        recorder = Recorder(self.feed.instruments, self.config.outcome_ns, self._name)
        signals = self._signal_batches()
        signal = next(signals, None)
        opened = False
        start = shown = time.perf_counter()
        feeding = 0.0
        batches = self._raw(progress is True)
        while True:
            t = time.perf_counter()
            batch = next(batches, None)
            feeding += time.perf_counter() - t
            if batch is None:
                break
            self._pump([batch], recorder, digests)
            if batch.kind == "clock":
                self._clocks[batch.header.source] = int(batch.tick.time_ns[0])
                self._now_ns = max(self._now_ns, int(batch.tick.time_ns[0]))
                if not opened and self._begun():
                    opened = True
                    self._pump(list(self._opening()), recorder, digests)
                while signal is not None and _last_ns(signal) <= self._now_ns:
                    self._pump([signal], recorder, digests)
                    signal = next(signals, None)
                self._deliver(recorder, digests)
                if until is not None and self._begun() and min(self._clocks.values()) >= end.value:
                    break
            if callable(progress) and time.perf_counter() - shown >= every:
                shown = time.perf_counter()
                progress(Progressed(shown - start, self._now_ns, self._events, recorder))
        while self._reports:  # what was done is told; orders still on their way are lost
            self._pump([self._reports.popleft()[1]], recorder, digests)
        seconds = time.perf_counter() - start
        if callable(progress):
            progress(Progressed(seconds, self._now_ns, self._events, recorder))
        _log.info("desk ended", events=self._events, seconds=seconds, dead_letters=recorder.dead_letters)
        steps = {"feed": {"events": self._events, "seconds": feeding}}
        steps |= {name: {"events": s.events, "seconds": s.seconds} for name, s in self._chain.items()}
        return Run(recorder, seconds, self._events, steps, self._digest(), self.feed.start, end)

    def _steps(self, hedger: Band | None, strategy: StrategyConfig | Trial | None) -> dict[str, _Timed]:
        risk = self._scenarios is not None and self._positions is not None
        follows = strategy if isinstance(strategy, StrategyConfig) else None
        made = Deployment(self.feed.instruments, self.config, hedger, follows, risk, self._name)
        chain = {name: _Timed(made.step(name)) for name in made.stages}
        if isinstance(strategy, Trial):
            chain["promoted"] = _Timed(Promoted([strategy.placed], self.feed.instruments, made.table))
        return chain

    def _raw(self, bar: bool) -> Iterator[Batch]:
        # clocks come at the boundaries, and often enough between them for the latencies
        late = [x.clock_ns for x in (self._latency, self._reporting) if x]
        slices = -(-self.config.period_ns // min(late)) if late else 1
        cut_ns = self.config.period_ns // slices
        if not bar:
            return self.feed.raw(cut_ns)
        from qflib.progress import through_batches

        return through_batches(self.feed.raw(cut_ns), self.feed.start.value, self.feed.end.value, "desk")

    def _signal_batches(self) -> Iterator[Batch]:
        """Signals in slices of the period; their clocks move no market."""
        return iter(()) if self._signals is None else self._signals.raw(self.config.period_ns)

    def _begun(self) -> bool:
        """Whether every source has come to the first boundary: then there are books to value positions at."""
        period = self.config.period_ns
        first = (self.feed.start.value // period + 1) * period
        sources = self.feed.instruments.sources
        return len(self._clocks) == len(sources) and min(self._clocks.values()) >= first

    def _opening(self) -> Iterator[Batch]:
        if self._scenarios is None or self._positions is None:
            return
        yield hedging_control(self._name, on=False)
        if self.config.limits:
            yield limits_control(self._name, self.config.limits)
        yield from bookings(self.feed.instruments, self._name, self._positions)
        # last, so that the first exposures are of whole portfolios
        yield from scenario_controls(self._scenarios)
        yield hedging_control(self._name, on=True)

    def _pump(self, batches: list[Batch], recorder: Recorder, digests: bool) -> None:
        """Run batches, and all they cause, through the chain."""
        queue, answered = deque(batches), 0
        while queue:
            batch = queue.popleft()
            answered += 1
            if answered > MOST_ANSWERS:
                raise InputError(without_end("a strategy or hedger"))
            for name in self._readers(batch):
                timed = self._chain[name]
                t = time.perf_counter()
                made = timed.step.feed(batch)
                timed.seconds += time.perf_counter() - t
                timed.events += batch.count
                self._events += batch.count if name == "exchange" and batch.kind == "market" else 0
                for out in made:
                    if digests:
                        _hash(self._sha, out)
                    if out.topic == ORDERS_INCOMING and self._latency:
                        self._held.append((self._latency.due(self._now_ns), out))
                    elif out.topic == ORDERS_EXECUTED and self._reporting and (self._reports or _of_orders(out)):
                        self._reports.append((self._reporting.due(self._now_ns), out))
                    else:
                        queue.append(out)
            recorder.take(batch)
            if batch.kind == "dead":
                reason = DeadReason(int(batch.dead.reason[0])).name.lower()
                _log.warning("dead letters", count=batch.count, reason=reason, detail=batch.dead.detail[0].decode())

    def _readers(self, batch: Batch) -> list[str]:
        names = READERS.get(batch.topic, ())
        return [n for n in names if n in self._chain and (n != "strategy" or batch.kind != "market")]

    def _deliver(self, recorder: Recorder, digests: bool) -> None:
        """What has come to its end by now, as it comes; of reports and orders that come together, reports first."""
        while True:
            waits = [q for q in (self._reports, self._held) if q and q[0][0] <= self._now_ns]
            if not waits:
                return
            self._pump([min(waits, key=lambda q: q[0][0]).popleft()[1]], recorder, digests)

    def _digest(self) -> str:
        for timed in self._chain.values():
            self._sha.update(digest(timed.step.state()).encode())
        return self._sha.hexdigest()


def _of_orders(executed: Batch) -> bool:
    """Whether executions tell of orders: bookings are the desk's own, and not waited for."""
    return bool((executed.executions.exec_type <= ExecType.EXPIRED).any())


def _last_ns(raw: Batch) -> int:
    """Receipt time of a raw or clock batch's end."""
    return int(raw.tick.time_ns[0] if raw.kind == "clock" else raw.frames.receipt_ns[-1])


def _hash(sha: Any, batch: Batch) -> None:
    """Fold in a batch: where it goes, its header, and every byte of its columns that is written (`Column.sparse`)."""
    sha.update(f"{batch.topic}|{batch.key}|{batch.kind}|{batch.header}".encode())
    for name, columns in batch.tables.items():
        table = BY_KIND[batch.kind].by_name[name]
        sha.update(f"|{name}|{len(columns[0])}|".encode())
        sha.update(b"".join(a for c, a in zip(table.columns, columns, strict=True) if not c.sparse or a.any()))
