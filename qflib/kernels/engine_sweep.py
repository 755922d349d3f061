"""Many orders at once: mass cancel, kill switch, what a session's begin or end leaves, orders for the close.

A sweep goes through an instrument's orders place by place, side by side, best level first, each queue from its head:
one order a call, so that it can be left and gone on with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_levels import worse_level
from qflib.kernels.book_queues import first_order, next_order
from qflib.kernels.book_state import NO_PRICE, Int
from qflib.kernels.engine_auction import auction_price
from qflib.kernels.engine_codes import (
    ALL,
    ANYONE,
    AUCTION_REMAINDER,
    BAD_SIDE,
    BUY,
    CANCELLED,
    CLOSED,
    CLOSING,
    CONTINUOUS,
    CURSOR,
    DARK,
    EXPIRED,
    FORGETTING,
    HALT,
    HAS_MORE,
    HIDDEN,
    HIGH,
    IDLE,
    KILL,
    KILL_SWITCH,
    KILLED_ALONE,
    KILLED_WITH_ALL,
    LEFTOVERS,
    LOW,
    N_PLACES,
    NEXT,
    NO_REASON,
    NOBODY,
    PARKED,
    PLACE,
    PRE_OPEN,
    PRICE,
    RANK,
    REASON,
    REJECTED,
    REQUESTED,
    SELL,
    SESSION_CHANGED,
    SHOWN,
    STAGE,
    SWEEPING,
    TARGET,
    TARGET_ACCOUNT,
    TARGET_SIDE,
    TARGET_STOP,
    TRIGGERING,
    UNCROSSING,
    UNKNOWN_INSTRUMENT,
    UNPARKING,
    UNSUPPORTED_TYPE,
    ZERO,
)
from qflib.kernels.engine_matching import end
from qflib.kernels.engine_orders import (
    bits_of,
    leaves_of,
    price_of,
    rest,
    side_of,
    tell,
    withdraw,
)
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import TIMES, at_market, is_in, tif_of
from qflib.kernels.jit import lean_kernel

_BEFORE_BEST = 2**63 - 1


@lean_kernel
def begin_sweep(e: EngineState, first: Int, stop: Int, account: Int, side: Int, reason: Int, after: Int) -> None:
    """Look at all orders of instruments `first` to `stop`; `after` is the stage that follows.

    Parameters
    ----------
    e
        The engine.
    first, stop
        Instruments.
    account, side
        Whose orders, of which side; -1 and 0: all.
    reason
        Why they go; NO_REASON: those go that the session ends.
    after
        A stage.
    """
    w = e.work
    w[TARGET], w[TARGET_STOP], w[TARGET_ACCOUNT], w[TARGET_SIDE], w[REASON] = first, stop, account, side, reason
    w[NEXT], w[PLACE], w[RANK], w[CURSOR] = after, 0, _BEFORE_BEST, 0
    w[STAGE] = SWEEPING


@lean_kernel
def sweep(e: EngineState) -> None:
    """Look at the next order."""
    w, n = e.work, len(e.rules)
    while w[CURSOR] == 0:
        book = 2 * ((w[PLACE] >> 1) * n + w[TARGET]) + (w[PLACE] & 1)
        level = np.int64(worse_level(e.book, book, w[RANK]))
        if level != 0:
            w[RANK] = e.book.levels[np.uint64(level)].rank
            w[CURSOR] = np.int64(first_order(e.book, np.uint64(level)))
            continue
        w[RANK] = _BEFORE_BEST
        w[PLACE] += 1
        if w[PLACE] == 2 * N_PLACES:
            w[PLACE] = 0
            w[TARGET] += 1
            if w[TARGET] == w[TARGET_STOP]:
                w[STAGE] = w[NEXT]
                return
    row = w[CURSOR]
    w[CURSOR] = np.int64(next_order(e.book, np.uint64(row)))
    consider(e, w[TARGET], row, w[PLACE] >> 1)


@lean_kernel
def consider(e: EngineState, k: Int, row: Int, place: Int) -> None:
    """End an order where the sweep means it."""
    r = np.uint64(row)
    if e.work[REASON] != NO_REASON:
        account = e.work[TARGET_ACCOUNT]
        if account in (ANYONE, np.int64(e.tags[r].account)) and e.work[TARGET_SIDE] in (0, side_of(e, r)):
            end(e, k, row, CANCELLED, e.work[REASON])
        return
    bits = bits_of(e, r)
    time, session = TIMES[tif_of(bits)], e.rules[k].session
    if is_in(session, time.cancelled_in) or (place <= DARK and at_market(bits)):
        end(e, k, row, CANCELLED, AUCTION_REMAINDER)
    elif is_in(session, time.expired_in):
        end(e, k, row, EXPIRED, NO_REASON)


@lean_kernel
def mass_cancel(e: EngineState, c: Any) -> None:
    """Cancel an account's orders or all (account 0), of a side or both (0), of an instrument or all."""
    if not _known(e, c):
        return
    account = np.int64(c.account) if c.account else ANYONE
    _sweep_named(e, c, account, np.int64(c.side), REQUESTED)


@lean_kernel
def kill(e: EngineState, c: Any) -> None:
    """Set (qty 1) or release (0) the kill switch of an account, of an instrument or of all: each by itself."""
    if not _known(e, c):
        return
    on = np.int64(c.qty != 0)
    if c.account:
        e.killed[c.account] = on
    else:
        for k in range(len(e.rules)):
            if c.instrument in (k, ALL):
                mine = KILLED_WITH_ALL if c.instrument == ALL else KILLED_ALONE
                e.rules[k].killed = e.rules[k].killed & ~mine | mine * on
    if on:
        account = np.int64(c.account) if c.account else ANYONE
        _sweep_named(e, c, account, ZERO, KILL_SWITCH)


@lean_kernel
def _known(e: EngineState, c: Any) -> Int:
    reason = np.int64(NO_REASON)
    if c.instrument >= len(e.rules) and c.instrument != ALL:
        reason = UNKNOWN_INSTRUMENT
    elif c.action == KILL and c.account and c.instrument != ALL:
        reason = UNSUPPORTED_TYPE  # an account's switch stops it everywhere
    elif c.side > 2:
        reason = BAD_SIDE
    if reason != NO_REASON:
        tell(e, REJECTED, np.int64(c.side), reason, 0, np.int64(c.instrument), c.order_id, NOBODY, 0, c.qty, 0, 0)
    return np.int64(reason == NO_REASON)


@lean_kernel
def _sweep_named(e: EngineState, c: Any, account: Int, side: Int, reason: Int) -> None:
    if c.instrument == ALL:
        begin_sweep(e, ZERO, np.int64(len(e.rules)), account, side, reason, IDLE)
    else:
        begin_sweep(e, np.int64(c.instrument), np.int64(c.instrument) + 1, account, side, reason, IDLE)


@lean_kernel
def change_session(e: EngineState, c: Any) -> None:
    """An instrument's session becomes another: an auction trades where it begins or ends, and its remainders go.

    Into CONTINUOUS and CLOSED: the auction's trades, then orders at market and those for this auction are cancelled, at
    CLOSED also those of the day expire. Into CLOSING: orders for the close come into the book, behind what rests.
    """
    k, session = np.int64(c.instrument), c.qty
    reason = np.int64(NO_REASON)
    if k >= len(e.rules):
        reason = UNKNOWN_INSTRUMENT
    elif session not in (PRE_OPEN, CONTINUOUS, HALT, CLOSED, CLOSING):
        reason = UNSUPPORTED_TYPE
    if reason != NO_REASON:
        tell(e, REJECTED, 0, reason, 0, k, c.order_id, NOBODY, 0, c.qty, 0, 0)
        return
    e.rules[k].session = session
    tell(e, SESSION_CHANGED, 0, NO_REASON, 0, k, 0, NOBODY, 0, session, 0, 0)
    e.work[TARGET] = k
    if session in (CONTINUOUS, CLOSED):
        price, _, _ = auction_price(e, k)
        e.work[PRICE] = price
        e.work[NEXT] = LEFTOVERS
        e.work[STAGE] = LEFTOVERS if price == NO_PRICE else UNCROSSING
    elif session == CLOSING:
        e.work[STAGE] = UNPARKING


@lean_kernel
def sweep_leftovers(e: EngineState) -> None:
    """After the auction's trades: what of the book its session does not keep."""
    k = e.work[TARGET]
    e.taker[0].instrument = k  # whose stops are looked at afterwards
    opens = e.rules[k].session == CONTINUOUS
    if opens and e.book.info[k].last_qty != 0:
        e.work[HIGH] = max(e.work[HIGH], e.book.info[k].last_ticks)
        e.work[LOW] = min(e.work[LOW], e.book.info[k].last_ticks)
    begin_sweep(e, k, k + 1, ANYONE, ZERO, NO_REASON, TRIGGERING if opens else FORGETTING)


@lean_kernel
def unpark(e: EngineState) -> None:
    """The next order for the close comes into the book."""
    k, n = e.work[TARGET], len(e.rules)
    for side in (BUY, SELL):
        level = np.uint64(e.book.books[np.uint64(2 * (PARKED * n + k) + side - 1)].best)
        if level == NOBODY:
            continue
        r = first_order(e.book, level)
        row = np.int64(r)
        bits, price, oid, leaves = bits_of(e, r) & ~HAS_MORE, price_of(e, r), e.book.orders[r].id, leaves_of(e, row)
        account, display = np.int64(e.tags[r].account), np.int64(0)
        if bits_of(e, r) & HAS_MORE:
            display = e.more[r].display
        withdraw(e, k, row)
        rest(e, k, DARK if bits & HIDDEN else SHOWN, side, price, oid, leaves, account, bits, display, ZERO, ZERO)
        return
    e.work[STAGE] = IDLE
