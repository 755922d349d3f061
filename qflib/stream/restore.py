"""A partition's state as its last worker left it: a snapshot, and the inputs after it in the order of the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from qflib.broker.clients import Connection
from qflib.broker.reading import OffsetGoneError, read, starts
from qflib.errors import StateError
from qflib.records.topics import journal, snapshots
from qflib.stream import marks
from qflib.stream import snapshots as snapshot_records
from qflib.stream.fold import Fold
from qflib.stream.marks import Mark
from qflib.stream.snapshots import Snapshot

_log = structlog.get_logger(__name__)
#: (offset, key, value) of a record.
Record = tuple[int, bytes | None, bytes | None]
#: Records that retention has taken from a topic's partition, from an offset up to another: from the archive.
Kept = Callable[[str, int, int, int], Iterator[Record]]
#: Between two looks at a journal that is behind its group: the last transaction is being completed.
_LOOK_AGAIN_S = 0.05
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Restored:
    """A fold that goes on where its last worker left off, and what its journal and snapshots hold."""

    fold: Fold
    journal_offset: int  # marks below it are in the state
    snapshots: tuple[tuple[int, int], ...]  # first and journal offset of the complete ones, oldest first
    tail: int  # inputs taken in again
    takes_over: bool  # from another version's graceful stop
    graceful: bool  # its last snapshot was taken at a graceful stop, and nothing follows it


def restore(
    c: Connection,
    fold: Fold,
    version: str,
    committed: Callable[[], Mapping[str, int]],
    *,
    exactly_once: bool = True,
    kept: Kept | None = None,
) -> Restored:
    """Bring a fold in its first state to where its group has committed.

    Parameters
    ----------
    c
        The cluster.
    fold
        In its first state; changed in place.
    version
        Of the step; a snapshot of another is taken up only where nothing follows it.
    committed
        Asks for the group's next offset of each input; -1 where it has none.
    exactly_once
        Whether journal and group must come to the same offsets; else the journal may be ahead, and what it has beyond
        the group is taken in anew.
    kept
        Gives inputs that retention has taken.

    Raises
    ------
    StateError
        If the journal does not come to what the group has committed, an input that it names is gone, or the last state
        is of another step version.

    Notes
    -----
    O(state + inputs since the snapshot).
    """
    began = time.monotonic()
    want = _wanted(committed())
    _check_low(c, fold, want)
    held, last = _snapshots(c, fold, want)
    if held and last is None and exactly_once:
        raise StateError(
            f"{fold.stage.name}[{fold.partition}] has snapshots, and its group {fold.stage.group} no offsets that go "
            "with them: they were reset by hand; set them back, or begin anew with --fresh"
        )
    low = 0
    if last is not None:
        fold.load(last.state)
        low = max(last.journal_offset, 0)
    n = fold.batches
    if fold.stage.journalled:
        _follow_journal(c, fold, version, last, low, committed, exactly_once, kept)
    else:
        _follow_offsets(c, fold, version, last, want, kept)
    tail = fold.batches - n
    _log.info(
        "restored", stage=fold.stage.name, partition=fold.partition, batches=fold.batches, tail=tail,
        seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip
    takes_over = last is not None and last.version != version
    graceful = last is not None and last.graceful and not tail and not takes_over
    return Restored(fold, low, held, tail, takes_over, graceful)


def _wanted(committed: Mapping[str, int]) -> dict[str, int]:
    return {t: max(o, 0) for t, o in committed.items()}


def _snapshots(
    c: Connection, fold: Fold, want: Mapping[str, int]
) -> tuple[tuple[tuple[int, int], ...], Snapshot | None]:
    """Where the complete snapshots begin, and the last that holds nothing beyond the group's offsets."""
    topic = snapshots(fold.stage.name)

    def broken(offset: int, why: str) -> None:
        # the one before it is as good: what follows that is in journal and inputs
        _log.error("snapshot broken", topic=topic, partition=fold.partition, offset=offset, why=why)

    low = _low(c, topic, fold.partition)
    while True:
        held, last = list[tuple[int, int]](), None
        values = _values(c, topic, fold.partition, low)
        try:
            for s in snapshot_records.read(f"{topic}[{fold.partition}]", values, broken):
                held.append((s.first_offset, s.journal_offset))
                if all(o <= want.get(t, 0) for t, o in s.next.items()):
                    last = s
        except OffsetGoneError:
            before, low = low, _low(c, topic, fold.partition)
            if low <= before:
                raise
            continue  # what the last worker's last snapshot made needless went just now
        return tuple(held), last


def _follow_journal(
    c: Connection,
    fold: Fold,
    version: str,
    last: Snapshot | None,
    low: int,
    committed: Callable[[], Mapping[str, int]],
    exactly_once: bool,
    kept: Kept | None,
) -> None:
    found = _tail(c, fold, low, committed, exactly_once)
    _check_version(fold, version, last, {m.version for m in found})
    readers: dict[str, Iterator[Record]] = {}
    for topic in fold.stage.inputs:
        offsets = [m.offset for m in found if m.input == topic]
        if offsets:
            readers[topic] = _records(c, fold, topic, offsets[0], offsets[-1] + 1, kept)
    for mark in found:
        at, key, value = next(readers[mark.input], (-1, None, None))
        if at != mark.offset:
            raise StateError(
                f"{fold.stage.name} cannot be restored: its journal names offset {mark.offset} of "
                f"{mark.input}[{fold.partition}], and {at if at >= 0 else 'nothing'} stands there; "
                "`qflib audit` says what is lost"
            )
        taken = fold.take(mark.input, at, key, value)
        if taken.crc != mark.crc or (taken.dead is not None) != mark.dead:
            raise StateError(
                f"{fold.stage.name} cannot be restored: offset {at} of {mark.input}[{fold.partition}] is not what its "
                "journal says; `qflib audit` says more"
            )


def _tail(
    c: Connection, fold: Fold, low: int, committed: Callable[[], Mapping[str, int]], exactly_once: bool
) -> list[Mark]:
    """The marks after the state, once journal and group have come to the same offsets."""
    topic, deadline = journal(fold.stage.name), time.monotonic() + _PATIENCE_S
    low = max(low, _low(c, topic, fold.partition))
    while True:
        seen, found = dict(fold.next), list[Mark]()
        for mark in marks.read(f"{topic}[{fold.partition}]", _values(c, topic, fold.partition, low)):
            if mark.offset >= seen[mark.input]:
                found.append(mark)
                seen[mark.input] = mark.offset + 1
        want = _wanted(committed())
        if seen == want:
            return found
        if not exactly_once and all(seen[t] >= o for t, o in want.items()):
            return [m for m in found if m.offset < want[m.input]]
        if time.monotonic() > deadline:
            raise StateError(
                f"{fold.stage.name}[{fold.partition}] cannot be restored: its journal comes to {seen}, its group has "
                f"committed {want}; start it on a state where both agree (`qflib audit` says more), or with --fresh"
            )
        time.sleep(_LOOK_AGAIN_S)


def _follow_offsets(
    c: Connection, fold: Fold, version: str, last: Snapshot | None, want: Mapping[str, int], kept: Kept | None
) -> None:
    """Of one input the order of its offsets is the journal."""
    (topic,) = fold.stage.inputs
    if last is not None:
        _check_version(fold, version, last, {last.version} if fold.next[topic] < want[topic] else set())
    for at, key, value in _records(c, fold, topic, fold.next[topic], want[topic], kept):
        fold.take(topic, at, key, value)
    fold.next[topic] = want[topic]  # control markers may stand before it


def _check_version(fold: Fold, version: str, last: Snapshot | None, tail: set[str]) -> None:
    """Refuse to go on with inputs that another version has made outputs of, or from a state in the middle of its work.

    A worker writes a snapshot with its first input, and where it takes over from another version: the last snapshot's
    version is that of what follows it.
    """
    others = tail - {version}
    if last is not None and last.version != version and not last.graceful:
        others |= {last.version}
    if others:
        raise StateError(
            f"{fold.stage.name}[{fold.partition}] was stopped in the middle by version {min(others)[:8]} of its step, "
            f"and this is version {version[:8]}: start the former version once more and stop it gracefully, "
            "or begin anew with --fresh"
        )


def _check_low(c: Connection, fold: Fold, want: Mapping[str, int]) -> None:
    """Refuse to go on where retention has taken what was not read yet: the next record would be another one."""
    lows = starts(c, [(t, fold.partition) for t in want])
    for topic, offset in want.items():
        low = lows[topic, fold.partition]
        if 0 < offset < low:
            raise StateError(
                f"{fold.stage.name}[{fold.partition}] stands at offset {offset:,} of {topic}, and retention has taken "
                f"all below {low:,}: what it had not read is gone; keep topics for longer, and begin anew with --fresh"
            )


def _records(c: Connection, fold: Fold, topic: str, start: int, stop: int, kept: Kept | None) -> Iterator[Record]:
    """An input's records; those that retention has taken come from the archive."""
    low = starts(c, [(topic, fold.partition)])[topic, fold.partition]
    if start < low and kept is not None:
        yield from kept(topic, fold.partition, start, min(low, stop))
        start = low
    try:
        for m in read(c, topic, fold.partition, start, stop):
            yield m.offset(), m.key(), m.value()
    except OffsetGoneError as e:
        raise StateError(
            f"{fold.stage.name}[{fold.partition}] cannot be restored: {e}; its retention is shorter than the stage was "
            "away; begin anew with --fresh"
        ) from None


def _values(c: Connection, topic: str, partition: int, low: int) -> Iterator[tuple[int, bytes]]:
    for m in read(c, topic, partition, low):
        yield m.offset(), m.value() or b""


def _low(c: Connection, topic: str, partition: int) -> int:
    return starts(c, [(topic, partition)])[topic, partition]
