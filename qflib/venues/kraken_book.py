"""One Kraken pair as the checksum sees it: decimal strings as integers, best levels first."""

from __future__ import annotations

import zlib
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from itertools import chain

from qflib.records import Side

_CHECKED_LEVELS = 10


class Ladder:
    """One side: quantity by key, keys sorted best first (price for asks, −price for bids)."""

    __slots__ = ("keys", "qty", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side == Side.ASK else -1
        self.keys: list[int] = []
        self.qty: dict[int, int] = {}

    def put(self, price: int, qty: int) -> None:
        """Set a level; 0 takes it away. O(levels) moves of a pointer, O(log levels) comparisons."""
        key = self.sign * price
        if qty:
            if key not in self.qty:
                insort(self.keys, key)
            self.qty[key] = qty
        elif self.qty.pop(key, 0):
            del self.keys[bisect_left(self.keys, key)]

    def cut(self, depth: int) -> list[int]:
        """Drop the levels beyond `depth`, which Kraken no longer tells of; their prices."""
        gone = self.keys[depth:]
        if gone:
            del self.keys[depth:]
            for key in gone:
                del self.qty[key]
        return [self.sign * key for key in gone]


@dataclass
class PairBook:
    """A pair's book, alive from a snapshot to a wrong checksum.

    Parameters
    ----------
    depth
        Levels a side that were subscribed.
    price_decimals, qty_decimals
        Digits after the point in the venue's strings; -1 before the first one.
    traded_ns
        The venue's time of the pair's newest trade.
    """

    depth: int = 0
    live: bool = False
    price_decimals: int = -1
    qty_decimals: int = -1
    traded_ns: int = 0
    bids: Ladder = field(default_factory=lambda: Ladder(Side.BID))
    asks: Ladder = field(default_factory=lambda: Ladder(Side.ASK))

    def clear(self) -> None:
        """Empty both sides."""
        self.bids, self.asks = Ladder(Side.BID), Ladder(Side.ASK)

    def checksum(self) -> int:
        """CRC-32 of the ten best levels: asks from the lowest, bids from the highest; price then quantity.

        Each is the decimal string without its point and leading zeros, which is the integer's own text.
        Source: docs.kraken.com/websockets, "Book checksum".
        """
        asks, bids = self.asks, self.bids
        text = "".join(
            chain(
                (f"{k}{asks.qty[k]}" for k in asks.keys[:_CHECKED_LEVELS]),
                (f"{-k}{bids.qty[k]}" for k in bids.keys[:_CHECKED_LEVELS]),
            )
        )
        return zlib.crc32(text.encode())
