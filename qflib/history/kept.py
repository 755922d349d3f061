"""What the history keeps of each topic: column tables, and the bytes or their hash."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from qflib.errors import InputError
from qflib.records import BY_KIND, Table
from qflib.records.topics import (
    ANALYTICS_RESULTS,
    MARKET_NORMALIZED,
    MARKET_RAW,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_EXPOSURES,
    RISK_METRICS,
)

#: Delta Lake has no unsigned integers: 64 and 32 bits are kept as they are and read as signed.
ARROW_TYPE = {
    "u32": pa.int32(),
    "i32": pa.int32(),
    "u64": pa.int64(),
    "i64": pa.int64(),
    "f64": pa.float64(),
    "text": pa.string(),
}
#: Column that tells when, in the order of preference; a table with none of them gets `RECORD_TIME`.
_TIMES = ("receipt_ns", "time_ns", "sent_ns")
RECORD_TIME = "record_ns"

#: Table of the records themselves; its partition columns are `date` (of the append), `topic` and `cluster`.
BATCHES = "batches"
BATCHES_PARTITIONS = ("date", "topic", "cluster")
BATCHES_SCHEMA = pa.schema(
    [
        ("date", pa.string()),
        ("topic", pa.string()),
        ("cluster", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("append_ns", pa.int64()),
        ("key", pa.binary()),
        ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
        ("length", pa.int64()),  # of the value; -1: it had none
        ("sha256", pa.binary()),  # null where the value is kept
        ("value", pa.binary()),  # null where the hash is kept
    ]
)
COLUMN_PARTITIONS = ("date", "cluster")
#: Where a row of a column table comes from; `row` is its place in its record.
_ORIGIN = [
    ("date", pa.string()),
    ("cluster", pa.string()),
    ("partition", pa.int32()),
    ("offset", pa.int64()),
    ("row", pa.int32()),
    ("source", pa.string()),
    ("epoch", pa.int64()),
    ("seq", pa.int64()),
]


@dataclass(frozen=True, slots=True)
class Kept:
    """A column table: rows of one table of one kind of record of one topic.

    Parameters
    ----------
    name
        The table's, unique in the history; its folder's too.
    topic, kind, part
        Of which records it keeps which table.
    """

    name: str
    topic: str
    kind: str
    part: str

    @property
    def table(self) -> Table:
        """The declaration of its rows."""
        return BY_KIND[self.kind].by_name[self.part]

    @property
    def own_time(self) -> str:
        """The table's own time column; empty: it has none."""
        names = self.table.dtype.names or ()
        return next((n for n in _TIMES if n in names), "")

    @property
    def time(self) -> str:
        """The column that `start` and `end` of a read are about, and that tells the date."""
        return self.own_time or RECORD_TIME

    @property
    def schema(self) -> pa.Schema:
        """Its columns in the store: origin, then the table's own."""
        own = [(c.name, ARROW_TYPE[c.type]) for c in self.table.columns if c.type != "blob"]
        extra = [] if self.own_time else [(RECORD_TIME, pa.int64())]
        return pa.schema([*_ORIGIN, *extra, *own])


_ROWS = (
    Kept("events", MARKET_NORMALIZED, "market", "events"),
    Kept("signals", MARKET_NORMALIZED, "signal", "signals"),
    Kept("clocks", MARKET_NORMALIZED, "clock", "tick"),
    Kept("orders", ORDERS_INCOMING, "order", "orders"),
    Kept("bookings", ORDERS_INCOMING, "booking", "bookings"),
    Kept("controls", ORDERS_INCOMING, "control", "controls"),
    Kept("executions", ORDERS_EXECUTED, "execution", "executions"),
    Kept("risk", RISK_METRICS, "risk", "risk"),
    Kept("positions", RISK_METRICS, "risk", "positions"),
    Kept("greeks", RISK_METRICS, "risk", "greeks"),
    Kept("limits", RISK_METRICS, "risk", "limits"),
    Kept("hedges", RISK_METRICS, "risk", "hedges"),
    Kept("explain", RISK_METRICS, "risk", "explain"),
    Kept("min_variance", RISK_METRICS, "risk", "min_variance"),
    Kept("tops", ANALYTICS_RESULTS, "analytics", "tops"),
    Kept("depth", ANALYTICS_RESULTS, "analytics", "depth"),
    Kept("trades", ANALYTICS_RESULTS, "analytics", "trades"),
    Kept("rolling", ANALYTICS_RESULTS, "analytics", "rolling"),
    Kept("components", ANALYTICS_RESULTS, "analytics", "components"),
    Kept("evidence", ANALYTICS_RESULTS, "analytics", "evidence"),
    Kept("figures", ANALYTICS_RESULTS, "analytics", "values"),
    Kept("shadow_orders", ANALYTICS_RESULTS, "analytics", "orders"),
    Kept("places", ANALYTICS_RESULTS, "analytics", "places"),
    Kept("exposures", RISK_EXPOSURES, "exposures", "exposure"),
    Kept("exposure_greeks", RISK_EXPOSURES, "exposures", "greeks"),
)
#: Column tables by name. Scenario vectors and shocks are in none: an ES is kept, what it was sorted from is not.
KEPT: dict[str, Kept] = {k.name: k for k in _ROWS}


def kept_of(topic: str) -> tuple[Kept, ...]:
    """The column tables of a topic, the main one first.

    Examples
    --------
    >>> [k.name for k in kept_of("market.data.normalized")]
    ['events', 'signals', 'clocks']
    """
    return tuple(k for k in _ROWS if k.topic == topic)


def is_exact(topic: str) -> bool:
    """Whether a topic's values are kept byte for byte: what a day is recomputed from, and what could not be read.

    Examples
    --------
    >>> is_exact("market.data.raw"), is_exact("exchange.journal"), is_exact("risk.metrics")
    (True, True, False)
    """
    return topic in (MARKET_RAW, ORDERS_INCOMING) or topic.endswith((".journal", ".snapshots", ".dead"))


def known(table: str) -> str:
    """The name, if it is a table's.

    Raises
    ------
    InputError
        If there is no such table.

    Examples
    --------
    >>> known("batches")
    'batches'
    """
    if table != BATCHES and table not in KEPT:
        raise InputError(f"the history has no table {table!r}; it has {', '.join((BATCHES, *KEPT))}")
    return table


def schema_of(table: str) -> pa.Schema:
    """The columns of a table, as stores take and give them.

    Examples
    --------
    >>> schema_of("clocks").names[-2:]
    ['time_ns', 'closing']
    """
    return BATCHES_SCHEMA if table == BATCHES else KEPT[table].schema
