"""A table of the history as Arrow or a DataFrame, in the order of its times; files of other days are not opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from qflib.errors import InputError
from qflib.history.kept import KEPT, Kept, kept_of
from qflib.history.rows import DAY_NS
from qflib.history.store import History, NothingStoredError
from qflib.history.where import Condition, field
from qflib.records import Instruments
from qflib.records.frames import to_frame

#: Rows that `in_time` holds at a time, about.
WINDOW_ROWS = 1_000_000
_SECOND = 10**9
_INT64 = np.iinfo(np.int64)
_ORIGIN = ("partition", "offset", "source", "epoch", "seq")
_UNSIGNED = {"u32": np.dtype("<u4"), "u64": np.dtype("<u8")}


def read(
    history: History,
    topic: str,
    columns: list[str] | None = None,
    instrument: str | int | None = None,
    start: pd.Timestamp | str | None = None,
    end: pd.Timestamp | str | None = None,
    *,
    table: str | None = None,
    cluster: str | None = None,
    form: str = "frame",
    raw: bool = False,
) -> Any:
    """Rows of a topic, by rising time.

    Parameters
    ----------
    history
        The store.
    topic
        As "market.data.normalized".
    columns
        Some of the columns, by the names inside ("price_ticks") or shown ("price"); default: all.
    instrument
        A symbol, or its number in the instrument table.
    start, end
        Instants with a time zone, from `start` to before `end`, of the table's own time.
    table
        Which table of the topic; default: its main one ("events", "orders", "executions", "risk", "tops").
    cluster
        Which Kafka cluster's; default: the last one archived.
    form
        "frame" for a DataFrame: UTC times, symbols, and float prices and quantities; "arrow" for a pyarrow.Table:
        all as it is inside.
    raw
        A DataFrame with everything as it is inside: ticks, lots, int64 nanoseconds, codes.

    Returns
    -------
    DataFrame or pyarrow.Table
        The table's columns, beside them partition, offset, source, epoch and seq of the record.

    Raises
    ------
    InputError
        If topic, table, column, instrument, cluster or form is unknown, or an instant has no time zone.
    DataError
        If the folder holds no history, or a file of it is not readable.

    Notes
    -----
    Folders of other days, and files whose least and greatest time or instrument lie outside, are not opened.

    Examples
    --------
    >>> from qflib.history import DeltaHistory
    >>> DeltaHistory("runs/none").read("market.data.tape")
    Traceback (most recent call last):
    qflib.errors.InputError: topic 'market.data.tape' has no column tables; expected one of market.data.normalized, ...
    """
    if form not in ("frame", "arrow"):
        raise InputError(f"form {form!r} is unknown; give frame or arrow")
    kept = _chosen(topic, table)
    instruments = history.instruments(cluster)
    which = cluster or history.clusters[-1]
    number = _number(kept, instrument, instruments)
    names = _names(kept, columns)
    where = _where(kept, which, _ns("start", start), _ns("end", end), number)
    rows = _ordered(kept, history.scan(kept.name, _needed(kept, names), where))
    return rows.select(names) if form == "arrow" else _frame(kept, rows, names, instruments, raw)


def in_time(
    history: History, kept: Kept, cluster: str | None = None, window_rows: int = WINDOW_ROWS
) -> Iterator[pa.Table]:
    """All rows of a table by rising time, about so many at a time; one second is never cut.

    Parameters
    ----------
    history, kept
        The store and one of its tables.
    cluster
        Which Kafka cluster's; default: the last one archived.
    window_rows
        Rows at a time, about.

    Notes
    -----
    O(rows) of the time column, held as a count a second, then each window once. By times alone: a row may lie under
    another day than its time's.
    """
    which = cluster or history.clusters[-1]
    mine = field("cluster") == which
    seconds = history.scan(kept.name, [kept.time], mine)[kept.time].to_numpy() // _SECOND
    counts = pc.value_counts(pa.array(seconds))
    at, n = counts.field("values").to_numpy(), counts.field("counts").to_numpy()
    order = np.argsort(at)
    at, n = at[order], n[order]
    window = np.cumsum(n) // max(window_rows, 1)
    cuts = np.flatnonzero(np.diff(window)) + 1
    for first, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(at)], strict=True):
        if stop > first:
            least = max(int(at[first]) * _SECOND, _INT64.min)
            greatest = min((int(at[stop - 1]) + 1) * _SECOND - 1, _INT64.max)
            where = mine & (field(kept.time) >= least) & (field(kept.time) <= greatest)
            yield _ordered(kept, history.scan(kept.name, None, where))


def of_day(history: History, kept: Kept, date: str, cluster: str, where: Condition | None = None) -> pa.Table:
    """Rows of one UTC date by rising time; files of other days are not opened.

    Parameters
    ----------
    history, kept
        The store and one of its tables.
    date
        As 2026-01-05, of the table's own time.
    cluster
        Which Kafka cluster's.
    where
        A further condition.
    """
    mine = (field("cluster") == cluster) & (field("date") == date)
    return _ordered(kept, history.scan(kept.name, None, mine if where is None else mine & where))


def asked(topic: str, table: str | None, columns: list[str] | None) -> list[str]:
    """The columns, by their names inside, that `shown` needs to show some.

    Raises
    ------
    InputError
        If topic, table or column is unknown.
    """
    kept = _chosen(topic, table)
    also = [kept.time, *(["instrument"] if "instrument" in kept.schema.names else [])]
    return list(dict.fromkeys([*_names(kept, columns), *also]))


def shown(
    topic: str,
    table: str | None,
    rows: pa.Table,
    instruments: Instruments,
    columns: list[str] | None = None,
    raw: bool = False,
) -> pd.DataFrame:
    """Arrow rows of a table as the DataFrame that `read` gives.

    Parameters
    ----------
    topic, table, columns, raw
        As `read` takes them.
    rows
        With the columns that `asked` names.
    instruments
        The instrument table.

    Raises
    ------
    InputError
        If topic, table or column is unknown.
    """
    kept = _chosen(topic, table)
    return _frame(kept, rows, _names(kept, columns), instruments, raw)


def columns_of(kept: Kept, rows: pa.Table) -> Any:
    """The named tuple of read-only arrays that steps and kernels take."""
    return kept.table.make(**{c.name: _array(rows, c.name, c.type) for c in kept.table.columns if c.type != "blob"})


def span(history: History, kept: Kept, cluster: str | None = None) -> tuple[int, int]:
    """The least and the greatest time of a table.

    Raises
    ------
    NothingStoredError
        If it has no rows.
    """
    which = _cluster(history, cluster)
    times = history.scan(kept.name, [kept.time], field("cluster") == which)[kept.time]
    if not len(times):
        raise NothingStoredError(f"the history has no {kept.name} yet; let the archive run on")
    ends = pc.min_max(times)
    return ends["min"].as_py(), ends["max"].as_py()


def earliest(history: History, kept: Kept, since_ns: int = 0, cluster: str | None = None) -> int | None:
    """The least time of a table from an instant on; None: there is none. O(rows of one day).

    Parameters
    ----------
    history, kept, cluster
        Which table; of which cluster, by default the newest.
    since_ns
        Not before this.

    Raises
    ------
    NothingStoredError
        If nothing was archived yet.
    """
    which = _cluster(history, cluster)
    for date in history.dates(kept.name, which):
        if date >= str(np.datetime64(since_ns // DAY_NS, "D")):
            where = (field("cluster") == which) & (field("date") == date) & (field(kept.time) >= since_ns)
            if len(times := history.scan(kept.name, [kept.time], where)[kept.time]):
                return int(pc.min(times).as_py())
    return None


def _cluster(history: History, cluster: str | None) -> str:
    known = history.clusters
    if not known:
        raise NothingStoredError("the history holds nothing yet; let the archive run on")
    return cluster or known[-1]


def _chosen(topic: str, table: str | None) -> Kept:
    of = kept_of(topic)
    if not of:
        raise InputError(
            f"topic {topic!r} has no column tables; expected one of "
            f"{', '.join(dict.fromkeys(k.topic for k in KEPT.values()))}, or read its records by `batches`"
        )
    named = [k for k in of if table in (None, k.name)]
    if not named:
        raise InputError(f"topic {topic!r} has no table {table!r}; it has {', '.join(k.name for k in of)}")
    return named[0]


def _number(kept: Kept, instrument: str | int | None, instruments: Instruments) -> int | None:
    if instrument is None:
        return None
    if "instrument" not in kept.schema.names:
        raise InputError(f"table {kept.name!r} has no instruments; leave instrument={instrument!r} out")
    number = instruments.id(instrument) if isinstance(instrument, str) else int(instrument)
    if not 0 <= number < len(instruments):
        raise InputError(f"instrument {number} is not in the table; it has {len(instruments)}")
    return number


def _names(kept: Kept, columns: list[str] | None) -> list[str]:
    own = [n for n in kept.schema.names if n not in ("date", "cluster", "row", *_ORIGIN)]
    every = [*own, *_ORIGIN]
    if columns is None:
        return every
    shown = {n.removesuffix("_ticks").removesuffix("_ns"): n for n in every} | {n: n for n in every}
    for name in columns:
        if name not in shown:
            raise InputError(f"table {kept.name!r} has no column {name!r}; it has {', '.join(every)}")
    return list(dict.fromkeys(shown[name] for name in columns))


def _needed(kept: Kept, names: list[str]) -> list[str]:
    """What is asked for, what orders the rows, and what makes prices of ticks."""
    also = ["partition", "offset", "row", kept.time]
    also += ["instrument"] if "instrument" in kept.schema.names else []
    return list(dict.fromkeys([*names, *also]))


def _where(kept: Kept, cluster: str, start: int | None, end: int | None, instrument: int | None) -> Condition:
    where = field("cluster") == cluster
    # A row that tells no time lies under the day of its append: it is found where no time is asked for
    if start is not None:
        where &= (field(kept.time) >= start) & (field("date") >= _day(start))
    if end is not None:
        where &= (field(kept.time) < end) & (field("date") <= _day(end))
    return where if instrument is None else where & (field("instrument") == instrument)


def _day(ns: int) -> str:
    return str(np.datetime64(ns // DAY_NS, "D"))


def _ordered(kept: Kept, rows: pa.Table) -> pa.Table:
    keys = dict.fromkeys([kept.time, "partition", "offset", "row"], "ascending")
    return rows.sort_by(list(keys.items()))


def _array(rows: pa.Table, name: str, kind: str) -> Any:
    a = rows[name].combine_chunks().to_numpy(zero_copy_only=False)
    if kind == "text":
        return np.array([v.encode() for v in a.tolist()], "S64") if len(a) else np.empty(0, "S64")
    return a.view(_UNSIGNED.get(kind, a.dtype))


def _frame(kept: Kept, rows: pa.Table, names: list[str], instruments: Instruments, raw: bool) -> pd.DataFrame:
    held = {c.name: _array(rows, c.name, c.type) for c in kept.table.columns if c.name in rows.column_names}
    frame = to_frame(kept.table.make(**held), kept.table, instruments if len(instruments) else None, raw=raw)
    if frame.index.name is None:
        ns = rows[kept.time].to_numpy()
        index = pd.Index(ns) if raw else pd.DatetimeIndex(ns.astype("M8[ns]"), tz="UTC")
        frame = frame.set_index(index.rename(kept.time if raw else kept.time.removesuffix("_ns")))
    wanted = {n.removesuffix("_ticks").removesuffix("_ns") for n in names} | set(names)
    frame = frame[[c for c in frame.columns if c in wanted]].copy()
    for name in _ORIGIN:
        if name in names:
            a = rows[name].to_numpy()
            frame[name] = a.view(np.uint64) if name in ("epoch", "seq") else a
    return frame


def _ns(what: str, at: pd.Timestamp | str | None) -> int | None:
    if at is None:
        return None
    try:
        when: Any = pd.Timestamp(at)
    except (ValueError, TypeError):
        when = pd.NaT
    if pd.isna(when) or when.tzinfo is None:
        raise InputError(f"{what}={str(at)!r} is not an instant with a time zone; give one as 2026-01-05T14:30Z")
    return int(when.tz_convert("UTC").as_unit("ns").value)


__all__ = ["asked", "columns_of", "in_time", "read", "shown", "span"]
