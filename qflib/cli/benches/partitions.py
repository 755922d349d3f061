"""One stage on a broker of its own: events a second and delay, by partitions, batch, linger and compression.

A worker of normalize, exactly once as on a desk, on the simulated market. One factor is varied at a time around the
default. Flat out: its input lies there before it starts, and a committed reader times what comes out, in five stretches
of equal length. Delay: at 100,000 events a second, from the record's sending to the committed reader; events gathered
to a record have waited longer, by the batch over the rate.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from qflib.broker import topics
from qflib.broker.clients import LIBRDKAFKA, Connection, consumer_config, producer
from qflib.broker.local import LocalBroker
from qflib.cli.bench import Row
from qflib.desk.datasets import load
from qflib.desk.deployment import Deployment
from qflib.errors import DataError, InputError
from qflib.project import toolkit
from qflib.records.codec import decode, encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW
from qflib.stream.nursery import Nursery
from qflib.stream.supervisor import Program, Supervisor, python

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

    from qflib.desk.feed import Feed

_RATE = 100_000  # events a second, of the market and of the paced run
_FLAT_OUT = 2_000_000  # events
_PACED_SHARE = 0.3  # of as many, at a pace
_LEAST = 10_000
_STRETCHES = 5
_PATIENCE_S = 60.0
_SENT = "sent_ns"  # a header, which Quix Streams passes on to what a record causes


@dataclass(frozen=True)
class Setup:
    """What is varied."""

    partitions: int = 1
    batch: int = 1_000  # events a record
    linger_ms: float = 0.5
    compression: str = "none"

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """What clients are told of it."""
        return ("compression.type", self.compression), ("linger.ms", f"{self.linger_ms:g}")


DEFAULT = Setup()
VARIED: dict[str, Sequence[Any]] = {
    "partitions": (2, 4),
    "batch": (250, 4_000),
    "linger_ms": (0.0, 5.0, 20.0),
    "compression": ("lz4", "zstd"),
}


def setups() -> Iterator[tuple[str, Setup]]:
    """Each with its name: the default, then one factor changed."""
    yield "default", DEFAULT
    for factor, values in VARIED.items():
        for value in values:
            yield f"{factor}_{value:g}" if factor != "compression" else value, replace(DEFAULT, **{factor: value})


def rows(peers: bool, events: int = _FLAT_OUT) -> Iterator[Row]:
    """Events a second, milliseconds, and bytes an event on the broker's disk; there is no peer that does the same."""
    if events < _LEAST:
        raise InputError(f"--events {events} is too few to time; expected {_LEAST:,} or more")
    with tempfile.TemporaryDirectory(prefix="qflib-bench-") as folder:
        for name, setup in setups():
            yield from measured(name, setup, Path(folder), events, round(events * _PACED_SHARE))


def measured(name: str, setup: Setup, folder: Path, flat_out: int, paced: int) -> Iterator[Row]:
    """The rows of one setup."""
    feed = load("sim", seed=7, duration=f"{(flat_out + paced) / _RATE:g}s", rate=_RATE)
    desk = Deployment(feed.instruments, partitions=setup.partitions)
    note = f"{setup.partitions} partitions, {setup.batch:,} events a record, linger {setup.linger_ms:g} ms, "
    note += f"compression {setup.compression}"
    with _broker(folder, setup) as c:
        records = _records(feed, desk, setup.batch)
        client = producer(c, client_id="qflib.bench")
        ahead = {_send(client, *record) for record in islice(records, flat_out // setup.batch)}
        client.flush(_PATIENCE_S)
        stored = _disk(folder)
        with _worker(c, desk, folder):
            reader = _Reader(c, setup.partitions)
            rates, events = reader.rates(ahead)
            yield Row(f"flat_out_{name}", median(rates), min(rates), "events/s", note=note)
            yield Row(f"raw_bytes_{name}", stored / events, stored / events, "bytes/event", note=note)
            delays = reader.delays(client, records, setup.batch / _RATE)
            reader.close()
    for q in (50, 99):
        of_stretches = [float(np.percentile(d, q)) for d in np.array_split(delays, _STRETCHES)]
        yield Row(f"p{q}_{name}", median(of_stretches), min(of_stretches), "ms", note=note)


@contextmanager
def _broker(folder: Path, setup: Setup) -> Iterator[Connection]:
    broker = LocalBroker(folder / "broker")
    broker.start(fresh=True)
    try:
        c = Connection(broker.connection.bootstrap, setup.options)
        topics.create(c, setup.partitions)
        yield c
    finally:
        broker.stop()


@contextmanager
def _worker(c: Connection, desk: Deployment, folder: Path) -> Iterator[None]:
    """A worker of normalize, as a desk runs it."""
    told = folder / "deployment.json"
    desk.save(told)
    script = toolkit() / "pipelines" / "normalize.py"
    command = [*python(script), "--deployment", str(told), "--bootstrap", c.bootstrap]
    options = "{" + ", ".join(f'"{name}": "{value}"' for name, value in c.options) + "}"
    program = Program("normalize", lambda k: [*command, "--ordinal", str(k)])
    supervisor = Supervisor([program], folder / "logs", {"QFLIB_BROKER__OPTIONS": options}, Nursery())
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop()


Record = tuple[bytes, bytes]


def _records(feed: Feed, desk: Deployment, batch: int) -> Iterator[Record]:
    """Key and value of raw records of about so many events each; without clocks."""
    period_ns = batch * len(desk.instruments.sources) * 1_000_000_000 // _RATE
    for made in feed.raw(period_ns):
        if made.kind == "raw":
            yield desk.table.key(made.header.source), encode(made)


def _send(client: Producer, key: bytes, value: bytes) -> int:
    """When it was sent, which is also its name."""
    at = time.time_ns()
    while True:
        try:
            client.produce(MARKET_RAW, value, key=key, headers=[(_SENT, str(at).encode())])
        except BufferError:  # the queue is bounded
            client.poll(0.01)
        else:
            client.poll(0)
            return at


def _disk(folder: Path) -> int:
    """Bytes of the raw topic's segments."""
    return sum(f.stat().st_size for f in (folder / "broker").rglob(f"{MARKET_RAW}-*/*.log"))


class _Reader:
    """A committed reader of what the stage writes."""

    def __init__(self, c: Connection, partitions: int) -> None:
        from confluent_kafka import Consumer, TopicPartition

        self._consumer: Consumer = Consumer(consumer_config(c, group="qflib.bench.reader"), logger=LIBRDKAFKA)
        self._consumer.assign([TopicPartition(MARKET_NORMALIZED, p, 0) for p in range(partitions)])

    def rates(self, sent: set[int]) -> tuple[list[float], int]:
        """Events a second, in stretches, until all that was sent has come; and how many events."""
        left, times, counts = set(sent), [], []
        while left:
            for at, n in self._read():
                left.discard(at)
                times.append(time.perf_counter())
                counts.append(n)
        total = np.cumsum(counts) - counts[0]  # the first to come begins the first stretch
        ends = [int(np.searchsorted(total, total[-1] * k / _STRETCHES)) for k in range(_STRETCHES + 1)]
        rates = [float((total[b] - total[a]) / max(times[b] - times[a], 1e-3)) for a, b in pairwise(ends)]
        return rates, sum(counts)

    def delays(self, client: Producer, records: Iterator[Record], apart_s: float) -> np.ndarray:
        """Milliseconds from a record's sending to its outputs' coming here, at a pace."""
        sent: set[int] = set()
        pacing = threading.Thread(target=_paced, args=(client, records, apart_s, sent), daemon=True)
        pacing.start()
        came: dict[int, int] = {}
        while pacing.is_alive() or sent - came.keys():
            for at, _ in self._read():
                came[at] = time.time_ns()
        return np.array([(came[at] - at) / 1e6 for at in sorted(sent)])

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()

    def _read(self) -> Iterator[tuple[int, int]]:
        """When the cause of a record was sent, and its events."""
        end = time.monotonic() + _PATIENCE_S
        while not (made := self._consumer.consume(500, 0.002)):
            if time.monotonic() > end:
                raise DataError(f"normalize wrote nothing for {_PATIENCE_S:g} s; run it again on a quieter machine")
        for message in made:
            yield int(dict(message.headers() or [])[_SENT]), decode(message.value() or b"").count


def _paced(client: Producer, records: Iterator[Record], apart_s: float, sent: set[int]) -> None:
    """Send what is left at the pace; `sent` is told along."""
    began = time.perf_counter()
    for i, record in enumerate(records):
        late = began + i * apart_s - time.perf_counter()
        if late > 0:
            time.sleep(late)
        sent.add(_send(client, *record))
    client.flush(_PATIENCE_S)
