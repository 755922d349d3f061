"""Latency and staleness of risk reports, from when the events they reflect came in.

A report says of each underlying as of which event it is, by that event's receipt time. In a live desk that time is what
counts; in replay and simulation it is the moment at which ingest sent the event, which every normalized batch carries
in its Kafka headers. So a batch is kept as (its last receipt time, when it came in).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

_KEPT = 4_096  # batches a track: half a minute of the fastest desk


class Track:
    """When the events of one underlying came in from one source, by their receipt times.

    Examples
    --------
    >>> track = Track()
    >>> track.add(first_ns=10, last_ns=19, moment_ns=1_000)
    >>> track.add(first_ns=20, last_ns=29, moment_ns=2_000)
    >>> track.came(15), track.next_came(15), track.next_came(19), track.next_came(29)
    (1000, 1000, 2000, None)
    """

    def __init__(self) -> None:
        self._begin_ns = 0
        self._last: list[int] = []
        self._moment: list[int] = []

    def add(self, first_ns: int, last_ns: int, moment_ns: int) -> None:
        """A batch has come in; of events at one instant that two batches share, the first is meant. O(1) amortised."""
        if not self._last:
            self._begin_ns = first_ns
        elif last_ns <= self._last[-1]:
            return
        self._last.append(last_ns)
        self._moment.append(moment_ns)
        if len(self._last) >= 2 * _KEPT:
            self._begin_ns = self._last[-_KEPT - 1]
            del self._last[:-_KEPT], self._moment[:-_KEPT]

    def came(self, receipt_ns: int) -> int | None:
        """When the event of a receipt time came in; None where it is not among those kept. O(log batches)."""
        at = bisect_left(self._last, receipt_ns)
        return self._moment[at] if self._begin_ns <= receipt_ns and at < len(self._last) else None

    def next_came(self, receipt_ns: int) -> int | None:
        """When the first event after a receipt time came in; None where none has. O(log batches).

        Where the receipt time lies inside a batch, that batch's: the next event is taken to stand in it.
        """
        at = bisect_right(self._last, receipt_ns)
        return self._moment[at] if at < len(self._last) else None


class Delays:
    """Tracks by underlying, and what a report's delays are against them.

    An underlying with several sources goes by the newest event of any of them.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, dict[str, Track]] = {}

    def add(self, underlying: str, source: str, first_ns: int, last_ns: int, moment_ns: int) -> None:
        """A batch of an underlying's events has come in."""
        tracks = self._tracks.setdefault(underlying, {})
        if (track := tracks.get(source)) is None:
            track = tracks[source] = Track()
        track.add(first_ns, last_ns, moment_ns)

    def of(self, as_of: Iterable[tuple[str, int]], append_ns: int) -> tuple[int, int, int] | None:
        """A report's newest event, latency and staleness, in nanoseconds.

        Parameters
        ----------
        as_of
            Underlyings, and the receipt time of the newest event that the report reflects of each.
        append_ns
            When the report was written.

        Returns
        -------
        tuple of int, or None
            When the newest event reflected came in; `append_ns` less that; and `append_ns` less the moment of the
            oldest event that had come in and is not reflected: 0 where there is none. None of a report all of whose
            events came in before any that is kept.
        """
        newest, oldest = 0, append_ns
        for underlying, receipt_ns in as_of:
            tracks = self._tracks.get(underlying, {}).values()
            came = [t for track in tracks if (t := track.came(receipt_ns)) is not None]
            newest = max(newest, min(came, default=0))
            oldest = min([oldest, *(t for track in tracks if (t := track.next_came(receipt_ns)) is not None)])
        return (newest, append_ns - newest, append_ns - oldest) if newest else None
