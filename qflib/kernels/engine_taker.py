"""The order that comes in, from the door to its rest: it matches, waits or goes; then the stops its trades reached."""

from __future__ import annotations

import numpy as np

from qflib.kernels.book_levels import rank_of
from qflib.kernels.book_state import Int
from qflib.kernels.engine_clock import remember_expiry
from qflib.kernels.engine_codes import (
    AT_MARKET,
    COLLAR,
    CONTINUOUS,
    DARK,
    FOK_UNFILLED,
    HAS_MORE,
    HIDDEN,
    HIGH,
    IDLE,
    LOW,
    MATCHING,
    NO_LIQUIDITY,
    NO_REASON,
    NOBODY,
    PARKED,
    SHOWN,
    STAGE,
    STOPS,
    TRIGGERED,
    TRIGGERING,
    ZERO,
)
from qflib.kernels.engine_matching import best_level, cancel_taker, fillable
from qflib.kernels.engine_orders import (
    bits_of,
    leaves_of,
    rest,
    tell,
    withdraw,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import TIMES, TYPES, at_market, expires, stp_of, tif_of, type_of
from qflib.kernels.jit import lean_kernel


@lean_kernel
def take_in(
    e: EngineState, k: Int, side: Int, oid: Int, price: Int, leaves: Int, account: Int, bits: Int, display: Int,
    expire_ns: Int,
) -> None:  # fmt: skip
    """Make an order the one that comes in."""
    t = e.taker[0]
    t.instrument, t.side, t.id, t.price, t.leaves = k, side, np.uint64(oid), price, leaves
    t.account, t.bits, t.display, t.expire_ns = account, bits, display, expire_ns


@lean_kernel
def place_or_match(e: EngineState) -> None:
    """The order that comes in waits for an auction, goes into its call, or begins to match."""
    t = e.taker[0]
    k = t.instrument
    session, time = e.rules[k].session, TIMES[tif_of(t.bits)]
    if time.waits_for not in (0, session):
        wait_outside(e)
    elif session != CONTINUOUS:
        come_to_rest(e)
    else:
        t.limit = t.price
        if at_market(t.bits):
            t.limit = worst_price(e, k, t.side)
        if time.whole and not fillable(e, k, t.side, t.limit, t.leaves, t.account, stp_of(t.bits)):
            cancel_taker(e, FOK_UNFILLED)
            return
        e.work[STAGE] = MATCHING


@lean_kernel
def worst_price(e: EngineState, k: Int, side: Int) -> Int:
    """How far an order at market may go: its collar from the best price of the other side."""
    far = AT_MARKET if side == 1 else -AT_MARKET
    level = best_level(e, k, 3 - side)
    if e.rules[k].collar == 0 or level == 0:
        return far
    best = rank_of(2 - side, e.book.levels[np.uint64(level)].rank)
    return np.int64(best + e.rules[k].collar if side == 1 else best - e.rules[k].collar)


@lean_kernel
def remainder(e: EngineState) -> None:
    """What is left of the order that came in waits or goes; then stops are looked at."""
    t = e.taker[0]
    e.work[STAGE] = TRIGGERING
    if t.leaves == 0:
        return
    reason = TIMES[tif_of(t.bits)].left_over
    if not TYPES[type_of(t.bits)].rests:
        more = best_level(e, t.instrument, 3 - t.side) != 0
        cancel_taker(e, COLLAR if more else NO_LIQUIDITY)
    elif reason != NO_REASON:
        cancel_taker(e, reason)
    else:
        come_to_rest(e)


@lean_kernel
def come_to_rest(e: EngineState) -> None:
    """The order that came in joins its queue; at market, in a call, at the best price there is."""
    t = e.taker[0]
    place = DARK if t.bits & HIDDEN else SHOWN
    rest(e, t.instrument, place, t.side, t.price, t.id, t.leaves, t.account, t.bits, t.display, t.expire_ns, ZERO)
    note_expiry(e)


@lean_kernel
def wait_outside(e: EngineState) -> None:
    """The order that came in waits outside the book for its auction's call."""
    t = e.taker[0]
    rest(e, t.instrument, PARKED, t.side, t.price, t.id, t.leaves, t.account, t.bits, t.display, t.expire_ns, ZERO)


@lean_kernel
def note_expiry(e: EngineState) -> None:
    """Remember when the order that came in ends."""
    t = e.taker[0]
    if expires(t.bits):
        remember_expiry(e, t.expire_ns, t.id, t.instrument)


@lean_kernel
def elected(e: EngineState, k: Int, side: Int, trigger_ticks: Int) -> Int:
    """Whether the last trade has reached a stop's trigger."""
    if e.book.info[k].last_qty == 0:
        return 0
    last = e.book.info[k].last_ticks
    return np.int64(last >= trigger_ticks if side == 1 else last <= trigger_ticks)


@lean_kernel
def arm(e: EngineState, trigger_ticks: Int) -> None:
    """The stop that came in waits for its trigger, or becomes an order where the last trade has reached it."""
    t = e.taker[0]
    if e.rules[t.instrument].session == CONTINUOUS and elected(e, t.instrument, t.side, trigger_ticks):
        trigger(e)
        return
    rest(
        e,
        t.instrument,
        STOPS,
        t.side,
        trigger_ticks,
        t.id,
        t.leaves,
        t.account,
        t.bits,
        t.display,
        t.expire_ns,
        t.price,
    )
    note_expiry(e)


@lean_kernel
def trigger(e: EngineState) -> None:
    """The stop that came in becomes an order."""
    t = e.taker[0]
    tell(e, TRIGGERED, t.side, NO_REASON, 0, t.instrument, t.id, NOBODY, t.price, t.leaves, t.leaves, 0)
    place_or_match(e)


@lean_kernel
def trigger_next(e: EngineState) -> None:
    """The next stop that the trades since the last look have reached; none: all is done."""
    k = e.taker[0].instrument
    n = len(e.rules)
    for side in (1, 2):
        book = 2 * (STOPS * n + k) + 2 - side
        level = np.int64(e.book.books[np.uint64(book)].best)
        if level == 0:
            continue
        at = rank_of(book, e.book.levels[np.uint64(level)].rank)
        if at > e.work[HIGH] if side == 1 else at < e.work[LOW]:
            continue
        row = np.int64(e.book.levels[np.uint64(level)].head)
        r = np.uint64(row)
        more = e.more[r]
        take_in(
            e, k, side, e.book.orders[r].id, more.limit, leaves_of(e, row), np.int64(e.tags[r].account),
            bits_of(e, r) & ~HAS_MORE, more.display, more.expire_ns,
        )  # fmt: skip
        withdraw(e, k, row)
        e.work[STAGE] = TRIGGERING
        trigger(e)
        return
    forget_trades(e)
    e.work[STAGE] = IDLE


@lean_kernel
def forget_trades(e: EngineState) -> None:
    """Stops have been looked at."""
    e.work[HIGH] = -(2**62)
    e.work[LOW] = 2**62
