"""A recording cut into raw batches at multiples of a period, each period closed by a clock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qflib.errors import InputError
from qflib.records import CONNECTION, TICK, Batch, Header
from qflib.records.topics import MARKET_RAW
from qflib.venues.venue import Recording, frame_offsets, slice_frames

#: How often a source tells the time: 100 ms.
PERIOD_NS = 100_000_000
#: Clocks told in one quiet stretch (a minute at the default period); a longer one is jumped over.
_QUIET_CLOCKS = 600


def cut(recording: Recording, period_ns: int = PERIOD_NS) -> Iterator[Batch]:
    """Raw and clock batches of one recording, numbered from 0 in one sequence.

    Parameters
    ----------
    recording
        Its frames' receipt times must not fall.
    period_ns
        A frame received at a multiple opens the next period.

    Raises
    ------
    InputError
        If the period is not positive.

    Notes
    -----
    O(frames). A quiet stretch has a clock a period, up to 600 of them; then one before the next data.
    """
    if period_ns <= 0:
        raise InputError(f"period_ns {period_ns} must be positive; 100_000_000 is 100 ms")
    out = _Numbered(recording)
    current: int | None = None
    for frames in recording.chunks():
        period = frames.receipt_ns // period_ns
        offsets = frame_offsets(frames)
        edges = np.flatnonzero(np.diff(period)) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(period)], strict=True):
            at = int(period[start])
            if current is not None and at > current:
                quiet = at - current
                for k in range(1, min(quiet, _QUIET_CLOCKS) + 1):
                    yield out.clock((current + k) * period_ns)
                if quiet > _QUIET_CLOCKS:
                    yield out.clock(at * period_ns)
            current = at
            yield out.make("raw", connection=out.connection, frames=slice_frames(frames, start, stop, offsets))
    last = recording.end_ns if current is None else (current + 1) * period_ns
    yield out.clock(last, closing=True)


class _Numbered:
    """The source's own numbering."""

    def __init__(self, recording: Recording) -> None:
        self.source, self.seq = recording.source, 0
        name = recording.source.partition(":")[2]
        self.connection = CONNECTION.make(
            venue=np.array([recording.venue], "S64"),
            connection=np.array([name], "S64"),
            former_seq=np.array([-1], np.int64),
        )

    def make(self, kind: str, **tables: object) -> Batch:
        self.seq += 1
        return Batch.of(kind, Header(self.source, 0, self.seq - 1), MARKET_RAW, self.source, **tables)

    def clock(self, time_ns: int, closing: bool = False) -> Batch:
        tick = TICK.make(time_ns=np.array([time_ns], np.int64), closing=np.array([int(closing)], np.uint32))
        return self.make("clock", tick=tick)
