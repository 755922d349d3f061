"""Quotes beside bars of trades: the book at a bar's end, its flows, and what its trades paid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qflib.kernels import book_bars as K
from qflib.orderbook.columns import F8, I8, numbers, times_ns
from qflib.orderbook.order_flow import multi_level_ofi
from qflib.orderbook.spreads import TradeSpreads

STATES = ("mid", "spread", "weighted_mid", "micro_price", "imbalance")
SPREADS = ("quoted", "effective", "realised", "impact")


def measures_of_bars(
    quotes: pd.DataFrame, features: pd.DataFrame, told: TradeSpreads, ends_ns: I8, trades: I8
) -> dict[str, F8]:
    """Columns of the bars.

    Parameters
    ----------
    quotes, features
        In time order, and their features row by row.
    told
        The bars' trades, signed, with their spreads.
    ends_ns, trades
        (bars,) the last instant of each, and how many trades it holds.
    """
    own = {name: numbers(quotes, name) for name in ("imbalance", "ofi") if name in quotes.columns}
    state = np.column_stack([own.get(name, features[name].to_numpy(np.float64)) for name in STATES])
    flows = {"ofi": own.get("ofi", features["ofi"].to_numpy(np.float64))}
    if "bid_qty_0" in quotes.columns:
        flows |= {str(name): column.to_numpy() for name, column in multi_level_ofi(quotes).items()}
    at, bars = times_ns(quotes), len(ends_ns)
    order = np.argsort(np.concatenate([at, ends_ns]), kind="stable")  # a quote of the last instant is in the bar
    made, summed = np.empty((bars, len(STATES))), np.empty((bars, len(flows)))
    K.fold_book_at_ends(
        order >= len(at), _in_order(state, bars, order), _in_order(np.column_stack(list(flows.values())), bars, order),
        np.full(len(STATES), np.nan), np.full(len(flows), np.nan), made, summed,
    )  # fmt: skip
    paid, closes = np.ascontiguousarray(told.trades[list(SPREADS)].to_numpy(np.float64)), np.zeros(trades.sum(), bool)
    closes[np.cumsum(trades) - 1] = True
    means = np.empty((bars, len(SPREADS)))
    qty = np.ascontiguousarray(told.trades["qty"].to_numpy(np.float64))
    K.fold_bar_means(paid, qty, closes, np.zeros((2, len(SPREADS))), means)
    columns = dict(zip(STATES, made.T, strict=True)) | dict(zip(flows, summed.T, strict=True))
    return columns | dict(zip(SPREADS, means.T, strict=True))


def _in_order(table: F8, ends: int, order: I8) -> F8:
    return np.ascontiguousarray(np.concatenate([table, np.zeros((ends, table.shape[1]))])[order])
