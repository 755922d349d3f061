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
    AUCTION,
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
    FILLED,
    FOK,
    FOK_UNFILLED,
    FOR_CLOSE,
    GTC,
    GTD,
    HALT,
    HIDDEN,
    IOC,
    IOC_REMAINDER,
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
    RESTING,
    SELF_TRADE,
    SESSION,
    SESSION_CHANGED,
    SLIDE,
    STOP,
    STOP_LIMIT,
    STOP_WAITS,
    STP_BOTH,
    STP_DECREMENT,
    STP_NEWEST,
    STP_NONE,
    STP_OLDEST,
    TRADED,
    TRIGGERED,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
    UNSUPPORTED_TYPE,
    WOULD_TAKE,
)  # fmt: skip

SHOWN, DARK, STOPS, PARKED = range(4)
ALL = 2**32 - 1


class Order:
    def __init__(self, **fields):
        self.__dict__.update(fields)

    @property
    def at_market(self):
        return self.type in (MARKET, STOP)


class PlainEngine:
    def __init__(self, n, **rules):
        standard = {
            "algorithm": 0,
            "least_share": 0,
            "top_order": 0,
            "lowest": 0,
            "highest": 0,
            "collar": 0,
            "max_qty": 0,
        }
        self.n = n
        self.rules = [standard | {k: v[i] for k, v in rules.items()} for i in range(n)]
        self.session = [CONTINUOUS] * n
        self.killed, self.killed_accounts = [False] * n, set()
        self.orders = [{} for _ in range(n)]  # live, by id
        self.queues = [{} for _ in range(n)]  # (place, side) -> {price: [orders]}
        self.top = {}
        self.last = [None] * n
        self.now = 0
        self.events = []

    # what happens
    def tell(self, kind, side, reason, marks, k, oid, contra, price, qty, leaves, other):
        self.events.append((kind, side, reason, marks, k, oid, contra, price, qty, leaves, other))

    def queue(self, k, place, side):
        return self.queues[k].setdefault((place, side), {})

    def prices(self, k, place, side):
        """Best first; stops lie on the other side: a buy stop's best trigger is the lowest."""
        up = (side == 1) != (place == STOPS)
        return sorted(self.queue(k, place, side), reverse=up)

    def rest(self, o, place, price):
        k, shown = o.k, o.leaves
        if o.display > 0 and place == SHOWN:
            shown = min(o.display, o.leaves)
        o.place, o.at, o.shown = place, price, shown
        best = self.prices(k, SHOWN, o.side)
        queue = self.queue(k, place, o.side)
        leads = place == SHOWN and (not best or (price > best[0] if o.side == 1 else price < best[0]))
        queue.setdefault(price, []).append(o)
        self.orders[k][o.id] = o
        if leads and self.rules[k]["algorithm"] == 1 and self.session[k] == CONTINUOUS:
            self.top[k, o.side] = o
        marks = (HIDDEN if o.options & HIDDEN else 0) | {STOPS: STOP_WAITS, PARKED: FOR_CLOSE}.get(place, 0)
        self.tell(RESTING, o.side, NO_REASON, marks, k, o.id, 0, price, shown, o.leaves, 0)

    def withdraw(self, o):
        queue = self.queue(o.k, o.place, o.side)
        queue[o.at].remove(o)
        if not queue[o.at]:
            del queue[o.at]
        del self.orders[o.k][o.id]
        if self.top.get((o.k, o.side)) is o:
            del self.top[o.k, o.side]

    def end(self, o, kind, reason):
        self.withdraw(o)
        self.tell(kind, o.side, reason, 0, o.k, o.id, 0, o.at, o.leaves, 0, 0)

    def traded(self, o, qty):
        o.shown -= qty
        o.leaves -= qty

    def after_trade(self, o):
        if o.shown > 0:
            return
        if o.leaves > 0:
            o.shown = min(o.display, o.leaves)
            queue = self.queue(o.k, o.place, o.side)[o.at]
            queue.remove(o)
            queue.append(o)
            if self.top.get((o.k, o.side)) is o:
                del self.top[o.k, o.side]
            self.tell(RESTING, o.side, NO_REASON, 0, o.k, o.id, 0, o.at, o.shown, o.leaves, 0)
            return
        self.withdraw(o)
        self.tell(FILLED, o.side, NO_REASON, 0, o.k, o.id, 0, o.at, 0, 0, 0)

    # one command
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
        self.tell(REJECTED, c["side"], reason, 0, c["instrument"], c["order_id"], 0, c["price_ticks"], c["qty"], 0, 0)

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

    def best(self, k, side):
        """(price, place) of what trades first."""
        found = [(p[0], place) for place in (SHOWN, DARK) if (p := self.prices(k, place, side))]
        return min(found, key=lambda f: (-f[0] if side == 1 else f[0], f[1]), default=None)

    def crosses(self, side, limit, price):
        return price <= limit if side == 1 else price >= limit

    def post_only(self, k, side, options, price):
        best = self.best(k, 3 - side)
        if best is None or not self.crosses(side, price, best[0]):
            return price, NO_REASON
        if not options & SLIDE:
            return price, WOULD_TAKE
        price = best[0] - 1 if side == 1 else best[0] + 1
        return price, PRICE_BAND if self.out_of_band(k, price) else NO_REASON

    # the order that comes in
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

    def come_to_rest(self, o):
        self.rest(o, DARK if o.options & HIDDEN else SHOWN, o.price)

    def cancel_taker(self, o, reason):
        self.tell(CANCELLED, o.side, reason, 0, o.k, o.id, 0, o.price, o.leaves, 0, 0)
        o.leaves = 0

    def fillable(self, o, limit):
        other = 3 - o.side
        met = [x for place in (SHOWN, DARK) for p in self.prices(o.k, place, other) if self.crosses(o.side, limit, p)
               for x in self.queue(o.k, place, other)[p]]  # fmt: skip
        if o.stp in (STP_NEWEST, STP_BOTH, STP_DECREMENT):
            own = [x.at for x in met if x.account == o.account]
            if own:
                nearest = min(own) if o.side == 1 else max(own)
                met = [x for x in met if (x.at < nearest if o.side == 1 else x.at > nearest)]
        elif o.stp == STP_OLDEST:
            met = [x for x in met if x.account != o.account]
        return sum(x.leaves for x in met) >= o.leaves

    def match(self, o, limit):
        k = o.k
        while o.leaves > 0:
            best = self.best(k, 3 - o.side)
            if best is None or not self.crosses(o.side, limit, best[0]):
                return
            price, place = best
            queue = self.queue(k, place, 3 - o.side)[price]
            if self.rules[k]["algorithm"] == 1 and place == SHOWN:
                own = next((x for x in queue if o.stp and x.account == o.account), None)
                if own is not None:
                    self.prevent(o, own)
                else:
                    self.share_out(o, list(queue))
                continue
            maker = queue[0]
            if o.stp != STP_NONE and maker.account == o.account:
                self.prevent(o, maker)
            else:
                self.trade(o, maker, min(o.leaves, maker.shown))

    def share_out(self, o, queue):
        rules = self.rules[o.k]
        shares = dict.fromkeys((x.id for x in queue), 0)
        left = min(o.leaves, sum(x.shown for x in queue))
        top = self.top.get((o.k, 3 - o.side))
        if top in queue and rules["top_order"]:
            shares[top.id] = min(left, top.shown, rules["top_order"])
            left -= shares[top.id]
        pool, whole = left, sum(x.shown - shares[x.id] for x in queue)
        for x in queue:
            share = pool * (x.shown - shares[x.id]) // whole if pool else 0
            if share >= rules["least_share"]:
                shares[x.id] += share
                left -= share
        for x in queue:
            more = min(left, x.shown - shares[x.id])
            shares[x.id] += more
            left -= more
        for x in queue:
            if shares[x.id]:
                self.trade(o, x, shares[x.id])

    def trade(self, o, maker, qty):
        self.traded(maker, qty)
        o.leaves -= qty
        self.tell(TRADED, maker.side, NO_REASON, 0, o.k, maker.id, o.id, maker.at, qty, maker.leaves, o.leaves)
        self.last[o.k] = maker.at
        self.traded_at.append(maker.at)
        self.after_trade(maker)
        if o.leaves == 0:
            self.tell(FILLED, o.side, NO_REASON, 0, o.k, o.id, 0, o.price, 0, 0, 0)

    def prevent(self, o, maker):
        if o.stp == STP_DECREMENT:
            qty = min(maker.leaves, o.leaves)
            if qty == maker.leaves:
                self.end(maker, CANCELLED, SELF_TRADE)
            else:
                self.shrink(maker, maker.leaves - qty, SELF_TRADE, maker.at)
            if qty == o.leaves:
                self.cancel_taker(o, SELF_TRADE)
            else:
                o.leaves -= qty
                self.tell(REPLACED, o.side, SELF_TRADE, 0, o.k, o.id, 0, o.price, o.leaves, o.leaves, 0)
            return
        if o.stp in (STP_OLDEST, STP_BOTH):
            self.end(maker, CANCELLED, SELF_TRADE)
        if o.stp in (STP_NEWEST, STP_BOTH):
            self.cancel_taker(o, SELF_TRADE)

    def shrink(self, o, leaves, reason, price):
        o.leaves, o.shown = leaves, min(o.shown, leaves)
        self.tell(REPLACED, o.side, reason, 0, o.k, o.id, 0, price, o.shown, leaves, 0)

    # stops
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

    # changes
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
        if o is not None:
            price, reason = self.no_replacement(c, o)
        if reason:
            self.reject(c, reason)
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

    # many at once
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
                    self.killed[k] = bool(c["qty"])
        if c["qty"]:
            self.cancel_named(c, 0, KILL_SWITCH)

    # sessions
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

    def auction(self, k):
        """(price, lots that trade, what is left over) by trying every price there is."""
        bids = [o for place in (SHOWN, DARK) for q in self.queue(k, place, 1).values() for o in q]
        asks = [o for place in (SHOWN, DARK) for q in self.queue(k, place, 2).values() for o in q]

        def at(price):
            demand = sum(o.leaves for o in bids if o.at >= price)
            supply = sum(o.leaves for o in asks if o.at <= price)
            return min(demand, supply), demand - supply

        prices = sorted({o.at for o in bids + asks} - {AT_MARKET, -AT_MARKET})
        tried = [(p, *at(p)) for p in prices]
        most = max((v for _, v, _ in tried), default=0)
        if most == 0:
            bought = sum(o.leaves for o in bids if o.at == AT_MARKET)
            sold = sum(o.leaves for o in asks if o.at == -AT_MARKET)
            if self.last[k] is None or not min(bought, sold):
                return None
            return self.last[k], min(bought, sold), bought - sold
        least = min(abs(i) for _, v, i in tried if v == most)
        ties = [(p, i) for p, v, i in tried if v == most and abs(i) == least]
        low, high = ties[0][0], ties[-1][0]
        if all(i > 0 for _, i in ties):
            price = high
        elif all(i < 0 for _, i in ties):
            price = low
        else:
            price = low + (high - low) // 2 if self.last[k] is None else min(max(self.last[k], low), high)
        return price, *at(price)

    def uncross(self, k):
        found = self.auction(k)
        if found is None:
            return
        price = found[0]
        while True:
            bid, ask = self.best(k, 1), self.best(k, 2)
            if bid is None or ask is None or bid[0] < price or ask[0] > price:
                return
            buyer, seller = self.queue(k, bid[1], 1)[bid[0]][0], self.queue(k, ask[1], 2)[ask[0]][0]
            qty = min(buyer.shown, seller.shown)
            self.traded(buyer, qty)
            self.traded(seller, qty)
            self.tell(TRADED, 1, NO_REASON, AUCTION, k, buyer.id, seller.id, price, qty, buyer.leaves, seller.leaves)
            self.last[k] = price
            self.traded_at.append(price)
            self.after_trade(buyer)
            self.after_trade(seller)
