"""Features of successive quotes, and bars of trades, from plain frames."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels import level_flow
from qflib.kernels import trade_bars as T
from qflib.orderbook.columns import F8, duration_ns, positive, quotes_of, signs_of, trades_of, utc
from qflib.orderbook.stoikov import MicroPrice


def features(frame: pd.DataFrame, micro_price: MicroPrice | None = None) -> pd.DataFrame:
    """Microstructure features of the best quotes, row by row.

    Parameters
    ----------
    frame
        Columns bid, ask (prices) and bid_qty, ask_qty (quantities, 0 or more), in time order. An empty side has a NaN
        price or quantity 0.
    micro_price
        A fitted `MicroPrice`; without one, the micro-price is the weighted mid, which it starts from.

    Returns
    -------
    DataFrame
        The frame's index; columns mid, spread, weighted_mid (by the other side's quantity), micro_price, imbalance
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
    micro-price is that of Stoikov 2018; imbalance is that of Gould and Bonart 2016.

    Examples
    --------
    >>> import pandas as pd, qflib.accessor
    >>> top = pd.DataFrame({"bid": [99.0, 99.0], "ask": [101.0, 101.0], "bid_qty": [3.0, 5.0], "ask_qty": [1.0, 1.0]})
    >>> top.qf.features()[["mid", "micro_price", "imbalance", "ofi"]].iloc[0].tolist()
    [100.0, 100.5, 0.5, nan]
    >>> top.qf.features()["ofi"].iloc[1]
    np.float64(2.0)
    """
    bid, ask, bid_qty, ask_qty = quotes_of(frame)
    total = np.where(np.isnan(bid + ask), np.nan, bid_qty + ask_qty)
    weighted = (bid * ask_qty + ask * bid_qty) / total
    flow = np.empty((len(bid), 1))
    level_flow.fold_level_flow(
        bid[:, None], bid_qty[:, None], ask[:, None], ask_qty[:, None], np.full((4, 1), np.nan), flow
    )
    return pd.DataFrame(
        {
            "mid": (bid + ask) / 2,
            "spread": ask - bid,
            "weighted_mid": weighted,
            "micro_price": weighted if micro_price is None else micro_price.apply(frame).to_numpy(),
            "imbalance": (bid_qty - ask_qty) / total,
            "ofi": flow[:, 0],
        },
        index=frame.index,
    )


def bars(
    frame: pd.DataFrame, every: str | pd.Timedelta | float = "1s", by: Literal["time", "volume"] = "time"
) -> pd.DataFrame:
    """Open, high, low, close, volume, average prices and realised variance of trades, by time or by volume.

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
        vwap, twap (a price holds until the next trade: by time to the bar's end, by volume from the bar before),
        trades (their count), signed_volume (bought less sold, where a column `side` tells who began; else NaN),
        realised_variance and bipower_variation (of log returns from trade to trade; one belongs
        to the bar it ends in, so that bars add up; NaN at a price not above 0). No trades: no rows.

    Raises
    ------
    InputError
        If a column is missing, the index has no time zone or falls, a price is not finite, a quantity is not positive,
        there are several symbols, or `every` or `by` is none of the above.

    Notes
    -----
    O(n), in order: a bar does not depend on the trades after it. A trade is never split between bars. Sources:
    Andersen, Bollerslev, Diebold and Labys 2003; Barndorff-Nielsen and Shephard 2004.

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
    period_ns = duration_ns(every, "every", "bars by time need") if by == "time" else 0
    size = positive(every, "every", "bars by volume need a positive quantity, as 100") if by == "volume" else 0.0
    rows, time, price, qty = trades_of(frame)
    sign = signs_of(rows)
    memory, places = np.zeros(T.N_MEMORY), np.zeros(T.N_SPAN, np.int64)
    made, spans = np.empty((len(time) + 1, T.N_BAR)), np.empty((len(time) + 1, T.N_SPAN), np.int64)
    n = T.fold_bars(time, price, qty, sign, period_ns, size, memory, places, made, spans)
    if places[T.TRADES] > 0:
        T.close_bar(period_ns, memory, places, made, spans, n)
        n += 1
    return _to_frame(made[:n], spans[:n], period_ns)


def _to_frame(made: F8, spans: Any, period_ns: int) -> pd.DataFrame:
    span, close = made[:, T.SPAN], made[:, T.CLOSE]
    columns = {
        "open": made[:, T.OPEN],
        "high": made[:, T.HIGH],
        "low": made[:, T.LOW],
        "close": close,
        "volume": made[:, T.VOLUME],
        "vwap": made[:, T.TURNOVER] / made[:, T.VOLUME],
        "twap": np.divide(made[:, T.AREA], span, out=close.copy(), where=span > 0),
        "trades": spans[:, T.TRADES],
        "signed_volume": made[:, T.SIGNED],
        "realised_variance": made[:, T.VARIANCE],
        "bipower_variation": made[:, T.BIPOWER],
    }
    return pd.DataFrame(columns, index=utc(spans[:, T.BAR] * period_ns if period_ns else spans[:, T.LAST_NS]))
