"""Order entry: new, cancel and replace, and what becomes of orders; every order and fill is kept as state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qflib.records import (
    PLACES,
    ExecType,
    Liquidity,
    OrderAction,
    OrderOption,
    OrderStatus,
    OrderType,
    Reason,
    TimeInForce,
    TradingStatus,
)
from qflib.steps.exchange.controls import MAX_ORDER_QTY, MAX_POSITION, PRICE_BAND
from qflib.steps.exchange.core import Core, sign
from qflib.steps.exchange.fees import Fees
from qflib.steps.exchange.growing import Rows
from qflib.steps.exchange.terms import Terms
from qflib.steps.exchange.validation import RESTS, Request, TickTable, form, in_band
from qflib.steps.state import State

META = np.dtype(
    [
        ("account", "i8"),
        ("portfolio", "i8"),
        ("book", "i8"),
        ("client_order_id", "i8"),  # the newest, after replacements
        ("time_in_force", "i8"),
        ("hedge_no", "u8"),
        ("request_hash", "u8"),
    ]
)
CLIENT_ID = np.dtype([("account", "i8"), ("client_order_id", "i8"), ("slot", "i8")])
FILLED = np.dtype(
    [("exec_id", "i8"), ("slot", "i8"), ("qty", "i8"), ("price_ticks", "i8"), ("fee", "f8"), ("busted", "i8")]
)
_CLOSED = (TradingStatus.PRE_OPEN, TradingStatus.HALT, TradingStatus.CLOSED)


class Orders:
    """Our orders by slot (order id − 1), their clients' ids, and their fills."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.meta = Rows(META)
        self.filled = Rows(FILLED)
        self.terms = Terms()
        self.fees = Fees(core.config)
        self._by_client: dict[tuple[int, int], int] = {}
        self._ticks = [TickTable(r) for r in core.instruments]

    def enter(self, r: Request) -> bool:
        """Take a request in; whether it was accepted. Its executions are in the log."""
        reason = self._admit(r)
        slot = -1
        if reason == Reason.NONE and r.action != OrderAction.NEW:
            slot = self._find(r)
            if slot < 0:
                reason = Reason.UNKNOWN_ORDER
        if reason == Reason.NONE and r.action != OrderAction.CANCEL:
            reason = self._check(r, slot)
        if reason == Reason.NONE:
            (self._new, self._cancel, self._replace)[r.action - 1](r, slot)
            return True
        self._core.log.add(
            ExecType.REJECTED, r.instrument, self._core.time.now, ord_status=OrderStatus.REJECTED, reason=reason,
            **_asked(r), side=r.side, price_ticks=r.price_ticks, qty=r.qty, orig_client_order_id=r.orig_client_order_id,
        )  # fmt: skip
        return False

    def _admit(self, r: Request) -> Reason:
        """What comes before the order itself: texts, instrument, action, and an id used once."""
        core = self._core
        if not r.account or not r.portfolio or not r.client_order_id or not _is_text(r):
            return Reason.BAD_TEXT
        key = core.texts.id(r.account), core.texts.id(r.client_order_id)
        if key in self._by_client:
            return Reason.DUPLICATE_CLIENT_ORDER_ID
        self._remember(*key, -1)
        if not core.known(r.instrument):
            return Reason.UNKNOWN_INSTRUMENT
        if r.action not in (OrderAction.NEW, OrderAction.CANCEL, OrderAction.REPLACE):
            return Reason.UNSUPPORTED_TYPE
        return Reason.NONE

    def _find(self, r: Request) -> int:
        """Slot of the resting order that a request means; -1: none."""
        texts = self._core.texts
        slot = self._by_client.get((texts.find(r.account), texts.find(r.orig_client_order_id)), -1)
        if slot < 0:
            return -1
        own = self._core.engine.o.own[slot]
        return slot if own["resting"] and own["instrument"] == r.instrument else -1

    def _check(self, r: Request, slot: int) -> Reason:
        """Everything an order must be to come into the book."""
        core, k = self._core, r.instrument
        reason = form(r)
        if reason != Reason.NONE:
            return reason
        if core.status(k) == TradingStatus.EXPIRED:
            return Reason.EXPIRED_INSTRUMENT
        if core.controls.killed(r.portfolio, k):
            return Reason.KILL_SWITCH
        if core.status(k) in _CLOSED:
            return Reason.MARKET_CLOSED
        if r.expire_ns and r.expire_ns <= core.time.now:
            return Reason.BAD_EXPIRY
        if core.time.now - int(core.engine.o.newest[k]) > core.config.stale_ns:
            return Reason.STALE_MARKET
        if r.price_ticks and not self._ticks[k].on_tick(r.price_ticks):
            return Reason.OFF_TICK
        if r.qty > min(core.config.max_order_qty or r.qty, core.controls.tightest(MAX_ORDER_QTY, r.portfolio, k)):
            return Reason.ORDER_SIZE_LIMIT
        if r.price_ticks and not self._in_band(r):
            return Reason.PRICE_BAND
        if slot >= 0:
            own = core.engine.o.own[slot]
            if r.side != own["side"]:
                return Reason.BAD_SIDE
            if r.ord_type != OrderType.LIMIT or r.time_in_force not in RESTS:
                return Reason.UNSUPPORTED_TYPE
            if r.qty <= own["qty"] - own["leaves"]:
                return Reason.BAD_QUANTITY
        if not self._in_position(r, slot):
            return Reason.POSITION_LIMIT
        return Reason.WOULD_TAKE if self._would_take(r, slot) else Reason.NONE

    def _would_take(self, r: Request, slot: int) -> bool:
        """Whether an order that may only rest would trade; one that keeps its place does not."""
        if not r.options & OrderOption.POST_ONLY or (slot >= 0 and self._keeps(r, slot)):
            return False
        return self._core.engine.fillable(r.instrument, r.side, r.price_ticks, r.ord_type, 1) > 0

    def _keeps(self, r: Request, slot: int) -> bool:
        """Whether a replaced order keeps its place."""
        own = self._core.engine.o.own[slot]
        return bool(own["price"] == r.price_ticks and r.qty <= own["qty"])

    def _in_position(self, r: Request, slot: int) -> bool:
        """Whether the portfolio stays in its bound if this order and its resting ones of the side fill.

        An order that brings a position nearer to its bound is taken however far out that is: it must be possible to
        come back. O(resting of the side + positions of the instrument), where there is a bound.
        """
        core, k = self._core, r.instrument
        bound = core.controls.tightest(MAX_POSITION, r.portfolio, k)
        if math.isinf(bound):
            return True
        portfolio, orders = core.texts.find(r.portfolio), core.engine.o.own
        waiting = sum(
            int(orders[s]["leaves"])
            for s in core.engine.queue(2 * k + r.side - 1)
            if s != slot and self.meta.rows[s]["portfolio"] == portfolio
        )
        done = int(orders[slot]["qty"] - orders[slot]["leaves"]) if slot >= 0 else 0
        held = sign(r.side) * core.positions.of_portfolio(portfolio, k)
        return held + waiting + r.qty - done <= bound

    def _in_band(self, r: Request) -> bool:
        core, k = self._core, r.instrument
        band = min(core.config.price_band, core.controls.tightest(PRICE_BAND, r.portfolio, k))
        if math.isinf(band):
            return True
        return in_band(r.price_ticks, *core.engine.top(k), core.engine.last(k), band)

    def _new(self, r: Request, _: int) -> None:
        engine, texts = self._core.engine, self._core.texts
        slot = engine.place(r.instrument, r.side, r.price_ticks, r.qty)
        key = texts.id(r.account), texts.id(r.client_order_id)
        self.meta.add(key[0], texts.id(r.portfolio), r.book, key[1], r.time_in_force, r.hedge_no, r.request_hash)
        self._remember(*key, slot)
        self.terms.set(slot, r.options, r.expire_ns)
        self.tell(slot, ExecType.NEW, OrderStatus.NEW, qty=r.qty, queue_ahead=self._place_of(slot))
        self._execute(slot, r)

    def _execute(self, slot: int, r: Request) -> None:
        """Match what comes in; the rest waits or is cancelled."""
        engine, k = self._core.engine, r.instrument
        if r.time_in_force == TimeInForce.FOK:
            leaves = int(engine.o.own[slot]["leaves"])
            if engine.fillable(k, r.side, r.price_ticks, r.ord_type, leaves) < leaves:
                self.end(slot, ExecType.CANCELLED, Reason.FOK_UNFILLED)
                return
        self.tell_fills(engine.take(slot, r.ord_type))
        if engine.o.own[slot]["leaves"] == 0:
            return
        if r.ord_type == OrderType.MARKET:
            self.end(slot, ExecType.CANCELLED, Reason.NO_LIQUIDITY)
        elif r.time_in_force == TimeInForce.IOC:
            self.end(slot, ExecType.CANCELLED, Reason.IOC_REMAINDER)
        else:
            engine.rest(slot)

    def _cancel(self, r: Request, slot: int) -> None:
        self.end(slot, ExecType.CANCELLED, Reason.REQUESTED, client_order_id=r.client_order_id,
                 orig_client_order_id=r.orig_client_order_id, request_hash=r.request_hash)  # fmt: skip

    def _replace(self, r: Request, slot: int) -> None:
        """Price and total quantity become these; priority stays only where the quantity falls at the same price."""
        engine, texts = self._core.engine, self._core.texts
        own, meta = engine.o.own[slot], self.meta.rows[slot]
        done = int(own["qty"] - own["leaves"])
        keeps = self._keeps(r, slot)
        meta["client_order_id"] = texts.id(r.client_order_id)
        meta["time_in_force"], meta["request_hash"] = r.time_in_force, r.request_hash
        if r.hedge_no:
            meta["hedge_no"] = r.hedge_no
        self._remember(texts.id(r.account), texts.id(r.client_order_id), slot)
        if not keeps:
            engine.withdraw(slot)
        own["price"], own["qty"], own["leaves"] = r.price_ticks, r.qty, r.qty - done
        self.terms.set(slot, r.options, r.expire_ns)
        status = OrderStatus.PARTIALLY_FILLED if done else OrderStatus.REPLACED
        self.tell(slot, ExecType.REPLACED, status, qty=r.qty, orig_client_order_id=r.orig_client_order_id,
                  queue_ahead=self._place_of(slot))  # fmt: skip
        if not keeps:
            self._execute(slot, r)

    def _place_of(self, slot: int) -> int:
        """Venue lots in front of an order, or that will be where it comes to rest; 0 where it does not ask."""
        if not self.terms.has(slot, OrderOption.TELL_QUEUE):
            return 0
        own, engine = self._core.engine.o.own[slot], self._core.engine
        k, side, price = int(own["instrument"]), int(own["side"]), int(own["price"])
        ahead = int(own["ahead"]) if own["resting"] else engine.ahead(k, side, price) if price else 0
        self.terms.tells(slot, ahead)
        return ahead

    def places(self, time_ns: int) -> Any:
        """Where orders stand that ask for it and have another place than was last told (PLACES); None: no such one."""
        core, rows = self._core, []
        for slot in self.terms.asking:
            own = core.engine.o.own[slot]
            if own["resting"] and self.terms.tells(slot, int(own["ahead"])):
                rows.append((slot, int(own["instrument"]), int(own["ahead"]), int(own["leaves"])))
        if not rows:
            return None
        slots, k, ahead, leaves = zip(*rows, strict=True)
        meta = self.meta.rows[list(slots)]
        return PLACES.make(
            instrument=k, order_id=[s + 1 for s in slots], queue_ahead=ahead, leaves_qty=leaves, time_ns=time_ns,
            account=[core.texts[a] for a in meta["account"].tolist()],
            client_order_id=[core.texts[c] for c in meta["client_order_id"].tolist()],
        )  # fmt: skip

    def end(self, slot: int, exec_type: ExecType, reason: Reason, **columns: Any) -> None:
        """An order leaves the book with what is left of it."""
        own = self._core.engine.o.own[slot]
        leaves = int(own["leaves"])
        self._core.engine.withdraw(slot)
        self.terms.forget(slot)
        own["leaves"] = 0
        status = OrderStatus.EXPIRED if exec_type == ExecType.EXPIRED else OrderStatus.CANCELLED
        cum = int(own["qty"]) - leaves
        self.tell(slot, exec_type, status, qty=leaves, cum_qty=cum, leaves_qty=0, reason=reason, **columns)

    def tell(self, slot: int, exec_type: ExecType, status: OrderStatus, **columns: Any) -> int:
        """Write an execution of an order; its id. Columns given stand before those of the order."""
        core = self._core
        own = core.engine.o.own[slot]
        account, portfolio, book, client, _, hedge_no, request_hash = self.meta.rows[slot].tolist()
        k, ticks = int(own["instrument"]), int(own["price"])
        made = {
            "ord_status": status, "side": int(own["side"]), "order_id": slot + 1, "price_ticks": ticks,
            "cum_qty": int(own["qty"] - own["leaves"]), "leaves_qty": int(own["leaves"]), "price": core.price(k, ticks),
            "account": core.texts[account], "portfolio": core.texts[portfolio], "book": book,
            "client_order_id": core.texts[client], "hedge_no": hedge_no, "request_hash": request_hash,
        }  # fmt: skip
        return core.log.add(exec_type, k, core.time.now, **(made | columns))

    def tell_fills(self, fills: list[tuple[int, ...]]) -> None:
        """Both sides of fills, the taker first, and what they do to positions."""
        for maker, taker, venue_id, ticks, qty, maker_leaves, taker_leaves in fills:
            if taker >= 0:
                contra = maker + 1 if maker >= 0 else venue_id
                self._tell_fill(taker, ticks, qty, taker_leaves, contra, Liquidity.TAKER)
            if maker >= 0:
                contra = taker + 1 if taker >= 0 else venue_id
                self._tell_fill(maker, ticks, qty, maker_leaves, contra, Liquidity.MAKER)

    def _tell_fill(self, slot: int, ticks: int, qty: int, leaves: int, contra: int, liquidity: Liquidity) -> None:
        core = self._core
        own, meta = core.engine.o.own[slot], self.meta.rows[slot]
        k, price = int(own["instrument"]), core.price(int(own["instrument"]), ticks)
        fee = self.fees.of(int(meta["account"]), core.contracts(k, qty), liquidity, core.time.now, core.log.last_id + 1)
        status = OrderStatus.PARTIALLY_FILLED if leaves else OrderStatus.FILLED
        exec_id = self.tell(
            slot, ExecType.FILL, status, qty=qty, price_ticks=ticks, price=price, fee=fee, contra_id=contra,
            liquidity=liquidity, leaves_qty=leaves, cum_qty=int(own["qty"]) - leaves,
            queue_ahead=self._place_of(slot) if leaves else 0,
        )  # fmt: skip
        if not leaves:
            self.terms.forget(slot)
        self.filled.add(exec_id, slot, qty, ticks, fee, 0)
        core.positions.apply(
            (int(meta["account"]), int(meta["portfolio"]), int(meta["book"]), k), sign(own["side"]) * qty, price
        )

    def cancel_all(self, portfolio: bytes, instrument: int, reason: Reason) -> None:
        """Cancel resting orders: of a portfolio or all, of an instrument or all (-1)."""
        number = self._core.texts.find(portfolio)
        for slot in self._core.engine.resting(instrument):
            if not portfolio or self.meta.rows[slot]["portfolio"] == number:
                self.end(slot, ExecType.CANCELLED, reason)

    def expire(self, instrument: int, reason: Reason, day_only: bool = False) -> None:
        """Resting orders of an instrument end: all, or those good for the day."""
        for slot in self._core.engine.resting(instrument):
            if not day_only or self.meta.rows[slot]["time_in_force"] == TimeInForce.DAY:
                self.end(slot, ExecType.EXPIRED, reason)

    def reach(self, now_ns: int) -> None:
        """Orders whose time is over end."""
        while (slot := self.terms.due(now_ns)) >= 0:
            self.end(slot, ExecType.EXPIRED, Reason.NONE)

    def _remember(self, account: int, client_order_id: int, slot: int) -> None:
        self._by_client[account, client_order_id] = slot

    def state(self) -> State:
        """Orders, ids and fills."""
        ids = np.array([(*key, slot) for key, slot in self._by_client.items()], CLIENT_ID)
        return {
            "orders.meta": self.meta.rows.copy(),
            "orders.filled": self.filled.rows.copy(),
            "orders.client_ids": ids,
            **self.terms.state(),
            **self.fees.state(),
        }

    def load(self, state: State) -> None:
        """Go on from a state. O(orders + fills)."""
        self.meta.load(state["orders.meta"])
        self.filled.load(state["orders.filled"])
        self.terms.load(state)
        self.fees.load(state)
        self._by_client = {(a, c): s for a, c, s in state["orders.client_ids"].tolist()}


def _asked(r: Request) -> dict[str, Any]:
    return {n: getattr(r, n) for n in ("account", "portfolio", "book", "client_order_id", "hedge_no", "request_hash")}


def _is_text(r: Request) -> bool:
    try:
        return all(t.decode().isprintable() for t in (r.account, r.portfolio, r.client_order_id))
    except UnicodeDecodeError:
        return False
