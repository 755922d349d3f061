"""Playing a deterministic feed into Kafka, from where it was left off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from qflib.errors import DataError
from qflib.records import Batch
from qflib.records.codec import encode
from qflib.stream.ingest.positions import Position, closing_clock, position_of
from qflib.stream.process import Stop, freeze

if TYPE_CHECKING:
    from qflib.stream.ingest.metrics import Metrics

#: Records after which everything that will live does.
_WARM = 200


class Out(Protocol):
    """Where records go."""

    def send(self, source: str, value: bytes) -> None:
        """Queue a record; what it raises says that it did not."""


class Paces(Protocol):
    """What says when a record is due."""

    def wait(self, time_ns: int, stop: Stop) -> bool:
        """Wait until a market time has come; False where a stop was asked for."""


class Waits(Protocol):
    """What holds records back."""

    def wait(self, stop: Stop, waited: Callable[[float], object]) -> None:
        """Wait until one more may go; `waited` is told seconds as they are waited."""


def play(
    batches: Iterable[Batch],
    at: dict[str, Position],
    sender: Out,
    gate: Waits,
    pace: Paces,
    stop: Stop,
    metrics: Metrics,
) -> None:
    """Send what was not sent, each source from its own position, until the feed ends or a stop is asked for.

    Parameters
    ----------
    batches
        The feed from its beginning.
    at
        Where each source stands; kept up to date.
    sender, gate, pace, stop, metrics
        Where records go, what holds them back, and who is told.

    Raises
    ------
    DataError
        If the feed is not the one that was sent before.
    """
    reached: set[str] = set()
    sent = 0
    for batch in batches:
        source, header = batch.header.source, batch.header
        last = at.get(source)
        if last is not None and (last.closed or last.has(header)):
            if header.seq == last.seq and not last.closed:
                last.checked(batch, encode(batch))
                reached.add(source)
            if stop.asked:
                return
            continue
        made = position_of(batch)
        if not pace.wait(made.time_ns, stop):
            return
        gate.wait(stop, metrics.back_pressure.inc)
        if stop.asked:
            return
        sender.send(source, encode(batch))
        reached.add(source)
        at[source] = made
        metrics.count(batch)
        sent += 1
        if sent == _WARM:
            freeze()
    short = [s for s, p in at.items() if not p.closed and s not in reached]
    if short:
        raise DataError(
            f"the feed ends before record {at[short[0]].seq} of {short[0]!r}, which was sent; give the former file, "
            "seed, rate and duration, or begin anew with --fresh"
        )


def close(sources: Iterable[str], at: dict[str, Position], time_ns: int, sender: Out, metrics: Metrics) -> None:
    """End every source that has not ended: hedging is off from its closing clock on.

    Parameters
    ----------
    sources
        The connections of the desk.
    at
        Where each source stands; kept up to date.
    time_ns
        The market time of the end.
    sender, metrics
        Where records go, and who is told.
    """
    for source in sources:
        last = at.get(source, Position())
        if not last.closed:
            clock = closing_clock(source, last, time_ns)
            sender.send(source, encode(clock))
            at[source] = position_of(clock)
            metrics.count(clock)
