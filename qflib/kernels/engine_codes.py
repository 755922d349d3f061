"""Codes of the matching engine's commands, events and state. Published ones are never renumbered, only added to."""

from __future__ import annotations

from typing import Any, Final

import numpy as np


def _typed(*values: int) -> tuple[np.int64, ...]:
    """As int64: a kernel called with a literal is compiled once more for each."""
    return tuple(np.int64(v) for v in values)


# Actions of a command.
NEW, CANCEL, REPLACE, MASS_CANCEL, SESSION, KILL, CLOCK = _typed(*range(1, 8))
# Order types: FIX tag 40.
MARKET, LIMIT, STOP, STOP_LIMIT = _typed(*range(1, 5))
# Times in force: FIX tag 59.
DAY, GTC, AT_OPEN, IOC, FOK, GTD, AT_CLOSE = _typed(0, 1, 2, 3, 4, 6, 7)
# Options of an order.
POST_ONLY, SLIDE, HIDDEN = _typed(1, 2, 4)
# Self-trade prevention: what goes where both sides are one account's.
STP_NONE, STP_NEWEST, STP_OLDEST, STP_BOTH, STP_DECREMENT = _typed(*range(5))
# Sessions of an instrument.
PRE_OPEN, CONTINUOUS, HALT, CLOSED, CLOSING = _typed(1, 2, 3, 4, 6)
# Kinds of events.
ACCEPTED, REJECTED, RESTING, TRADED, FILLED = _typed(*range(1, 6))
CANCELLED, REPLACED, TRIGGERED, EXPIRED, SESSION_CHANGED = _typed(*range(6, 11))
# Marks of an event: HIDDEN, and a stop that waits; both sides rested; out of its queue; an order for the close waits.
STOP_WAITS, AUCTION, LOST_PRIORITY, FOR_CLOSE = _typed(8, 16, 32, 64)
# Matching rules of an instrument.
FIFO, PRO_RATA = _typed(0, 1)
# Sides.
BUY, SELL = _typed(1, 2)
# Places of an order: rows place * n + k of the book.
SHOWN, DARK, STOPS, PARKED = _typed(*range(4))
(N_PLACES,) = _typed(4)
# Every instrument.
(ALL,) = _typed(2**32 - 1)
# Who set an instrument's kill switch: its own, and that of all.
KILLED_ALONE, KILLED_WITH_ALL = _typed(1, 2)
ZERO = np.int64(0)
ANYONE = np.int64(-1)
NOBODY: Any = np.uint64(0)

# Reasons, numbered as the records' `Reason`.
NO_REASON, UNKNOWN_INSTRUMENT, UNKNOWN_ORDER, DUPLICATE_ID, BAD_QUANTITY, BAD_PRICE = _typed(*range(6))
ORDER_SIZE_LIMIT, PRICE_BAND, KILL_SWITCH, NO_LIQUIDITY, UNSUPPORTED_TYPE, MARKET_CLOSED = _typed(7, 8, 9, 11, 12, 13)
BAD_SIDE, IOC_REMAINDER, FOK_UNFILLED, REQUESTED = _typed(14, 17, 18, 19)
WOULD_TAKE, SELF_TRADE, COLLAR, AUCTION_REMAINDER, BAD_EXPIRY, BAD_ACCOUNT = _typed(*range(22, 28))

MAX_LOTS = np.int64(2**40)  # sums of many orders stay inside int64
MAX_TICKS = np.int64(2**53)
MAX_ACCOUNTS = np.int64(2**24)
KEEP = np.int64(-(2**62))  # of a replacement's price and stop: as they are
AT_MARKET = np.int64(2**60)  # the price, times side, at which a market order waits in an auction's call
# Bits of a tag beside those of `engine_types.tag_of`.
HAS_MORE = np.int64(1 << 13)
TOP = np.int64(1 << 14)  # the order that made the best price

# Places in `EngineState.work`.
(
    STAGE, N_EVENTS, NOW, N_EXPIRIES,
    HIGH, LOW,  # trade prices since stops were last looked at
    PRICE,  # an auction's; of a command, as it may have been moved
    NEXT,  # the stage after this one
    TARGET, TARGET_STOP, TARGET_ACCOUNT, TARGET_SIDE, REASON,  # of a sweep
    PLACE, RANK, CURSOR,  # where a sweep stands; CURSOR also a level to divide over, and whose share is next
) = _typed(*range(16))  # fmt: skip
N_WORK: Final = 16

# Stages.
(
    IDLE, MATCHING, SHARING, REMAINDER, TRIGGERING, EXPIRING, SWEEPING, UNCROSSING, LEFTOVERS, UNPARKING, FORGETTING,
    DIVIDING,
) = _typed(*range(12))  # fmt: skip

NO_HIGH = np.int64(-(2**62))
NO_LOW = np.int64(2**62)
