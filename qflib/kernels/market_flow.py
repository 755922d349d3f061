"""Seeded market data of one underlying: L3 order flow of its future, and quotes of its options.

Messages of the flow come as a Hawkes process with an exponential kernel, drawn exactly (Dassios and Zhao 2013,
"Exact simulation of Hawkes process with exponentially decaying intensity", algorithm 3.1). What a message does is
drawn from the book's state: orders are placed at power-law distances (Bouchaud, Mezard, Potters 2002), signs of
market orders persist in runs of power-law length (Lillo, Mike, Farmer 2005), and orders that the efficient price has
passed are hit or pulled first, so the book follows it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qflib.kernels import flow_book as fb
from qflib.kernels.efficient_price import (
    GRID_NS,
    M_ATM,
    P_ATM,
    P_VOL,
    price_at,
    step_price,
)
from qflib.kernels.jit import kernel
from qflib.kernels.quoted_surface import quote
from qflib.kernels.random_stream import next_uniform, next_word

# Typed, because a function called with a literal is compiled once more for each.
_CODES: tuple[Any, ...] = tuple(np.int64(i) for i in range(10))
NONE, ADD, MODIFY, CANCEL, EXECUTE, TRADE, _, CLEAR, STATUS, QUOTE = _CODES
_, LAST, SNAPSHOT = _CODES[:3]
_, BID, ASK = _CODES[:3]
CONTINUOUS = _CODES[2]
MOST_ROWS = 1024  # of one message: the opening one is the longest

# Places in the flat int64 state `w`; the first word is the random stream's, the book begins at 16.
C_START, C_END, C_GRID, C_FLOW, C_OPTION, C_RECEIPT, C_CURSOR, C_SIGN, C_RUN, C_PHASE = range(1, 11)
C_OPTIONS, C_FUTURE, C_COMMON = 11, 12, 13
OPTIONS = fb.BOOK_END  # + 3 * option: instrument, expiry, 1 for a call
# Places in the flat float64 state `x`; the path and the model lie between.
R_FLOW, R_OPTION, R_EXCESS = 0, 1, 2
X_TICK, X_OPTION_TICK = 14, 15
X_OPTIONS = 16  # + 2 * option: strike, forward in ticks at the last quote
# Rows of `out` (int64): the columns of MARKET_EVENTS in their order.
COLUMNS = 9
OPENING, OPEN, ENDED = 0, 1, 2

BRANCHING = 0.6  # of the Hawkes process: events caused by one event; the published range is 0.4 to 0.9
DECAY = 25.0  # a second
ORDERS_A_SIDE = 90  # that the flow aims at
FEWEST = 24  # orders a side below which nothing is taken away
FAR = 60  # ticks from the touch beyond which orders are pulled first
MARKET_SHARE, MODIFY_SHARE = 0.065, 0.07
STALE = 0.25  # ticks the efficient price must have passed an order
_SIZES = np.array([1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 8, 10, 10, 20], np.int64)
_1, _20, _30, _40 = np.uint64(1), np.uint64(20), np.uint64(30), np.uint64(40)
_15, _63, _255, _1023 = np.uint64(15), np.uint64(63), np.uint64(255), np.uint64(1023)


@kernel
def _row(
    out: Any, n: int, kind: int, flags: int, who: int, side: int, order_id: int, price: int, qty: int, venue_ns: int,
    receipt_ns: int,
) -> int:  # fmt: skip
    out[0, n] = kind
    out[1, n] = flags
    out[2, n] = who
    out[3, n] = side
    out[4, n] = order_id
    out[5, n] = price
    out[6, n] = qty
    out[7, n] = venue_ns
    out[8, n] = receipt_ns
    return n + 1


@kernel
def _lots(rng: Any) -> int:
    """Order sizes: small and round ones are common, one in 64 is five times as large."""
    word = next_word(rng)
    size = int(_SIZES[np.int64(word & _15)])
    return size * 5 if ((word >> _20) & _63) == 0 else size


@kernel
def _new_id(w: Any, x: Any) -> int:
    """Ids rise by 1 to 1,024: unique, 64 bits, not dense."""
    w[fb.T_ID] += 1 + np.int64(next_word(w) & _1023)
    return int(w[fb.T_ID])


@kernel
def _place(w: Any, x: Any, side: int, price: float) -> int:
    """A limit price: a power-law distance behind the best price that the efficient price and the other side allow."""
    half = 0.12 + 0.13 * x[P_VOL]  # liquidity withdraws when volatility is high
    distance = int(1.1 * (1.0 / (next_uniform(w) + 0.022) - 0.978))
    if side == BID:
        near = math.floor(price - half)
        ask = w[fb.T_BEST + ASK]
        return int((min(near, ask - 1) if ask != 0 else near) - distance)
    near = math.ceil(price + half)
    return int(max(near, w[fb.T_BEST + BID] + 1) + distance)


@kernel
def _add(w: Any, x: Any, out: Any, n: int, side: int, price: float, flags: int, venue_ns: int, receipt_ns: int) -> int:
    at = _place(w, x, side, price)
    if w[fb.T_FREE] == 0 or fb.is_taken(w, at) or at <= 0:
        return _cancel(w, x, out, n, int(w[fb.LIVE + fb.POOL * (side - 1)]), venue_ns, receipt_ns)
    qty, order_id = _lots(w), _new_id(w, x)
    fb.add(w, order_id, side, at, qty)
    return _row(out, n, ADD, flags, w[C_FUTURE], side, order_id, at, qty, venue_ns, receipt_ns)


@kernel
def _cancel(w: Any, x: Any, out: Any, n: int, o: int, venue_ns: int, receipt_ns: int) -> int:
    """One in eight cancels is partial."""
    qty = w[fb.O_QTY + o]
    if qty > 1 and (next_word(w) >> _40) & _255 < 32:
        qty = qty // 2
    side, order_id, price = w[fb.O_SIDE + o], w[fb.O_ID + o], w[fb.O_PRICE + o]
    if qty == w[fb.O_QTY + o]:
        fb.remove(w, o)
    else:
        fb.shrink(w, o, qty)
    return _row(out, n, CANCEL, LAST, w[C_FUTURE], side, order_id, price, qty, venue_ns, receipt_ns)


@kernel
def _reprice(w: Any, x: Any, out: Any, n: int, o: int, price: float, venue_ns: int, receipt_ns: int) -> int:
    """An order moves to a new price, at the end of its queue."""
    side, order_id = w[fb.O_SIDE + o], w[fb.O_ID + o]
    fb.unlink(w, o)
    at = _place(w, x, side, price)
    if fb.is_taken(w, at) or at <= 0:
        at = int(w[fb.O_PRICE + o])
    # At its old price an order loses its place only by growing.
    w[fb.O_QTY + o] = _lots(w) + (w[fb.O_QTY + o] if at == w[fb.O_PRICE + o] else 0)
    fb.link(w, o, side, at)
    qty = w[fb.O_QTY + o]
    return _row(out, n, MODIFY, LAST, w[C_FUTURE], side, order_id, at, qty, venue_ns, receipt_ns)


@kernel
def _modify(w: Any, x: Any, out: Any, n: int, o: int, price: float, venue_ns: int, receipt_ns: int) -> int:
    """Half the changes only reduce the quantity and keep their place."""
    qty = w[fb.O_QTY + o]
    if qty == 1 or next_word(w) & _1 == 0:
        return _reprice(w, x, out, n, o, price, venue_ns, receipt_ns)
    fb.shrink(w, o, qty // 2)
    side, order_id, at = w[fb.O_SIDE + o], w[fb.O_ID + o], w[fb.O_PRICE + o]
    return _row(out, n, MODIFY, LAST, w[C_FUTURE], side, order_id, at, qty - qty // 2, venue_ns, receipt_ns)


@kernel
def _hit(w: Any, x: Any, out: Any, n: int, side: int, wanted: int, venue_ns: int, receipt_ns: int) -> int:
    """A market order against the best queue of `side`: its orders in FIFO order, then the trade told.

    It stops at the level's end: most market orders are no larger than the queue (Farmer et al. 2004).
    """
    price = w[fb.T_BEST + side]
    left = min(wanted, fb.best_qty(w, side))
    done = 0
    for _ in range(MOST_ROWS // 2):
        if left == 0 or w[fb.T_COUNT + side] <= FEWEST // 2:
            break
        o = fb.head(w, side)
        qty = min(left, w[fb.O_QTY + o])
        n = _row(
            out, n, EXECUTE, NONE, w[C_FUTURE], side, w[fb.O_ID + o], price, qty, venue_ns, receipt_ns
        )  # fmt: skip
        if qty == w[fb.O_QTY + o]:
            fb.remove(w, o)
        else:
            fb.shrink(w, o, qty)
        left -= qty
        done += qty
    return _row(out, n, TRADE, LAST, w[C_FUTURE], 3 - side, NONE, price, done, venue_ns, receipt_ns)


@kernel
def _market(w: Any, x: Any, out: Any, n: int, venue_ns: int, receipt_ns: int) -> int:
    """A market order of a run: the pieces of one large order follow each other with one sign."""
    if w[C_RUN] <= 0:
        w[C_SIGN] = BID if next_word(w) & _1 == 0 else ASK
        w[C_RUN] = min(int(next_uniform(w) ** (-1.0 / 1.5)), 200)
    w[C_RUN] -= 1
    return _hit(w, x, out, n, w[C_SIGN], _lots(w), venue_ns, receipt_ns)


@kernel
def _random_order(w: Any, x: Any, side: int) -> int:
    """A third of the time the newest order of the best queue, else any: young orders near the touch die first."""
    word = next_word(w)
    if word & _1023 < 300:
        return fb.tail(w, side)
    return int(w[fb.LIVE + fb.POOL * (side - 1) + np.int64(word >> _30) % w[fb.T_COUNT + side]])


@kernel
def _flow_message(w: Any, x: Any, out: Any, n: int, price: float, venue_ns: int, receipt_ns: int) -> int:
    bids, asks = w[fb.T_COUNT + BID], w[fb.T_COUNT + ASK]
    side = BID if next_uniform(w) * (bids + asks) < asks else ASK
    if min(bids, asks) < FEWEST:
        return _add(w, x, out, n, BID if bids < asks else ASK, price, LAST, venue_ns, receipt_ns)
    bid, ask = w[fb.T_BEST + BID], w[fb.T_BEST + ASK]
    late = ASK if ask < price - STALE else (BID if bid > price + STALE else 0)
    u = next_uniform(w)
    if late != 0 and u < 0.9:
        if u < 0.35:
            return _hit(w, x, out, n, late, fb.best_qty(w, late), venue_ns, receipt_ns)
        return _reprice(w, x, out, n, fb.tail(w, late), price, venue_ns, receipt_ns)
    if u < MARKET_SHARE:
        return _market(w, x, out, n, venue_ns, receipt_ns)
    if u < MARKET_SHARE + MODIFY_SHARE:
        return _modify(w, x, out, n, _random_order(w, x, side), price, venue_ns, receipt_ns)
    taking = 3 - side  # cancels take from the fuller side
    cancels = 0.45 * w[fb.T_COUNT + taking] / ORDERS_A_SIDE
    o = _random_order(w, x, taking)
    if abs(w[fb.O_PRICE + o] - price) > FAR:
        return _reprice(w, x, out, n, o, price, venue_ns, receipt_ns)
    if next_uniform(w) < cancels:
        return _cancel(w, x, out, n, o, venue_ns, receipt_ns)
    return _add(w, x, out, n, side, price, LAST, venue_ns, receipt_ns)


@kernel
def _option_message(w: Any, x: Any, out: Any, n: int, price: float, venue_ns: int, receipt_ns: int) -> int:
    """Both sides of the next option's quote, off the middle of the future's book."""
    i = w[C_CURSOR]
    w[C_CURSOR] = (i + 1) % w[C_OPTIONS]
    forward = 0.5 * (w[fb.T_BEST + BID] + w[fb.T_BEST + ASK])
    x[X_OPTIONS + 2 * i + 1] = forward
    atm = x[M_ATM] * math.exp(x[P_ATM])
    strike, expiry_ns, is_call = x[X_OPTIONS + 2 * i], w[OPTIONS + 3 * i + 1], w[OPTIONS + 3 * i + 2] == 1
    bid, ask = quote(forward * x[X_TICK], strike, is_call, expiry_ns, venue_ns, atm, x[X_OPTION_TICK])
    word = next_word(w)
    who = w[OPTIONS + 3 * i]
    n = _row(out, n, QUOTE, NONE, who, BID, NONE, bid, 10 + int(np.int64(word & _63)), venue_ns, receipt_ns)
    return _row(out, n, QUOTE, LAST, who, ASK, NONE, ask, 10 + int(np.int64((word >> _20) & _63)), venue_ns, receipt_ns)


@kernel
def _opening(w: Any, x: Any, out: Any, n: int, price: float, venue_ns: int, receipt_ns: int) -> int:
    """The market opens: statuses, then the future's book as a snapshot."""
    n = _row(out, n, STATUS, LAST, w[C_FUTURE], NONE, NONE, NONE, CONTINUOUS, venue_ns, receipt_ns)
    for i in range(w[C_OPTIONS]):
        n = _row(out, n, STATUS, LAST, w[OPTIONS + 3 * i], NONE, NONE, NONE, CONTINUOUS, venue_ns, receipt_ns)
    n = _row(out, n, CLEAR, SNAPSHOT, w[C_FUTURE], NONE, NONE, NONE, NONE, venue_ns, receipt_ns)
    for i in range(2 * ORDERS_A_SIDE):
        n = _add(w, x, out, n, BID + (i & 1), price, SNAPSHOT, venue_ns, receipt_ns)
    out[1, n - 1] = SNAPSHOT | LAST
    return int(n)


@kernel
def _draw_next_flow(w: Any, x: Any, venue_ns: int) -> None:
    """The Hawkes process's next arrival, exactly; the background rate breathes with volatility."""
    background = x[R_FLOW] * (1.0 - BRANCHING) * (0.65 + 0.4 * x[P_VOL])
    excess = x[R_EXCESS] + BRANCHING * DECAY
    wait = -math.log(next_uniform(w)) / background
    # Survival of the excess until its own next arrival; past the first one nothing of it can wait longer.
    left = 1.0 + DECAY * math.log(next_uniform(w)) / excess
    kept = math.exp(-DECAY * wait)
    if left > kept:
        wait, kept = -math.log(left) / DECAY, left
    x[R_EXCESS] = excess * kept
    w[C_FLOW] = venue_ns + 1 + int(wait * 1e9)


@kernel
def _draw_next_option(w: Any, x: Any, venue_ns: int) -> None:
    """The options' turn comes round; eight times as fast while the next one's quote is more than 3 ticks behind."""
    gap = (0.5 + next_uniform(w)) / x[R_OPTION]
    forward = 0.5 * (w[fb.T_BEST + BID] + w[fb.T_BEST + ASK])
    if abs(forward - x[X_OPTIONS + 2 * w[C_CURSOR] + 1]) > 3.0:
        gap *= 0.125
    w[C_OPTION] = venue_ns + 1 + int(gap * 1e9)


@kernel
def market_flow(w: Any, x: Any, out: Any) -> int:
    """Go on generating until `out` is full or the market ends; messages are never split.

    Parameters
    ----------
    w, x
        The state (`new_state`), int64 and float64, moved on; the rows do not depend on where calls end.
    out
        int64 (COLUMNS, more than MOST_ROWS): the columns of `MARKET_EVENTS` in their order.

    Returns
    -------
    Rows written; 0 when the market has ended. O(1) a row.
    """
    n = NONE
    room = out.shape[1] - MOST_ROWS
    while n < room and w[C_PHASE] != ENDED:
        venue_ns = min(w[C_FLOW], w[C_OPTION])
        while w[C_START] + (w[C_GRID] + 1) * GRID_NS <= venue_ns:
            w[C_GRID] += 1
            step_price(x, w, np.uint64(w[C_COMMON]), w[C_GRID])
        # Latency: 50 microseconds and a right-skewed part; receipt times of a source rise strictly.
        u = next_uniform(w)
        receipt_ns = max(w[C_RECEIPT] + 1, venue_ns + 50_000 + int(60_000.0 * u * u * u))
        if receipt_ns >= w[C_END]:
            w[C_PHASE] = ENDED
            break
        w[C_RECEIPT] = receipt_ns
        price = price_at(x, (venue_ns - w[C_START] - w[C_GRID] * GRID_NS) / GRID_NS)
        if w[C_PHASE] == OPENING:
            n = _opening(w, x, out, n, price, venue_ns, receipt_ns)
            w[C_PHASE] = OPEN
            _draw_next_flow(w, x, venue_ns)
            _draw_next_option(w, x, venue_ns)
        elif w[C_FLOW] <= w[C_OPTION]:
            n = _flow_message(w, x, out, n, price, venue_ns, receipt_ns)
            _draw_next_flow(w, x, venue_ns)
        else:
            n = _option_message(w, x, out, n, price, venue_ns, receipt_ns)
            _draw_next_option(w, x, venue_ns)
    return int(n)


def new_state(options: int) -> tuple[Any, Any]:
    """The arrays `w` and `x` of a market with so many options, the book empty."""
    w = np.zeros(OPTIONS + 3 * options, np.int64)
    fb.clear(w)
    return w, np.zeros(X_OPTIONS + 2 * options)
