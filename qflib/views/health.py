"""How the desk's processes do: what each tells Prometheus, asked once a second, and the dead letters with reasons."""

from __future__ import annotations

import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from qflib.records import Batch, DeadReason

_ASK_S = 1.0
_ANSWER_S = 1.0
_STALE_S = 5.0
_LETTERS = 500
_LONGEST = 4 << 20  # bytes of a process's answer


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """One process as it stood when it was last heard of.

    Parameters
    ----------
    name, stage
        "exchange-0"; "exchange".
    heard_ns
        When it last answered; 0: never.
    events, events_per_s
        Rows taken in since its start, and a second between the last two answers.
    step_ms, commit_ms
        What a batch cost the step, and a commit took, on the mean of the time between the last two answers; NaN: none.
    dead_letters
        By reason.
    memory_mb, cpu
        Resident memory; processors used, of 1.
    """

    name: str
    stage: str
    heard_ns: int = 0
    events: float = 0.0
    events_per_s: float = 0.0
    step_ms: float = float("nan")
    commit_ms: float = float("nan")
    dead_letters: Mapping[str, float] = field(default_factory=dict)
    memory_mb: float = float("nan")
    cpu: float = float("nan")

    def age_s(self, now_ns: int | None = None) -> float:
        """Seconds since it last answered."""
        return max(0, (time.time_ns() if now_ns is None else now_ns) - self.heard_ns) / 1e9

    @property
    def up(self) -> bool:
        """Whether it answered within the last seconds."""
        return self.age_s() < _STALE_S


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An input that could not be used."""

    append_ns: int
    topic: str
    stage: str
    source: str
    seq: int
    reason: str
    detail: str
    length: int


class HealthView:
    """The desk's processes, the broker as the reader finds it, and dead letters.

    Parameters
    ----------
    endpoints
        Gives where each process's metrics are: name -> URL. Asked every second: ports change with a restart.

    Examples
    --------
    >>> HealthView(dict).processes()
    []
    """

    def __init__(self, endpoints: Callable[[], Mapping[str, str]] = dict) -> None:
        self._endpoints = endpoints
        self._processes: dict[str, ProcessHealth] = {}
        self._before: dict[str, tuple[float, dict[str, float]]] = {}
        self._lag: dict[str, float] = {}
        self._restarts: dict[str, float] = {}
        self._latency: tuple[float, float] = (float("nan"), float("nan"))
        self._letters: deque[DeadLetter] = deque(maxlen=_LETTERS)
        self._counts: dict[str, int] = {}
        self._ending = Event()
        self._thread: Thread | None = None
        self.connected = False  # whether the reader has a broker
        self.heard_ns = 0  # when the reader last got a record

    def processes(self) -> list[ProcessHealth]:
        """Every process that was ever heard of or is expected, by name as they are told."""
        return list(self._processes.values())

    def lag(self) -> dict[str, float]:
        """Records each stage is behind."""
        return dict(self._lag)

    def restarts(self) -> dict[str, float]:
        """How often each stage's workers were started again."""
        return dict(self._restarts)

    @property
    def latency_ms(self) -> tuple[float, float]:
        """The p50 and p99 of the desk's latency, from an event's receipt to its first report; NaN: not known."""
        return self._latency

    def dead_letters(self, n: int = 100) -> list[DeadLetter]:
        """The last dead letters, newest first."""
        return list(self._letters)[: -n - 1 : -1]

    def dead_letter_counts(self) -> dict[str, int]:
        """Dead letters by topic since the reader's beginning."""
        return dict(self._counts)

    def take(self, batch: Batch, topic: str, append_ms: int) -> None:
        """Note dead letters. The reader alone calls it."""
        d = batch.dead
        made_by = batch.header.source.partition("/")[0]
        for k in range(len(d.reason)):
            code = int(d.reason[k])
            known = code in DeadReason.__members__.values()
            self._letters.append(
                DeadLetter(
                    append_ms * 1_000_000, d.topic[k].decode(errors="replace"), made_by,
                    d.source[k].decode(errors="replace"), int(d.seq[k]),
                    DeadReason(code).name.lower() if known else str(code),
                    d.detail[k].decode(errors="replace"), int(d.length[k]),
                )
            )  # fmt: skip
        self._counts[topic] = self._counts.get(topic, 0) + len(d.reason)

    def forget(self) -> None:
        """Drop the dead letters: they were of other topics."""
        self._letters.clear()
        self._counts = {}

    def start(self) -> None:
        """Ask from a thread of its own."""
        self._thread = Thread(target=self._run, name="health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def ask(self) -> None:
        """Ask every process once."""
        for name, url in dict(self._endpoints()).items():
            there = self._processes.setdefault(name, ProcessHealth(name, name.rpartition("-")[0] or name))
            try:
                with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:
                    told = answer.read(_LONGEST).decode()
                self.note(there.name, list(text_string_to_metric_families(told)), time.monotonic())
            except (OSError, ValueError):  # gone, starting, or busy: its age tells
                continue

    def note(self, name: str, families: Iterable[Any], now: float) -> None:
        """Take in what a process tells: samples of Prometheus."""
        sums: dict[str, float] = {}
        dead: dict[str, float] = {}
        e2e: list[tuple[float, float]] = []
        lag: dict[str, float] = {}
        for family in families:
            for s in family.samples:
                if s.name == "kafka_consumergroup_lag":
                    group = s.labels["consumergroup"].removeprefix("qflib.")
                    lag[group] = lag.get(group, 0.0) + s.value
                elif s.name == "qflib_restarts_total":
                    self._restarts[s.labels["stage"]] = s.value
                elif s.name == "qflib_dlq_total" and s.value:  # every reason is told from 0 on
                    dead[s.labels["reason"]] = dead.get(s.labels["reason"], 0.0) + s.value
                elif s.name == "qflib_e2e_latency_seconds_bucket":
                    e2e.append((float(s.labels["le"]), s.value))
                elif s.name in _SUMMED:
                    sums[s.name] = sums.get(s.name, 0.0) + s.value
        if lag:
            self._lag = lag
        there = self._processes.setdefault(name, ProcessHealth(name, name.rpartition("-")[0] or name))
        was_at, was = self._before.get(name, (now, {}))
        seconds = now - was_at
        if e2e:
            self._measure(name, e2e, was, sums)
        if sums.get("qflib_events_total", 0.0) < was.get("qflib_events_total", 0.0):
            was, seconds = {}, 0.0  # it was started anew
        delta = {k: v - was.get(k, 0.0) for k, v in sums.items()} if seconds > 0 else {}
        self._processes[name] = replace(
            there,
            heard_ns=time.time_ns(),
            events=sums.get("qflib_events_total", 0.0),
            events_per_s=delta.get("qflib_events_total", 0.0) / seconds if seconds > 0 else 0.0,
            step_ms=_mean_ms(delta, "qflib_batch_seconds"),
            commit_ms=_mean_ms(delta, "qflib_checkpoint_seconds"),
            dead_letters=dead,
            memory_mb=sums.get("process_resident_memory_bytes", float("nan")) / 2**20,
            cpu=delta.get("process_cpu_seconds_total", float("nan")) / seconds if seconds > 0 else float("nan"),
        )
        self._before[name] = now, sums

    def _measure(
        self, name: str, e2e: list[tuple[float, float]], was: dict[str, float], sums: dict[str, float]
    ) -> None:
        """Quantiles of the reports since the last answer, from the histogram's buckets."""
        for bound, count in e2e:
            sums[f"e2e {bound}"] = count
        counts = [(bound, count - was.get(f"e2e {bound}", count)) for bound, count in e2e]
        if counts[-1][1] > 0:
            self._latency = _quantile(counts, 0.5) * 1e3, _quantile(counts, 0.99) * 1e3

    def _run(self) -> None:
        while not self._ending.wait(_ASK_S):
            self.ask()


_SUMMED = frozenset(
    (
        "qflib_events_total", "qflib_batch_seconds_sum", "qflib_batch_seconds_count", "qflib_checkpoint_seconds_sum",
        "qflib_checkpoint_seconds_count", "process_resident_memory_bytes", "process_cpu_seconds_total",
    )
)  # fmt: skip


def _mean_ms(delta: Mapping[str, float], name: str) -> float:
    n = delta.get(f"{name}_count", 0.0)
    return 1e3 * delta[f"{name}_sum"] / n if n > 0 else float("nan")


def _quantile(cumulative: list[tuple[float, float]], q: float) -> float:
    """As Prometheus' histogram_quantile: linear inside the bucket."""
    wanted, below, lower = q * cumulative[-1][1], 0.0, 0.0
    for bound, count in cumulative:
        if count >= wanted:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (wanted - below) / max(count - below, 1e-12)
        below, lower = count, bound
    return lower
