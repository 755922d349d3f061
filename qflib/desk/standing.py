"""Where a desk stands: the figures a live view shows, kept as they come, in bounded memory."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from qflib.desk.hedge_cost import fill_cost, rates_of, value_of_one
from qflib.records import Batch, ExecType, Instruments, Side
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_EXECUTED, RISK_METRICS

TRADES = 8  # hedge fills kept
_DECIDED = 4_096  # hedge orders whose expected price is kept: a fill comes while its order is one of the last
_TOP = ("bid_ticks", "bid_qty", "ask_ticks", "ask_qty", "last_ticks", "last_qty")


@dataclass(slots=True)
class HedgeFill:
    """A fill of a hedge order; `qty` in signed lots, `cost` against the mid at its decision, NaN until that is told."""

    time_ns: int
    instrument: int
    qty: int
    price_ticks: int
    fee: float
    cost: float = float("nan")


class Standing:
    """Tops, the latest risk report, hedges so far.

    Parameters
    ----------
    instruments
        The instrument table.
    portfolio
        The desk's own, whose reports are shown.
    trades
        Hedge fills kept.
    """

    def __init__(self, instruments: Instruments, portfolio: str, trades: int = TRADES) -> None:
        self.instruments, self.portfolio = instruments, portfolio
        self.latest: dict[str, Any] = {}
        self.tops = np.zeros((len(instruments), len(_TOP)), np.int64)  # columns of `_TOP`
        self.topped = np.zeros(len(instruments), np.bool_)  # instruments with a row in `tops`
        self.dead_letters = 0
        self.hedge_orders = self.hedge_fills = self.hedge_rejects = 0
        self.expected_cost = 0.0  # of the orders decided on
        self.realised_cost = 0.0  # of what was filled: the expected share, and what was paid beyond
        self.trades: deque[HedgeFill] = deque(maxlen=trades)
        self._decided: dict[tuple[int, int], tuple[int, float, float]] = {}
        self._fx: dict[int, float] = {}  # by instrument, as reported last
        self._early: dict[tuple[int, int], list[HedgeFill]] = {}  # fills told before their order's decision

    def take(self, batch: Batch) -> None:
        """Note one batch."""
        if batch.topic == ORDERS_EXECUTED:
            self.take_executions(batch.executions)
        elif batch.topic == RISK_METRICS:
            self.take_hedges(batch.hedges, batch.positions)
            if batch.key == self.portfolio:
                self.latest["risk"] = batch
        elif batch.topic == ANALYTICS_RESULTS:
            self.take_tops(batch.tops)
        elif batch.kind == "dead":
            self.dead_letters += batch.count
        elif batch.kind == "order":
            self.hedge_orders += int((batch.orders.hedge_no > 0).sum())

    def take_tops(self, tops: Any) -> None:
        """Tops that changed."""
        if len(tops.instrument):
            self.tops[tops.instrument] = np.stack([getattr(tops, c) for c in _TOP], axis=1)
            self.topped[tops.instrument] = True

    def take_executions(self, x: Any) -> None:
        """Executions; of hedge orders the fills and refusals count."""
        self.hedge_rejects += int(((x.exec_type == ExecType.REJECTED) & (x.hedge_no > 0)).sum())
        for k in np.flatnonzero((x.exec_type == ExecType.FILL) & (x.hedge_no > 0)).tolist():
            i, lots, ticks = int(x.instrument[k]), int(x.qty[k]), int(x.price_ticks[k])
            self.hedge_fills += 1
            signed = lots if x.side[k] == Side.BID else -lots
            fill = HedgeFill(int(x.time_ns[k]), i, signed, ticks, float(x.fee[k]))
            self.trades.append(fill)
            self._pay((i, int(x.hedge_no[k])), fill)

    def take_hedges(self, h: Any, positions: Any = None) -> None:
        """Hedge decisions; an order still alive is told again without a price. Positions tell the rates of exchange."""
        if positions is not None:
            self._fx |= rates_of(positions)
        for k in np.flatnonzero(h.price > 0).tolist():
            self.expected_cost += float(h.cost[k])
            order = int(h.instrument[k]), int(h.hedge_no[k])
            self._decided[order] = int(h.qty[k]), float(h.price[k]), float(h.cost[k])
            for fill in self._early.pop(order, ()):
                self._pay(order, fill)
        for kept in (self._decided, self._early):
            while len(kept) > _DECIDED:
                del kept[next(iter(kept))]

    def _pay(self, order: tuple[int, int], fill: HedgeFill) -> None:
        """The expected cost knows the mid; what was paid beyond the expected price comes on top."""
        if (decided := self._decided.get(order)) is None:
            self._early.setdefault(order, []).append(fill)
            return
        qty, expected, cost = decided
        if qty:
            table, i, lots = self.instruments, fill.instrument, abs(fill.qty)
            one = value_of_one(table[i], self._fx.get(i, 1.0), expected) * table.to_qty(i, lots)
            fill.cost = fill_cost(qty, expected, cost, lots, table.to_price(i, fill.price_ticks), one)
            self.realised_cost += fill.cost

    def copy(self) -> Standing:
        """As it stands now; what comes later does not change it."""
        made = copy.copy(self)
        made.latest, made.tops, made.topped = dict(self.latest), self.tops.copy(), self.topped.copy()
        made.trades = self.trades.copy()
        made._decided, made._early = {}, {}
        return made
