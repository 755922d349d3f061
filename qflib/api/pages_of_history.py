"""Pages of the history: by rising time, and never more rows in memory than a page and a second hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from qflib.errors import InputError
from qflib.history import History, NothingStoredError
from qflib.history.kept import KEPT, Kept, kept_of
from qflib.history.reading import earliest, read
from qflib.history.rows import DAY_NS
from qflib.history.where import field
from qflib.records import ALL_INSTRUMENTS, Instruments
from qflib.records.decimals import decimal_text

_SECOND, _NARROW = 10**9, 10**6
_END = 2**62
_TOO_MANY = 8  # times the rows of a page that a window may hold
_AT_ONCE = 500  # rows shown: some milliseconds
_TICKS = "_ticks"
_LOTS = frozenset({"qty", "bid_qty", "ask_qty", "last_qty", "bid_depth", "ask_depth", "cum_qty", "leaves_qty",
                   "position", "working"})  # fmt: skip


class Page(NamedTuple):
    """Rows, and where the next page begins: its time and how many rows of that time were given; None: the end."""

    rows: pa.Table
    next: tuple[int, int] | None


def page(
    history: History,
    topic: str,
    *,
    table: str | None,
    columns: list[str] | None,
    instrument: str | None,
    start_ns: int | None,
    end_ns: int | None,
    skip: int,
    limit: int,
) -> Page:
    """The next rows of a table of a topic.

    Parameters
    ----------
    history, topic, table, columns, instrument
        As `qflib.history.reading.read` takes them.
    start_ns, end_ns
        Nanoseconds UTC, from `start_ns` to before `end_ns`; None: the first and the last.
    skip
        Rows to leave out at the start: those of the page before.
    limit
        Rows at most.

    Raises
    ------
    InputError, UnknownInstrumentError, DataError
        As `read`.

    Notes
    -----
    Windows of time are counted, each twice as long, until they hold a page: O(rows of the page + rows of the last
    window + rows of the first day). They begin at the first row: none is counted where nothing was archived.
    """
    kept = _kept(topic, table)
    number = None if instrument is None else history.instruments().id(instrument)
    begin = earliest(history, kept, start_ns or 0)
    if begin is None and start_ns is None:
        raise NothingStoredError(f"the history has no {kept.name} yet; let the archive run on")
    first = begin if begin is not None else start_ns or 0  # from a time after the last row on there is nothing
    if first != start_ns:
        skip = 0
    last = min(_END if end_ns is None else end_ns, _after(history.dates(kept.name, history.clusters[-1])))
    stop = _stop(history, kept, number, first, last, skip + limit + 1)
    if columns is not None and "instrument" in kept.schema.names:
        columns = list(dict.fromkeys([*columns, "instrument"]))  # prices and quantities are read by it
    names = columns if columns is None or kept.time in columns else [*columns, kept.time]
    rows = read(history, topic, names, instrument, _instant(first), _instant(stop), table=table, form="arrow")
    some = rows.slice(skip, limit)
    more = None
    if len(rows) > skip + limit:
        at = some[kept.time][-1].as_py()
        same = pc.sum(pc.equal(some[kept.time], at)).as_py()
        more = at, same + (skip if at == first else 0)
    return Page(some if names is columns else some.drop_columns([kept.time]), more)


def shown(rows: pa.Table, instruments: Instruments) -> Iterator[list[dict[str, Any]]]:
    """Rows as JSON shows them: symbols, and decimal strings where a row names its instrument; the rest as inside.

    They come in parts: other threads wait while Arrow makes Python's objects of one.
    """
    texts, names = instruments.decimals, rows.column_names
    ticks = [n for n in names if n.endswith(_TICKS)]
    lots = [n for n in names if n in _LOTS]
    for first in range(0, len(rows), _AT_ONCE):
        made: list[dict[str, Any]] = rows.slice(first, _AT_ONCE).to_pylist()
        for row in made if "instrument" in names else ():
            i = row["instrument"] & ALL_INSTRUMENTS
            if i >= len(instruments):
                continue
            row["instrument"] = instruments[i].symbol
            for n in ticks:
                row[n.removesuffix(_TICKS)] = texts.price(i, row.pop(n))
            for n in lots:
                row[n] = texts.qty(i, row[n])
            if isinstance(row.get("price"), float):
                row["price"] = decimal_text(row["price"])
        yield made


def topics() -> tuple[str, ...]:
    """The topics that have column tables."""
    return tuple(dict.fromkeys(k.topic for k in KEPT.values()))


def stream_of(rows: pa.Table) -> bytes:
    """An Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def _kept(topic: str, table: str | None) -> Kept:
    of = kept_of(topic)
    named = [k for k in of if table in (None, k.name)]
    if not named:
        which = (
            f"topic {topic!r} has no table {table!r}; it has"
            if of
            else f"topic {topic!r} has no column tables; they are of"
        )
        raise InputError(f"{which} {', '.join(k.name for k in of) or ', '.join(topics())}")
    return named[0]


def _stop(history: History, kept: Kept, instrument: int | None, first: int, last: int, rows: int) -> int:
    """Before which time so many rows lie, and not very many more; `last` where there are fewer."""
    held, stop, width = 0, first, _SECOND
    while held < rows and stop < last:
        upto = min(stop + width, last)
        n = _count(history, kept, instrument, stop, upto)
        if held + n > _TOO_MANY * rows and width > _NARROW:
            width //= 8
            continue
        held, stop, width = held + n, upto, width * 2
    return max(stop, first)


def _count(history: History, kept: Kept, instrument: int | None, start: int, stop: int) -> int:
    where = (field("cluster") == history.clusters[-1]) & (field(kept.time) >= start) & (field(kept.time) < stop)
    where &= (field("date") >= _day(start)) & (field("date") <= _day(stop))
    if instrument is not None and "instrument" in kept.schema.names:
        where &= field("instrument") == instrument
    return int(history.count(kept.name, where))


def _day(ns: int) -> str:
    return str(np.datetime64(ns // DAY_NS, "D"))


def _after(dates: list[str]) -> int:
    """The end of the last date."""
    return int(((date.fromisoformat(dates[-1]) - date(1970, 1, 1)).days + 1) * DAY_NS) if dates else 0


def _instant(ns: int) -> pd.Timestamp:
    return pd.Timestamp(ns, unit="ns", tz="UTC")
