"""A batch: one record in memory, with its header and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from qflib.errors import InputError
from qflib.records.tables import BY_KIND


@dataclass(frozen=True, slots=True)
class Header:
    """Who numbered the batch: source, epoch and sequence; part k of n where one was fanned out."""

    source: str = ""
    epoch: int = 0
    seq: int = 0
    part: int = 0
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """One record: its kind, header, tables (named tuples of read-only arrays), and its topic and key.

    Parameters
    ----------
    kind
        A kind of `qflib.records.RECORDS`: "market", "order", ...
    tables
        By the record's own table names; a table left out is empty.
    header
        Source, epoch, sequence.
    topic, key
        Where it goes; not part of the value.

    Examples
    --------
    >>> from qflib.records import Batch, MARKET_EVENTS
    >>> b = Batch.of("market", events=MARKET_EVENTS.make(kind=[1], price_ticks=[100]))
    >>> b.events.price_ticks
    array([100])
    """

    kind: str
    tables: Mapping[str, Any]
    header: Header = field(default_factory=Header)
    topic: str = ""
    key: str = ""

    @classmethod
    def of(cls, kind: str, /, header: Header | None = None, topic: str = "", key: str = "", **tables: Any) -> Batch:
        """A batch with the tables named; the others are empty.

        Raises
        ------
        InputError
            If the kind or a table is unknown.
        """
        record = BY_KIND.get(kind)
        if record is None:
            raise InputError(f"kind {kind!r} is unknown; expected one of {', '.join(BY_KIND)}")
        for name in tables:
            if name not in record.by_name:
                raise InputError(f"record {kind!r} has no table {name!r}; it has {', '.join(record.by_name)}")
        return cls(kind, tables, header or Header(), topic, key)

    def __getattr__(self, name: str) -> Any:
        """A table by its name; empty where the batch has none."""
        if name.startswith("__"):
            raise AttributeError(name)
        tables: Mapping[str, Any] = object.__getattribute__(self, "tables")
        if name in tables:
            return tables[name]
        table = BY_KIND[self.kind].by_name.get(name)
        if table is None:
            raise AttributeError(f"record {self.kind!r} has no table {name!r}")
        return table.empty

    @property
    def count(self) -> int:
        """Rows of the record's main table (the first one, for a RawBatch the frames)."""
        record = BY_KIND[self.kind]
        name = record.tables[-1][0] if self.kind == "raw" else record.tables[0][0]
        return record.by_name[name].count(self.tables[name]) if name in self.tables else 0

    def to(self, topic: str, key: str) -> Batch:
        """The same batch, addressed."""
        return replace(self, topic=topic, key=key)
