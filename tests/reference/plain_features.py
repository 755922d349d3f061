"""Features of one instrument after every message: dictionaries and the papers' own words."""

from __future__ import annotations

from typing import Any

INF = float("inf")
NAN = float("nan")


class _Book:
    def __init__(self) -> None:
        self.orders: dict[int, list[Any]] = {}  # id -> side, price, quantity
        self.told: dict[tuple[int, int], int] = {}  # side, price -> quantity without orders

    def side(self, side: int) -> list[tuple[int, int]]:
        """Price and quantity, best first."""
        total: dict[int, int] = {p: q for (s, p), q in self.told.items() if s == side}
        for s, p, q in self.orders.values():
            if s == side:
                total[p] = total.get(p, 0) + q
        return sorted(total.items(), reverse=side == 1)

    def apply(self, kind: int, side: int, oid: int, price: int, qty: int) -> None:
        if kind == 1 and oid not in self.orders and qty > 0:
            self.orders[oid] = [side, price, qty]
        elif kind in (3, 4) and oid in self.orders:
            self.orders[oid][2] -= qty
            if self.orders[oid][2] <= 0:
                del self.orders[oid]
        elif kind == 2 and oid in self.orders:
            self.orders[oid] = [side, price, qty]
            if qty == 0:
                del self.orders[oid]
        elif kind in (6, 9):
            gone = [k for k in self.told if k[0] == side and (kind == 9 or k[1] == price)]
            gone_orders = [o for o, (s, p, _) in self.orders.items() if s == side and (kind == 9 or p == price)]
            for k in gone:
                del self.told[k]
            for o in gone_orders:
                del self.orders[o]
            if qty > 0:
                self.told[side, price] = qty
        elif kind == 7:
            self.orders, self.told = {}, {}


def features_of(rows: list[tuple[int, ...]], levels: int) -> list[dict[str, float]]:
    """(kind, flags, side, id, price, quantity) rows to a dictionary a message: flag 1 ends it, 2 is a snapshot's."""
    book, out, flow = _Book(), [], 0
    before = [(-INF, 0), (INF, 0)]
    for kind, flags, side, oid, price, qty in rows:
        book.apply(kind, side, oid, price, qty)
        bids, asks = book.side(1), book.side(2)
        (bid, bq), (ask, aq) = bids[0] if bids else (-INF, 0), asks[0] if asks else (INF, 0)
        if kind != 7 and not flags & 2:  # Cont, Kukanov and Stoikov, section 2.1
            (bid0, bq0), (ask0, aq0) = before
            flow += (bid >= bid0) * bq - (bid <= bid0) * bq0 - (ask <= ask0) * aq + (ask >= ask0) * aq0
        before = [(bid, bq), (ask, aq)]
        if flags & 1:
            b, a = sum(q for _, q in bids[:levels]), sum(q for _, q in asks[:levels])
            out.append(
                {
                    "spread": ask - bid if bids and asks else NAN,
                    "micro_price": (bid * aq + ask * bq) / (bq + aq) if bids and asks else NAN,
                    "ofi": flow,
                    "imbalance": (b - a) / (b + a) if b + a else NAN,
                    "bid_qty_1": bids[1][1] if len(bids) > 1 else 0,
                    "ask_price_2": asks[2][0] if len(asks) > 2 else NAN,
                }
            )
            flow = 0
    return out
