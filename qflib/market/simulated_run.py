"""The simulated market as raw records, a period at a time; it can be left, and taken up where it was left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.market.instruments import source_of
from qflib.market.source import Left
from qflib.records import CONNECTION, FRAMES, TICK, Batch, Header
from qflib.records.topics import MARKET_RAW
from qflib.venues.sim import VENUE, encode

if TYPE_CHECKING:
    from qflib.market.simulator import SimulatedMarket

PERIOD_NS = 100_000_000


class SimulatedRun:
    """The raw records of a simulated market, that can be left after any period and taken up there.

    Parameters
    ----------
    market
        The market.
    period_ns
        As of `SimulatedMarket.raw`.
    left
        What `left` of a run of the same market and period gave.

    Examples
    --------
    >>> from qflib.market.simulated_run import SimulatedRun
    >>> from qflib.market.simulator import SimulatedMarket
    >>> market = SimulatedMarket(seed=7, duration="2s")
    >>> first = SimulatedRun(market, 10**9)
    >>> periods = first.periods()
    >>> later = next(periods) and SimulatedRun(market, 10**9, first.left())
    >>> [b.header.seq for b in next(later.periods())] == [b.header.seq for b in next(periods)]
    True
    """

    def __init__(
        self, market: SimulatedMarket, period_ns: int = PERIOD_NS, left: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        self._period_ns, self._end_ns = _period(period_ns), market.end.as_unit("ns").value
        self._time_ns = market.start.as_unit("ns").value
        names = market.instruments.underlyings
        self._connections = [_Connection(name) for name in names]
        taken: list[Left] = []
        if left is not None:
            self._time_ns = int(left["time_ns"])
            for i, connection in enumerate(self._connections):
                connection.seq, connection.position = map(int, left[f"{i}.connection"])
                taken.append(Left(left[f"{i}.words"], left[f"{i}.numbers"], int(left[f"{i}.rows"])))
        self._sources = market.sources(taken)

    def slices(self) -> Iterator[list[Any]]:
        """Each further period's `MARKET_EVENTS` columns, one an underlying."""
        while self._time_ns < self._end_ns:
            self._time_ns = (self._time_ns // self._period_ns + 1) * self._period_ns
            yield [source.until(self._time_ns) for source in self._sources]

    def periods(self) -> Iterator[list[Batch]]:
        """Each further period's batches, as `SimulatedMarket.raw` gives them; the closing clocks come last."""
        for slices in self.slices():
            tick, batches = _tick(self._time_ns), []
            for connection, events in zip(self._connections, slices, strict=True):
                batches += [connection.frame(events)] if len(events.kind) else []
                batches.append(connection.clock(tick))
            yield batches
        closing = _tick(self._time_ns, closing=1)
        yield [connection.clock(closing) for connection in self._connections]

    def left(self) -> dict[str, NDArray[Any]]:
        """Where it stands after the last period taken: some 125 kB an underlying. O(underlyings)."""
        made: dict[str, NDArray[Any]] = {"time_ns": np.array(self._time_ns)}
        for i, (connection, source) in enumerate(zip(self._connections, self._sources, strict=True)):
            at = source.left()
            made |= {f"{i}.words": at.words, f"{i}.numbers": at.numbers, f"{i}.rows": np.array(at.rows)}
            made[f"{i}.connection"] = np.array([connection.seq, connection.position])
        return made


class _Connection:
    """Numbers one source's raw batches and clocks."""

    def __init__(self, underlying: str) -> None:
        self._source = source_of(underlying)
        self.seq = 0
        self.position = 0
        self._row = CONNECTION.make(venue=[VENUE], connection=[underlying], former_seq=[-1])

    def frame(self, events: Any) -> Batch:
        payload = encode(events)
        frames = FRAMES.Columns(
            events.receipt_ns[-1:],
            _one(self.position, np.uint64),
            _one(len(payload), np.uint32),
            np.frombuffer(payload, np.uint8),
        )
        self.position += 1
        return self._batch("raw", {"connection": self._row, "frames": frames})

    def clock(self, tick: Any) -> Batch:
        return self._batch("clock", {"tick": tick})

    def _batch(self, kind: str, tables: dict[str, Any]) -> Batch:
        batch = Batch(kind, tables, Header(self._source, 0, self.seq), MARKET_RAW, self._source)
        self.seq += 1
        return batch


def _one(value: int, dtype: Any) -> NDArray[Any]:
    a = np.array([value], dtype)
    a.flags.writeable = False
    return a


def _tick(time_ns: int, closing: int = 0) -> Any:
    return TICK.Columns(_one(time_ns, np.int64), _one(closing, np.uint32))


def _period(period_ns: object) -> int:
    if isinstance(period_ns, bool) or not isinstance(period_ns, int | np.integer) or period_ns <= 0:
        raise InputError(f"period_ns {period_ns!r} must be a positive whole number of nanoseconds, as 100_000_000")
    return int(period_ns)
