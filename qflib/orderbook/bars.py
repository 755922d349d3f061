"""Features of successive quotes, and bars of trades, from plain frames."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import EventKind

F8 = NDArray[np.float64]

BARS = ("open", "high", "low", "close", "volume", "vwap", "trades")
_TRADE = ("trade", int(EventKind.TRADE))


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Microstructure features of the best quotes, row by row.

    Parameters
    ----------
    frame
        Columns bid, ask (prices) and bid_qty, ask_qty (quantities, 0 or more), in time order. An empty side has a NaN
        price or quantity 0.

    Returns
    -------
    DataFrame
        The frame's index; columns mid, spread, micro_price (mid weighted by the other side's quantity), imbalance
        ((bid - ask) / (bid + ask) quantity), and ofi, the order flow between a row and the one before it. NaN where a
        side is empty; ofi is NaN in the first row, and takes an empty side for one at an infinitely bad price.

    Raises
    ------
    InputError
        If a column is missing, holds what is not a number, an infinite price, or a quantity that is negative or not
        finite.

    Notes
    -----
    O(n). `OrderBook.replay` sums ofi over every event between samples; here it is that of the rows given.
    Sources: ofi is e_n of Cont, Kukanov and Stoikov 2014, "The price impact of order book events", section 2.1; the
    micro-price is the weighted mid of Stoikov 2018; imbalance is that of Gould and Bonart 2016.

    Examples
    --------
    >>> import pandas as pd, qflib.accessor
    >>> top = pd.DataFrame({"bid": [99.0, 99.0], "ask": [101.0, 101.0], "bid_qty": [3.0, 5.0], "ask_qty": [1.0, 1.0]})
    >>> top.qf.features()[["mid", "micro_price", "imbalance", "ofi"]].iloc[0].tolist()
    [100.0, 100.5, 0.5, nan]
    >>> top.qf.features()["ofi"].iloc[1]
    np.float64(2.0)
    """
    bid, ask, bid_qty, ask_qty = (_numbers(frame, c) for c in ("bid", "ask", "bid_qty", "ask_qty"))
    for name, price in (("bid", bid), ("ask", ask)):
        _refuse(np.isinf(price), price, name, "a finite price, or NaN where the side is empty")
    for name, qty in (("bid_qty", bid_qty), ("ask_qty", ask_qty)):
        _refuse(~(np.isfinite(qty) & (qty >= 0)), qty, name, "a finite quantity, 0 or more")
    bid, ask = np.where(bid_qty > 0, bid, np.nan), np.where(ask_qty > 0, ask, np.nan)
    bid_qty, ask_qty = np.where(np.isnan(bid), 0.0, bid_qty), np.where(np.isnan(ask), 0.0, ask_qty)
    total = np.where(np.isnan(bid + ask), np.nan, bid_qty + ask_qty)
    return pd.DataFrame(
        {
            "mid": (bid + ask) / 2,
            "spread": ask - bid,
            "micro_price": (bid * ask_qty + ask * bid_qty) / total,
            "imbalance": (bid_qty - ask_qty) / total,
            "ofi": _flow(bid, bid_qty) - _flow(-ask, ask_qty),
        },
        index=frame.index,
    )


def bars(
    frame: pd.DataFrame, every: str | pd.Timedelta | float = "1s", by: Literal["time", "volume"] = "time"
) -> pd.DataFrame:
    """Open, high, low, close, volume and vwap of trades, by time or by volume.

    Parameters
    ----------
    frame
        Trades of one instrument: columns price and qty, index tz-aware and in time order. Where there is a column
        `kind`, as in `Feed.to_frame`, the rows of kind "trade" are taken; where there is a column `symbol`, they must
        have one.
    every
        A duration, such as "1s", by time; the quantity that fills a bar by volume.
    by
        "time": a bar holds trades of [t, t + every), at multiples of `every` since 1970, and a span without trades
        has none. "volume": a bar ends with the trade that brings it to `every` or more; the last may hold less.

    Returns
    -------
    DataFrame
        Index `time` (UTC): the bar's start by time, its last trade by volume. Columns open, high, low, close, volume,
        vwap and trades (their count). No trades: no rows.

    Raises
    ------
    InputError
        If a column is missing, the index has no time zone or falls, a price is not finite, a quantity is not positive,
        there are several symbols, or `every` or `by` is none of the above.

    Notes
    -----
    O(n). A trade is never split between bars.

    Examples
    --------
    >>> import pandas as pd, qflib.accessor
    >>> at = pd.to_datetime(["2026-01-05T14:30:00.2Z", "2026-01-05T14:30:00.9Z", "2026-01-05T14:30:01.5Z"])
    >>> trades = pd.DataFrame({"price": [100.0, 102.0, 101.0], "qty": [1.0, 3.0, 2.0]}, index=at)
    >>> trades.qf.bars("1s")[["open", "close", "volume", "vwap", "trades"]].to_numpy().tolist()
    [[100.0, 102.0, 4.0, 101.5, 2.0], [101.0, 101.0, 2.0, 101.0, 1.0]]
    >>> trades.qf.bars(3, by="volume")["volume"].tolist()
    [4.0, 2.0]
    """
    if by not in ("time", "volume"):
        raise InputError(f"by is {by!r}; expected 'time' or 'volume'")
    period_ns = _period_ns(every) if by == "time" else 0
    size = _size(every) if by == "volume" else 0.0
    time, price, qty = _trades(frame)
    bar = time // period_ns if by == "time" else _filled(qty, size)
    first = np.flatnonzero(np.diff(bar, prepend=bar[:1] - 1))
    end = np.append(first[1:], len(bar)) - 1 if len(first) else first
    if not len(first):
        return pd.DataFrame(columns=list(BARS), index=_index(first), dtype=np.float64).astype({"trades": np.int64})
    volume = np.add.reduceat(qty, first)
    return pd.DataFrame(
        {
            "open": price[first],
            "high": np.maximum.reduceat(price, first),
            "low": np.minimum.reduceat(price, first),
            "close": price[end],
            "volume": volume,
            "vwap": np.add.reduceat(price * qty, first) / volume,
            "trades": end - first + 1,
        },
        index=_index(bar[first] * period_ns if by == "time" else time[end]),
    )


def _flow(rank: F8, qty: F8) -> F8:
    """One side's e_n, prices turned so that higher is better; an empty side's is minus infinity."""
    rank = np.where(np.isnan(rank), -np.inf, rank)
    out = np.full(len(rank), np.nan)
    out[1:] = np.where(rank[1:] >= rank[:-1], qty[1:], 0.0) - np.where(rank[1:] <= rank[:-1], qty[:-1], 0.0)
    return out


def _trades(frame: pd.DataFrame) -> tuple[NDArray[np.int64], F8, F8]:
    rows = frame[frame["kind"].isin(_TRADE)] if "kind" in frame.columns else frame
    names = rows["symbol"].unique().tolist() if "symbol" in rows.columns else []
    if len(names) > 1:
        raise InputError(f"the frame has trades of {names[0]!r} and {names[1]!r}; choose the rows of one symbol")
    price, qty = _numbers(rows, "price"), _numbers(rows, "qty")
    _refuse(~np.isfinite(price), price, "price", "a finite number")
    _refuse(~(np.isfinite(qty) & (qty > 0)), qty, "qty", "a finite quantity above 0")
    if not isinstance(rows.index, pd.DatetimeIndex) or rows.index.tz is None:
        raise InputError("the frame's index has no time zone; use index.tz_localize('UTC')")
    if not rows.index.is_monotonic_increasing:
        raise InputError("the frame's times fall; give trades in time order, as frame.sort_index(kind='stable')")
    return rows.index.tz_convert("UTC").as_unit("ns").asi8, price, qty


def _filled(qty: F8, size: float) -> NDArray[np.int64]:
    """Bar of each trade: a new one begins after the trade that fills the last."""
    out, held, bar = np.zeros(len(qty), np.int64), 0.0, 0
    for i, q in enumerate(qty.tolist()):
        out[i] = bar
        held += q
        if held >= size:
            held, bar = 0.0, bar + 1
    return out


def _numbers(frame: pd.DataFrame, column: str) -> F8:
    if column not in frame.columns:
        raise InputError(f"the frame has no column {column!r}; it has {', '.join(map(str, frame.columns))}")
    try:
        return frame[column].to_numpy(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"column {column!r} holds what is not a number; give floats") from None


def _refuse(bad: NDArray[np.bool_], values: F8, name: str, expected: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"row {row} has {name} {values[row]}; give {expected}")


def _period_ns(every: Any) -> int:
    try:
        ns = int(pd.Timedelta(every).as_unit("ns").value) if isinstance(every, str | pd.Timedelta) else 0
    except ValueError:
        ns = 0
    if ns <= 0:
        raise InputError(f"every is {every!r}; bars by time need a positive duration, as '1s'")
    return ns


def _size(every: Any) -> float:
    if isinstance(every, bool) or not isinstance(every, int | float | np.number) or not 0 < float(every) < np.inf:
        raise InputError(f"every is {every!r}; bars by volume need a positive quantity, as 100")
    return float(every)


def _index(ns: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(ns.astype("M8[ns]"), tz="UTC", name="time")
