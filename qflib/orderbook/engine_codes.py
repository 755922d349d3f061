"""The matching engine's codes by name: what commands say and events tell. The numbers are the kernels'."""

from __future__ import annotations

from enum import IntEnum

from qflib.kernels import engine_codes as c


class Action(IntEnum):
    """What a command does."""

    NEW = c.NEW
    CANCEL = c.CANCEL
    REPLACE = c.REPLACE
    MASS_CANCEL = c.MASS_CANCEL
    SESSION = c.SESSION
    KILL = c.KILL
    CLOCK = c.CLOCK


class OrderType(IntEnum):
    """FIX tag 40."""

    MARKET = c.MARKET
    LIMIT = c.LIMIT
    STOP = c.STOP
    STOP_LIMIT = c.STOP_LIMIT


class TimeInForce(IntEnum):
    """FIX tag 59."""

    DAY = c.DAY
    GTC = c.GTC
    AT_OPEN = c.AT_OPEN
    IOC = c.IOC
    FOK = c.FOK
    GTD = c.GTD
    AT_CLOSE = c.AT_CLOSE


class SelfTrade(IntEnum):
    """What goes where both sides of a match are one account's; the order that comes in decides."""

    NONE = c.STP_NONE
    NEWEST = c.STP_NEWEST
    OLDEST = c.STP_OLDEST
    BOTH = c.STP_BOTH
    DECREMENT = c.STP_DECREMENT


class Session(IntEnum):
    """What an instrument's market does: a call collects orders and trades at its end at one price."""

    PRE_OPEN = c.PRE_OPEN  # the opening auction's call
    CONTINUOUS = c.CONTINUOUS
    HALT = c.HALT  # cancels alone
    CLOSED = c.CLOSED
    CLOSING = c.CLOSING  # the closing auction's call


class Kind(IntEnum):
    """What an event tells; an accepted order ends with one of FILLED, CANCELLED and EXPIRED."""

    ACCEPTED = c.ACCEPTED
    REJECTED = c.REJECTED
    RESTING = c.RESTING  # it joins the end of a queue, whether it comes in, is shown again or moved
    TRADED = c.TRADED
    FILLED = c.FILLED
    CANCELLED = c.CANCELLED
    REPLACED = c.REPLACED  # in its place; with LOST_PRIORITY out of it
    TRIGGERED = c.TRIGGERED
    EXPIRED = c.EXPIRED
    SESSION_CHANGED = c.SESSION_CHANGED


class Place(IntEnum):
    """Where an order waits."""

    BOOK = c.SHOWN
    HIDDEN = c.DARK
    STOPS = c.STOPS
    FOR_CLOSE = c.PARKED


class Refusal(IntEnum):
    """Why a command is refused or an order goes: stable, numbered as the records' `Reason` where both have one."""

    NONE = c.NO_REASON
    UNKNOWN_INSTRUMENT = c.UNKNOWN_INSTRUMENT
    UNKNOWN_ORDER = c.UNKNOWN_ORDER
    DUPLICATE_ORDER_ID = c.DUPLICATE_ID
    BAD_QUANTITY = c.BAD_QUANTITY
    BAD_PRICE = c.BAD_PRICE
    ORDER_SIZE_LIMIT = c.ORDER_SIZE_LIMIT
    PRICE_BAND = c.PRICE_BAND
    KILL_SWITCH = c.KILL_SWITCH
    NO_LIQUIDITY = c.NO_LIQUIDITY
    UNSUPPORTED_TYPE = c.UNSUPPORTED_TYPE
    MARKET_CLOSED = c.MARKET_CLOSED
    BAD_SIDE = c.BAD_SIDE
    IOC_REMAINDER = c.IOC_REMAINDER
    FOK_UNFILLED = c.FOK_UNFILLED
    REQUESTED = c.REQUESTED
    WOULD_TAKE = c.WOULD_TAKE
    SELF_TRADE = c.SELF_TRADE
    COLLAR = c.COLLAR
    AUCTION_REMAINDER = c.AUCTION_REMAINDER
    BAD_EXPIRY = c.BAD_EXPIRY
    BAD_ACCOUNT = c.BAD_ACCOUNT
