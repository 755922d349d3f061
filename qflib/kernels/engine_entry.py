"""Commands of the matching engine: a new order, a cancel, a replacement; what is refused, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_levels import rank_of
from qflib.kernels.book_state import Int
from qflib.kernels.engine_codes import (
    ACCEPTED,
    AT_MARKET,
    BAD_EXPIRY,
    BAD_PRICE,
    BAD_QUANTITY,
    BAD_SIDE,
    CANCELLED,
    CONTINUOUS,
    DUPLICATE_ID,
    HAS_MORE,
    KEEP,
    KILL_SWITCH,
    LOST_PRIORITY,
    MARKET_CLOSED,
    MAX_LOTS,
    MAX_TICKS,
    NO_REASON,
    NOBODY,
    NOW,
    ORDER_SIZE_LIMIT,
    POST_ONLY,
    PRICE,
    PRICE_BAND,
    REJECTED,
    REPLACED,
    REQUESTED,
    SLIDE,
    STOPS,
    STP_DECREMENT,
    TOP,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
    UNSUPPORTED_TYPE,
    WOULD_TAKE,
)
from qflib.kernels.engine_matching import best_level, end, shrink, would_take
from qflib.kernels.engine_orders import (
    bits_of,
    book_of,
    find,
    leaves_of,
    price_of,
    side_of,
    tell,
    withdraw,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_taker import arm, place_or_match, take_in
from qflib.kernels.engine_types import OPEN, TIMES, TYPES, at_market, goes_together, is_in, tag_of
from qflib.kernels.jit import inlined, lean_kernel


@lean_kernel
def enter(e: EngineState, c: Any) -> None:
    """A new order: refused, parked, or on its way into the book."""
    e.work[PRICE] = c.price_ticks
    reason = refusal(e, c)
    if reason != NO_REASON:
        reject(e, c, reason)
        return
    k, side, price = np.int64(c.instrument), np.int64(c.side), e.work[PRICE]
    row = TYPES[c.ord_type]
    if not row.priced:
        price = AT_MARKET if side == 1 else -AT_MARKET
    bits = tag_of(np.int64(c.ord_type), np.int64(c.time_in_force), np.int64(c.options), np.int64(c.self_trade))
    tell(e, ACCEPTED, side, NO_REASON, 0, k, c.order_id, NOBODY, price, c.qty, c.qty, 0)
    take_in(e, k, side, c.order_id, price, c.qty, np.int64(c.account), bits, c.display_qty, c.expire_ns)
    if row.waits:
        arm(e, c.stop_ticks)
    else:
        place_or_match(e)


@lean_kernel
def withdrawal(e: EngineState, c: Any) -> None:
    """A cancel."""
    k = np.int64(c.instrument)
    if k >= len(e.rules):
        reject(e, c, UNKNOWN_INSTRUMENT)
        return
    row = find(e, k, c.order_id)
    if row == 0:
        reject(e, c, UNKNOWN_ORDER)
    else:
        end(e, k, row, CANCELLED, REQUESTED)


@lean_kernel
def replace(e: EngineState, c: Any) -> None:
    """New price and open quantity; the place is kept where the price stays and the quantity does not rise."""
    k = np.int64(c.instrument)
    row: Int = np.int64(0)
    reason: Int = np.int64(UNKNOWN_INSTRUMENT)
    price: Int = np.int64(c.price_ticks)
    stop: Int = np.int64(c.stop_ticks)
    e.work[PRICE] = price
    if k < len(e.rules):
        row = find(e, k, c.order_id)
        if row != 0:
            price, stop = as_asked(e, np.uint64(row), price, stop)
            e.work[PRICE] = price
        reason = UNKNOWN_ORDER if row == 0 else no_replacement(e, c, k, row, price, stop)
    if reason != NO_REASON:
        reject(e, c, reason)
        return
    r = np.uint64(row)
    n, bits, leaves = len(e.rules), bits_of(e, r), leaves_of(e, row)
    place, side = book_of(e, r) // (2 * n), side_of(e, r)
    if at_market(bits):
        e.work[PRICE] = AT_MARKET if side == 1 else -AT_MARKET
    at = stop if place == STOPS else price_of(e, r) if at_market(bits) else price
    display = e.more[r].display if bits & HAS_MORE else np.int64(0)
    if c.display_qty > 0:
        display = c.display_qty
    if at == price_of(e, r) and c.qty <= leaves:
        if bits & HAS_MORE:
            e.more[r].display, e.more[r].limit = display, e.work[PRICE]
        shrink(e, k, row, c.qty, NO_REASON, e.work[PRICE])
        return
    expire_ns = e.more[r].expire_ns if bits & HAS_MORE else np.int64(0)
    take_in(
        e, k, side, c.order_id, e.work[PRICE], c.qty, np.int64(e.tags[r].account), bits & ~(HAS_MORE | TOP),
        min(display, c.qty), expire_ns,
    )  # fmt: skip
    withdraw(e, k, row)
    tell(e, REPLACED, side, NO_REASON, LOST_PRIORITY, k, c.order_id, NOBODY, e.work[PRICE], 0, c.qty, 0)
    if place == STOPS:
        arm(e, stop)
    else:
        place_or_match(e)


@lean_kernel
def as_asked(e: EngineState, r: Any, price: Int, stop: Int) -> tuple[Int, Int]:
    """Price and stop of a replacement, the order's own where they are to be kept."""
    waits = book_of(e, r) // (2 * len(e.rules)) == STOPS
    if price == KEEP:
        own = e.more[r].limit if waits else price_of(e, r)
        price = np.int64(0) if at_market(bits_of(e, r)) else own
    if stop == KEEP:
        stop = price_of(e, r) if waits else np.int64(0)
    return price, stop


@lean_kernel
def no_replacement(e: EngineState, c: Any, k: Int, row: Int, price: Int, stop: Int) -> Int:
    """Why an order is not replaced; NO_REASON: it is."""
    r = np.uint64(row)
    bits, stops = bits_of(e, r), book_of(e, r) // (2 * len(e.rules)) == STOPS
    side = side_of(e, r)
    iceberg = bits & HAS_MORE and e.more[r].display > 0
    if c.side not in (0, side):
        return BAD_SIDE
    if c.options or c.self_trade or (c.display_qty != 0 and not iceberg):
        return UNSUPPORTED_TYPE
    if not 0 < c.qty <= MAX_LOTS or not 0 <= c.display_qty <= c.qty:
        return BAD_QUANTITY
    if far(price) or far(stop):
        return BAD_PRICE
    if (at_market(bits) and price != 0) or (not stops and stop != 0):
        return BAD_PRICE
    if c.expire_ns != 0:
        return BAD_EXPIRY
    session = e.rules[k].session
    if not is_in(session, OPEN):
        return MARKET_CLOSED
    if e.rules[k].max_qty and c.qty > e.rules[k].max_qty:
        return ORDER_SIZE_LIMIT
    if not at_market(bits) and out_of_band(e, k, price):
        return PRICE_BAND
    keeps = price == price_of(e, r) and c.qty <= leaves_of(e, row)
    if bits & POST_ONLY and session == CONTINUOUS and not keeps:
        return post_only(e, k, side, bits)
    return NO_REASON


@lean_kernel
def refusal(e: EngineState, c: Any) -> Int:
    """Why a new order is not taken; NO_REASON: it is, at `work[PRICE]`."""
    reason = np.int64(UNKNOWN_INSTRUMENT) if c.instrument >= len(e.rules) else misshapen(c)
    if reason != NO_REASON:
        return reason
    k = np.int64(c.instrument)
    if find(e, k, c.order_id) != 0:
        return DUPLICATE_ID
    if e.rules[k].killed or e.killed[c.account]:
        return KILL_SWITCH
    session, time = e.rules[k].session, TIMES[c.time_in_force]
    if not is_in(session, time.sessions):
        return MARKET_CLOSED
    if time.expires and c.expire_ns <= e.work[NOW]:
        return BAD_EXPIRY
    if e.rules[k].max_qty and c.qty > e.rules[k].max_qty:
        return ORDER_SIZE_LIMIT
    if TYPES[c.ord_type].priced and out_of_band(e, k, c.price_ticks):
        return PRICE_BAND
    if c.options & POST_ONLY and session == CONTINUOUS:
        return post_only(e, k, np.int64(c.side), np.int64(c.options))
    return NO_REASON


@lean_kernel
def misshapen(c: Any) -> Int:
    """Whether a new order's fields make sense together."""
    kind, tif, options = np.int64(c.ord_type), np.int64(c.time_in_force), np.int64(c.options)
    if not goes_together(kind, tif, options, np.int64(c.display_qty != 0)) or c.self_trade > STP_DECREMENT:
        return UNSUPPORTED_TYPE
    if c.side not in (1, 2):
        return BAD_SIDE
    if not 0 < c.qty <= MAX_LOTS or not 0 <= c.display_qty <= c.qty:
        return BAD_QUANTITY
    if far(c.price_ticks) or far(c.stop_ticks):
        return BAD_PRICE
    if (c.price_ticks != 0 and not TYPES[kind].priced) or (c.stop_ticks != 0 and not TYPES[kind].waits):
        return BAD_PRICE
    if not TIMES[tif].expires and c.expire_ns != 0:
        return BAD_EXPIRY
    return NO_REASON


@lean_kernel
def post_only(e: EngineState, k: Int, side: Int, flags: Int) -> Int:
    """An order that may only rest is refused where it would trade, or moved to a tick from where it would."""
    if not would_take(e, k, side, e.work[PRICE]):
        return NO_REASON
    if not flags & SLIDE:
        return WOULD_TAKE
    best = rank_of(2 - side, e.book.levels[np.uint64(best_level(e, k, 3 - side))].rank)
    e.work[PRICE] = best - 1 if side == 1 else best + 1
    return PRICE_BAND if out_of_band(e, k, e.work[PRICE]) else NO_REASON


@inlined
def far(ticks: Any) -> Any:
    """Whether a price is beyond what an order may have."""
    return not -MAX_TICKS <= ticks <= MAX_TICKS


@lean_kernel
def out_of_band(e: EngineState, k: Int, price: Int) -> Int:
    """Whether a price lies outside its instrument's band."""
    low, high = e.rules[k].lowest, e.rules[k].highest
    return np.int64((low != 0 or high != 0) and (price < low or price > high))


@lean_kernel
def reject(e: EngineState, c: Any, reason: Int) -> None:
    """A command changes nothing."""
    side, k = np.int64(c.side), np.int64(c.instrument)
    price = np.int64(0) if c.price_ticks == KEEP else c.price_ticks
    tell(e, REJECTED, side, reason, 0, k, c.order_id, NOBODY, price, c.qty, 0, 0)
