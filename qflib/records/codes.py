"""The codes that columns hold. Published: never renumbered, only added to."""

from __future__ import annotations

from enum import IntEnum


class EventKind(IntEnum):
    """What a row of `MarketEvents` says."""

    ADD = 1  # a new order joins its queue
    MODIFY = 2  # an order's price and quantity become these; it loses priority unless only its quantity falls
    CANCEL = 3  # an order shrinks by this quantity, or goes
    EXECUTE = 4  # a resting order is filled by this quantity
    TRADE = 5  # a trade is told; books are not touched; side is the aggressor's
    LEVEL = 6  # a level's quantity becomes this (0: gone)
    CLEAR = 7  # a book is empty
    STATUS = 8  # qty holds a TradingStatus
    QUOTE = 9  # one side's best price and quantity become these (0: none)
    SETTLEMENT = 10  # the official settlement price


class EventFlag(IntEnum):
    """Bits of `MarketEvents.flags`."""

    LAST = 1  # the venue's message ends here: the book is whole again
    SNAPSHOT = 2  # part of a snapshot, not a change
    GAP = 4  # something the venue told before this row is missing, or could not be used


class Side(IntEnum):
    NONE = 0
    BID = 1  # also: buy
    ASK = 2  # also: sell


class TradingStatus(IntEnum):
    UNKNOWN = 0
    PRE_OPEN = 1
    CONTINUOUS = 2
    HALT = 3
    CLOSED = 4
    EXPIRED = 5


class OrderAction(IntEnum):
    NEW = 1
    CANCEL = 2
    REPLACE = 3


class OrderType(IntEnum):
    """FIX tag 40."""

    MARKET = 1
    LIMIT = 2


class TimeInForce(IntEnum):
    """FIX tag 59."""

    DAY = 0
    GTC = 1
    IOC = 3
    FOK = 4
    GTD = 6


class OrderOption(IntEnum):
    """Bits of `Orders.options`."""

    POST_ONLY = 1  # it rests, or is refused
    TELL_QUEUE = 128  # its place in the venue's queue is told


class Book(IntEnum):
    """Whose position it is inside a portfolio."""

    CLIENT = 1
    HEDGE = 2


class ExecType(IntEnum):
    """What a row of `Executions` says."""

    NEW = 1
    FILL = 2
    CANCELLED = 3
    REPLACED = 4
    REJECTED = 5
    EXPIRED = 6
    BOOKING = 7
    TRANSFER = 8
    SETTLEMENT = 9  # an expired position paid out in cash
    EXERCISE = 10
    ASSIGNMENT = 11
    VARIATION_MARGIN = 12
    BUST = 13
    DELIVERY = 14  # physical settlement: the underlying position that exercise or assignment makes


class OrderStatus(IntEnum):
    NEW = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELLED = 4
    REPLACED = 5
    REJECTED = 6
    EXPIRED = 7


class Reason(IntEnum):
    """Stable codes of rejects and unsolicited ends; names are the API's error codes."""

    NONE = 0
    UNKNOWN_INSTRUMENT = 1
    UNKNOWN_ORDER = 2
    DUPLICATE_CLIENT_ORDER_ID = 3
    BAD_QUANTITY = 4
    BAD_PRICE = 5
    OFF_TICK = 6
    ORDER_SIZE_LIMIT = 7
    PRICE_BAND = 8
    KILL_SWITCH = 9
    STALE_MARKET = 10
    NO_LIQUIDITY = 11
    UNSUPPORTED_TYPE = 12
    MARKET_CLOSED = 13
    BAD_SIDE = 14
    EXPIRED_INSTRUMENT = 15
    POSITION_LIMIT = 16
    IOC_REMAINDER = 17
    FOK_UNFILLED = 18
    REQUESTED = 19
    UNKNOWN_EXECUTION = 20
    BAD_TEXT = 21
    WOULD_TAKE = 22
    BAD_EXPIRY = 26  # 23 to 25, and what follows: of the matching engine alone


class Liquidity(IntEnum):
    NONE = 0
    MAKER = 1
    TAKER = 2


class BookingAction(IntEnum):
    BOOK = 1
    TRANSFER = 2
    BUST = 3
    EXERCISE = 4


class ControlKind(IntEnum):
    KILL_SWITCH = 1  # value 1 on, 0 off
    LIMIT = 2  # `name` is the limit, `value` its bound
    SCENARIO_SET = 3  # the content is in the batch's scenario tables
    HEDGING = 4  # value 1 on, 0 off


class DeadReason(IntEnum):
    """Why an input went to the dead letters."""

    UNPARSABLE = 1
    BAD_CHECKSUM = 2
    UNKNOWN_INSTRUMENT = 3
    GAP = 4
    TORN = 5
    OVERSIZED = 6
    BAD_VALUE = 7
    BEFORE_SNAPSHOT = 8
    UNKNOWN_KIND = 9
    UNSENT = 10  # an output too long for a record; source, epoch and seq are its own
