"""The slow plain twin of the order book: dictionaries and lists, nothing clever."""

from __future__ import annotations

from collections import Counter

OK, UNKNOWN_ID, DUPLICATE_ID, BAD_QTY, BAD_SIDE, BAD_PRICE, BAD_INSTRUMENT, UNKNOWN_KIND = range(0, -8, -1)
MAX_QTY = 2**60
LOWEST = -(2**63)


class SlowBook:
    """Books of several instruments: (instrument, side, price) -> [quantity told without orders, [[id, qty], ...]]."""

    def __init__(self, n):
        self.n = n
        self.levels = {}
        self.where = {}  # (instrument, id) -> level key
        self.last = [(0, 0)] * n
        self.status = [0] * n
        self.settlement = [None] * n
        self.time = [0] * n
        self.counts = Counter()

    def apply(self, kind, flags, i, side, oid, price, qty, receipt):
        status = self._change(kind, i, side, oid, price, qty)
        self.counts["events"] += 1
        self.counts[status] += status != OK
        if status == BAD_INSTRUMENT:
            return status
        self.time[i] = max(self.time[i], receipt)
        if flags & 1 and self.prices(i, 1) and self.prices(i, 2):
            bid, ask = self.prices(i, 1)[0], self.prices(i, 2)[0]
            self.counts["crossed"] += bid > ask
            self.counts["locked"] += bid == ask
        return status

    def prices(self, i, side):
        """Best first."""
        return sorted((p for j, s, p in self.levels if (j, s) == (i, side)), reverse=side == 1)

    def qty(self, key):
        return self.levels[key][0] + sum(q for _, q in self.levels[key][1]) if key in self.levels else 0

    def ahead(self, i, oid):
        told, queue = self.levels[self.where[i, oid]]
        place = [o for o, _ in queue].index(oid)
        return told + sum(q for _, q in queue[:place])

    def _change(self, kind, i, side, oid, price, qty):
        if not 0 <= i < self.n:
            return BAD_INSTRUMENT
        if kind == 1:
            return self._add(i, side, oid, price, qty)
        if kind == 2:
            return self._modify(i, side, oid, price, qty)
        if kind in (3, 4):
            if qty < 0:
                return BAD_QTY
            if (i, oid) not in self.where:
                return UNKNOWN_ID
            held = dict(self.levels[self.where[i, oid]][1])[oid]
            self.counts["overdrawn"] += qty > held
            self._shrink(i, oid, qty)
            if kind == 4:
                self.last[i] = (price, qty)
        elif kind == 5:
            if qty < 0:
                return BAD_QTY
            self.last[i] = (price, qty)
        elif kind in (6, 9):
            if status := self._wrong(side, price, qty):
                return status
            gone = [(i, side, price)] if kind == 6 else [k for k in self.levels if k[:2] == (i, side)]
            for key in gone:
                self._drop(key)
            if qty:
                self.levels[i, side, price] = [qty, []]
        elif kind == 7:
            for key in [k for k in self.levels if k[0] == i]:
                self._drop(key)
        elif kind == 8:
            self.status[i] = qty
        elif kind == 10:
            self.settlement[i] = price
        else:
            return UNKNOWN_KIND
        return OK

    def _wrong(self, side, price, qty):
        if side not in (1, 2):
            return BAD_SIDE
        if not 0 <= qty <= MAX_QTY:
            return BAD_QTY
        return BAD_PRICE if price == LOWEST else OK

    def _add(self, i, side, oid, price, qty):
        if qty == 0:
            return BAD_QTY
        if (i, oid) in self.where:
            return DUPLICATE_ID
        if status := self._wrong(side, price, qty):
            return status
        if self.qty((i, side, price)) + qty > MAX_QTY:
            return BAD_QTY
        self.levels.setdefault((i, side, price), [0, []])[1].append([oid, qty])
        self.where[i, oid] = (i, side, price)
        return OK

    def _modify(self, i, side, oid, price, qty):
        if (i, oid) not in self.where:
            return UNKNOWN_ID
        key = self.where[i, oid]
        side = side or key[1]
        if status := self._wrong(side, price, qty):
            return status
        had = next(q for o, q in self.levels[key][1] if o == oid)
        target = (i, side, price)
        if target == key and qty <= had:
            self._shrink(i, oid, had - qty)
            return OK
        if self.qty(target) - (had if target == key else 0) + qty > MAX_QTY:
            return BAD_QTY
        self._shrink(i, oid, had)
        return self._add(i, side, oid, price, qty) if qty else OK

    def _shrink(self, i, oid, qty):
        key = self.where[i, oid]
        queue = self.levels[key][1]
        order = next(o for o in queue if o[0] == oid)
        order[1] -= qty
        if order[1] <= 0:
            queue.remove(order)
            del self.where[i, oid]
            if self.qty(key) == 0:
                del self.levels[key]

    def _drop(self, key):
        for oid, _ in self.levels.pop(key, (0, []))[1]:
            del self.where[key[0], oid]
