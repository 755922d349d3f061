"""Positions booked, transferred, busted and exercised by hand, each booking id once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from qflib.records import Book, BookingAction, ExecType, OrderStatus, Reason
from qflib.steps.exchange.core import Core, sign
from qflib.steps.exchange.orders import Orders
from qflib.steps.exchange.settlement import Settlement
from qflib.steps.exchange.validation import MAX_LOTS


class Booking(NamedTuple):
    """A row of `Bookings`, in its columns' order."""

    booking_id: bytes
    action: int
    instrument: int
    qty: int
    price: float
    account: bytes
    portfolio: bytes
    book: int
    to_account: bytes
    to_portfolio: bytes
    exec_id: int


class Bookings:
    """Applies bookings."""

    def __init__(self, core: Core, orders: Orders, settlement: Settlement) -> None:
        self._core, self._orders, self._settlement = core, orders, settlement

    def enter(self, r: Booking) -> bool:
        """Apply a booking or refuse it; whether it was applied. Its executions are in the log."""
        if r.action == BookingAction.BUST:
            reason = self._bust(r)
        else:
            reason = self._check(r)
            if reason == Reason.NONE:
                act = {
                    BookingAction.BOOK: self._book,
                    BookingAction.TRANSFER: self._transfer,
                    BookingAction.EXERCISE: self._exercise,
                }[BookingAction(r.action)]
                reason = act(r)
        if reason != Reason.NONE:
            self._log(ExecType.REJECTED, r, ord_status=OrderStatus.REJECTED, reason=reason, qty=r.qty)
        return reason == Reason.NONE

    def _check(self, r: Booking) -> Reason:
        core = self._core
        if r.action not in (BookingAction.BOOK, BookingAction.TRANSFER, BookingAction.EXERCISE):
            return Reason.UNSUPPORTED_TYPE
        if not r.booking_id or not r.account or not r.portfolio:
            return Reason.BAD_TEXT
        if r.action == BookingAction.TRANSFER and not r.to_portfolio:
            return Reason.BAD_TEXT
        if not core.known(r.instrument):
            return Reason.UNKNOWN_INSTRUMENT
        if core.settled[r.instrument]:
            return Reason.EXPIRED_INSTRUMENT
        if r.book not in (Book.CLIENT, Book.HEDGE):
            return Reason.UNSUPPORTED_TYPE
        if r.qty == 0 or abs(r.qty) > MAX_LOTS or (r.action == BookingAction.EXERCISE and r.qty < 0):
            return Reason.BAD_QUANTITY
        told = r.action == BookingAction.BOOK or (r.action == BookingAction.TRANSFER and r.price != 0)
        possible = self._can_be(r.instrument, r.price) if told else math.isfinite(r.price)
        return Reason.NONE if possible else Reason.BAD_PRICE

    def _can_be(self, k: int, price: float) -> bool:
        """Whether a contract can have a price: P&L of an inverse one divides by it, an option costs 0 or more."""
        row = self._core.instruments[k]
        if row.kind == "option":
            return 0 <= price < math.inf
        return math.isfinite(price) and (price > 0 or not row.inverse)

    def _book(self, r: Booking) -> Reason:
        self._core.positions.apply(self._key(r), r.qty, r.price)
        self._log(ExecType.BOOKING, r, qty=r.qty, price=r.price)
        return Reason.NONE

    def _transfer(self, r: Booking) -> Reason:
        """Signed lots leave the portfolio and enter the other at one price: the booking's, or the average price."""
        core = self._core
        source = self._key(r)
        price = r.price or core.positions.get(source)[1]
        if not self._can_be(r.instrument, price):
            return Reason.BAD_PRICE  # flat: there is no average price to move at
        target = core.key(r.to_account or r.account, r.to_portfolio, r.book, r.instrument)
        core.positions.apply(source, -r.qty, price)
        core.positions.apply(target, r.qty, price)
        self._log(ExecType.TRANSFER, r, qty=r.qty, price=price, to_portfolio=r.to_portfolio)
        return Reason.NONE

    def _bust(self, r: Booking) -> Reason:
        """Undo a fill: position, fee and volume go back; the order's quantities and later fees stay as they were.

        Not once the contract has ended: what it settled or delivered would have to be undone too.
        """
        core, fills = self._core, self._orders.filled.rows
        at = int(np.searchsorted(fills["exec_id"], np.int64(min(r.exec_id, 2**62))))
        if at == len(fills) or fills[at]["exec_id"] != r.exec_id or fills[at]["busted"]:
            return Reason.UNKNOWN_EXECUTION
        f = fills[at]
        slot = int(f["slot"])
        own, meta = core.engine.o.own[slot], self._orders.meta.rows[slot]
        k, change = int(own["instrument"]), -sign(own["side"]) * int(f["qty"])
        if core.expired[k] or core.settled[k]:
            return Reason.EXPIRED_INSTRUMENT
        f["busted"] = 1
        price = core.price(k, int(f["price_ticks"]))
        core.positions.apply((int(meta["account"]), int(meta["portfolio"]), int(meta["book"]), k), change, price)
        self._orders.fees.take_back(int(meta["account"]), core.contracts(k, int(f["qty"])), r.exec_id)
        self._orders.tell(
            slot, ExecType.BUST, OrderStatus.FILLED, qty=change, price_ticks=int(f["price_ticks"]), price=price,
            fee=-float(f["fee"]), contra_id=r.exec_id,
        )  # fmt: skip
        return Reason.NONE

    def _exercise(self, r: Booking) -> Reason:
        """Exercise long options as the holder says; the clearing house judges style, the desk books what it told."""
        core = self._core
        key = self._key(r)
        if core.instruments[r.instrument].kind != "option":
            return Reason.UNSUPPORTED_TYPE
        if core.positions.get(key)[0] < r.qty:
            return Reason.BAD_QUANTITY
        payoff = self._settlement.payoff(r.instrument, core.time.now)
        if payoff is None:
            return Reason.NO_LIQUIDITY
        self._settlement.close_option(key, -r.qty, payoff, ExecType.EXERCISE)
        return Reason.NONE

    def _key(self, r: Booking) -> tuple[int, int, int, int]:
        return self._core.key(r.account, r.portfolio, r.book, r.instrument)

    def _log(self, kind: ExecType, r: Booking, **columns: Any) -> None:
        made = {"ord_status": OrderStatus.FILLED, "account": r.account, "portfolio": r.portfolio, "book": r.book}
        made["client_order_id"] = r.booking_id
        self._core.log.add(kind, r.instrument, self._core.time.now, **(made | columns))
