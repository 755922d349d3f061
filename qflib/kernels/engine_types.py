"""What an order can be: a table of order types, one of times in force, one of options; and the tag that keeps them.

Whoever asks what an order may do reads a row here, never a code. The plain path alone (`engine_plain`) knows its two
rows by heart: LIMIT with DAY or GTC, no option.

A type to come is a row, and where it moves by itself a stage (`engine.go_on`):

- pegged: `priced` 0, `rests` 1, a place of its own (`N_PLACES`) beside the book; a stage after TRIGGERING puts those
  whose best price moved back into the book, oldest first, as `trigger_next` does with stops;
- trailing stop, and with a limit: rows like STOP and STOP_LIMIT; a stage before TRIGGERING moves their triggers after
  HIGH or LOW, and those that are reached are triggered as stops are;
- market to limit: `priced` 0, `rests` 1; `remainder` gives it the last trade's price;
- all or none: an option's row; `step` passes over it where `leaves` of the other side is less;
- one cancels the other, bracket: an option's row, and the other order's id in MORE; FILLED, CANCELLED and TRIGGERED
  begin a sweep of one;
- a venue's list of matching steps: a row of STEPS (`engine_shares`), and a function a step that is not there yet.

Types have 3 bits of the tag, options 8, which are the command's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qflib.kernels.book_state import Int
from qflib.kernels.engine_codes import (
    AT_CLOSE,
    AT_OPEN,
    CLOSED,
    CLOSING,
    CONTINUOUS,
    DAY,
    FOK,
    GTC,
    GTD,
    HIDDEN,
    IOC,
    IOC_REMAINDER,
    LIMIT,
    MARKET,
    NO_REASON,
    POST_ONLY,
    PRE_OPEN,
    SLIDE,
    STOP,
    STOP_LIMIT,
)
from qflib.kernels.jit import folded, lean_kernel

ORDER_TYPE = np.dtype(
    [
        ("known", "i8"),
        ("priced", "i8"),  # it has a price of its own; else it trades at market, as far as the collar
        ("waits", "i8"),  # for trades to reach its stop price
        ("rests", "i8"),  # what is left in continuous trading, if its time in force lets it; else it goes
        ("iceberg", "i8"),  # it may show a part
        ("times", "i8"),  # bits: times in force it may have
    ]
)
TIME_IN_FORCE = np.dtype(
    [
        ("known", "i8"),
        ("sessions", "i8"),  # bits: in which it is taken
        ("whole", "i8"),  # all trades at once, or nothing does
        ("left_over", "i8"),  # why what is left goes; NO_REASON: it rests
        ("expires", "i8"),  # it ends at its own time
        ("waits_for", "i8"),  # the session until which it stays outside the book; 0: none
        ("cancelled_in", "i8"),  # bits: sessions whose begin takes it out, as an auction's remainder
        ("expired_in", "i8"),  # bits: sessions whose begin ends it
    ]
)
OPTION = np.dtype(
    [
        ("known", "i8"),
        ("needs", "i8"),  # options that must be there too
        ("types", "i8"),  # bits: order types that may have it
        ("times", "i8"),  # bits: times in force that may
        ("iceberg", "i8"),  # together with a part shown
    ]
)


def _bits(*codes: Any) -> int:
    return sum(1 << int(code) for code in codes)


def _bit_of(flag: Any) -> int:
    return int(flag).bit_length() - 1


_ANY_TIME = _bits(DAY, GTC, AT_OPEN, IOC, FOK, GTD, AT_CLOSE)
_ANY_TYPE = _bits(MARKET, LIMIT, STOP, STOP_LIMIT)
_NO_AUCTION = _bits(DAY, GTC, IOC, FOK, GTD)
#: Sessions in which orders are taken and replaced.
OPEN = np.int64(_bits(PRE_OPEN, CONTINUOUS, CLOSING))
_AT_ONCE = _bits(CONTINUOUS)
_OPENS = _bits(CONTINUOUS, CLOSED)
_CLOSES = _bits(CLOSED)


def _table(dtype: Any, rows: dict[Any, tuple[Any, ...]], n: int) -> Any:
    made = np.zeros(n, dtype)
    for code, row in rows.items():
        made[int(code)] = row
    made.setflags(write=False)
    return made


TYPES = _table(
    ORDER_TYPE,
    {
        # known, priced, waits, rests, iceberg, times
        MARKET: (1, 0, 0, 0, 0, _ANY_TIME),
        LIMIT: (1, 1, 0, 1, 1, _ANY_TIME),
        STOP: (1, 0, 1, 0, 0, _NO_AUCTION),
        STOP_LIMIT: (1, 1, 1, 1, 1, _NO_AUCTION),
    },
    8,
)
TIMES = _table(
    TIME_IN_FORCE,
    {
        # known, sessions, whole, left_over, expires, waits_for, cancelled_in, expired_in
        DAY: (1, OPEN, 0, NO_REASON, 0, 0, 0, _CLOSES),
        GTC: (1, OPEN, 0, NO_REASON, 0, 0, 0, 0),
        AT_OPEN: (1, _bits(PRE_OPEN), 0, NO_REASON, 0, 0, _OPENS, 0),
        IOC: (1, _AT_ONCE, 0, IOC_REMAINDER, 0, 0, 0, 0),
        FOK: (1, _AT_ONCE, 1, IOC_REMAINDER, 0, 0, 0, 0),
        GTD: (1, OPEN, 0, NO_REASON, 1, 0, 0, 0),
        AT_CLOSE: (1, OPEN, 0, NO_REASON, 0, CLOSING, _CLOSES, 0),
    },
    16,
)
OPTIONS = _table(
    OPTION,
    {
        # known, needs, types, times, iceberg
        _bit_of(POST_ONLY): (1, 0, _bits(LIMIT), _bits(DAY, GTC, GTD), 1),
        _bit_of(SLIDE): (1, POST_ONLY, _ANY_TYPE, _ANY_TIME, 1),
        _bit_of(HIDDEN): (1, 0, _ANY_TYPE, _ANY_TIME, 0),
    },
    8,
)


@lean_kernel
def goes_together(kind: Int, tif: Int, options: Int, iceberg: Int) -> Int:
    """Whether a type, a time in force and options make an order. O(options there are).

    Parameters
    ----------
    kind, tif, options
        As a command has them.
    iceberg
        Whether a part alone is to be shown.
    """
    if kind >= len(TYPES) or tif >= len(TIMES) or TYPES[kind].known == 0 or TIMES[tif].known == 0:
        return 0
    if not TYPES[kind].times >> tif & 1 or (iceberg and not TYPES[kind].iceberg):
        return 0
    for i in range(len(OPTIONS)):
        if not options >> i & 1:
            continue
        o = OPTIONS[i]
        if o.known == 0 or o.needs & ~options or not o.types >> kind & 1 or not o.times >> tif & 1:
            return 0
        if iceberg and not o.iceberg:
            return 0
    return 1


@folded
def tag_of(kind: Int, tif: Int, options: Int, stp: Int) -> Any:
    """The bits that an order keeps of what it is: the first three options, stp, type, time in force, more options."""
    return options & 7 | stp << 3 | kind << 6 | tif << 9 | options >> 3 << 16


@folded
def type_of(bits: Any) -> Any:
    """A tag's order type."""
    return (bits >> 6) & 7


@folded
def tif_of(bits: Any) -> Any:
    """A tag's time in force."""
    return (bits >> 9) & 15


@folded
def stp_of(bits: Any) -> Any:
    """A tag's self-trade prevention."""
    return (bits >> 3) & 7


@folded
def at_market(bits: Any) -> Any:
    """Whether an order has no price of its own."""
    return TYPES[type_of(bits)].priced == 0


@folded
def expires(bits: Any) -> Any:
    """Whether an order ends at a time of its own."""
    return TIMES[tif_of(bits)].expires != 0


@folded
def is_in(session: Any, sessions: Any) -> Any:
    """Whether a session is among those of a column."""
    return sessions >> session & 1 != 0
