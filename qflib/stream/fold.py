"""One partition of a stage without Kafka: the bytes of an input in, the bytes of what it causes out.

A stage on Kafka and the audit that recomputes it run the same object.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from qflib.errors import MalformedRecordError, QflibError, TornBatchError
from qflib.records import Batch, DeadReason, Header, Partitions
from qflib.records.codec import MAX_BYTES, dead_row, decode_checked, encode
from qflib.records.partitions import name_of
from qflib.records.schema import TEXT_BYTES
from qflib.records.topics import dead_letters
from qflib.steps.state import State
from qflib.steps.step import Outbox, Step
from qflib.stream.stages import Stage


class Output(NamedTuple):
    """A record that a stage sends."""

    topic: str
    key: bytes
    value: bytes


class Taken(NamedTuple):
    """What became of one input: what it causes, and what its mark says of it."""

    outputs: list[Output]
    header: Header | None
    crc: int
    dead: DeadReason | None
    events: int
    gap: int  # numbers missing before it in its own stream
    unsent: int = 0  # outputs that were too long

    @property
    def letters(self) -> list[DeadReason]:
        """Why there are dead letters among the outputs."""
        return [*([] if self.dead is None else [self.dead]), *[DeadReason.UNSENT] * self.unsent]


class Fold:
    """A step and what a stage keeps beside it: next offsets, and the numbering of its dead letters.

    Parameters
    ----------
    stage
        The row of the table of stages.
    step
        The step of this partition, in its first state.
    partition, partitions
        Which one, and where names lie.
    """

    def __init__(self, stage: Stage, step: Step, partition: int, partitions: Partitions) -> None:
        self.stage, self.step, self.partition = stage, step, partition
        self.next: dict[str, int] = dict.fromkeys(stage.inputs, 0)
        self.batches = 0
        self._partitions = partitions
        self._dead = Outbox(f"{stage.name}/{partition}", partitions)
        self._heard: dict[tuple[str, str], tuple[int, int]] = {}  # (topic, source) -> the last (epoch, seq)

    def take(self, topic: str, offset: int, key: bytes | None, value: bytes | None) -> Taken:
        """Take one record in.

        An input that cannot be read, or that the step refuses, becomes a dead letter with the reason. One that repeats
        a number of its stream is passed over: where delivery is at least once, a crash sends records twice.

        An output too long for a record becomes a dead letter of its own topic, under its own number: the step has
        taken the input in, and would make the same again at every start.

        Raises
        ------
        AssertionError
            If the record was taken in before: the caller has mixed up its offsets.
        """
        if offset < self.next[topic]:
            raise AssertionError(f"{topic} offset {offset} of partition {self.partition} was taken in before")
        name = name_of(key) if key is not None else self._partitions.every[self.partition]
        self.next[topic] = offset + 1
        self.batches += 1
        header: Header | None = None
        crc = 0
        try:
            batch, crc = decode_checked(value or b"")
            header = batch.header
            gap = self._hear(topic, header)
            if gap < 0:
                return Taken([], header, crc, None, 0, 0)
            made = self.step.feed(batch.to(topic, name))
        except QflibError as e:
            reason = e.reason if isinstance(e, MalformedRecordError | TornBatchError) else DeadReason.BAD_VALUE
            outputs = [self._letter(topic, offset, name, value or b"", reason, str(e), header)]
            return Taken(outputs, header, crc, reason, 0, 0)
        unsent, outputs = 0, []
        for b in made:
            sent = encode(b, max_bytes=sys.maxsize)
            if len(sent) <= MAX_BYTES:
                outputs.append(Output(b.topic, self._partitions.key(b.key), sent))
                continue
            unsent += 1
            detail = f"{len(sent)} bytes, caused by {topic}"
            outputs.append(self._letter(b.topic, offset, b.key, sent, DeadReason.UNSENT, detail, b.header))
        # a raw record's rows are frames: what they told is what counts
        rows = sum(b.count for b in made if b.kind == "market") if batch.kind == "raw" else batch.count
        return Taken(outputs, header, crc, None, rows, gap, unsent)

    def _hear(self, topic: str, h: Header) -> int:
        """Numbers missing before a record in its stream; -1 where it comes again."""
        if not h.source:  # nobody's numbering
            return 0
        last, now = self._heard.get((topic, h.source)), (h.epoch, h.seq)
        if last is not None and now <= last:
            return -1
        self._heard[topic, h.source] = now
        return h.seq - last[1] - 1 if last is not None and last[0] == h.epoch else 0

    def state(self) -> State:
        """The step's state, and the stage's own under names that begin with a dot."""
        numbers = {f".dead.{k}": v for k, v in self._dead.state().items()}
        counts = np.array([self.batches, *(self.next[t] for t in self.stage.inputs)], np.int64)
        heard = sorted(self._heard.items())
        streams = {
            ".heard": np.array([key for key, _ in heard], f"S{TEXT_BYTES}").reshape(-1, 2),
            ".heard.last": np.array([last for _, last in heard], np.uint64).reshape(-1, 2),
        }
        return {**self.step.state(), **numbers, **streams, ".stage": counts}

    def load(self, state: State) -> None:
        """Go on from a state."""
        self.batches, *offsets = state[".stage"].tolist()
        self.next = dict(zip(self.stage.inputs, offsets, strict=True))
        keys = [(t.decode(), s.decode()) for t, s in state[".heard"].tolist()]
        self._heard = {k: (e, n) for k, (e, n) in zip(keys, state[".heard.last"].tolist(), strict=True)}
        self._dead.load({k.removeprefix(".dead."): v for k, v in state.items() if k.startswith(".dead.")})
        self.step.load({k: v for k, v in state.items() if not k.startswith(".")})

    def _letter(
        self, topic: str, offset: int, name: str, value: bytes, reason: DeadReason, detail: str, header: Header | None
    ) -> Output:
        row = dead_row(value, topic, reason, detail)._replace(position=np.array([offset], np.uint64))
        if header is not None:
            row = row._replace(
                source=np.array([header.source.encode()], row.source.dtype),
                epoch=np.array([header.epoch], np.uint64),
                seq=np.array([header.seq], np.uint64),
            )
        batch: Batch = self._dead.make(dead_letters(topic), name, "dead", dead=row)
        return Output(batch.topic, self._partitions.key(name), encode(batch))
