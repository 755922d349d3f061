"""What the matching engine is made of: orders in one `BookState`, what a plain limit order has not beside it.

One state holds every place an order can be in, as instruments of one `BookState` with N_PLACES * n rows: the
displayed book of instrument k is row k, its hidden orders are row n + k, its waiting stops 2n + k (queued by trigger
price: buy stops on the ask side, the lowest first), and what waits for the closing auction 3n + k. Ids stand once,
under row k. A plain order costs a row of the book and a `TAG`; `MORE` is read only where the tag says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import book_state
from qflib.kernels.book_state import BookState
from qflib.kernels.engine_codes import (
    CONTINUOUS,
    HIGH,
    LOW,
    N_PLACES,
    N_WORK,
    NO_HIGH,
    NO_LOW,
)

COMMAND = np.dtype(
    [
        ("action", "u1"),
        ("side", "u1"),
        ("ord_type", "u1"),
        ("time_in_force", "u1"),
        ("options", "u1"),  # POST_ONLY, SLIDE, HIDDEN
        ("self_trade", "u1"),
        ("spare", "u2"),
        ("instrument", "u4"),
        ("account", "u4"),
        ("order_id", "u8"),
        ("price_ticks", "i8"),
        ("qty", "i8"),  # of SESSION: the session; of KILL: 1 on, 0 off
        ("stop_ticks", "i8"),
        ("display_qty", "i8"),  # an iceberg's peak; 0: all is shown
        ("expire_ns", "i8"),
        ("time_ns", "i8"),
    ]
)
EVENT = np.dtype(
    [
        ("kind", "u1"),
        ("side", "u1"),
        ("reason", "u1"),
        ("marks", "u1"),
        ("instrument", "u4"),
        ("order_id", "u8"),  # of TRADED: who rested; in an auction the buyer
        ("contra_id", "u8"),
        ("price_ticks", "i8"),
        ("qty", "i8"),  # of RESTING and REPLACED: what is shown
        ("leaves", "i8"),
        ("contra_leaves", "i8"),
        ("time_ns", "i8"),
    ]
)
TAG = np.dtype([("account", "u4"), ("bits", "u4")])
MORE = np.dtype(
    [
        ("reserve", "i8"),  # lots not shown
        ("display", "i8"),
        ("expire_ns", "i8"),
        ("limit", "i8"),  # of a stop that waits
        ("share", "i8"),  # of the order that comes in, pro rata
    ]
)
RULES = np.dtype(
    [
        ("algorithm", "i8"),
        ("least_share", "i8"),  # pro rata: smaller shares are none
        ("top_order", "i8"),  # pro rata: lots of the top order filled first
        ("lowest", "i8"),  # price band; both 0: none
        ("highest", "i8"),
        ("collar", "i8"),  # ticks past the best price that a market order may trade; 0: any
        ("max_qty", "i8"),  # 0: none
        ("killed", "i8"),
        ("session", "i8"),
        ("top_bid", "u8"),  # row of the top order
        ("top_ask", "u8"),
    ]
)
TAKER = np.dtype(
    [
        ("id", "u8"),
        ("instrument", "i8"),
        ("side", "i8"),
        ("limit", "i8"),  # the worst price it takes
        ("price", "i8"),  # its own, 0 at market
        ("leaves", "i8"),
        ("display", "i8"),
        ("expire_ns", "i8"),
        ("account", "i8"),
        ("bits", "i8"),
    ]
)
EXPIRY = np.dtype([("expire_ns", "i8"), ("id", "u8"), ("instrument", "i8")])


class EngineState(NamedTuple):
    """All of the engine (see the module); `events` is a buffer to be emptied, `work` what is under way."""

    book: BookState
    tags: NDArray[Any]  # TAG an order row
    more: NDArray[Any]  # MORE an order row
    rules: NDArray[Any]  # RULES an instrument
    killed: NDArray[np.uint8]  # an account
    expiries: NDArray[Any]  # EXPIRY, a heap by time; may name orders that are gone
    scratch: NDArray[np.int64]  # (m, 2): prices and lots of an auction
    taker: NDArray[Any]  # TAKER, one
    events: NDArray[Any]  # EVENT
    work: NDArray[np.int64]


def new_engine(n_instruments: int, orders: int = 1024, events: int = 8192) -> EngineState:
    """No orders; every instrument trades continuously, by price and time.

    Parameters
    ----------
    n_instruments
        Rows of the instrument table.
    orders, events
        First room for resting orders, and for events between two calls.
    """
    book = book_state.new_state(int(N_PLACES) * n_instruments, orders)
    rules = np.zeros(n_instruments, RULES)
    rules["session"] = CONTINUOUS
    work = np.zeros(N_WORK, np.int64)
    work[HIGH], work[LOW] = NO_HIGH, NO_LOW
    return EngineState(
        book=book,
        tags=np.zeros(len(book.orders), TAG),
        more=np.zeros(len(book.orders), MORE),
        rules=rules,
        killed=np.zeros(1, np.uint8),
        expiries=np.zeros(16, EXPIRY),
        scratch=np.zeros((64, 2), np.int64),
        taker=np.zeros(1, TAKER),
        events=np.zeros(events, EVENT),
        work=work,
    )
