"""Columns as DataFrames and Arrow tables, and back.

A frame shows what a person reads: UTC times, float prices and quantities, symbols, names of codes. ``raw=True`` shows
what is inside: ticks, lots, int64 nanoseconds, row numbers, codes. An Arrow table is always raw.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.records import codes
from qflib.records.batch import Batch
from qflib.records.instruments import Instruments
from qflib.records.schema import Column, Table
from qflib.records.tables import ALL_INSTRUMENTS, BY_KIND

#: Columns that hold a code, by name; flags are bits and stay numbers.
_CODES: dict[str, type[IntEnum]] = {
    "side": codes.Side,
    "status": codes.TradingStatus,
    "ord_type": codes.OrderType,
    "time_in_force": codes.TimeInForce,
    "book": codes.Book,
    "exec_type": codes.ExecType,
    "ord_status": codes.OrderStatus,
    "liquidity": codes.Liquidity,
}
#: Columns whose code depends on the table.
_CODES_OF: dict[tuple[str, str], type[IntEnum]] = {
    ("MarketEvents", "kind"): codes.EventKind,
    ("Controls", "kind"): codes.ControlKind,
    ("Orders", "action"): codes.OrderAction,
    ("Bookings", "action"): codes.BookingAction,
    ("Executions", "reason"): codes.Reason,
    ("Dead", "reason"): codes.DeadReason,
}
_DURATIONS = frozenset({"horizon_ns", "period_ns"})
_LOTS = frozenset({"qty", "bid_qty", "ask_qty", "last_qty", "bid_depth", "ask_depth", "cum_qty", "leaves_qty",
                   "position", "working", "queue_ahead"})  # fmt: skip
_INDEX = ("receipt_ns", "time_ns")
_ARROW = {
    "u32": pa.uint32(),
    "i32": pa.int32(),
    "u64": pa.uint64(),
    "i64": pa.int64(),
    "f64": pa.float64(),
    "text": pa.string(),
}


def to_frame(columns: Any, table: Table, instruments: Instruments | None = None, *, raw: bool = False) -> pd.DataFrame:
    """A table's columns as a DataFrame.

    Parameters
    ----------
    columns
        Named tuple of arrays of the table.
    table
        Its declaration.
    instruments
        The instrument table: makes symbols of row numbers, prices of ticks, quantities of lots. Without it these stay
        integers.
    raw
        Everything as it is inside: ticks, lots, int64 nanoseconds, codes.

    Returns
    -------
    DataFrame
        One row a record row. Where the table has a receipt time, else a time, it is the index: tz-aware UTC
        (``raw=True``: int64). ``x_ticks`` and ``x_ns`` are shown as ``x``. Blobs are left out.

    Raises
    ------
    InputError
        If a row names an instrument that is not in the table.

    Notes
    -----
    O(rows).

    Examples
    --------
    >>> from qflib.records import MARKET_EVENTS, Instrument, Instruments
    >>> table = Instruments((Instrument("ACME.F", kind="spot"),))
    >>> events = MARKET_EVENTS.make(kind=[1], side=[1], price_ticks=[10050], qty=[3], receipt_ns=[10**18])
    >>> to_frame(events, MARKET_EVENTS, table)[["kind", "instrument", "side", "price", "qty"]]
                              kind instrument side  price  qty
    receipt
    2001-09-09 01:46:40+00:00  ADD     ACME.F  BID  100.5  3.0
    """
    shown = [c for c in table.columns if c.type != "blob"]
    if raw:
        frame = pd.DataFrame({c.name: _decoded(c, getattr(columns, c.name)) for c in shown})
        index = next((n for n in _INDEX if n in frame), None)
    else:
        scale = _Scale(table, columns, instruments)
        named = {_face_name(table, c): scale.shown(c, getattr(columns, c.name)) for c in shown}
        frame = pd.DataFrame(named)
        index = next((n.removesuffix("_ns") for n in _INDEX if n in (table.dtype.names or ())), None)
    return frame if index is None else frame.set_index(index)


def batch_to_frames(
    batch: Batch, instruments: Instruments | None = None, *, raw: bool = False
) -> dict[str, pd.DataFrame]:
    """Every table of a batch by its name in the record, as `to_frame` shows it.

    Examples
    --------
    >>> from qflib.records import Batch, TICK
    >>> list(batch_to_frames(Batch.of("clock", tick=TICK.make(time_ns=[0]))))
    ['tick']
    """
    return {
        name: to_frame(getattr(batch, name), table, instruments, raw=raw)
        for name, table in BY_KIND[batch.kind].by_name.items()
    }


def from_frame(frame: pd.DataFrame, table: Table, instruments: Instruments | None = None, *, raw: bool = False) -> Any:
    """Columns from a DataFrame as `to_frame` gives it; what it leaves out is zero.

    Parameters
    ----------
    frame
        Rows with `to_frame`'s column names; the index counts as a column where it has a name.
    table, instruments, raw
        As in `to_frame`. Without the instrument table, instruments, prices and quantities are integers.

    Returns
    -------
    named tuple of read-only arrays

    Raises
    ------
    InputError
        If a column is unknown, a time is naive, a code unknown, a price or quantity not finite, or the instrument
        table is missing where it is needed.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.records import MARKET_EVENTS
    >>> from_frame(pd.DataFrame({"kind": ["ADD"], "price": [7]}), MARKET_EVENTS).price_ticks
    array([7])
    """
    frame = frame.reset_index() if frame.index.name is not None else frame
    names = {(c.name if raw else _face_name(table, c)): c for c in table.columns if c.type != "blob"}
    if unknown := [n for n in frame.columns if n not in names]:
        raise InputError(f"{table.name} has no column {unknown[0]!r}; it has {', '.join(names)}")
    at = np.zeros(len(frame), np.int64)
    if "instrument" in frame and not raw:
        at = _ids(table, frame["instrument"], instruments)
    made = {
        c.name: frame[n].to_numpy()
        if raw
        else at
        if n == "instrument"
        else _inside(table, c, frame[n], at, instruments)
        for n, c in names.items()
        if n in frame
    }
    return table.make(**made) if made else table.empty


def to_arrow(columns: Any, table: Table) -> pa.Table:
    """A table's columns as an Arrow table: raw, times int64 nanoseconds, blobs left out.

    Notes
    -----
    Numeric columns are taken without a copy.

    Examples
    --------
    >>> from qflib.records import TICK
    >>> to_arrow(TICK.make(time_ns=[5]), TICK).column_names
    ['time_ns', 'closing']
    """
    shown = [c for c in table.columns if c.type != "blob"]
    return pa.table(
        {c.name: pa.array(_decoded(c, getattr(columns, c.name)), _ARROW[c.type]) for c in shown},
        schema=pa.schema([(c.name, _ARROW[c.type]) for c in shown]),
    )


def from_arrow(data: pa.Table, table: Table) -> Any:
    """Columns from an Arrow table with the table's own column names; what it leaves out is zero.

    Raises
    ------
    DataError
        If a column is unknown, holds nulls, or does not fit its type.

    Examples
    --------
    >>> from qflib.records import TICK
    >>> from_arrow(to_arrow(TICK.make(time_ns=[5]), TICK), TICK).time_ns
    array([5])
    """
    made = {}
    by_name = {c.name: c for c in table.columns if c.type != "blob"}
    for name in data.column_names:
        if name not in by_name:
            raise DataError(f"{table.name} has no column {name!r}; it has {', '.join(by_name)}")
        column = data[name]
        if column.null_count:
            raise DataError(f"{table.name}.{name} has {column.null_count} nulls; give every value")
        try:
            made[name] = column.cast(_ARROW[by_name[name].type]).combine_chunks().to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as e:
            raise DataError(
                f"{table.name}.{name} of {column.type} does not fit {_ARROW[by_name[name].type]}: {e}"
            ) from None
    return table.make(**made) if made else table.empty


class _Scale:
    """How the integers of a table are shown, row by row."""

    def __init__(self, table: Table, columns: Any, instruments: Instruments | None) -> None:
        self.table, self.instruments = table, instruments
        self.at: NDArray[Any] | None = None
        if instruments is not None and "instrument" in columns._fields:
            at = columns.instrument
            known = at < len(instruments)
            wrong = ~known & (at != ALL_INSTRUMENTS)
            if wrong.any():
                raise InputError(
                    f"{table.name} names instrument {at[wrong][0]}, the table has {len(instruments)}; "
                    "give the instrument table that the records were made with"
                )
            if known.all():
                self.at = at
            symbols = np.array([*(i.symbol for i in instruments), "*"], object)
            self.symbols = symbols[np.where(known, at, len(instruments))]

    def shown(self, c: Column, a: NDArray[Any]) -> Any:
        code = _code(self.table, c)
        if code is not None:
            names = {int(v): v.name for v in code}
            return np.array([names.get(v, str(v)) for v in a.tolist()], object)
        if c.name == "instrument" and self.instruments is not None:
            return self.symbols
        if c.name.endswith("_ns"):
            return pd.to_timedelta(a, unit="ns") if c.name in _DURATIONS else pd.to_datetime(a, unit="ns", utc=True)
        if self.at is not None and self.instruments is not None:
            if c.name.endswith("_ticks"):
                return self.instruments.to_price(self.at, a)
            if c.name in _LOTS and self.table.name != "Frames":
                return self.instruments.to_qty(self.at, a)
        return _decoded(c, a)


def _code(table: Table, c: Column) -> type[IntEnum] | None:
    return _CODES_OF.get((table.name, c.name)) or _CODES.get(c.name)


def _face_name(table: Table, c: Column) -> str:
    short = c.name.removesuffix("_ticks").removesuffix("_ns")
    # Executions hold both a price and its ticks: the name is the exact one's
    return c.name if short != c.name and any(o.name == short for o in table.columns) else short


def _decoded(c: Column, a: NDArray[Any]) -> Any:
    return np.array([v.decode() for v in a.tolist()], object) if c.type == "text" else a


def _ids(table: Table, values: pd.Series[Any], instruments: Instruments | None) -> NDArray[np.int64]:
    """Rows of the instrument table from symbols, or rows as they are."""
    if values.dtype.kind in "iu":
        rows = values.to_numpy(np.int64)
        wrong = rows[(rows < 0) | ((rows >= len(instruments)) & (rows != ALL_INSTRUMENTS))] if instruments else rows[:0]
        if wrong.size:
            raise InputError(
                f"{table.name} names instrument {wrong[0]}; the instrument table has {len(instruments or ())}"
            )
        return rows
    if instruments is None:
        raise InputError(f"{table.name}.instrument holds symbols; give the instrument table with them")
    ids = {s: ALL_INSTRUMENTS if s == "*" else instruments.id(s) for s in values.unique()}
    return values.map(ids).to_numpy(np.int64)


def _inside(
    table: Table, c: Column, values: pd.Series[Any], at: NDArray[np.int64], instruments: Instruments | None
) -> Any:
    """A shown column as it is inside."""
    code = _code(table, c)
    if c.name == "instrument":
        return at
    if code is not None and values.dtype.kind not in "iu":
        return values.map(_members(table, c, code, values)).to_numpy(np.int64)
    if c.name.endswith("_ns") and values.dtype.kind not in "iu":
        return _nanoseconds(table, c, values)
    if c.type == "i64" and (c.name.endswith("_ticks") or c.name in _LOTS):
        if instruments is not None:
            convert = instruments.to_ticks if c.name.endswith("_ticks") else instruments.to_lots
            return convert(at, values.to_numpy(np.float64))
        if values.dtype.kind not in "iu":
            raise InputError(f"{table.name}.{c.name} is given in decimals; give the instrument table with it")
    return values.to_numpy()


def _members(table: Table, c: Column, code: type[IntEnum], values: pd.Series[Any]) -> dict[str, int]:
    members = {v.name: int(v) for v in code}
    if unknown := [v for v in values.unique() if v not in members]:
        raise InputError(f"{table.name}.{c.name} is {unknown[0]!r}; expected one of {', '.join(members)}")
    return members


def _nanoseconds(table: Table, c: Column, values: pd.Series[Any]) -> NDArray[np.int64]:
    zoned = isinstance(values.dtype, pd.DatetimeTZDtype)
    if (not zoned and values.dtype.kind != "m") or values.isna().any():
        raise InputError(f"{table.name}.{c.name} holds {values.dtype}; give times with a time zone, none missing")
    inside: NDArray[np.int64] = values.dt.as_unit("ns").astype("int64").to_numpy()
    return inside
