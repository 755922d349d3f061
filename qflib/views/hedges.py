"""The hedger's orders and fills with what they cost: orders, fills and cost of the same decisions."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qflib.desk.hedge_cost import fill_cost, rates_of, value_of_one
from qflib.desk.standing import HedgeFill
from qflib.records import ExecType, Instruments, Side

_FILLS = 2_000  # kept to be shown
_ORDERS = 200_000  # whose decision is remembered
_Decision = tuple[int, float, float]  # signed lots, expected price, expected cost


@dataclass(slots=True)
class _Order:
    """What was told of one hedge order, in whichever order it was read."""

    decided: _Decision | None = None
    since_ns: int = 0
    orders: int = 0
    rejects: int = 0
    fills: list[HedgeFill] = field(default_factory=list)  # until the decision is known


class HedgeLedger:
    """What the hedger did for a portfolio; hedge orders are numbered a portfolio and instrument.

    Three topics tell of a hedge order: the decision, the order itself, its executions; they are read side by side, and
    each from its own beginning. Only orders whose decision was read are counted, so that orders, fills, rejects and
    cost are of one span: the one since `since_ns`.

    Parameters
    ----------
    instruments
        The instrument table.
    portfolio
        Whose; rows of others are passed over.
    kept
        How many orders are remembered; of older ones the figures stay in the sums.

    Attributes
    ----------
    trades
        The last fills, oldest first; one whose decision was not read costs NaN.
    orders, fills, rejects, cost
        Of the orders whose decision was read; cost against the mid, in reporting currency.
    since_ns
        Market time of the first of them; 0: there is none.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> HedgeLedger(Instruments()).cost
    0.0
    """

    def __init__(self, instruments: Instruments, portfolio: str = "", kept: int = _ORDERS) -> None:
        self.instruments, self._kept, self._mine = instruments, kept, portfolio.encode()
        self.trades: deque[HedgeFill] = deque(maxlen=_FILLS)
        self.orders = self.fills = self.rejects = self.since_ns = 0
        self.cost = 0.0
        self._of: dict[tuple[int, int], _Order] = {}
        self._fx: dict[int, float] = {}
        self._fees: dict[int, float] = {}  # settlement currency, by instrument

    @property
    def fees(self) -> float:
        """Fees of the fills that are counted, reporting currency at the rates of now; NaN where one is not known."""
        return math.fsum(fee * self._fx.get(i, math.nan) for i, fee in self._fees.items() if fee)

    def take_orders(self, o: Any) -> None:
        """Orders; O(rows)."""
        for k in np.flatnonzero((o.hedge_no > 0) & (o.portfolio == self._mine)).tolist():
            made = self._order(int(o.instrument[k]), int(o.hedge_no[k]), int(o.sent_ns[k]))
            made.orders += 1
            self._count(made, orders=1)

    def take_executions(self, x: Any) -> None:
        """Executions, of which fills and refusals count; O(rows)."""
        mine = (x.hedge_no > 0) & (x.portfolio == self._mine)
        for k in np.flatnonzero(mine & (x.exec_type == ExecType.REJECTED)).tolist():
            made = self._order(int(x.instrument[k]), int(x.hedge_no[k]), int(x.time_ns[k]))
            made.rejects += 1
            self._count(made, rejects=1)
        for k in np.flatnonzero(mine & (x.exec_type == ExecType.FILL)).tolist():
            i, lots, at = int(x.instrument[k]), int(x.qty[k]), int(x.time_ns[k])
            made = self._order(i, int(x.hedge_no[k]), at)
            fill = HedgeFill(at, i, lots if x.side[k] == Side.BID else -lots, int(x.price_ticks[k]), float(x.fee[k]))
            self.trades.append(fill)
            if made.decided is None:
                made.fills.append(fill)
            else:
                self._pay(made.decided, fill)
                self._count(made, fills=1)

    def take_hedges(self, h: Any, positions: Any = None) -> None:
        """Decisions, of which the first of an order counts; positions tell the rates of exchange. O(rows)."""
        if positions is not None:
            self._fx |= rates_of(positions)
        for k in np.flatnonzero((h.price > 0) & (h.hedge_no > 0) & (h.portfolio == self._mine)).tolist():
            made = self._order(int(h.instrument[k]), int(h.hedge_no[k]), 0)
            if made.decided is not None:
                continue
            made.decided = int(h.qty[k]), float(h.price[k]), float(h.cost[k])
            for fill in made.fills:
                self._pay(made.decided, fill)
            self._count(made, made.orders, len(made.fills), made.rejects)
            made.fills = []

    def _order(self, instrument: int, hedge_no: int, at_ns: int) -> _Order:
        key = instrument, hedge_no
        if (there := self._of.get(key)) is None:
            there = self._of[key] = _Order()
            if len(self._of) > self._kept:
                del self._of[next(iter(self._of))]
        if at_ns:
            there.since_ns = min(there.since_ns or at_ns, at_ns)
        return there

    def _count(self, of: _Order, orders: int = 0, fills: int = 0, rejects: int = 0) -> None:
        if of.decided is not None:
            self.orders, self.fills, self.rejects = self.orders + orders, self.fills + fills, self.rejects + rejects
            if of.since_ns:
                self.since_ns = min(self.since_ns or of.since_ns, of.since_ns)

    def _pay(self, decided: _Decision, fill: HedgeFill) -> None:
        i, lots = fill.instrument, abs(fill.qty)
        self._fees[i] = self._fees.get(i, 0.0) + fill.fee
        if decided[0] and 0 <= i < len(self.instruments):
            one = value_of_one(self.instruments[i], self._fx.get(i, 1.0), decided[1]) * self.instruments.to_qty(i, lots)
            price = self.instruments.to_price(i, fill.price_ticks)
            fill.cost = fill_cost(*decided, lots, price, one)
            self.cost += fill.cost
