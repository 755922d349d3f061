"""A whole desk on real Kafka, in this process: what is done to it, what is seen of it, and its judge."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer, TopicPartition
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from qflib import settings
from qflib.broker import reading
from qflib.broker.clients import admin, producer_config
from qflib.cli import deploying
from qflib.desk.datasets import load
from qflib.errors import BrokerError, MalformedRecordError, TornBatchError
from qflib.history.opening import opened
from qflib.orderbook.books import Books
from qflib.records.codec import decode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from qflib.stream.audit import Report, audit, final_books
from qflib.stream.folder import DeskFolder
from qflib.stream.opening import opening
from qflib.stream.running import ARCHIVE, INGEST, RunningDesk
from qflib.stream.stages import ARCHIVE_GROUP, STAGES, Stage
from tests.faults.table import Told

SEED = 7
RATE = 4_000.0
_LONGEST_S = 1_800  # of market time; a test ends its sources long before
_STOP_S = 30.0  # how long a stop takes is the matter of one test
_ANSWER_S = 30.0
_SEEN_S = 300.0  # a machine may stand still for a minute of it
#: The archive as a stage whose progress is asked for.
_ARCHIVE = Stage(ARCHIVE, (MARKET_NORMALIZED,), ())


class FaultyDesk:
    """A running desk, with what tests do to it and ask of it.

    Parameters
    ----------
    folder
        Where it keeps everything.
    rate
        Market events a second.
    partitions
        Of each topic.
    environment
        Of its processes, but for the broker.
    chosen
        Settings, by section.
    """

    def __init__(
        self,
        folder: Path,
        rate: float = RATE,
        partitions: int = 3,
        environment: Mapping[str, str] | None = None,
        **chosen: Any,
    ) -> None:
        wanted = deploying.Wanted("sim", rate=rate, seed=SEED)
        given: dict[str, Any] = {"desk": {"rate": rate, "n_historical": 300, "n_simulated": 700}} | chosen
        self.settings = settings.load(state=folder, **given)
        self.rate, self.partitions, self._environment = rate, partitions, dict(environment or {})
        market = deploying.market(wanted, self.settings)
        made = deploying.deployment(wanted, self.settings, market, partitions)
        self._made = replace(made, feed={**made.feed, "duration": f"{_LONGEST_S}s"})
        self._batches = lambda: opening(made, market.positions, deploying.scenario_set(market, self.settings))
        self.folder = DeskFolder(folder / "up")
        self.events: list[Any] = []  # that this process has logged
        self._moving: dict[str, set[int]] = {}
        self._stranger: Producer | None = None
        self.desk = self._new()

    def _new(self) -> RunningDesk:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._environment.items():
                patch.setenv(name, value)
            return RunningDesk(self._made, self.folder, self.settings, self._batches)

    def begin(self) -> None:
        """Start it, and wait for its first reports."""
        self.desk.start()
        self.opened()

    def again(self) -> None:
        """Start a desk that has been stopped, or has stopped, once more."""
        self.desk.stop()
        self.desk = self._new()
        self.begin()

    def opened(self) -> None:
        """Wait until it has opened, and reports."""
        before = sum(self.standing("portfolio").values()) + 10
        self.until(lambda: self.desk.opened and sum(self.committed("portfolio").values()) > before, "no report came")
        self._watch()

    # ---- what is seen of it

    def committed(self, stage: str, timeout_s: float = 0.5) -> dict[int, int]:
        """What a stage has committed of each partition of its inputs; nothing while the broker is away."""
        row, group = (_ARCHIVE, ARCHIVE_GROUP) if stage == ARCHIVE else (STAGES[stage], STAGES[stage].group)
        places = [(t, p) for t in row.inputs for p in range(self.partitions)]
        try:
            told = reading.committed(self.desk.connection, group, places, timeout_s=timeout_s)
        except BrokerError:
            return {}
        return {p: sum(max(told[t, p], 0) for t in row.inputs) for p in range(self.partitions)}

    def reached(self, stage: str, topic: str, partition: int) -> int:
        """What a stage has committed of one partition of one of its inputs."""
        place = topic, partition
        return reading.committed(self.desk.connection, STAGES[stage].group, [place])[place]

    def moving(self, stage: str) -> set[int]:
        """The partitions of a stage in which records come: of one portfolio's exposures it is one."""
        return self._moving[stage]

    def _watch(self) -> None:
        """See which partitions move: some seconds of each stage, and more where one has yet to be seen."""
        stages = (*self.core, ARCHIVE)
        before = dict[str, dict[int, int]]()

        def known() -> bool:
            for stage in stages:
                now = self.committed(stage)
                if now and stage not in before:
                    before[stage] = now
                elif now:
                    self._moving.setdefault(stage, set()).update(p for p, n in now.items() if n > before[stage][p])
            return all(self._moving.get(s) for s in stages)

        self.until(known, "a stage stands still")
        self.rest(1.0)
        known()

    def standing(self, stage: str) -> dict[int, int]:
        """What it has committed now, while the broker is there."""
        return self.committed(stage, _ANSWER_S)

    def beyond(self, stage: str, before: dict[int, int], records: int = 1) -> bool:
        """Whether a stage has committed so much more in each partition in which records come."""
        now = self.committed(stage)
        return bool(now) and all(now[p] >= before[p] + records for p in self.moving(stage))

    def ends(self, topic: str) -> list[int]:
        """Where a topic's partitions end."""
        places = [(topic, p) for p in range(self.partitions)]
        return list(reading.ends(self.desk.connection, places).values())

    def until(self, condition: Callable[[], bool], what: str, patience_s: float = _SEEN_S) -> float:
        """Wait for something, and how long it took."""
        began = time.monotonic()
        assert self.desk.wait(condition, patience_s), what
        return time.monotonic() - began

    def rest(self, seconds: float) -> None:
        """Let it run."""
        end = time.monotonic() + seconds
        self.desk.wait(lambda: time.monotonic() >= end, seconds + 60)

    def goes_on(self, *stages: str, records: int = 1, since: float | None = None) -> float:
        """Seconds, from now or since then, until each of the stages has committed so much more in each partition."""
        since = time.monotonic() if since is None else since
        before = dict[str, dict[int, int]]()

        def answered() -> bool:
            """Asked anew and for short: a request that a broker took with it is waited for as long as it may be."""
            before.update({s: now for s in stages if s not in before and (now := self.committed(s))})
            return len(before) == len(stages)

        self.until(answered, f"{stages}: nobody tells")
        self.until(lambda: all(self.beyond(s, before[s], records) for s in stages), f"{stages}: no more")
        return time.monotonic() - since

    def pid(self, stage: str, ordinal: int = 0) -> int | None:
        """Of a worker; None while it is away."""
        return next((w.pid for w in self.desk.supervisor.workers if (w.stage, w.ordinal) == (stage, ordinal)), None)

    def words(self, stage: str, ordinal: int = 0) -> str:
        """The log of a worker's present start."""
        log = self.folder.logs / f"{stage}-{ordinal}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def said(self, stage: str, event: str, **fields: object) -> bool:
        """Whether a worker has logged an event, at this start or at a former one."""
        for log in self.folder.logs.glob(f"{stage}-*.log"):
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith("{") and event in line:
                    told = json.loads(line)
                    if event in str(told.get("event")) and fields.items() <= told.items():
                        return True
        return False

    def noted(self, event: str, **fields: object) -> bool:
        """Whether this process, the supervisor's, has logged an event."""
        return any(event in str(e.get("event")) and fields.items() <= e.items() for e in self.events)

    def metric(self, stage: str, name: str, ordinal: int = 0, **labels: str) -> float:
        """A figure that a worker serves to Prometheus: the sum over what has the labels; 0 where there is none."""
        return scraped(self.desk.ports.taken[stage, ordinal], name, **labels) or 0.0

    @property
    def core(self) -> tuple[str, ...]:
        """The stages whose recovery counts: all that compute."""
        return self.desk.desk.stages

    # ---- what is done to it

    def ended(self, stage: str, end: Callable[[], object], ordinal: int = 0) -> float:
        """End a worker; seconds until its successor has committed more than it had."""
        former, began = self.pid(stage, ordinal), time.monotonic()
        end()
        ready = "assigned" if stage == ARCHIVE else "restored"
        self.until(lambda: self.pid(stage, ordinal) not in (None, former), f"{stage} is not started again")
        if stage == INGEST:
            before = sum(self.ends(MARKET_RAW))
            self.until(lambda: sum(self.ends(MARKET_RAW)) > before, "ingest does not go on")
        else:
            self.until(lambda: ready in self.words(stage, ordinal), f"{stage} is not {ready}")
            self.goes_on(stage)
        return time.monotonic() - began

    def send(self, topic: str, value: bytes, key: bytes | None = None, partition: int = 0) -> int:
        """A record of somebody else's, and its offset."""
        if self._stranger is None:
            self._stranger = Producer(producer_config(self.desk.connection, client_id="stranger"))
        heard = list[Any]()
        self._stranger.produce(
            topic, value, key, partition=partition, on_delivery=lambda e, m: heard.append((e, m.offset()))
        )
        assert self._stranger.flush(30) == 0
        [(error, offset)] = heard
        assert error is None
        return int(offset)

    def trim(self, topic: str, before: dict[int, int]) -> None:
        """Delete what lies before an offset of each partition, as retention does."""
        places = [TopicPartition(topic, p, o) for p, o in before.items()]
        for future in admin(self.desk.connection).delete_records(places).values():
            future.result()

    # ---- its judge

    def end(self) -> None:
        """End the market, and wait until everything is worked off."""
        self.desk.end_sources()
        assert self.desk.wait_drained(_SEEN_S), str(self.desk.lag())
        assert self.desk.stop_stages(_STOP_S) == []

    def judge(self, told: Told) -> Report:
        """End it; nothing may be lost, doubled, reordered or torn, and every byte and book is as it should be."""
        self.end()
        return self.audited(told)

    def audited(self, told: Told) -> Report:
        """The audit of an ended desk."""
        history = opened(self.folder.history, self.settings.store.reading)
        report = audit(self.desk.connection, self.desk.desk, history=history, replay=True)
        told.judged(report)
        assert report.ok, (report.document["findings"], report.document["replay"]["first_difference"])
        assert report.document["replay"]["records"] > 300
        assert final_books(self.desk.connection, self.desk.desk) == self.undisturbed()
        return report

    def undisturbed(self) -> str:
        """The books' digest after as many events as came through, without any desk."""
        left = np.zeros(len(self.desk.desk.instruments), np.int64)
        for p in range(self.partitions):
            for m in reading.read(self.desk.connection, MARKET_NORMALIZED, p, 0):
                try:
                    batch = decode(m.value() or b"")
                except (MalformedRecordError, TornBatchError):  # a stranger's
                    continue
                if batch.kind == "market":
                    left += np.bincount(batch.events.instrument, minlength=len(left))
        feed = load("sim", seed=SEED, duration=f"{_LONGEST_S}s", rate=self.rate)
        books = Books(feed.instruments)
        for events in feed.events():
            came = first_of_each(events.instrument, left)
            books.apply(type(events)(*(column[came] for column in events)))
            left -= np.bincount(events.instrument[came], minlength=len(left))
            if not left.any():
                break
        return books.digest()


def scraped(port: int, name: str, **labels: str) -> float | None:
    """A figure as it is served on this machine: the sum over what has the labels; None where nobody serves."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def first_of_each(instruments: NDArray[Any], most: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each instrument's rows the first so many."""
    kept = np.zeros(len(instruments), bool)
    for i in np.unique(instruments):
        kept[np.flatnonzero(instruments == i)[: most[i]]] = True
    return kept


@contextmanager
def running(folder: Path, **more: Any) -> Iterator[FaultyDesk]:
    """A desk that has opened, and is stopped in the end."""
    with capture_logs() as events:
        made = FaultyDesk(folder, **more)
        made.events = events
        try:
            made.begin()
            yield made
        finally:
            made._stranger = None  # it would look for its broker for ever
            made.desk.stop()
