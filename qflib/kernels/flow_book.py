"""The simulator's own small book: one instrument, FIFO queues on a ring of price levels.

It exists to keep the generated flow consistent (every cancel names a live order, every execution hits the
head of the best queue) and can pick an order at random in O(1), which a reader's book need not.
"""

from __future__ import annotations

from typing import Any

from qflib.kernels.jit import kernel

RING = 1024  # levels; a power of two, far wider than live orders ever spread
POOL = 1024  # live orders at most
NIL = -1

# One flat int64 array holds it all: a call that passes a dozen arrays costs more than the work it does.
T_FREE = 16  # free slots
T_BEST = 16  # + side (1 or 2): best price, 0 where there is none
T_COUNT = 18  # + side: live orders
T_ID = 21  # the last order id given
LEVELS = 24  # + 4 * place on the ring
L_PRICE, L_HEAD, L_TAIL, L_QTY = LEVELS, LEVELS + 1, LEVELS + 2, LEVELS + 3
ORDERS = LEVELS + 4 * RING  # + 8 * slot; handles of orders are 8 * slot
O_ID, O_PRICE, O_QTY, O_NEXT, O_PREV, O_SIDE, O_PLACE = (ORDERS + i for i in range(7))
LIVE = ORDERS + 8 * POOL  # + POOL * (side - 1) + place: handles of live orders, in no order
FREE = LIVE + 2 * POOL
BOOK_END = FREE + POOL


@kernel
def clear(w: Any) -> None:
    """Empty the book. O(RING + POOL)."""
    for at in range(0, 4 * RING, 4):
        w[L_HEAD + at] = NIL
        w[L_TAIL + at] = NIL
        w[L_QTY + at] = 0
    for i in range(POOL):
        w[FREE + i] = 8 * (POOL - 1 - i)
    w[T_FREE] = POOL
    for side in (1, 2):
        w[T_BEST + side] = 0
        w[T_COUNT + side] = 0


@kernel
def ring(price: int) -> int:
    """Where a price's level lies, as an offset. O(1)."""
    return 4 * (price & (RING - 1))


@kernel
def is_taken(w: Any, price: int) -> bool:
    """Whether another price holds this price's place on the ring. O(1)."""
    at = ring(price)
    return bool(w[L_HEAD + at] != NIL and w[L_PRICE + at] != price)


@kernel
def link(w: Any, o: int, side: int, price: int) -> None:
    """Put order `o` at the end of a price's queue. O(1)."""
    at = ring(price)
    tail = w[L_TAIL + at]
    w[O_PRICE + o] = price
    w[O_NEXT + o] = NIL
    w[O_PREV + o] = tail
    if tail == NIL:
        w[L_PRICE + at] = price
        w[L_HEAD + at] = o
        w[L_QTY + at] = 0
        best = w[T_BEST + side]
        if best == 0 or (price > best if side == 1 else price < best):
            w[T_BEST + side] = price
    else:
        w[O_NEXT + tail] = o
    w[L_TAIL + at] = o
    w[L_QTY + at] += w[O_QTY + o]


@kernel
def unlink(w: Any, o: int) -> None:
    """Take order `o` out of its queue; the best price moves on where its level empties. O(levels scanned)."""
    side, price = w[O_SIDE + o], w[O_PRICE + o]
    at = ring(price)
    after, before = w[O_NEXT + o], w[O_PREV + o]
    if before == NIL:
        w[L_HEAD + at] = after
    else:
        w[O_NEXT + before] = after
    if after == NIL:
        w[L_TAIL + at] = before
    else:
        w[O_PREV + after] = before
    w[L_QTY + at] -= w[O_QTY + o]
    if w[L_HEAD + at] == NIL and w[T_BEST + side] == price:
        w[T_BEST + side] = _next_best(w, price, -1 if side == 1 else 1)


@kernel
def _next_best(w: Any, price: int, step: int) -> int:
    for _ in range(1, RING):
        price += step
        at = ring(price)
        if w[L_HEAD + at] != NIL and w[L_PRICE + at] == price:
            return price
    return 0


@kernel
def add(w: Any, order_id: int, side: int, price: int, qty: int) -> None:
    """A new order at the end of its queue. O(1)."""
    w[T_FREE] -= 1
    o = w[FREE + w[T_FREE]]
    place = w[T_COUNT + side]
    w[T_COUNT + side] = place + 1
    w[LIVE + POOL * (side - 1) + place] = o
    w[O_ID + o] = order_id
    w[O_QTY + o] = qty
    w[O_SIDE + o] = side
    w[O_PLACE + o] = place
    link(w, o, side, price)


@kernel
def remove(w: Any, o: int) -> None:
    """An order goes; its slot is free. O(1) but for the scan of `unlink`."""
    unlink(w, o)
    side, place = w[O_SIDE + o], w[O_PLACE + o]
    last = w[T_COUNT + side] - 1
    moved = w[LIVE + POOL * (side - 1) + last]
    w[LIVE + POOL * (side - 1) + place] = moved
    w[O_PLACE + moved] = place
    w[T_COUNT + side] = last
    w[FREE + w[T_FREE]] = o
    w[T_FREE] += 1


@kernel
def shrink(w: Any, o: int, qty: int) -> None:
    """An order loses quantity and keeps its place. O(1)."""
    w[O_QTY + o] -= qty
    w[L_QTY + ring(w[O_PRICE + o])] -= qty


@kernel
def head(w: Any, side: int) -> int:
    """First order of the best queue. O(1)."""
    return int(w[L_HEAD + ring(w[T_BEST + side])])


@kernel
def tail(w: Any, side: int) -> int:
    """Newest order of the best queue. O(1)."""
    return int(w[L_TAIL + ring(w[T_BEST + side])])


@kernel
def best_qty(w: Any, side: int) -> int:
    """Quantity of the best queue. O(1)."""
    return int(w[L_QTY + ring(w[T_BEST + side])])
