"""The plain twin of matching: queues as lists by place, side and price; every rule written down once."""

from __future__ import annotations

from qflib.kernels.engine_codes import (
    AT_MARKET,
    AUCTION,
    CANCELLED,
    CONTINUOUS,
    FILLED,
    FOR_CLOSE,
    HIDDEN,
    MARKET,
    NO_REASON,
    REPLACED,
    RESTING,
    SELF_TRADE,
    STOP,
    STOP_WAITS,
    STP_BOTH,
    STP_DECREMENT,
    STP_NEWEST,
    STP_NONE,
    STP_OLDEST,
    TRADED,
)

SHOWN, DARK, STOPS, PARKED = range(4)
ALL = 2**32 - 1


class Order:
    def __init__(self, **fields):
        self.__dict__.update(fields)

    @property
    def at_market(self):
        return self.type in (MARKET, STOP)


class Matching:
    """Queues, and what one order does to them."""

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
        self.killed, self.killed_accounts = [set() for _ in range(n)], set()
        self.orders = [{} for _ in range(n)]  # live, by id
        self.queues = [{} for _ in range(n)]  # (place, side) -> {price: [orders]}
        self.top = {}
        self.last = [None] * n
        self.now = 0
        self.events = []

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

    def best(self, k, side):
        """(price, place) of what trades first."""
        found = [(p[0], place) for place in (SHOWN, DARK) if (p := self.prices(k, place, side))]
        return min(found, key=lambda f: (-f[0] if side == 1 else f[0], f[1]), default=None)

    def crosses(self, side, limit, price):
        return price <= limit if side == 1 else price >= limit

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
