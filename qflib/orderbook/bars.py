"""Features of successive quotes, and bars of trades, from plain frames."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels import level_flow
from qflib.kernels import trade_bars as T
from qflib.orderbook.book_bars import measures_of_bars
from qflib.orderbook.columns import F8, duration_ns, positive, quotes_of, signs_of, trades_of, utc
from qflib.orderbook.spreads import trade_spreads
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
        side is empty; ofi is NaN in the first row, and takes an empty side for one at an infinitely bad price. Shown by
        ``.qf.plot_book()``.

    Raises
    ------
    InputError
        If a column is missing, holds what is not a number, an infinite price, or a quantity that is negative or not
        finite.

    Notes
    -----
    O(n). `OrderBook.replay` sums ofi over every event between samples; here it is that of the rows given.
    Sources: ofi is e_n of Cont, Kukanov and Stoikov, "The price impact of order book events", Journal of Financial
    Econometrics 12 (2014), section 2.1. Weighted mid: Gatheral and Oomen, "Zero-intelligence realized variance
    estimation", Finance and Stochastics 14 (2010), who call it the micro-price; with I = bid / (bid + ask) quantity it
    is I ask + (1 - I) bid, the weighted mid that Stoikov compares with. Micro-price: Stoikov, "The micro-price: a
    high-frequency estimator of future prices", Quantitative Finance 18(12) (2018), the limit of the expected mids after
    its next moves. Imbalance: the queue imbalance of Gould and Bonart, "Queue imbalance as a one-tick-ahead price
    predictor in a limit order book", Market Microstructure and Liquidity 2 (2016).

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
    frame: pd.DataFrame,
    every: str | pd.Timedelta | float = "1s",
    by: Literal["time", "volume"] = "time",
    quotes: pd.DataFrame | None = None,
    *,
    delay: str | pd.Timedelta = "5s",
    micro_price: MicroPrice | None = None,
) -> pd.DataFrame:
    """Open, high, low, close, volume, average prices and realised variance of trades, by time or by volume.

    With quotes, the book's measures and the trades' spreads in each bar too.

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
    quotes
        Columns bid, ask, bid_qty, ask_qty, in time order, tz-aware: as `OrderBook.replay` gives, with
        ``sample="event"`` exactly.
    delay
        Of the realised spread, as in `trade_spreads`.
    micro_price
        As in `features`.

    Returns
    -------
    DataFrame
        Index `time` (UTC): the bar's start by time, its last trade by volume. Columns open, high, low, close, volume,
        vwap, twap (a price holds until the next trade: by time to the bar's end, by volume from the bar before),
        trades (their count), signed_volume (bought less sold, where a column `side` tells who began; else NaN),
        realised_variance and bipower_variation (of log returns from trade to trade; one belongs
        to the bar it ends in, so that bars add up; NaN at a price not above 0). No trades: no rows. Shown by
        ``.qf.plot_book()``.

        With quotes, also mid, spread, weighted_mid, micro_price, imbalance: of the newest quote of the bar's time,
        which by volume ends with its last trade's instant; ofi, and ofi_0, ofi_1, ... where quotes have depth: flows
        summed since the bar before, so that bars add up; quoted, effective, realised, impact: `trade_spreads`, means of
        the bar's trades weighted by quantity. Imbalance (over n levels) and ofi are the quotes' own where they have
        these columns. Trades that no side tells are then signed by Lee and Ready's rule.

    Raises
    ------
    InputError
        If a column is missing, the index has no time zone or falls, a price is not finite, a quantity is not positive,
        there are several symbols, or `every`, `by` or `delay` is none of the above.

    Notes
    -----
    O(trades + quotes x columns), in order: a bar does not depend on what comes after it (realised and impact: after its
    delay). A trade is never split between bars. Sources: vwap: Berkowitz, Logue and Noser, "The total cost of
    transactions on the NYSE", Journal of Finance 43 (1988); twap, the mean price over time, is what the constant rate
    of trading of Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3(2) (2000), pays.
    Realised variance, the sum of squared returns: Andersen, Bollerslev, Diebold and Labys, "Modeling and forecasting
    realized volatility", Econometrica 71 (2003). Bipower variation: Barndorff-Nielsen and Shephard, "Power and bipower
    variation with stochastic volatility and jumps", Journal of Financial Econometrics 2 (2004), theirs of r = s = 1
    divided by mu_1^2 = 2 / pi: pi / 2 times the sum of |r_i| |r_i-1|. Measures of quotes: as `features`,
    `multi_level_ofi`, `trade_spreads`.

    Examples
    --------
    >>> import pandas as pd, qflib.accessor
    >>> at = pd.to_datetime(["2026-01-05T14:30:00.2Z", "2026-01-05T14:30:00.9Z", "2026-01-05T14:30:01.5Z"])
    >>> trades = pd.DataFrame({"price": [100.0, 102.0, 101.0], "qty": [1.0, 3.0, 2.0]}, index=at)
    >>> trades.qf.bars("1s")[["open", "close", "volume", "vwap", "trades"]].to_numpy().tolist()
    [[100.0, 102.0, 4.0, 101.5, 2.0], [101.0, 101.0, 2.0, 101.0, 1.0]]
    >>> trades.qf.bars(3, by="volume")["volume"].tolist()
    [4.0, 2.0]
    >>> quotes = pd.DataFrame({"bid": [99.0, 100.0], "ask": [101.0, 102.0], "bid_qty": 5.0, "ask_qty": 5.0}, at[[0, 2]])
    >>> quotes.index -= pd.Timedelta("100ms")
    >>> trades.qf.bars(3, by="volume", quotes=quotes)[["mid", "ofi", "effective"]].to_numpy().tolist()
    [[100.0, 0.0, 4.0], [101.0, 10.0, 0.0]]
    """
    if by not in ("time", "volume"):
        raise InputError(f"by is {by!r}; expected 'time' or 'volume'")
    period_ns = duration_ns(every, "every", "bars by time need") if by == "time" else 0
    size = positive(every, "every", "bars by volume need a positive quantity, as 100") if by == "volume" else 0.0
    rows, time, price, qty = trades_of(frame)
    told = None if quotes is None else trade_spreads(quotes, frame, delay)
    sign = signs_of(rows) if told is None else np.ascontiguousarray(told.trades["sign"].to_numpy(np.float64))
    memory, places = np.zeros(T.N_MEMORY), np.zeros(T.N_SPAN, np.int64)
    made, spans = np.empty((len(time) + 1, T.N_BAR)), np.empty((len(time) + 1, T.N_SPAN), np.int64)
    n = T.fold_bars(time, price, qty, sign, period_ns, size, memory, places, made, spans)
    if places[T.TRADES] > 0:
        T.close_bar(period_ns, memory, places, made, spans, n)
        n += 1
    made, spans = made[:n], spans[:n]
    table = _to_frame(made, spans, period_ns)
    if quotes is not None and told is not None:
        last_ns = (spans[:, T.BAR] + 1) * period_ns - 1 if period_ns else spans[:, T.LAST_NS]
        of_book = measures_of_bars(quotes, features(quotes, micro_price), told, last_ns, spans[:, T.TRADES])
        table = table.assign(**of_book)
    table.attrs["by"] = by
    return table


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
