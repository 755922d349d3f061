"""Deletes what no restore and no audit will read again: old snapshots, and marks older than the inputs they order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from qflib.broker.clients import Connection, admin, another_admin
from qflib.broker.topics import retention_ms
from qflib.records.topics import journal, snapshots
from qflib.stream.stages import Stage

_log = structlog.get_logger(__name__)
_JOURNAL_EVERY_S = 60.0
_LEADERS_S = 1.0  # that learning them anew may take


class Trimming:
    """Keeps the last two complete snapshots of each partition, and a journal for as long as its inputs are kept.

    A journal is needed for longer than a restore needs it: its order is what a day is recomputed in.
    """

    def __init__(self, c: Connection, stage: Stage) -> None:
        self._c, self._admin = c, admin(c)
        self._snapshots, self._journal = snapshots(stage.name), journal(stage.name) if stage.journalled else None
        self._keep_ms = max(retention_ms(t) for t in stage.inputs)
        self._starts: dict[int, deque[tuple[int, int]]] = {}
        self._journal_due: dict[int, float] = {}
        self._refused = False

    def begin(self, partition: int, starts: tuple[tuple[int, int], ...]) -> None:
        """A partition was assigned whose complete snapshots begin there: (first offset, journal offset) of each."""
        self._starts[partition] = deque(starts[-2:], maxlen=2)
        self._journal_due[partition] = time.monotonic() + _JOURNAL_EVERY_S

    def taking(self, partition: int, journal_offset: int, confirmed: Mapping[tuple[str, int], int]) -> None:
        """A snapshot is about to be written: what lies before the last but one can go."""
        starts = self._starts[partition]
        if len(starts) == 2:
            first, marks_below = starts[0]
            self._delete(self._snapshots, partition, first)
            if self._journal is not None and marks_below > 0 and time.monotonic() >= self._journal_due[partition]:
                self._journal_due[partition] = time.monotonic() + _JOURNAL_EVERY_S
                self._trim_journal(self._journal, partition, marks_below)
        at = confirmed.get((self._snapshots, partition), -1) + 1
        if at > 0 and (not starts or at > starts[-1][0]):
            starts.append((at, journal_offset))

    def _trim_journal(self, topic: str, partition: int, most: int) -> None:
        if self._refused:  # an admin client asks on by the epoch of a leader that it has once learned, and in vain
            try:
                self._admin.list_topics(timeout=_LEADERS_S)
            except KafkaException:
                self._admin = another_admin(self._c)
        since = OffsetSpec.for_timestamp(int(time.time() * 1000) - self._keep_ms)
        [future] = self._admin.list_offsets({TopicPartition(topic, partition): since}).values()

        def delete(told: Any) -> None:
            try:
                offset = told.result().offset
            except KafkaException as e:
                self._refused = True
                _log.info("old marks stay", reason=str(e))
                return
            self._refused = False
            if offset > 0:
                self._delete(topic, partition, min(offset, most))

        future.add_done_callback(delete)

    def _delete(self, topic: str, partition: int, before: int) -> None:
        if before > 0:
            for future in self._admin.delete_records([TopicPartition(topic, partition, before)]).values():
                future.add_done_callback(_tell)


def _tell(future: Any) -> None:
    try:
        future.result()
    except KafkaException as e:
        _log.info("old records stay", reason=str(e))
