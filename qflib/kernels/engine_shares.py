"""How an order that comes in is divided over what is shown at a price: a list of steps an algorithm.

Each step gives shares of what is still undivided; the trades follow one by one (`hand_out`). FIFO has no list: the head
of the queue trades until it is gone (`engine_matching.step`). A venue's other list, as CME's with its lead market
makers, a split and levelling, is a row of STEPS; a step that is new is a function and a line of `divide`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_queues import first_order, next_order
from qflib.kernels.book_state import Int
from qflib.kernels.engine_codes import CURSOR, MATCHING, NOBODY, PRO_RATA, SHARING, STAGE, STP_NONE
from qflib.kernels.engine_matching import match, prevent
from qflib.kernels.engine_state import EngineState
from qflib.kernels.engine_types import stp_of
from qflib.kernels.jit import lean_kernel

TOP_FIRST, IN_PROPORTION, BY_TIME = (np.int64(v) for v in range(1, 4))
N_STEPS = 8


def _steps() -> Any:
    made = np.zeros((int(PRO_RATA) + 1, N_STEPS), np.int64)
    made[PRO_RATA, :3] = TOP_FIRST, IN_PROPORTION, BY_TIME
    made.setflags(write=False)
    return made


STEPS = _steps()


@lean_kernel
def divide(e: EngineState) -> None:
    """Divide the order that comes in over the level in CURSOR. O(steps * orders shown there).

    Own account's orders at the level are dealt with before, one a call.
    """
    t = e.taker[0]
    k, l = t.instrument, np.uint64(e.work[CURSOR])
    b = e.book
    e.work[STAGE] = MATCHING
    row = first_order(b, l)
    while row != NOBODY:
        if stp_of(t.bits) != STP_NONE and np.int64(e.tags[row].account) == t.account:
            prevent(e, k, np.int64(row))
            return
        e.more[row].share = 0
        row = next_order(b, row)
    left: Any = min(t.leaves, np.int64(b.levels[l].qty))
    for i in range(N_STEPS):
        step = STEPS[e.rules[k].algorithm, i]
        if step == TOP_FIRST:
            left = top_first(e, k, t.side, e.work[CURSOR], left)
        elif step == IN_PROPORTION:
            left = in_proportion(e, k, e.work[CURSOR], left)
        elif step == BY_TIME:
            left = by_time(e, e.work[CURSOR], left)
    e.work[CURSOR] = np.int64(first_order(b, l))
    e.work[STAGE] = SHARING


@lean_kernel
def top_first(e: EngineState, k: Int, side: Int, level: Int, left: Int) -> Int:
    """The order that made the best price gets its lots up to the bound; what is left."""
    top = np.uint64(e.rules[k].top_ask if side == 1 else e.rules[k].top_bid)
    if top == NOBODY or np.int64(e.book.orders[top].level) != level or e.rules[k].top_order == 0:
        return left
    share: Int = min(left, unshared(e, top), e.rules[k].top_order)
    e.more[top].share += share
    return left - share


@lean_kernel
def in_proportion(e: EngineState, k: Int, level: Int, left: Int) -> Int:
    """Each gets by its quantity, rounded down; a share under the least is none; what is left."""
    pool, whole = left, np.int64(0)
    row = first_order(e.book, np.uint64(level))
    while row != NOBODY:
        whole += unshared(e, row)
        row = next_order(e.book, row)
    row = first_order(e.book, np.uint64(level))
    while row != NOBODY and pool > 0:
        share = mul_div(pool, unshared(e, row), whole)
        if share >= e.rules[k].least_share:
            e.more[row].share += share
            left -= share
        row = next_order(e.book, row)
    return left


@lean_kernel
def by_time(e: EngineState, level: Int, left: Int) -> Int:
    """The first in the queue get all they have; what is left."""
    row = first_order(e.book, np.uint64(level))
    while row != NOBODY and left > 0:
        share = min(left, unshared(e, row))
        e.more[row].share += share
        left -= share
        row = next_order(e.book, row)
    return left


@lean_kernel
def unshared(e: EngineState, row: Any) -> Any:
    """Lots that an order shows and no step has given away."""
    return np.int64(e.book.orders[row].qty) - e.more[row].share


@lean_kernel
def hand_out(e: EngineState) -> None:
    """Trade the next share."""
    row = np.uint64(e.work[CURSOR])
    while row != NOBODY and e.more[row].share == 0:
        row = next_order(e.book, row)
    if row == NOBODY:
        e.work[STAGE] = MATCHING
        return
    behind = next_order(e.book, row)
    share = e.more[row].share
    e.more[row].share = 0
    match(e, e.taker[0].instrument, np.int64(row), share)
    e.work[CURSOR] = np.int64(behind)


@lean_kernel
def mul_div(a: Int, b: Int, c: Int) -> Int:
    """A * b // c of numbers below 2**60 with a <= c, without overflow: long division, a bit of b at a time."""
    if a < 2**31 and b < 2**31:
        return a * b // c
    quotient, rest = np.int64(0), np.int64(0)
    for i in range(60, -1, -1):
        quotient <<= 1
        rest <<= 1
        if rest >= c:
            quotient += 1
            rest -= c
        if (b >> i) & 1:
            rest += a
            if rest >= c:
                quotient += 1
                rest -= c
    return quotient
