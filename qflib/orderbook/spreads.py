"""Trades beside quotes: who began them, and the quoted, effective and realised spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.kernels import signed_trades as T
from qflib.orderbook.columns import duration_ns, numbers, signs_of, times_ns, trades_of
from qflib.orderbook.result import Result


@dataclass(frozen=True, eq=False)
class TradeSpreads(Result):
    """What each trade paid beyond the mid, and how much of it the other side kept.

    Attributes
    ----------
    trades
        Index of the trades; columns price, qty, sign (+1 bought, -1 sold, 0 unknown), mid (in force before the trade),
        quoted (spread before it), effective = 2 sign (price - mid), realised = 2 sign (price - mid `delay` later),
        impact = effective - realised. NaN where there is no mid yet, no sign, or the recording ends before the delay is
        over.
    delay
        Of the realised spread.
    """

    trades: pd.DataFrame
    delay: pd.Timedelta

    def to_frame(self) -> pd.DataFrame:
        """Means weighted by quantity, over the trades that have a figure: quoted, effective, realised, impact."""
        columns = ["quoted", "effective", "realised", "impact"]
        values, qty = self.trades[columns], self.trades["qty"]
        weights = values.notna().mul(qty, axis=0)
        made = pd.DataFrame({"mean": values.mul(qty, axis=0).sum() / weights.sum(), "trades": values.notna().sum()})
        return made.rename_axis("spread")

    def plot(self) -> Any:
        """Mean spreads, a bar each."""
        import hvplot.pandas  # noqa: F401

        title = f"Spreads, realised after {self.delay.total_seconds():g} s"
        return self.to_frame().reset_index().hvplot.bar(x="spread", y="mean", width=600, height=320, title=title)


def trade_spreads(
    quotes: pd.DataFrame, trades: pd.DataFrame, delay: str | pd.Timedelta = "5s", *, given: bool = True
) -> TradeSpreads:
    """Sign trades and measure their spreads against quotes.

    Parameters
    ----------
    quotes
        Columns bid and ask (NaN: an empty side), tz-aware index, in time order; as `OrderBook.replay` gives with
        ``sample="event"``.
    trades
        Columns price, qty and, where the venue tells it, side ("buy" or "sell": who began it), in time order; of a
        feed's frame the rows of kind "trade" are taken.
    delay
        From a trade to the mid that the realised spread takes.
    given
        Take the venue's side where there is one; False signs every trade by its price.

    Returns
    -------
    TradeSpreads
        O(quotes + trades).

    Raises
    ------
    InputError
        If a column or an index is none of these.

    Notes
    -----
    Signs: Lee and Ready, "Inferring trade direction from intraday data", Journal of Finance 46 (1991): above the mid
    bought, below it sold, at it the tick rule; against the quote in force before the trade, which stands before quotes
    of its own time. Spreads: Huang and Stoll, "Dealer versus auction markets", Journal of Financial Economics 41
    (1996), section 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import trade_spreads
    >>> at = pd.to_datetime(["2026-01-05T14:30:00Z", "2026-01-05T14:30:02Z"])
    >>> quotes = pd.DataFrame({"bid": [99.0, 100.0], "ask": [101.0, 102.0]}, at)
    >>> trades = pd.DataFrame({"price": [101.0], "qty": [5.0]}, at[:1] + pd.Timedelta("1s"))
    >>> trade_spreads(quotes, trades, "1s").trades[["sign", "effective", "realised", "impact"]].iloc[0].tolist()
    [1.0, 2.0, 0.0, 2.0]
    """
    delay_ns = duration_ns(delay, "delay")
    bid, ask, at = numbers(quotes, "bid"), numbers(quotes, "ask"), times_ns(quotes)
    rows, time, price, qty = trades_of(trades)
    n = len(time)
    told = signs_of(rows) if given else np.zeros(n)
    side = np.where(np.isnan(told), 0.0, told).astype(np.int64)
    # A trade stands before the quotes of its time: it is they that answer it.
    order = np.argsort(np.concatenate([time, at]), kind="stable")
    is_trade = order < len(time)
    sign, mid, later = np.empty(n), np.empty(n), np.full(n, np.nan)
    memory = np.array([np.nan, np.nan, 0.0])
    _, past = T.fold_trades(
        is_trade, np.concatenate([time, at])[order], np.concatenate([price, (bid + ask) / 2])[order],
        np.concatenate([side, np.zeros(len(at), np.int64)])[order], delay_ns,
        memory, np.zeros(2, np.int64), np.empty(max(n, 1), np.int64), sign, mid, later,
    )  # fmt: skip
    if n:
        newest = max(time[-1], at[-1]) if len(at) else time[-1]
        later[past:][time[past:] + delay_ns <= newest] = memory[T.MID]
    before = np.searchsorted(at, time, side="left") - 1
    width = (ask - bid)[np.maximum(before, 0)] if len(at) else np.full(n, np.nan)
    known = np.where(sign == 0, np.nan, sign)
    effective, realised = 2 * known * (price - mid), 2 * known * (price - later)
    columns = {
        "price": price, "qty": qty, "sign": sign, "mid": mid, "quoted": np.where(before >= 0, width, np.nan),
        "effective": effective, "realised": realised, "impact": effective - realised,
    }  # fmt: skip
    return TradeSpreads(pd.DataFrame(columns, index=rows.index), pd.Timedelta(delay_ns, "ns"))
