"""Peers on the same stream, where installed: ``pip install order-book hftbacktest nanobook sortedcontainers``.

What each holds stands in its name: "totals only" keeps a quantity a price, and is given that quantity ready made; "full
queue" keeps every order's place. Python's loop around a peer's calls is part of its figure, as it is for who uses it.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qflib.cli.benches.orderbook.events import Market

_EVENTS = 50_000
_RUNS = 5
ADD, CANCEL, EXECUTE = 1, 3, 4


def beside(market: Market) -> dict[str, float]:
    """Least nanoseconds an event by peer; one that is not installed is told of on stderr and left out."""
    made = {}
    for module, (name, work) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"qflib: peer {name} is left out: pip install {name.split()[0]}", file=sys.stderr)
            continue
        made[name] = min(work(market) for _ in range(_RUNS))
    return made


def _timed(work: Callable[[], object], events: int = _EVENTS) -> float:
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / events


def _rows(market: Market) -> tuple[list[tuple[int, ...]], int]:
    """The rows that fill and those timed: (kind, side, id, price, quantity, quantity left); where the timed begin."""
    rows: list[tuple[int, ...]] = []
    left: dict[int, int] = {}
    for columns, n in ((market.fill, len(market.fill.kind)), (market.flow, _EVENTS)):
        names = ("kind", "side", "order_id", "price_ticks", "qty")
        for kind, side, oid, price, qty in zip(*(getattr(columns, c)[:n].tolist() for c in names), strict=True):
            left[oid] = qty if kind == ADD else left[oid] - qty
            rows.append((kind, side, oid, price, qty, left[oid]))
    return rows, len(market.fill.kind)


def _totals(market: Market) -> tuple[list[tuple[int, int, int]], int]:
    """(side, price, quantity at it afterwards) of each row."""
    rows, start = _rows(market)
    totals: dict[tuple[int, int], int] = {}
    told = []
    for kind, side, _, price, qty, _ in rows:
        totals[side, price] = totals.get((side, price), 0) + (qty if kind == ADD else -qty)
        told.append((side, price, totals[side, price]))
    return told, start


def _dicts(market: Market, bids: Any, asks: Any) -> float:
    """Quantities by price in two sorted dictionaries."""
    told, start = _totals(market)
    sides: Any = (None, bids, asks)

    def run(rows: list[tuple[int, int, int]]) -> None:
        for side, price, qty in rows:
            if qty:
                sides[side][price] = qty
            else:
                del sides[side][price]

    run(told[:start])
    return _timed(lambda: run(told[start:]))


def _order_book(market: Market) -> float:
    from order_book import OrderBook

    book = OrderBook()
    return _dicts(market, book.bids, book.asks)


def _sortedcontainers(market: Market) -> float:
    from sortedcontainers import SortedDict

    return _dicts(market, SortedDict(), SortedDict())


def _nanobook(market: Market) -> float:
    """Adds as limit orders, whole cancels by its own ids; a part taken off is a modify, which loses the place."""
    import nanobook

    rows, start = _rows(market)
    exchange = nanobook.Exchange()
    ids: dict[int, int] = {}

    def run(some: list[tuple[int, ...]]) -> None:
        for kind, side, oid, price, qty, left in some:
            if kind == ADD:
                ids[oid] = exchange.submit_limit("buy" if side == 1 else "sell", price, qty).order_id
            elif left == 0:
                exchange.cancel(ids.pop(oid))
            else:
                ids[oid] = exchange.modify(ids[oid], price, left).new_order_id

    run(rows[:start])
    return _timed(lambda: run(rows[start:]))


def _hftbacktest(market: Market) -> float:
    """Its L3 backtest run over the rows without a strategy; it keeps the exchange's side and ours."""
    import hftbacktest as hb

    rows, start = _rows(market)
    table = np.array(rows, np.float64).T
    kind, side, _, price, qty, left = table
    ev = np.select([kind == ADD, left == 0], [hb.ADD_ORDER_EVENT, hb.CANCEL_ORDER_EVENT], hb.MODIFY_ORDER_EVENT)
    data = np.zeros(len(rows), hb.event_dtype)
    data["ev"] = ev.astype(np.uint64) | hb.EXCH_EVENT | hb.LOCAL_EVENT
    data["ev"] |= np.where(side == 1, hb.BUY_EVENT, hb.SELL_EVENT).astype(np.uint64)
    data["exch_ts"] = data["local_ts"] = 1_000 * np.arange(1, len(rows) + 1)
    data["px"], data["qty"] = price, np.where(kind == ADD, qty, left)
    data["order_id"] = [r[2] for r in rows]
    asset = (
        hb.BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(0, 0).l3_fifo_queue_model()
        .no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0).tick_size(1.0).lot_size(1.0)
        .roi_lb(0.0).roi_ub(50_000.0)
    )  # fmt: skip
    backtest = hb.ROIVectorMarketDepthBacktest([asset])
    backtest.elapse(1_000 * (start + 1))
    return _timed(lambda: backtest.elapse(1_000 * _EVENTS))


PEERS: dict[str, tuple[str, Callable[[Market], float]]] = {
    "order_book": ("order-book (totals only)", _order_book),
    "sortedcontainers": ("sortedcontainers (totals only)", _sortedcontainers),
    "nanobook": ("nanobook (full queue)", _nanobook),
    "hftbacktest": ("hftbacktest (full queue)", _hftbacktest),
}
