"""What makes the exchange refuse an order: one function a question, in the order the answers are given."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from qflib.records import Instrument, OrderOption, OrderType, Reason, Side, TimeInForce
from qflib.records.instrument import smallest_tick

MAX_LOTS = 2**40  # sums of many orders stay inside int64
MAX_TICKS = 2**53  # prices are exact as floats
_TYPES = frozenset(int(t) for t in OrderType)
_TIMES = frozenset(int(t) for t in TimeInForce)
_OPTIONS = sum(OrderOption)
#: Times in force of an order that may rest.
RESTS = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)


class Request(NamedTuple):
    """A row of `Orders`, in its columns' order."""

    action: int
    instrument: int
    side: int
    ord_type: int
    time_in_force: int
    price_ticks: int
    qty: int
    account: bytes
    portfolio: bytes
    book: int
    client_order_id: bytes
    orig_client_order_id: bytes
    hedge_no: int
    request_hash: int
    sent_ns: int
    options: int = 0
    expire_ns: int = 0


def form(r: Request) -> Reason:
    """Whether type, options, side, quantity, price and end make sense at all."""
    if r.ord_type not in _TYPES or r.time_in_force not in _TIMES or r.options & ~_OPTIONS:
        return Reason.UNSUPPORTED_TYPE
    if r.options & OrderOption.POST_ONLY and (r.ord_type != OrderType.LIMIT or r.time_in_force not in RESTS):
        return Reason.UNSUPPORTED_TYPE
    if r.side not in (Side.BID, Side.ASK):
        return Reason.BAD_SIDE
    if not 0 < r.qty <= MAX_LOTS:
        return Reason.BAD_QUANTITY
    if r.price_ticks != 0 if r.ord_type == OrderType.MARKET else not 0 < r.price_ticks <= MAX_TICKS:
        return Reason.BAD_PRICE
    ends = r.expire_ns > 0 if r.time_in_force == TimeInForce.GTD else r.expire_ns == 0
    return Reason.NONE if ends else Reason.BAD_EXPIRY


class TickTable:
    """The tick schedule of an instrument in units of its smallest tick."""

    def __init__(self, instrument: Instrument) -> None:
        unit = smallest_tick(instrument)
        self._bands = [
            (math.ceil(Fraction(start) / unit), int(Fraction(tick) / unit)) for start, tick in instrument.tick_schedule
        ]

    def on_tick(self, price_ticks: int) -> bool:
        """Whether a price is a multiple of its own band's tick.

        Examples
        --------
        >>> from qflib.records import Instrument
        >>> table = TickTable(Instrument("O", tick_schedule=(("0", "0.05"), ("3", "0.10"))))
        >>> [table.on_tick(t) for t in (59, 60, 61, 62)]  # 2.95, 3.00, 3.05, 3.10
        [True, True, False, True]
        """
        step = self._bands[0][1]
        for start, tick in self._bands:
            if price_ticks >= start:
                step = tick
        return price_ticks % step == 0


def in_band(price: int, bid: int | None, ask: int | None, last: int | None, band: float) -> bool:
    """Whether a limit price is near enough to the mid, or to the last trade; without either, any is."""
    if math.isinf(band):
        return True
    middle = (bid + ask) / 2 if bid is not None and ask is not None else last
    return middle is None or abs(price - middle) <= band * abs(middle)
