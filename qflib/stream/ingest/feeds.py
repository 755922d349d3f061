"""A deployment's deterministic feed: the same records at every start."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflib.errors import InputError
from qflib.records import Batch

if TYPE_CHECKING:
    from qflib.desk.deployment import Deployment
    from qflib.desk.feed import Feed
    from qflib.stream.ingest.left import LeftMarket
    from qflib.stream.ingest.positions import Position

#: Market time of a simulator that nobody told a duration.
FOREVER = "5D"

_MS = 1_000_000
#: Wall time of a batch, at a pace: rows are gathered for a while, but not for long.
_SHORTEST_NS, _LONGEST_NS = 10 * _MS, 126 * _MS
#: Of a recording, whose rate is not known.
_RECORDED_NS = 20 * _MS
_CLOCK_NS = 125 * _MS
#: Rows of a batch: at a pace these are enough; flat out a batch has about so many.
_FEW, _MANY = 4_000, 10_000


def cut_of(period_ns: int, speed: float | None, rate: float | None = None, sources: int = 1) -> dict[str, int]:
    """How finely a feed is cut, for the deployment's feed settings: a restart must cut it alike.

    Parameters
    ----------
    period_ns
        The desk's period; every cut divides it, or is a multiple of it.
    speed
        Market seconds a wall second; None: as fast as it goes.
    rate
        Rows a market second over all sources; None: unknown, a recording.
    sources
        Connections.

    Returns
    -------
    dict
        ``cut_ns`` of market time a batch, and ``clock_ns`` between two clocks of a source.

    Examples
    --------
    >>> cut_of(250_000_000, 1.0, rate=100_000)
    {'cut_ns': 31250000, 'clock_ns': 125000000}
    >>> cut_of(250_000_000, None, rate=20_000, sources=4)
    {'cut_ns': 2000000000, 'clock_ns': 2000000000}
    """
    a_row = 1e9 * sources / rate if rate else 0.0
    if speed is None:
        most = int(_MANY * a_row) or period_ns
        cut = most - most % period_ns if most >= period_ns else _divisor(period_ns, most)
        return {"cut_ns": cut, "clock_ns": cut}
    wall = min(max(_FEW * a_row / speed, _SHORTEST_NS), _LONGEST_NS) if rate else _RECORDED_NS
    cut = _divisor(period_ns, int(wall * speed))
    return {"cut_ns": cut, "clock_ns": cut * _divisor(period_ns // cut, int(_CLOCK_NS * speed) // cut)}


def feed_of(deployment: Deployment) -> Feed:
    """The simulated market or the recording.

    Raises
    ------
    InputError
        If the deployment's source has no such feed, or a setting is missing.
    DataError
        If the recording is missing or truncated.
    """
    told = deployment.feed
    if deployment.source == "sim":
        from qflib.desk.sim_feed import SimFeed
        from qflib.market.simulator import SimulatedMarket

        underlyings = len(deployment.instruments.underlyings)
        duration = told.get("duration") or FOREVER
        return SimFeed(SimulatedMarket(told.get("seed", 7), duration, told.get("rate", 20_000), underlyings))
    if deployment.source == "replay":
        from qflib.desk.feed import FileFeed

        if "file" not in told:
            raise InputError("the desk's file names no recording (feed.file); start with `qflib up --file F --venue V`")
        return FileFeed(Path(told["file"]), told.get("venue", "file"), deployment.instruments)
    raise InputError(f"source {deployment.source!r} has no deterministic feed; it is sim, replay or a live venue")


def batches_of(
    deployment: Deployment, left: LeftMarket | None = None, at: Mapping[str, Position] | None = None
) -> Iterator[Batch]:
    """The feed's records, numbered: the same at every start.

    Parameters
    ----------
    deployment
        The desk.
    left
        Keeps where a simulated market without signals stands; None: the feed begins at its beginning.
    at
        Where each source stands: with `left`, what was sent long before need not come.
    """
    feed = feed_of(deployment)
    told = dict(deployment.feed)
    if "cut_ns" not in told:
        rate = told.get("rate", 20_000) if deployment.source == "sim" else None
        told |= cut_of(deployment.config.period_ns, speed_of(told), rate, len(deployment.instruments.sources))
    cut_ns, clock_ns = int(told["cut_ns"]), int(told.get("clock_ns", told["cut_ns"]))
    if left is not None:
        return _taken_up(feed, cut_ns, clock_ns, left, at or {})
    made = thinned(feed.raw(cut_ns), clock_ns)
    if not told.get("signals"):
        return made
    from qflib.desk.feed import FileFeed

    signals = FileFeed(Path(told["signals"]), "signals", deployment.instruments)
    return heapq.merge(made, thinned(signals.raw(cut_ns), clock_ns), key=_time_ns)


def speed_of(told: Any) -> float | None:
    """Market seconds a wall second, 1 where nothing is said; None is "max".

    Raises
    ------
    InputError
        If it is neither "max" nor a positive number.
    """
    speed = told.get("speed", 1)
    if speed in ("max", None):
        return None
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < float("inf"):
        raise InputError(f"speed {speed!r} is no pace; give a positive number, or max")
    return float(speed)


def _taken_up(feed: Any, cut_ns: int, clock_ns: int, left: LeftMarket, at: Mapping[str, Position]) -> Iterator[Batch]:
    """A simulated feed from where it was left, if that is known."""
    state, numbers = left.find(at) or (None, {})
    run = feed.simulated.run(cut_ns, state)
    for batches in run.periods():
        yield from thinned(batches, clock_ns, numbers)
        left.offer(run.left, numbers)  # whoever comes for the next period has sent this one


def thinned(batches: Iterable[Batch], clock_ns: int, numbers: dict[str, int] | None = None) -> Iterator[Batch]:
    """The batches with a clock at each multiple of `clock_ns` alone, numbered anew.

    Data tell the time too; where a feed is cut finely, a clock at every cut would be most of the records.

    Parameters
    ----------
    batches, clock_ns
        The feed, and where its clocks stay.
    numbers
        Each source's last number before it, kept up to date; None: there is none.
    """
    numbers = {} if numbers is None else numbers
    for batch in batches:
        if batch.kind == "clock" and not batch.tick.closing[0] and int(batch.tick.time_ns[0]) % clock_ns:
            continue
        source = batch.header.source
        seq = numbers[source] = numbers.get(source, -1) + 1
        yield batch if batch.header.seq == seq else replace(batch, header=replace(batch.header, seq=seq))


def _time_ns(raw: Batch) -> int:
    """Market time of a raw or clock batch's end."""
    return int(raw.tick.time_ns[0] if raw.kind == "clock" else raw.frames.receipt_ns[-1])


def _divisor(of: int, most: int) -> int:
    """The greatest divisor that is not above `most`; 1 at least. O(√of)."""
    best, i = 1, 1
    while i * i <= of:
        if of % i == 0:
            best = max([best, *(d for d in (i, of // i) if d <= most)])
        i += 1
    return best
