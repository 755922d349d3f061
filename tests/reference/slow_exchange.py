"""The slow plain twin of the exchange's matching: one instrument, lists and dictionaries, nothing clever."""

from __future__ import annotations

ADD, MODIFY, CANCEL, EXECUTE, TRADE, LEVEL = 1, 2, 3, 4, 5, 6


def better(side, a, b):
    return a > b if side == 1 else a < b


class SlowExchange:
    """Fills are (maker, taker, venue id, price, qty) with our orders by number from 1 and 0 for the venue."""

    def __init__(self, levels):
        self.levels = levels
        self.venue = {1: {}, 2: {}}  # side -> price -> [[id, qty], ...]
        self.consumed = {1: {}, 2: {}}
        self.orders = {}  # number -> dict
        self.queue = {1: [], 2: []}  # numbers, best first
        self.fills = []
        self.count = 0

    def total(self, side, price):
        return sum(q for _, q in self.venue[side].get(price, []))

    def free(self, side, price):
        return max(self.total(side, price) - self.consumed[side].get(price, 0), 0)

    def fill(self, maker, taker, venue_id, price, qty):
        for n in (maker, taker):
            if n:
                self.orders[n]["leaves"] -= qty
        if maker and self.orders[maker]["leaves"] == 0:
            self.queue[self.orders[maker]["side"]].remove(maker)
        self.fills.append((maker, taker, venue_id, price, qty))

    def order_after(self, side, price, skip):
        for oid, q in self.venue[side][price]:
            if skip < q:
                return oid
            skip -= q
        raise AssertionError("more consumed than there is")

    # ---- our orders

    def new(self, side, price, qty, tif, market=False):
        """Fills, then what was left when it was cancelled (0: it rests or is filled)."""
        self.count += 1
        n = self.count
        self.orders[n] = {"side": side, "price": price, "leaves": qty, "ahead": 0}
        if tif == "FOK" and self.could_get(side, price, market) < qty:
            return qty
        self.take(n, market)
        left = self.orders[n]["leaves"]
        if left and not market and tif == "GTC":
            self.orders[n]["ahead"] = self.free(side, price)
            self.orders[n]["before"] = {oid for oid, _ in self.venue[side].get(price, [])}
            self.queue[side].append(n)
            self.queue[side].sort(key=lambda m: (-1 if side == 1 else 1) * self.orders[m]["price"])
            return 0
        return left

    def could_get(self, side, price, market):
        other = 3 - side
        ok = [p for p in self.venue[other] if market or not better(other, price, p)]
        own = [self.orders[m] for m in self.queue[other]]
        return sum(self.free(other, p) for p in ok) + sum(
            o["leaves"] for o in own if market or not better(other, price, o["price"])
        )

    def take(self, n, market):
        """One lot at a time: the queue is walked anew for each."""
        me = self.orders[n]
        other = 3 - me["side"]
        while me["leaves"]:
            prices = {p for p in self.venue[other] if self.free(other, p)} | {
                self.orders[m]["price"] for m in self.queue[other]
            }
            if not prices:
                return
            p = max(prices) if other == 1 else min(prices)
            if not market and better(other, me["price"], p):
                return
            mine = [m for m in self.queue[other] if self.orders[m]["price"] == p]
            if self.free(other, p) and (not mine or self.orders[mine[0]]["ahead"] > 0):
                skip = self.consumed[other].get(p, 0)
                oid = self.order_after(other, p, skip)
                self.consumed[other][p] = self.consumed[other].get(p, 0) + 1
                for m in mine:
                    self.orders[m]["ahead"] = max(self.orders[m]["ahead"] - 1, 0)
                self.fill(0, n, oid, p, 1)
            else:
                self.fill(mine[0], n, 0, p, 1)

    def cancel(self, n):
        for q in self.queue.values():
            if n in q:
                q.remove(n)

    # ---- the venue's rows

    def row(self, kind, side, oid, price, qty):
        where = [(s, p, e) for s, b in self.venue.items() for p, q in b.items() for e in q if e[0] == oid]
        if kind == ADD:
            self.venue[side].setdefault(price, []).append([oid, qty])
        elif kind == LEVEL:
            self.venue[side][price] = [[0, qty]] if qty else []
        elif kind in (CANCEL, EXECUTE):
            (s, p, e) = where[0]
            e[1] -= min(qty, e[1])
            side, price = s, p
        elif kind == MODIFY:
            (s, p, e) = where[0]
            if (s, p) == (side, price) and qty <= e[1]:
                e[1] = qty
            else:
                self.venue[s][p].remove(e)
                self.venue[side].setdefault(price, []).append([oid, qty])
                for o in self.orders.values():
                    o.get("before", set()).discard(oid)
        for b in self.venue.values():
            for p in list(b):
                b[p] = [e for e in b[p] if e[1]]
                if not b[p]:
                    del b[p]
        if not self.levels:
            self.count_ahead()
        if kind == EXECUTE and not self.levels:
            self.executed_order(side, oid, price, qty)
        if kind == TRADE and self.levels:
            for s in (1, 2):
                if side != s:
                    self.executed(s, oid, price, qty)
        for s, c in self.consumed.items():
            for p in list(c):
                c[p] = min(c[p], self.total(s, p))
                if not c[p]:
                    del c[p]
        for s in (1, 2):
            self.crossed(s, oid if kind in (ADD, MODIFY) else 0)
            if kind in (CANCEL, MODIFY, EXECUTE, LEVEL):
                for m in self.queue[s]:
                    o = self.orders[m]
                    o["ahead"] = min(o["ahead"], self.free(s, o["price"]))

    def count_ahead(self):
        """What is before each of our orders, summed anew from the venue's queue."""
        for side, numbers in self.queue.items():
            for n in numbers:
                o = self.orders[n]
                before = sum(q for i, q in self.venue[side].get(o["price"], []) if i in o["before"])
                o["ahead"] = max(before - self.consumed[side].get(o["price"], 0), 0)

    def executed_order(self, side, oid, price, qty):
        """`price` is that of the order executed."""
        for m in list(self.queue[side]):
            o = self.orders[m]
            if better(side, price, o["price"]) or (o["price"] == price and oid in o["before"]):
                break
            n = min(o["leaves"], qty) if o["price"] != price or o["ahead"] == 0 else 0
            if n:
                qty -= n
                self.fill(m, 0, oid, o["price"], n)

    def executed(self, side, oid, price, qty):
        passed = 0
        for m in list(self.queue[side]):
            o = self.orders[m]
            if better(side, price, o["price"]):
                break
            if o["price"] == price:
                eaten = min(max(o["ahead"] - passed, 0), qty)
                passed, qty = passed + eaten, qty - eaten
            n = min(o["leaves"], qty)
            if n:
                qty -= n
                self.fill(m, 0, oid, o["price"], n)
        for m in self.queue[side]:
            if self.orders[m]["price"] == price:
                self.orders[m]["ahead"] = max(self.orders[m]["ahead"] - passed, 0)

    def crossed(self, side, oid):
        other = 3 - side
        for m in list(self.queue[side]):
            o = self.orders[m]
            for p in sorted(self.venue[other], reverse=other == 1):
                if better(other, o["price"], p):
                    break
                n = min(self.free(other, p), o["leaves"])
                if n:
                    self.consumed[other][p] = self.consumed[other].get(p, 0) + n
                    self.fill(m, 0, oid, o["price"], n)


def merged(fills):
    """Neighbouring fills of the same parties and price as one."""
    out = []
    for f in fills:
        if out and out[-1][:4] == f[:4]:
            out[-1] = (*f[:4], out[-1][4] + f[4])
        else:
            out.append(f)
    return out
