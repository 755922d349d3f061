"""Levels and orders of a book as frames: prices in quote currency, quantities in units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qflib.kernels import book_content as content
from qflib.orderbook.books import Books
from qflib.records import Instruments


def depth_frame(books: Books, instruments: Instruments, row: int, n: int) -> pd.DataFrame:
    """The best `n` levels a side of the first book, bids first, by the units of a row of the table. O(n)."""
    side, level, ticks, lots, orders = content.depth_of(books.state, 0, n)
    frame = pd.DataFrame(
        {
            "side": np.where(side == 1, "bid", "ask"),
            "level": level.astype(np.int64),
            "price": instruments.to_price(row, ticks),
            "qty": instruments.to_qty(row, lots),
            "orders": orders,
        }
    )
    frame["cumulative"] = frame.groupby("side")["qty"].cumsum()
    return frame


def orders_frame(books: Books, instruments: Instruments, row: int) -> pd.DataFrame:
    """All orders of the first book, each price by its queue, with the quantity ahead. O(orders)."""
    held, rows = books.levels_of(0), books.orders_of(0)
    lots = rows["qty"]
    ends = np.cumsum(held["orders"])
    total = np.concatenate([[0], np.cumsum(lots)])
    told_first = held["qty"] - (total[ends] - total[ends - held["orders"]])  # without orders, before them all
    level = np.repeat(np.arange(len(ends)), held["orders"])
    ahead = total[:-1] - total[(ends - held["orders"])[level]] + told_first[level]
    return pd.DataFrame(
        {
            "side": np.where(rows["side"] == 1, "bid", "ask"),
            "price": instruments.to_price(row, rows["price_ticks"]),
            "order_id": rows["order_id"],
            "qty": instruments.to_qty(row, lots),
            "ahead": instruments.to_qty(row, ahead),
        }
    )
