"""The checksum by which a reader of deltas knows that its book is the server's."""

from __future__ import annotations

import zlib
from collections.abc import Iterable


def book_checksum(bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> int:
    """CRC-32 of a book's shown levels.

    Parameters
    ----------
    bids, asks
        [price, quantity] as the stream tells them, best first.

    Returns
    -------
    int
        CRC-32 (zlib's) of the ASCII text `price:qty,price:qty|price:qty`: bids, a bar, asks.

    Examples
    --------
    >>> book_checksum([("100.5", "3"), ("100.4", "1")], [("100.6", "2")])
    2403563349
    >>> import zlib
    >>> zlib.crc32(b"100.5:3,100.4:1|100.6:2")
    2403563349
    """
    sides = (",".join([f"{price}:{qty}" for price, qty in side]) for side in (bids, asks))
    return zlib.crc32("|".join(sides).encode())
