"""Our orders beside the venue's book: resting queues, what we consumed of the venue, fills and trades to be told.

Nothing here touches the venue's book. Our resting orders hang on one list a side of an instrument, best price first,
then by arrival. What we took from the venue without the venue knowing it is remembered a level (`Consumed`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

OWN = np.dtype(
    [
        ("instrument", "i8"),
        ("side", "i8"),
        ("price", "i8"),  # ticks; 0 at market
        ("qty", "i8"),
        ("leaves", "i8"),
        ("ahead", "i8"),  # venue lots in front of it at its price
        ("next", "i8"),  # slot behind it; -1: none
        ("prev", "i8"),  # slot in front of it; -1: none
        ("resting", "i8"),
        ("last_ahead", "u8"),  # id of the last venue order in front of it
        ("known", "i8"),  # 1: there is such a one, and orders are told
    ]
)
CONSUMED = np.dtype([("side", "i8"), ("price", "i8"), ("qty", "i8"), ("next", "i8")])
FILL = np.dtype(
    [
        ("maker", "i8"),  # slot; -1: the venue
        ("taker", "i8"),  # slot; -1: the venue
        ("venue_id", "u8"),  # the venue's order on the other side; 0: not known
        ("price", "i8"),
        ("qty", "i8"),
        ("maker_leaves", "i8"),
        ("taker_leaves", "i8"),
    ]
)
TRADE = np.dtype(
    [
        ("instrument", "u4"),
        ("side", "u4"),
        ("price_ticks", "i8"),
        ("qty", "i8"),
        ("venue_ns", "i8"),
        ("receipt_ns", "i8"),
    ]
)

# Typed, because a function called with a literal is compiled once more for each.
NOBODY: Any = np.int64(-1)  # the venue's side of a fill
NO_ID: Any = np.uint64(0)
BID: Any = np.int64(1)
ASK: Any = np.int64(2)

# Places in `Overlay.counts`.
N_OWN: Final = 0
N_FILLS: Final = 1
N_TRADES: Final = 2
CONSUMED_FREE: Final = 3
UNKNOWN_ROWS: Final = 4
REFUSED_ROWS: Final = 5
SOURCE_TIME: Final = 6
N_CONSUMED: Final = 7
N_COUNTS: Final = 8

SPARE_FILLS: Final = 64  # fills at one row beyond one an own order

# Bits of `changed`.
FOR_MARKS: Final = 1
FOR_ANALYTICS: Final = 2
FOR_ALL: Final = 3


class Overlay(NamedTuple):
    """Our side of the exchange as plain arrays, sized by instruments (n), underlyings (u) and capacities."""

    own: NDArray[Any]  # OWN, slot = order id - 1
    head: NDArray[np.int64]  # (2n,) first resting slot of 2 * instrument + side - 1; -1: none
    consumed: NDArray[Any]  # CONSUMED
    consumed_head: NDArray[np.int64]  # (n,)
    watch: NDArray[np.int64]  # (n,) resting orders and consumed levels: 0 keeps the event loop short
    changed: NDArray[np.uint8]  # (n,)
    changed_underlying: NDArray[np.uint8]  # (u,)
    underlying: NDArray[np.int64]  # (n,)
    levels: NDArray[np.uint8]  # (n,) 1: the venue tells levels, not orders
    newest: NDArray[np.int64]  # (n,) receipt time of the newest row
    fills: NDArray[Any]  # FILL
    trades: NDArray[Any]  # TRADE
    counts: NDArray[np.int64]


def new_overlay(underlying: NDArray[np.int64], levels: NDArray[np.uint8], room: int = 256) -> Overlay:
    """No orders, nothing consumed, everything to be published first.

    Parameters
    ----------
    underlying
        (n,) the underlying's number of each instrument.
    levels
        (n,) 1 where the venue tells levels or quotes, 0 where it tells orders.
    room
        First capacity of orders, fills and trades; all grow by doubling.
    """
    n, u = len(underlying), int(underlying.max(initial=-1)) + 1
    consumed = np.zeros(room, CONSUMED)
    consumed["next"] = np.arange(1, room + 1)
    consumed["next"][-1] = -1
    return Overlay(
        own=np.zeros(room, OWN),
        head=np.full(2 * n, -1, np.int64),
        consumed=consumed,
        consumed_head=np.full(n, -1, np.int64),
        watch=np.zeros(n, np.int64),
        changed=np.full(n, FOR_ALL, np.uint8),
        changed_underlying=np.zeros(u, np.uint8),
        underlying=np.array(underlying, np.int64),
        levels=np.array(levels, np.uint8),
        newest=np.zeros(n, np.int64),
        fills=np.zeros(room + SPARE_FILLS, FILL),
        trades=np.zeros(room, TRADE),
        counts=np.zeros(N_COUNTS, np.int64),
    )


@kernel
def consumed_at(o: Overlay, k: Any, side: Any, price: Any) -> int:
    """Lots we took from a venue level. O(levels consumed of the instrument)."""
    c = o.consumed_head[k]
    while c >= 0:
        if o.consumed[c].price == price and o.consumed[c].side == side:
            return int(o.consumed[c].qty)
        c = o.consumed[c].next
    return 0


@kernel
def consume(o: Overlay, k: Any, side: Any, price: Any, qty: Any) -> None:
    """Remember lots taken from a venue level; a free row is there. What is to be had has changed."""
    o.changed[k] = FOR_ALL
    o.changed_underlying[o.underlying[k]] = FOR_ALL
    c = o.consumed_head[k]
    while c >= 0:
        if o.consumed[c].price == price and o.consumed[c].side == side:
            o.consumed[c].qty += qty
            return
        c = o.consumed[c].next
    c = o.counts[CONSUMED_FREE]
    o.counts[CONSUMED_FREE] = o.consumed[c].next
    o.consumed[c].side = side
    o.consumed[c].price = price
    o.consumed[c].qty = qty
    o.consumed[c].next = o.consumed_head[k]
    o.consumed_head[k] = c
    o.counts[N_CONSUMED] += 1
    o.watch[k] += 1


@kernel
def forget(o: Overlay, k: Any, entry: Any) -> None:
    """A consumed level is free again."""
    if o.consumed_head[k] == entry:
        o.consumed_head[k] = o.consumed[entry].next
    else:
        c = o.consumed_head[k]
        while o.consumed[c].next != entry:
            c = o.consumed[c].next
        o.consumed[c].next = o.consumed[entry].next
    o.consumed[entry].side = 0
    o.consumed[entry].price = 0
    o.consumed[entry].qty = 0
    o.consumed[entry].next = o.counts[CONSUMED_FREE]
    o.counts[CONSUMED_FREE] = entry
    o.counts[N_CONSUMED] -= 1
    o.watch[k] -= 1


@kernel
def link(o: Overlay, slot: Any) -> None:
    """Queue a resting order behind those of a better or the same price."""
    k, side, price = o.own[slot].instrument, o.own[slot].side, o.own[slot].price
    place = 2 * k + side - 1
    before, s = -1, o.head[place]
    while s >= 0 and (o.own[s].price >= price if side == 1 else o.own[s].price <= price):
        before, s = s, o.own[s].next
    o.own[slot].next = s
    o.own[slot].prev = before
    if s >= 0:
        o.own[s].prev = slot
    if before < 0:
        o.head[place] = slot
    else:
        o.own[before].next = slot
    o.own[slot].resting = 1
    o.watch[k] += 1


@kernel
def unlink(o: Overlay, slot: Any) -> None:
    """Take a resting order out of its queue. O(1)."""
    k, before, behind = o.own[slot].instrument, o.own[slot].prev, o.own[slot].next
    if before < 0:
        o.head[2 * k + o.own[slot].side - 1] = behind
    else:
        o.own[before].next = behind
    if behind >= 0:
        o.own[behind].prev = before
    o.own[slot].prev = -1
    o.own[slot].next = -1
    o.own[slot].resting = 0
    o.own[slot].ahead = 0
    o.own[slot].last_ahead = NO_ID
    o.own[slot].known = 0
    o.watch[k] -= 1


@kernel
def fill(o: Overlay, maker: Any, taker: Any, venue_id: Any, price: Any, qty: Any) -> None:
    """Record a fill; a maker with nothing left goes. -1 is the venue."""
    maker_leaves = taker_leaves = 0
    if taker >= 0:
        o.own[taker].leaves -= qty
        taker_leaves = o.own[taker].leaves
    if maker >= 0:
        o.own[maker].leaves -= qty
        maker_leaves = o.own[maker].leaves
        if maker_leaves == 0:
            unlink(o, maker)
    f = o.counts[N_FILLS]
    o.counts[N_FILLS] = f + 1
    o.fills[f].maker = maker
    o.fills[f].taker = taker
    o.fills[f].venue_id = venue_id
    o.fills[f].price = price
    o.fills[f].qty = qty
    o.fills[f].maker_leaves = maker_leaves
    o.fills[f].taker_leaves = taker_leaves
