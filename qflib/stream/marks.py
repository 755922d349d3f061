"""A stage's journal: one mark an input, in the order in which the inputs were merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qflib.errors import DataError, QflibError
from qflib.records import INPUT_MARKS, Batch, Header
from qflib.records.codec import decode_as, encode
from qflib.stream.fold import Fold, Taken


class Mark(NamedTuple):
    """What a mark says."""

    input: str
    offset: int
    source: str
    epoch: int
    seq: int
    crc: int
    dead: bool
    version: str


def write(fold: Fold, topic: str, offset: int, taken: Taken, version: str) -> bytes:
    """The mark of the input that a fold has just taken in; its number is the count of inputs before it.

    Parameters
    ----------
    fold
        With the input taken in.
    topic, offset
        Where the input stands.
    taken
        What became of it.
    version
        Of the step.
    """
    h = taken.header or Header()
    row = INPUT_MARKS.make(
        input=[topic], offset=[offset], source=[h.source], epoch=[h.epoch], seq=[h.seq], crc=[taken.crc],
        dead=[int(taken.dead is not None)], version=[version],
    )  # fmt: skip
    return encode(Batch.of("mark", Header(f"{fold.stage.name}/{fold.partition}", 0, fold.batches - 1), marks=row))


def read(where: str, records: Iterable[tuple[int, bytes]]) -> Iterator[Mark]:
    """The marks of a journal's records, given as (offset, value).

    Raises
    ------
    DataError
        If a record is no mark: the journal has been written by something else.
    """
    for at, value in records:
        try:
            m = decode_as("mark", value).marks
        except QflibError as e:
            raise DataError(
                f"offset {at} of {where} is no mark ({e}): something else has written there (`qflib audit` says more); "
                f"`qflib broker clear-journal {where.partition('.')[0]}` mends it where the stage was stopped "
                "gracefully; else begin anew in another QFLIB_STATE, for --fresh deletes history and logs too"
            ) from None
        yield Mark(
            m.input[0].decode(), int(m.offset[0]), m.source[0].decode(), int(m.epoch[0]), int(m.seq[0]),
            int(m.crc[0]), bool(m.dead[0]), m.version[0].decode(),
        )  # fmt: skip
