"""A book of one future as plain dicts: price -> {order id: lots}, which keep the order of arrival."""

from qflib.records import EventFlag, EventKind, Side


class PlainQueueBook:
    def __init__(self):
        self.sides = {Side.BID: {}, Side.ASK: {}}
        self.where = {}
        self.ever = set()

    def best(self, side):
        return max(self.sides[side]) if side == Side.BID else min(self.sides[side])

    def apply(self, kind, side, oid, price, qty):
        if kind == EventKind.ADD:
            assert oid not in self.ever, f"id {oid} given twice"
            self.ever.add(oid)
            self._join(side, oid, price, qty)
        elif kind == EventKind.MODIFY:
            old_side, old_price = self.where[oid]
            assert old_side == side
            queue = self.sides[side][old_price]
            if price == old_price and qty <= queue[oid]:
                queue[oid] = qty
            else:
                self._take(oid, queue[oid])
                self._join(side, oid, price, qty)
        elif kind in (EventKind.CANCEL, EventKind.EXECUTE):
            assert self.where[oid] == (side, price)
            if kind == EventKind.EXECUTE:
                assert price == self.best(side), "not the best price"
                assert next(iter(self.sides[side][price])) == oid, "not the head of the queue"
            self._take(oid, qty)

    def depth(self, side, levels):
        best, step = self.best(side), 1 if side == Side.ASK else -1
        return [sum(self.sides[side].get(best + step * i, {}).values()) for i in range(levels)]

    def _join(self, side, oid, price, qty):
        assert qty > 0
        self.sides[side].setdefault(price, {})[oid] = qty
        self.where[oid] = (side, price)

    def _take(self, oid, qty):
        side, price = self.where[oid]
        queue = self.sides[side][price]
        assert 0 < qty <= queue[oid]
        queue[oid] -= qty
        if queue[oid] == 0:
            del queue[oid], self.where[oid]
            if not queue:
                del self.sides[side][price]


def replayed(events, sample_ns):
    """Samples (time, bid, ask, bid depth of 20 levels) of one future's events; the book is checked at every LAST."""
    book, samples = PlainQueueBook(), []
    due, whole = 0, False
    rows = zip(*(c.tolist() for c in events), strict=True)
    for kind, flags, _, side, oid, price, qty, _, receipt in rows:
        if receipt >= due and whole:
            samples.append((receipt, book.best(Side.BID), book.best(Side.ASK), book.depth(Side.BID, 20)))
            due = (receipt // sample_ns + 1) * sample_ns
        book.apply(kind, side, oid, price, qty)
        whole = bool(flags & EventFlag.LAST and book.where)
        if whole:
            assert book.best(Side.BID) < book.best(Side.ASK), "crossed"
    return book, samples
