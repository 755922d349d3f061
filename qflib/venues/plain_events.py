"""Market events as people write them (symbols, names, float prices) to rows of `MARKET_EVENTS`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.records import MARKET_EVENTS, EventFlag, EventKind, Instrument, Instruments, Side
from qflib.venues.databento_files import decimal
from qflib.venues.tables_in_files import pieces

_KINDS = {k.name.lower(): int(k) for k in EventKind}
_SIDES = {"": 0, "none": 0, "bid": int(Side.BID), "buy": int(Side.BID), "ask": int(Side.ASK), "sell": int(Side.ASK)}
_PRICED = [EventKind.ADD, EventKind.MODIFY, EventKind.TRADE, EventKind.LEVEL, EventKind.SETTLEMENT]


def plain_events(frame: pd.DataFrame, table: Instruments, where: str, first: int = 0) -> NDArray[Any]:
    """Rows of `MARKET_EVENTS.dtype` from a plain frame; O(rows).

    Parameters
    ----------
    frame
        Columns receipt, symbol, kind; where told side, price, qty, order_id, last, snapshot, gap, venue_time.
    table
        Symbols, ticks and lots.
    where
        Begins the sentence of an error.
    first
        Rows before the frame's own: errors count rows from 1.

    Raises
    ------
    DataError
        If a symbol, kind or side is unknown, a time has no zone, a price is missing or off the tick, a quantity
        is negative or no multiple of the lot, or a figure is not a number.
    """
    rows = np.zeros(len(frame), MARKET_EVENTS.dtype)
    numbers = {c: numeric(frame[c], f"{where}: {c}", first) for c in ("price", "qty") if c in frame}
    where = f"{where}, row {first + 1} on"
    rows["receipt_ns"] = instants(frame["receipt"], f"{where}: receipt")
    rows["instrument"] = _coded(frame["symbol"], {r.symbol: i for i, r in enumerate(table)}, f"{where}: symbol")
    rows["kind"] = _coded(frame["kind"].astype(str).str.lower(), _KINDS, f"{where}: kind")
    if "side" in frame:
        rows["side"] = _coded(
            frame["side"].astype("object").fillna("").astype(str).str.lower(), _SIDES, f"{where}: side"
        )
    if "order_id" in frame:
        rows["order_id"] = _ids(frame["order_id"], f"{where}: order_id")
    for name, bit in (("last", EventFlag.LAST), ("snapshot", EventFlag.SNAPSHOT), ("gap", EventFlag.GAP)):
        if name in frame:
            rows["flags"] |= frame[name].astype(bool).to_numpy().astype(np.uint32) * np.uint32(bit)
    if "venue_time" in frame:
        rows["venue_ns"] = instants(frame["venue_time"], f"{where}: venue_time", missing=True)
    rows["price_ticks"] = _ticks(numbers.get("price", np.full(len(frame), np.nan)), rows, table, where)
    qty = np.nan_to_num(numbers.get("qty", np.zeros(len(frame))), posinf=np.inf)
    if (qty < 0).any():
        raise DataError(f"{where}: qty {qty[qty < 0][0]} is negative; sides are told by the column side")
    try:
        rows["qty"] = table.to_lots(rows["instrument"], qty)
    except InputError as e:
        raise DataError(f"{where}: {e}") from None
    return rows


def numeric(values: pd.Series[Any], where: str, first: int = 0) -> NDArray[np.float64]:
    """Figures as float64; NaN where there is none.

    Raises
    ------
    DataError
        If one is not a number: its row is named, counted from 1 after `first` rows before.
    """
    if values.dtype.kind in "iuf":
        return values.to_numpy(np.float64)
    made = pd.to_numeric(values, errors="coerce")
    wrong = np.flatnonzero((made.isna() & values.notna()).to_numpy())
    if len(wrong):
        told = str(values.iloc[wrong[0]])
        raise DataError(f"{where} {told!r} in row {first + int(wrong[0]) + 1} is not a number; write one as 99.75")
    return made.to_numpy(np.float64)


def instants(values: pd.Series[Any], where: str, missing: bool = False) -> NDArray[np.int64]:
    """Times as int64 ns: integers are taken as ns; text and timestamps must have a zone.

    Raises
    ------
    DataError
        If a time cannot be read, has no zone, or is missing where it must not be.
    """
    if values.dtype.kind in "iu":
        return values.to_numpy(np.int64)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        times = values.dt.tz_convert("UTC")
    else:
        text = values.astype("object").where(values.notna(), None)
        naive = [t for t in text if t is not None and _read(t, where).tzinfo is None] if len(text) else []
        if naive:
            raise DataError(f"{where} {str(naive[0])!r} has no time zone; write 2026-01-05T14:30:00Z")
        try:
            times = pd.to_datetime(text, utc=True, format="ISO8601")
        except (ValueError, OverflowError) as e:
            raise DataError(f"{where} is not ISO 8601; write 2026-01-05T14:30:00Z ({e})") from None
    known = times.notna().to_numpy()
    if not known.all() and not missing:
        raise DataError(f"{where} is missing in row {int(np.flatnonzero(~known)[0]) + 1}; every row needs it")
    try:
        out: NDArray[np.int64] = times.dt.as_unit("ns").astype("int64").to_numpy(copy=True)
    except pd.errors.OutOfBoundsDatetime as e:
        raise DataError(f"{where} is no time between 1678 and 2262 ({e})") from None
    out[~known] = 0
    return out


def _read(time: Any, where: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(time)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{where} {str(time)!r} is not a time; write 2026-01-05T14:30:00Z") from None


def discovered(path: Path) -> Instruments:
    """One row a symbol of a plain file; tick and lot are what divides its prices and quantities, in 1e-9.

    Raises
    ------
    DataError
        If the file has no column symbol.
    """
    unit: dict[str, list[int]] = {}
    first = 0
    for piece in pieces(path):
        if "symbol" not in piece:
            raise DataError(f"{path} names no symbols; give instruments=, the table its numbers refer to")
        columns = {c: numeric(piece[c], f"{path}: {c}", first) for c in ("price", "qty") if c in piece}
        first += len(piece)
        for symbol, part in piece.assign(**columns).groupby("symbol", observed=True, sort=False):
            have = unit.setdefault(str(symbol), [0, 0])
            for k, name in enumerate(("price", "qty")):
                if name in part:
                    nanos = np.rint(part[name].dropna().to_numpy(np.float64) * 1e9).astype(np.int64)
                    have[k] = int(np.gcd(have[k], np.gcd.reduce(nanos))) if len(nanos) else have[k]
    return Instruments(
        tuple(
            Instrument(
                s, tick_schedule=(("0", decimal(Fraction(tick or 10**7, 10**9))),),
                lot=decimal(Fraction(lot or 10**9, 10**9)), venue="file", venue_symbol=s, source="file:0",
            )
            for s, (tick, lot) in unit.items()
        )
    )  # fmt: skip


def _coded(values: pd.Series[Any], codes: dict[str, int], where: str) -> NDArray[np.int64]:
    found, names = pd.factorize(values)
    if (found < 0).any():
        raise DataError(f"{where} is missing in row {int(np.flatnonzero(found < 0)[0]) + 1}; every row needs it")
    if unknown := [n for n in names if n not in codes]:
        known = ", ".join(list(codes)[:12])
        raise DataError(f"{where} {unknown[0]!r} is unknown; expected one of {known}")
    made: NDArray[np.int64] = np.array([codes[n] for n in names], np.int64)[found]
    return made


def _ids(values: pd.Series[Any], where: str) -> NDArray[np.uint64]:
    wrong = DataError(f"{where} holds what is no unsigned 64-bit whole number; number the orders 1, 2, 3")
    if values.dtype.kind in "if" and bool(((values < 0) | (values % 1 > 0)).any()):
        raise wrong
    try:
        return values.fillna(0).to_numpy(np.uint64)
    except (ValueError, TypeError, OverflowError):
        raise wrong from None


def _ticks(price: NDArray[np.float64], rows: NDArray[Any], table: Instruments, where: str) -> NDArray[np.int64]:
    missing = ~np.isfinite(price)
    if (missing & np.isin(rows["kind"], _PRICED)).any():
        raise DataError(f"{where}: a price is missing; add, modify, trade, level and settlement rows need one")
    price = np.where(missing, 0.0, price)
    ticks: NDArray[np.int64] = table.to_ticks(rows["instrument"], price)
    off = np.abs(table.to_price(rows["instrument"], ticks) - price) > 1e-9 * np.maximum(1.0, np.abs(price))
    if off.any():
        raise DataError(f"{where}: price {price[off][0]} is off the instrument's tick; give a finer tick_schedule")
    return ticks
