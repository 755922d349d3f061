"""The plain limit order and the cancel, which are nearly all there is: in the kernel's own loop, without a call.

What these do is what the engine's other files do, which take over wherever an order, or one it meets, is not plain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_ids import cell_of, find_cell, forget_cell, hash_of, row_in_cell
from qflib.kernels.book_levels import level_for, rank_of, take_level_out
from qflib.kernels.book_queues import first_order, free_order, place_hashed, unlink_order
from qflib.kernels.book_state import NO_PRICE
from qflib.kernels.engine_codes import (
    ACCEPTED,
    CANCELLED,
    CONTINUOUS,
    DARK,
    FIFO,
    FILLED,
    GTC,
    HAS_MORE,
    HIGH,
    LIMIT,
    LOW,
    MATCHING,
    MAX_LOTS,
    MAX_TICKS,
    N_EVENTS,
    NO_REASON,
    NOBODY,
    REJECTED,
    REQUESTED,
    RESTING,
    STAGE,
    STOPS,
    TOP,
    TRADED,
    TRIGGERING,
    UNKNOWN_ORDER,
    ZERO,
)
from qflib.kernels.engine_orders import tell
from qflib.kernels.engine_state import EngineState
from qflib.kernels.jit import folded

_SPARE = 8


@folded
def is_plain(e: EngineState, c: Any) -> Any:
    """Whether a new order is a limit order without conditions, to an instrument that takes it."""
    plain = (
        c.ord_type == LIMIT
        and c.time_in_force <= GTC  # DAY or GTC
        and np.int64(c.options) + np.int64(c.self_trade) == 0
        and (c.stop_ticks | c.display_qty | c.expire_ns) == 0
        and c.instrument < len(e.rules)
        and np.int64(c.side) - 1 <= 1
        and c.side != 0
        and c.qty > 0
        and c.qty <= MAX_LOTS
        and -MAX_TICKS <= c.price_ticks <= MAX_TICKS
    )
    if plain:
        k = np.uint64(c.instrument)
        rules, hidden = e.rules[k], 2 * (DARK * len(e.rules) + np.int64(k))
        plain = (
            rules.session == CONTINUOUS
            and rules.algorithm == FIFO
            and rules.killed == 0
            and e.killed[c.account] == 0
            and (rules.max_qty == 0 or c.qty <= rules.max_qty)
            and ((rules.lowest | rules.highest) == 0 or rules.lowest <= c.price_ticks <= rules.highest)
            and e.book.books[np.uint64(hidden + 2 - np.int64(c.side))].best_rank == NO_PRICE
        )
    return plain


@folded
def remove(b: Any, cell: Any, row: Any, level: Any) -> None:
    """Take an order out of the book."""
    forget_cell(b, cell)
    unlink_order(b, row, level)
    free_order(b, row)
    if b.levels[level].qty == 0:
        take_level_out(b, level)


@folded
def enter_plain(e: EngineState, c: Any) -> Any:
    """Carry out a plain order; False: its id is another's, and nothing was done. There is room for it."""
    b = e.book
    k, side, price = np.int64(c.instrument), np.int64(c.side), c.price_ticks
    h = hash_of(k, c.order_id)
    cell = cell_of(b, k, c.order_id, h)
    if row_in_cell(b, cell) != NOBODY:
        return False
    tell(e, ACCEPTED, side, NO_REASON, ZERO, k, c.order_id, NOBODY, price, c.qty, c.qty, ZERO)
    bits = np.int64(LIMIT) << 6 | np.int64(c.time_in_force) << 9
    left = take_plain(e, k, side, c.order_id, price, c.qty)
    if left < 0:
        t = e.taker[0]
        t.instrument, t.side, t.id, t.price, t.limit, t.leaves = k, side, c.order_id, price, price, -left
        t.account, t.bits, t.display, t.expire_ns = c.account, bits, 0, 0
        e.work[STAGE] = MATCHING
    elif left == 0:
        tell(e, FILLED, side, NO_REASON, ZERO, k, c.order_id, NOBODY, price, ZERO, ZERO, ZERO)
    else:
        level = np.uint64(level_for(b, np.uint64(2 * k + side - 1), rank_of(side - 1, price)))
        if left != c.qty:  # those it took away have left their cells
            cell = cell_of(b, k, c.order_id, h)
        mine = np.uint64(place_hashed(b, cell, h, k, c.order_id, left, level))
        e.tags[mine].account = c.account
        e.tags[mine].bits = bits
        tell(e, RESTING, side, NO_REASON, ZERO, k, c.order_id, NOBODY, price, left, left, ZERO)
    return True


@folded
def take_plain(e: EngineState, k: Any, side: Any, oid: Any, price: Any, qty: Any) -> Any:
    """Match a plain order with what rests; what is left of it.

    Below zero: so much is left where it meets an order that is not plain, or events have no room, and
    `engine_matching.step` goes on. Stops that its trades may reach are looked at afterwards.
    """
    b, left = e.book, qty
    other = np.uint64(2 * k + 2 - side)
    worst = rank_of(2 - side, price)
    waiting = 2 * (STOPS * len(e.rules) + k)
    stops = (b.books[np.uint64(waiting)].best | b.books[np.uint64(waiting + 1)].best) != 0
    while left > 0:
        rank = b.books[other].best_rank
        if rank == NO_PRICE or rank < worst:
            break
        level = np.uint64(b.books[other].best)
        row = first_order(b, level)
        if e.work[N_EVENTS] + _SPARE > len(e.events) or np.int64(e.tags[row].bits) & (HAS_MORE | TOP):
            left = -left
            break
        had, maker, paid = np.int64(b.orders[row].qty), b.orders[row].id, rank_of(2 - side, rank)
        n = min(left, had)
        left -= n
        tell(e, TRADED, 3 - side, NO_REASON, ZERO, k, maker, oid, paid, n, had - n, left)
        b.info[k].last_ticks = paid
        b.info[k].last_qty = n
        if stops:
            e.work[HIGH] = max(e.work[HIGH], paid)
            e.work[LOW] = min(e.work[LOW], paid)
            e.taker[0].instrument = k
            e.work[STAGE] = TRIGGERING
        if n == had:
            remove(b, find_cell(b, k, maker), row, level)
            tell(e, FILLED, 3 - side, NO_REASON, ZERO, k, maker, NOBODY, paid, ZERO, ZERO, ZERO)
        else:
            b.orders[row].qty = had - n
            b.levels[level].qty -= n
    return left


@folded
def cancel_plain(e: EngineState, c: Any) -> Any:
    """Cancel a plain order, or refuse where it is unknown; False: it is not plain, and nothing was done."""
    b = e.book
    k = np.int64(c.instrument)
    if k >= len(e.rules):
        return False
    cell = find_cell(b, k, c.order_id)
    row = row_in_cell(b, cell)
    if row == NOBODY:
        tell(e, REJECTED, c.side, UNKNOWN_ORDER, ZERO, k, c.order_id, NOBODY, c.price_ticks, c.qty, ZERO, ZERO)
        return True
    level = np.uint64(b.orders[row].level)
    book = np.int64(b.levels[level].book)
    if np.int64(e.tags[row].bits) & (HAS_MORE | TOP) or book >= 2 * len(e.rules):
        return False
    price, left = rank_of(book, b.levels[level].rank), np.int64(b.orders[row].qty)
    tell(e, CANCELLED, (book & 1) + 1, REQUESTED, ZERO, k, c.order_id, NOBODY, price, left, ZERO, ZERO)
    remove(b, cell, row, level)
    return True
