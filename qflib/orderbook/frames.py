"""Events as people hold them (columns, structured rows, a DataFrame) to the columns that kernels take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.orderbook.asked import order_id
from qflib.records import MARKET_EVENTS, EventFlag, EventKind, Instruments, Side

_SIDES = {"": Side.NONE, "none": Side.NONE, "buy": Side.BID, "bid": Side.BID, "sell": Side.ASK, "ask": Side.ASK}
_NEEDED = ("kind", "side", "price", "qty")


def as_events(events: Any, instruments: Instruments, instrument: int) -> Any:
    """`MARKET_EVENTS` columns of events in any of three forms.

    Parameters
    ----------
    events
        `MARKET_EVENTS` columns (ticks and lots), a structured array of its dtype, or a DataFrame with a tz-aware index
        (receipt time; optional) and columns kind (name or number of `EventKind`), side ("buy", "sell", "bid", "ask"
        or a number), price and qty in quote currency and units, and, where there are orders, order_id; optional
        symbol (rows of other symbols are kept as such), last (1 where a message ends; all by default) and gap (1 where
        something before the row is missing; none by default).
    instruments, instrument
        The table, and the row a DataFrame without symbols speaks of.

    Raises
    ------
    InputError
        If it is none of these, or a column is missing, NaN, of an unknown kind or side, or off the tick or lot.
    """
    if isinstance(events, pd.DataFrame):
        out = _from_frame(events, instruments, instrument)
    elif isinstance(events, np.ndarray) and events.dtype.names:
        out = MARKET_EVENTS.from_struct(events)
    elif hasattr(events, "price_ticks") and hasattr(events, "kind"):
        out = events
    else:
        raise InputError(
            f"events are {type(events).__name__}; give MARKET_EVENTS columns, a structured array of their dtype or a "
            "DataFrame with columns " + ", ".join(_NEEDED)
        )
    return out


def refuse_negative(events: Any) -> None:
    """Refuse columns with a negative quantity.

    Raises
    ------
    DataError
        If there is one: it names the first row.
    """
    negative = np.flatnonzero((events.qty < 0) & (events.kind != EventKind.STATUS))
    if len(negative):
        raise DataError(
            f"row {negative[0]} has quantity {events.qty[negative[0]]} lots; a quantity is 0 or more, "
            "the kind of the event says whether it comes or goes"
        )


def _from_frame(frame: pd.DataFrame, instruments: Instruments, instrument: int) -> Any:
    if missing := [c for c in _NEEDED if c not in frame.columns]:
        raise InputError(
            f"the frame has no column {missing[0]!r}; it needs {', '.join(_NEEDED)} (and order_id for orders)"
        )
    kind = _codes(frame["kind"], {k.name.lower(): int(k) for k in EventKind}, "kind")
    if "order_id" not in frame.columns and np.isin(kind, [1, 2, 3, 4]).any():
        raise InputError("the frame has order events but no column 'order_id'; give the venue's ids, or LEVEL events")
    which = np.full(len(frame), instrument)
    if "symbol" in frame.columns:
        which = np.array([instruments.id(s) for s in frame["symbol"]], np.int64)
    prices, qtys = (frame[c].to_numpy(np.float64) for c in ("price", "qty"))
    for name, values in (("price", prices), ("qty", qtys)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(f"row {bad[0]} has {name} {values[bad[0]]}; give a finite number")
    ticks = instruments.to_ticks(which, prices)
    off = np.flatnonzero(np.abs(instruments.to_price(which, ticks) - prices) > 1e-6 * (1 + np.abs(prices)))
    if len(off):
        row = off[0]
        raise InputError(
            f"row {row} has price {prices[row]}, which is not on {instruments[int(which[row])].symbol}'s tick"
        )
    last = _marks(frame, "last") if "last" in frame.columns else np.ones(len(frame), np.uint32)
    gap = _marks(frame, "gap") if "gap" in frame.columns else np.zeros(len(frame), np.uint32)
    time = _times(frame.index)
    return MARKET_EVENTS.make(
        kind=kind,
        flags=last * np.uint32(EventFlag.LAST) + gap * np.uint32(EventFlag.GAP),
        instrument=which.astype(np.uint32),
        side=_codes(frame["side"], _SIDES, "side"),
        order_id=order_ids(frame["order_id"]) if "order_id" in frame.columns else np.zeros(len(frame), np.uint64),
        price_ticks=ticks,
        qty=np.where(kind == EventKind.STATUS, qtys.astype(np.int64), instruments.to_lots(which, qtys)),
        venue_ns=time,
        receipt_ns=time,
    )


def order_ids(values: pd.Series[Any]) -> NDArray[np.uint64]:
    """A column of order ids as uint64.

    Raises
    ------
    InputError
        If one is missing, no whole number, negative, or a float beyond 2**53, which may have lost digits.
    """
    if values.dtype.kind in "ui" and not values.hasnans and not (values < 0).any():
        return values.to_numpy(np.uint64)
    made = np.zeros(len(values), np.uint64)
    for i, v in enumerate(values.tolist()):
        try:
            made[i] = order_id(v)
        except InputError as e:
            raise InputError(f"row {i}: {e}") from None
    return made


def _marks(frame: pd.DataFrame, name: str) -> NDArray[np.uint32]:
    """A column of 0 and 1, or of booleans."""
    values = frame[name]
    wrong = np.flatnonzero(~values.isin([0, 1]).to_numpy())
    if len(wrong):
        raise InputError(f"row {wrong[0]} has {name} {values.iloc[int(wrong[0])]}; give 0 or 1")
    return values.to_numpy(np.uint32)


def _codes(values: pd.Series[Any], names: dict[str, Any], what: str) -> Any:
    known = {int(v) for v in names.values()}
    out = np.zeros(len(values), np.uint32)
    for i, v in enumerate(values.tolist()):
        code = names.get(v.lower()) if isinstance(v, str) else v
        if not isinstance(code, int) or int(code) not in known:
            raise InputError(f"row {i} has {what} {v!r}; expected one of {', '.join(n for n in names if n)}")
        out[i] = int(code)
    return out


def _times(index: pd.Index[Any]) -> Any:
    if not isinstance(index, pd.DatetimeIndex):
        return np.zeros(len(index), np.int64)
    if index.tz is None:
        raise InputError("the frame's index has no time zone; use index.tz_localize('UTC')")
    return index.tz_convert("UTC").as_unit("ns").asi8
