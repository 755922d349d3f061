"""What a running desk archived, as a feed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from qflib.desk.cuts import PERIOD_NS
from qflib.desk.feed import Feed
from qflib.errors import DataError
from qflib.history import History, opened
from qflib.history.kept import KEPT
from qflib.history.reading import columns_of, in_time, span
from qflib.records import Batch
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import MARKET_RAW


class HistoryFeed(Feed):
    """The market data in a history: raw records byte for byte, and the events that normalize made of them.

    Parameters
    ----------
    path
        The folder that the archive writes, as ``runs/up/history``, or a history.
    cluster
        Of which Kafka cluster; default: the last one archived.

    Raises
    ------
    DataError
        If the folder is no history, or holds no market data yet.
    """

    def __init__(self, path: str | Path | History, cluster: str | None = None) -> None:
        self.store = opened(path)
        self.instruments = self.store.instruments(cluster)
        self.cluster = cluster or self.store.clusters[-1]
        first, last = span(self.store, KEPT["events"], self.cluster)
        self.start = pd.Timestamp(first, unit="ns", tz="UTC")
        self.end = pd.Timestamp(last, unit="ns", tz="UTC")

    def raw(self, period_ns: int = PERIOD_NS) -> Iterator[Batch]:
        """Raw and clock batches of all sources as ingest sent them, by rising time.

        They are not cut again: `period_ns` is without effect.
        """
        parts = (self._partition(p) for p in self.store.partitions(MARKET_RAW, self.cluster))
        for _, _, _, batch in heapq.merge(*parts, key=lambda t: t[:3]):
            yield batch

    def events(self) -> Iterator[Any]:
        """`MARKET_EVENTS` columns of all instruments as normalize made them, by rising receipt time."""
        for rows in in_time(self.store, KEPT["events"], self.cluster):
            yield columns_of(KEPT["events"], rows)

    def __repr__(self) -> str:
        return f"HistoryFeed({self.store.name!r}, {len(self.instruments)} instruments)"

    def _partition(self, partition: int) -> Iterator[tuple[int, int, int, Batch]]:
        """Records with the time at which each may be taken: never before one that lies below it."""
        at = 0
        for stored in self.store.batches(MARKET_RAW, partition, cluster=self.cluster):
            if stored.value is None:
                continue
            try:
                batch = decode(stored.value)
            except DataError:
                continue  # normalize made a dead letter of it
            ns = batch.tick.time_ns if batch.kind == "clock" else batch.frames.receipt_ns
            at = max(at, int(ns[0]) if len(ns) else at)
            yield at, partition, stored.offset, batch.to(MARKET_RAW, name_of(stored.key or b""))
