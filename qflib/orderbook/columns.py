"""Columns of numbers and times out of plain frames, checked before a kernel sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import EventKind, Side

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_SIGNS = {"buy": 1, "bid": 1, int(Side.BID): 1, "sell": -1, "ask": -1, int(Side.ASK): -1, "": 0, "none": 0, 0: 0}


def numbers(frame: pd.DataFrame, column: str) -> F8:
    """A column as contiguous floats.

    Raises
    ------
    InputError
        If it is missing or holds what is not a number.
    """
    if column not in frame.columns:
        raise InputError(f"the frame has no column {column!r}; it has {', '.join(map(str, frame.columns))}")
    try:
        return np.ascontiguousarray(frame[column].to_numpy(np.float64))
    except (TypeError, ValueError):
        raise InputError(f"column {column!r} holds what is not a number; give floats") from None


def refuse(bad: NDArray[np.bool_], values: F8, name: str, expected: str) -> None:
    """Raise InputError naming the first bad row, where there is one."""
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"row {row} has {name} {values[row]}; give {expected}")


def times_ns(frame: pd.DataFrame | pd.Series[Any]) -> I8:
    """The index as nanoseconds since 1970.

    Raises
    ------
    InputError
        If it has no time zone, or falls.
    """
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise InputError("the frame's index has no time zone; use index.tz_localize('UTC')")
    if not index.is_monotonic_increasing:
        raise InputError("the frame's times fall; give rows in time order, as frame.sort_index(kind='stable')")
    return index.tz_convert("UTC").as_unit("ns").asi8


def utc(ns: I8) -> pd.DatetimeIndex:
    """An index of times."""
    return pd.DatetimeIndex(ns.astype("M8[ns]"), tz="UTC", name="time")


def duration_ns(value: Any, name: str, asks: str = "give", least: int = 1) -> int:
    """A duration in nanoseconds.

    Parameters
    ----------
    value, name
        What was given, and as what.
    asks, least
        How the sentence begins that asks for another; the shortest, in nanoseconds.

    Raises
    ------
    InputError
        If it is none, or shorter than `least`.
    """
    try:
        ns = int(pd.Timedelta(value).as_unit("ns").value) if isinstance(value, str | pd.Timedelta) else least - 1
    except ValueError:
        ns = least - 1
    if ns < least:
        raise InputError(f"{name} is {value!r}; {asks} a positive duration, as '1s'")
    return ns


def positive(value: Any, name: str, asks: str = "give a finite number above 0") -> float:
    """A finite number above 0.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < float(value) < np.inf:
        raise InputError(f"{name} is {value!r}; {asks}")
    return float(value)


def quotes_of(frame: pd.DataFrame) -> tuple[F8, F8, F8, F8]:
    """Columns bid, ask, bid_qty and ask_qty; an empty side has a NaN price and quantity 0.

    Raises
    ------
    InputError
        If one is missing, a price infinite, or a quantity negative or not finite.
    """
    bid, ask, bid_qty, ask_qty = (numbers(frame, c) for c in ("bid", "ask", "bid_qty", "ask_qty"))
    for name, price in (("bid", bid), ("ask", ask)):
        refuse(np.isinf(price), price, name, "a finite price, or NaN where the side is empty")
    for name, qty in (("bid_qty", bid_qty), ("ask_qty", ask_qty)):
        refuse(~(np.isfinite(qty) & (qty >= 0)), qty, name, "a finite quantity, 0 or more")
    bid, ask = np.where(bid_qty > 0, bid, np.nan), np.where(ask_qty > 0, ask, np.nan)
    return bid, ask, np.where(np.isnan(bid), 0.0, bid_qty), np.where(np.isnan(ask), 0.0, ask_qty)


def trades_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, I8, F8, F8]:
    """Rows that are trades (of kind "trade", where there is a column `kind`), with times, prices and quantities.

    Raises
    ------
    InputError
        If they are of several symbols, or a time, price or quantity is none.
    """
    rows = (
        frame[frame["kind"].isin((EventKind.TRADE.name.lower(), int(EventKind.TRADE)))]
        if "kind" in frame.columns
        else frame
    )
    names = rows["symbol"].unique().tolist() if "symbol" in rows.columns else []
    if len(names) > 1:
        raise InputError(f"the frame has trades of {names[0]!r} and {names[1]!r}; choose the rows of one symbol")
    price, qty = numbers(rows, "price"), numbers(rows, "qty")
    refuse(~np.isfinite(price), price, "price", "a finite number")
    refuse(~(np.isfinite(qty) & (qty > 0)), qty, "qty", "a finite quantity above 0")
    return rows, times_ns(rows), price, qty


def signs_of(trades: pd.DataFrame) -> F8:
    """Who began each trade, from a column `side`: +1 a buyer, -1 a seller, 0 untold; NaN without that column.

    Raises
    ------
    InputError
        If a side is none of "buy", "sell", "bid", "ask", "" and the records' codes.
    """
    if "side" not in trades.columns:
        return np.full(len(trades), np.nan)
    unknown = sorted({str(s) for s in trades["side"].unique().tolist() if s not in _SIGNS})
    if unknown:
        raise InputError(f"side {unknown[0]!r} is unknown; give 'buy' or 'sell', '' where untold")
    return np.ascontiguousarray(trades["side"].map(_SIGNS).to_numpy(np.float64), np.float64)
