"""A stage's snapshots: its whole state in chunks, and what of the journal and the inputs is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from qflib.errors import DataError, QflibError
from qflib.records import NEXT_OFFSETS, SNAPSHOTS, Batch, Header
from qflib.records.codec import decode_as, encode
from qflib.steps.state import State, pack, unpack
from qflib.stream.fold import Fold

CHUNK_BYTES = 512 << 10


@dataclass(frozen=True)
class Snapshot:
    """A complete state, and what is in it.

    Parameters
    ----------
    first_offset
        Where its first chunk lies.
    next
        The first offset of each input that is not in it.
    journal_offset
        Marks below it are in the state.
    graceful
        It was taken at a graceful stop.
    """

    first_offset: int
    snapshot_id: str
    version: str
    batches: int
    journal_offset: int
    graceful: bool
    next: dict[str, int]
    data: bytes

    @property
    def state(self) -> State:
        """The state."""
        return unpack(self.data)


def write(fold: Fold, version: str, journal_offset: int, graceful: bool) -> list[bytes]:
    """The records of a fold's state as it is now; the last one completes it. O(state).

    Parameters
    ----------
    fold
        Whose state it is.
    version
        Of the step.
    journal_offset
        Marks below it are in the state.
    graceful
        Whether the worker leaves off with it.
    """
    data = pack(fold.state())
    name = hashlib.sha256(data).hexdigest()
    count = -(-len(data) // CHUNK_BYTES)
    source = f"{fold.stage.name}/{fold.partition}"
    out = []
    for k in range(count):
        row = SNAPSHOTS.make(
            snapshot_id=[name], chunk=[k], chunks=[count], length=[len(data)], version=[version],
            batches=[fold.batches], journal_offset=[journal_offset], graceful=[int(graceful)],
            payload=data[k * CHUNK_BYTES : (k + 1) * CHUNK_BYTES],
        )  # fmt: skip
        tables = {"snapshot": row}
        if k == count - 1:
            offsets = np.array(list(fold.next.values()), np.uint64)
            tables["next"] = NEXT_OFFSETS.make(input=list(fold.next), offset=offsets)
        # the count of inputs numbers snapshots: a stage's own sequence, which no restart disturbs
        out.append(encode(Batch.of("snapshot", Header(source, fold.batches, k, k, count), **tables)))
    return out


def read(
    where: str, records: Iterable[tuple[int, bytes]], broken: Callable[[int, str], object] | None = None
) -> Iterator[Snapshot]:
    """The complete snapshots among a partition's records, given as (offset, value), oldest first.

    A snapshot that a crash cut off is passed over; one that is broken too, where `broken` is told of it.

    Parameters
    ----------
    where
        Topic and partition.
    records
        What lies there.
    broken
        Takes the offset and the reason; None: it is an error.

    Raises
    ------
    DataError
        If a complete one does not have the content that its name says, or a record is no snapshot's.
    """

    def refuse(offset: int, why: str) -> None:
        if broken is None:
            raise DataError(f"offset {offset} of {where} is broken: {why}")
        broken(offset, why)

    first, chunks = -1, list[bytes]()
    for at, value in records:
        try:
            batch = decode_as("snapshot", value)
            row = batch.snapshot
        except QflibError as e:
            refuse(at, f"it is no part of a snapshot ({e})")
            first, chunks = -1, []
            continue
        if int(row.chunk[0]) == 0:
            first, chunks = at, []
        if first < 0 or len(chunks) != int(row.chunk[0]):
            first, chunks = -1, []
            continue
        chunks.append(row.payload.tobytes())
        if len(chunks) < int(row.chunks[0]):
            continue
        data, name = b"".join(chunks), row.snapshot_id[0].decode()
        if hashlib.sha256(data).hexdigest() != name:
            refuse(first, "the snapshot does not have the content of its name")
            first, chunks = -1, []
            continue
        offsets = zip(batch.next.input.tolist(), batch.next.offset.tolist(), strict=True)
        yield Snapshot(
            first, name, row.version[0].decode(), int(row.batches[0]), int(row.journal_offset[0]),
            bool(row.graceful[0]), {t.decode(): o for t, o in offsets}, data,
        )  # fmt: skip
        first, chunks = -1, []
