"""The slow plain twin of the matching engine: lists and dictionaries, every rule written down once, nothing clever.

Commands are dictionaries with the columns' names. Events are (kind, side, reason, marks, instrument, order id, contra
id, price, qty, leaves, contra leaves). Queues are lists by place, side and price.
"""

from __future__ import annotations

from qflib.kernels.engine_codes import (
    ACCEPTED,
    AT_CLOSE,
    AT_MARKET,
    AT_OPEN,
    AUCTION_REMAINDER,
    BAD_ACCOUNT,
    BAD_EXPIRY,
    BAD_PRICE,
    BAD_QUANTITY,
    BAD_SIDE,
    CANCEL,
    CANCELLED,
    CLOCK,
    CLOSED,
    CLOSING,
    COLLAR,
    CONTINUOUS,
    DAY,
    DUPLICATE_ID,
    EXPIRED,
    FOK,
    FOK_UNFILLED,
    GTC,
    GTD,
    HALT,
    HIDDEN,
    IOC,
    IOC_REMAINDER,
    KEEP,
    KILL,
    KILL_SWITCH,
    LIMIT,
    LOST_PRIORITY,
    MARKET,
    MARKET_CLOSED,
    MASS_CANCEL,
    MAX_ACCOUNTS,
    MAX_LOTS,
    MAX_TICKS,
    NEW,
    NO_LIQUIDITY,
    NO_REASON,
    ORDER_SIZE_LIMIT,
    POST_ONLY,
    PRE_OPEN,
    PRICE_BAND,
    REJECTED,
    REPLACE,
    REPLACED,
    REQUESTED,
    SESSION,
    SESSION_CHANGED,
    SLIDE,
    STOP,
    STOP_LIMIT,
    STP_DECREMENT,
    TRIGGERED,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
    UNSUPPORTED_TYPE,
    WOULD_TAKE,
)
from tests.reference.plain_matching import ALL, DARK, PARKED, SHOWN, STOPS, Matching, Order


class PlainEngine(Matching):
    """Commands, one at a time."""

    def do(self, c):
        self.now = max(self.now, c["time_ns"])
        due = [o for book in self.orders for o in book.values() if o.tif == GTD and o.expire_ns <= self.now]
        for o in sorted(due, key=lambda o: (o.expire_ns, o.k, o.id)):
            self.end(o, EXPIRED, NO_REASON)
        self.traded_at = []
        if c["account"] >= MAX_ACCOUNTS:
            self.reject(c, BAD_ACCOUNT)
            return
        what = {
            NEW: self.new, CANCEL: self.cancel, REPLACE: self.replace, MASS_CANCEL: self.mass_cancel,
            KILL: self.kill, SESSION: self.change_session, CLOCK: lambda c: None,
        }  # fmt: skip
        what.get(c["action"], lambda c: self.reject(c, UNSUPPORTED_TYPE))(c)

    def reject(self, c, reason):
        price = 0 if c["price_ticks"] == KEEP else c["price_ticks"]
        self.tell(REJECTED, c["side"], reason, 0, c["instrument"], c["order_id"], 0, price, c["qty"], 0, 0)

    def new(self, c):
        price, reason = c["price_ticks"], self.misshapen(c)
        if c["instrument"] >= self.n:
            reason = UNKNOWN_INSTRUMENT
        if not reason:
            price, reason = self.refusal(c)
        if reason:
            self.reject(c, reason)
            return
        k = c["instrument"]
        if c["ord_type"] in (MARKET, STOP):
            price = AT_MARKET if c["side"] == 1 else -AT_MARKET
        o = Order(
            id=c["order_id"], k=k, side=c["side"], price=price, leaves=c["qty"], account=c["account"],
            options=c["options"], stp=c["self_trade"], type=c["ord_type"], tif=c["time_in_force"],
            display=c["display_qty"], expire_ns=c["expire_ns"],
        )  # fmt: skip
        self.tell(ACCEPTED, o.side, NO_REASON, 0, k, o.id, 0, price, o.leaves, o.leaves, 0)
        if o.type in (STOP, STOP_LIMIT):
            self.arm(o, c["stop_ticks"])
        else:
            self.place_or_match(o)
        self.trigger(k)

    def misshapen(self, c):
        kind, tif, options = c["ord_type"], c["time_in_force"], c["options"]
        if kind not in (MARKET, LIMIT, STOP, STOP_LIMIT) or tif not in (DAY, GTC, AT_OPEN, IOC, FOK, GTD, AT_CLOSE):
            return UNSUPPORTED_TYPE
        if options > 7 or c["self_trade"] > STP_DECREMENT or (options & SLIDE and not options & POST_ONLY):
            return UNSUPPORTED_TYPE
        if options & POST_ONLY and (kind != LIMIT or tif not in (DAY, GTC, GTD)):
            return UNSUPPORTED_TYPE
        if c["display_qty"] != 0 and (kind in (MARKET, STOP) or options & HIDDEN):
            return UNSUPPORTED_TYPE
        if kind in (STOP, STOP_LIMIT) and tif in (AT_OPEN, AT_CLOSE):
            return UNSUPPORTED_TYPE
        if c["side"] not in (1, 2):
            return BAD_SIDE
        if not 0 < c["qty"] <= MAX_LOTS or not 0 <= c["display_qty"] <= c["qty"]:
            return BAD_QUANTITY
        if abs(c["price_ticks"]) > MAX_TICKS or abs(c["stop_ticks"]) > MAX_TICKS:
            return BAD_PRICE
        if (kind in (MARKET, STOP) and c["price_ticks"]) or (kind in (MARKET, LIMIT) and c["stop_ticks"]):
            return BAD_PRICE
        return BAD_EXPIRY if tif != GTD and c["expire_ns"] else NO_REASON

    def refusal(self, c):
        k, tif, price = c["instrument"], c["time_in_force"], c["price_ticks"]
        session = self.session[k]
        if c["order_id"] in self.orders[k]:
            return price, DUPLICATE_ID
        if self.killed[k] or c["account"] in self.killed_accounts:
            return price, KILL_SWITCH
        if session in (HALT, CLOSED) or (session != CONTINUOUS and tif in (IOC, FOK)):
            return price, MARKET_CLOSED
        if tif == AT_OPEN and session != PRE_OPEN:
            return price, MARKET_CLOSED
        if tif == GTD and c["expire_ns"] <= self.now:
            return price, BAD_EXPIRY
        if self.rules[k]["max_qty"] and c["qty"] > self.rules[k]["max_qty"]:
            return price, ORDER_SIZE_LIMIT
        if c["ord_type"] in (LIMIT, STOP_LIMIT) and self.out_of_band(k, price):
            return price, PRICE_BAND
        if c["options"] & POST_ONLY and session == CONTINUOUS:
            return self.post_only(k, c["side"], c["options"], price)
        return price, NO_REASON

    def out_of_band(self, k, price):
        low, high = self.rules[k]["lowest"], self.rules[k]["highest"]
        return (low or high) and not low <= price <= high

    def post_only(self, k, side, options, price):
        best = self.best(k, 3 - side)
        if best is None or not self.crosses(side, price, best[0]):
            return price, NO_REASON
        if not options & SLIDE:
            return price, WOULD_TAKE
        price = best[0] - 1 if side == 1 else best[0] + 1
        return price, PRICE_BAND if self.out_of_band(k, price) else NO_REASON

    def place_or_match(self, o):
        k = o.k
        if o.tif == AT_CLOSE and self.session[k] != CLOSING:
            self.rest(o, PARKED, o.price)
            return
        if self.session[k] != CONTINUOUS:
            self.come_to_rest(o)
            return
        limit = o.price
        if o.at_market:
            limit = AT_MARKET if o.side == 1 else -AT_MARKET
            best = self.best(k, 3 - o.side)
            if self.rules[k]["collar"] and best is not None:
                limit = best[0] + (self.rules[k]["collar"] if o.side == 1 else -self.rules[k]["collar"])
        if o.tif == FOK and not self.fillable(o, limit):
            self.cancel_taker(o, FOK_UNFILLED)
            return
        self.match(o, limit)
        if o.leaves == 0:
            return
        if o.at_market:
            self.cancel_taker(o, NO_LIQUIDITY if self.best(k, 3 - o.side) is None else COLLAR)
        elif o.tif in (IOC, FOK):
            self.cancel_taker(o, IOC_REMAINDER)
        else:
            self.come_to_rest(o)

    def arm(self, o, trigger):
        last = self.last[o.k]
        reached = last is not None and (last >= trigger if o.side == 1 else last <= trigger)
        if self.session[o.k] == CONTINUOUS and reached:
            self.tell(TRIGGERED, o.side, NO_REASON, 0, o.k, o.id, 0, o.price, o.leaves, o.leaves, 0)
            self.place_or_match(o)
        else:
            self.rest(o, STOPS, trigger)

    def trigger(self, k):
        while self.traded_at:
            high, low = max(self.traded_at), min(self.traded_at)
            for side in (1, 2):
                waiting = self.prices(k, STOPS, side)
                if waiting and (waiting[0] <= high if side == 1 else waiting[0] >= low):
                    o = self.queue(k, STOPS, side)[waiting[0]][0]
                    self.withdraw(o)
                    self.tell(TRIGGERED, side, NO_REASON, 0, k, o.id, 0, o.price, o.leaves, o.leaves, 0)
                    self.place_or_match(o)
                    break
            else:
                return

    def cancel(self, c):
        k = c["instrument"]
        if k >= self.n:
            self.reject(c, UNKNOWN_INSTRUMENT)
        elif c["order_id"] not in self.orders[k]:
            self.reject(c, UNKNOWN_ORDER)
        else:
            self.end(self.orders[k][c["order_id"]], CANCELLED, REQUESTED)

    def replace(self, c):
        k, price = c["instrument"], c["price_ticks"]
        o = self.orders[k].get(c["order_id"]) if k < self.n else None
        reason = UNKNOWN_INSTRUMENT if k >= self.n else UNKNOWN_ORDER
        told = c
        if o is not None:
            c = dict(c)
            if c["price_ticks"] == KEEP:
                c["price_ticks"] = 0 if o.at_market else o.price
            if c["stop_ticks"] == KEEP:
                c["stop_ticks"] = o.at if o.place == STOPS else 0
            price, reason = self.no_replacement(c, o)
        if reason:
            self.reject(told, reason)
            return
        if o.at_market:
            price = AT_MARKET if o.side == 1 else -AT_MARKET
        at = c["stop_ticks"] if o.place == STOPS else o.at if o.at_market else c["price_ticks"]
        display = c["display_qty"] or o.display
        if at == o.at and c["qty"] <= o.leaves:
            o.display = display
            o.price = price
            self.shrink(o, c["qty"], NO_REASON, price)
            return
        self.withdraw(o)
        o.price, o.leaves, o.display = price, c["qty"], min(display, c["qty"])
        self.tell(REPLACED, o.side, NO_REASON, LOST_PRIORITY, k, o.id, 0, price, 0, o.leaves, 0)
        if o.place == STOPS:
            self.arm(o, c["stop_ticks"])
        else:
            self.place_or_match(o)
        self.trigger(k)

    def no_replacement(self, c, o):
        k, price, stops = o.k, c["price_ticks"], o.place == STOPS
        if c["side"] not in (0, o.side):
            return price, BAD_SIDE
        if c["options"] or c["self_trade"] or (c["display_qty"] != 0 and not o.display > 0):
            return price, UNSUPPORTED_TYPE
        if not 0 < c["qty"] <= MAX_LOTS or not 0 <= c["display_qty"] <= c["qty"]:
            return price, BAD_QUANTITY
        if abs(price) > MAX_TICKS or abs(c["stop_ticks"]) > MAX_TICKS:
            return price, BAD_PRICE
        if (o.at_market and price) or (not stops and c["stop_ticks"]):
            return price, BAD_PRICE
        if c["expire_ns"]:
            return price, BAD_EXPIRY
        if self.session[k] in (HALT, CLOSED):
            return price, MARKET_CLOSED
        if self.rules[k]["max_qty"] and c["qty"] > self.rules[k]["max_qty"]:
            return price, ORDER_SIZE_LIMIT
        if not o.at_market and self.out_of_band(k, price):
            return price, PRICE_BAND
        keeps = price == o.at and c["qty"] <= o.leaves
        if o.options & POST_ONLY and self.session[k] == CONTINUOUS and not keeps:
            return self.post_only(k, o.side, o.options, price)
        return price, NO_REASON

    def sweep(self, ks, which):
        for k in ks:
            for place in (SHOWN, DARK, STOPS, PARKED):
                for side in (2, 1) if place == STOPS else (1, 2):  # buy stops lie on the ask side
                    for price in self.prices(k, place, side):
                        for o in list(self.queue(k, place, side)[price]):
                            which(o)

    def known(self, c):
        reason = NO_REASON
        if c["instrument"] >= self.n and c["instrument"] != ALL:
            reason = UNKNOWN_INSTRUMENT
        elif c["action"] == KILL and c["account"] and c["instrument"] != ALL:
            reason = UNSUPPORTED_TYPE
        elif c["side"] > 2:
            reason = BAD_SIDE
        if reason:
            self.tell(REJECTED, c["side"], reason, 0, c["instrument"], c["order_id"], 0, 0, c["qty"], 0, 0)
        return not reason

    def cancel_named(self, c, side, reason):
        def which(o):
            if c["account"] in (0, o.account) and side in (0, o.side):
                self.end(o, CANCELLED, reason)

        self.sweep(range(self.n) if c["instrument"] == ALL else [c["instrument"]], which)

    def mass_cancel(self, c):
        if self.known(c):
            self.cancel_named(c, c["side"], REQUESTED)

    def kill(self, c):
        if not self.known(c):
            return
        if c["account"]:
            (self.killed_accounts.add if c["qty"] else self.killed_accounts.discard)(c["account"])
        else:
            for k in range(self.n):
                if c["instrument"] in (k, ALL):
                    (self.killed[k].add if c["qty"] else self.killed[k].discard)(c["instrument"])
        if c["qty"]:
            self.cancel_named(c, 0, KILL_SWITCH)

    def change_session(self, c):
        k, session = c["instrument"], c["qty"]
        reason = NO_REASON
        if k >= self.n:
            reason = UNKNOWN_INSTRUMENT
        elif session not in (PRE_OPEN, CONTINUOUS, HALT, CLOSED, CLOSING):
            reason = UNSUPPORTED_TYPE
        if reason:
            self.tell(REJECTED, 0, reason, 0, k, c["order_id"], 0, 0, c["qty"], 0, 0)
            return
        self.session[k] = session
        self.tell(SESSION_CHANGED, 0, NO_REASON, 0, k, 0, 0, 0, session, 0, 0)
        if session == CLOSING:
            for side in (1, 2):
                for price in self.prices(k, PARKED, side):
                    for o in list(self.queue(k, PARKED, side)[price]):
                        self.withdraw(o)
                        self.rest(o, DARK if o.options & HIDDEN else SHOWN, o.at)
        if session not in (CONTINUOUS, CLOSED):
            return
        self.uncross(k)
        if session == CONTINUOUS and self.last[k] is not None:
            self.traded_at.append(self.last[k])

        def which(o):
            resting = o.place in (SHOWN, DARK)
            if o.tif == AT_OPEN or (resting and o.at_market) or (o.tif == AT_CLOSE and session == CLOSED):
                self.end(o, CANCELLED, AUCTION_REMAINDER)
            elif o.tif == DAY and session == CLOSED:
                self.end(o, EXPIRED, NO_REASON)

        self.sweep([k], which)
        if session == CONTINUOUS:
            self.trigger(k)
