"""Expiry, exercise, assignment, delivery and variation margin, as executions.

Conventions. Cash is in the settlement currency, positive is received; `qty` is the signed change of the position.

Futures: each SETTLEMENT event of the venue pays (settlement − average price) × multiplier × position on what is held,
as VARIATION_MARGIN (`qty` 0, `cum_qty` the position, `price` the settlement), and the settlement becomes the average
price; P&L of what was traded away since is realised by its fills. At expiry SETTLEMENT pays what has moved since, and
closes.

Options: in the money and settled in cash, SETTLEMENT at the payoff, in coin for inverse ones; physical, EXERCISE or
ASSIGNMENT at 0 and DELIVERY of the underlying at the strike; out of the money, SETTLEMENT at 0.
"""

from __future__ import annotations

import numpy as np

from qflib.records import ExecType, OrderStatus, Reason, TradingStatus
from qflib.steps.exchange.core import Core
from qflib.steps.exchange.orders import Orders
from qflib.steps.exchange.payoff import Payoff, deliverables, delivered_lots, future_gain, option_payoff
from qflib.steps.exchange.positions import Key

NEVER = 2**63 - 1


class Settlement:
    """The life of contracts after their trading."""

    def __init__(self, core: Core, orders: Orders) -> None:
        self._core, self._orders = core, orders
        self._expiry = core.instruments.expiry_ns
        self._delivers = deliverables(core.instruments)
        # Options before futures of the same instant: what they deliver is settled with the rest.
        kinds = np.array([r.kind != "option" for r in core.instruments], np.int64)
        order = np.lexsort((kinds, self._expiry))
        self._by_expiry = order[(self._expiry[order] > 0) & core.own[order]]
        self._expiries = self._expiry[self._by_expiry]

    def due_ns(self) -> int:
        """When something expires next. O(instruments)."""
        live = self._core.expired[self._by_expiry] == 0
        return int(self._expiries[np.argmax(live)]) if live.any() else NEVER

    def reach(self, time_ns: int) -> None:
        """Expire what is due, and settle what has a price."""
        core, due = self._core, self._by_expiry[: np.searchsorted(self._expiries, time_ns, "right")]
        for k in due[(core.expired[due] == 0) | (core.settled[due] == 0)].tolist():
            if not core.expired[k]:
                core.expired[k] = 1
                core.engine.o.changed[k] = 3
                core.engine.o.changed_underlying[core.instruments.underlying_index[k]] = 3
                self._orders.expire(k, Reason.EXPIRED_INSTRUMENT)
            if not core.settled[k]:
                core.settled[k] = self._settle(k, time_ns)

    def told(self, k: int, ticks: int, receipt_ns: int) -> None:
        """The venue told a settlement price: pay variation margin, and settle what waited for it."""
        core = self._core
        core.settle_ticks[k], core.settle_ns[k] = ticks, receipt_ns
        if core.instruments[k].kind == "future" and not core.settled[k]:
            price = core.price(k, ticks)
            for key, qty, average in core.positions.open_in(k):
                self._margin(key, qty, average, price)
        self.reach(core.time.now)

    def status_told(self, k: int) -> None:
        """The venue told a status: day orders end with its day."""
        if self._core.engine.status(k) in (TradingStatus.CLOSED, TradingStatus.EXPIRED):
            self._orders.expire(k, Reason.MARKET_CLOSED, day_only=True)

    def spot(self, k: int, final_only: bool) -> float | None:
        """Settlement price of an instrument: its final one, else its last trade, else its mid."""
        core = self._core
        expiry = int(self._expiry[k]) or core.time.now
        return self._price_of(k, expiry, final_only)

    def _price_of(self, k: int, expiry: int, final_only: bool) -> float | None:
        core = self._core
        if core.settle_ns[k] and core.settle_ns[k] >= expiry - core.config.settlement_window_ns:
            return core.price(k, int(core.settle_ticks[k]))
        if final_only:
            return None
        last = core.engine.last(k)
        if last is not None:
            return core.price(k, last)
        bid, ask = core.engine.top(k)
        return None if bid is None or ask is None else (core.price(k, bid) + core.price(k, ask)) / 2

    def payoff(self, k: int, expiry: int, final_only: bool = False) -> Payoff | None:
        """What an option pays a contract: by its own final settlement, else by its underlying's price."""
        _core, row = self._core, self._core.instruments[k]
        own = self._price_of(k, expiry, final_only=True)
        if own is not None:
            return Payoff(own, own * row.multiplier)
        under = self._delivers[k]
        spot = None if under < 0 else self._price_of(under, expiry, final_only)
        return None if spot is None else option_payoff(row, spot)

    def _settle(self, k: int, time_ns: int) -> bool:
        """Close all positions of an expired instrument; whether a price was there to do it."""
        core, row = self._core, self._core.instruments[k]
        held = core.positions.open_in(k)
        waiting = time_ns < int(self._expiry[k]) + core.config.settlement_wait_ns
        if not held:
            return not waiting
        if row.kind == "option":
            payoff = self.payoff(k, int(self._expiry[k]), final_only=waiting)
            if payoff is None:
                return False
            for key, qty, _ in held:
                self.close_option(key, -qty, payoff, ExecType.SETTLEMENT)
            return True
        price = self._price_of(k, int(self._expiry[k]), final_only=waiting)
        if price is None:
            return False
        for key, qty, average in held:
            self._write(
                ExecType.SETTLEMENT, key, -qty, price, qty * core.contracts(k, 1) * future_gain(row, average, price)
            )
            if row.settlement_type == "physical" and self._delivers[k] >= 0:
                self._deliver(key, qty, price)
        return True

    def close_option(self, key: Key, change: int, payoff: Payoff, cash_type: ExecType) -> None:
        """Close some of an option position at its payoff: against cash, or against delivery."""
        core, k = self._core, key[3]
        row = core.instruments[k]
        held = -change
        physical = row.settlement_type == "physical" and payoff.price > 0 and self._delivers[k] >= 0
        if not physical or not delivered_lots(core.instruments, k, self._delivers[k], held):
            self._write(cash_type, key, change, payoff.price, payoff.cash * core.contracts(k, held))
            return
        self._write(ExecType.EXERCISE if held > 0 else ExecType.ASSIGNMENT, key, change, 0.0, 0.0)
        self._deliver(key, held if row.right == "call" else -held, row.strike)

    def _deliver(self, key: Key, lots: int, price: float) -> None:
        core, under = self._core, self._delivers[key[3]]
        made = delivered_lots(core.instruments, key[3], under, lots)
        if made:
            self._write(ExecType.DELIVERY, (*key[:3], under), made, price, 0.0)

    def _margin(self, key: Key, qty: int, average: float, price: float) -> None:
        core, k = self._core, key[3]
        cash = qty * core.contracts(k, 1) * future_gain(core.instruments[k], average, price)
        core.positions.mark(key, price)
        self._log(ExecType.VARIATION_MARGIN, key, 0, price, cash, qty)

    def _write(self, kind: ExecType, key: Key, change: int, price: float, cash: float) -> None:
        self._core.positions.apply(key, change, price)
        self._log(kind, key, change, price, cash, 0)

    def _log(self, kind: ExecType, key: Key, change: int, price: float, cash: float, cum: int) -> None:
        core = self._core
        account, portfolio, book, k = key
        core.log.add(
            kind, k, core.time.now, ord_status=OrderStatus.FILLED, qty=change, price=price, cash=cash, cum_qty=cum,
            account=core.texts[account], portfolio=core.texts[portfolio], book=book,
        )  # fmt: skip
