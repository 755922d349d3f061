"""Databento's records of trades, quotes, ten levels, states and settlements as market events.

A record of ten levels (mbp-10) is a snapshot of them; one of quotes (mbp-1, bbo, cmbp-1, …) makes a row a side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.records import MARKET_EVENTS, EventFlag, EventKind, Side, TradingStatus
from qflib.venues.databento_layouts import (
    BBO_1M,
    BBO_1S,
    CBBO_1M,
    CBBO_1S,
    CMBP_1,
    MBP_0,
    MBP_1,
    MBP_10,
    STATISTICS,
    STATUS,
    TBBO,
    TCBBO,
    UNDEFINED,
    UNDEFINED_TIME,
)

_QUOTES = frozenset((MBP_1, TBBO, BBO_1S, BBO_1M, CMBP_1, CBBO_1S, CBBO_1M, TCBBO))
#: Record types that become events here.
TOLD = _QUOTES | {MBP_0, MBP_10, STATUS, STATISTICS}
_SETTLEMENT_PRICE = 3
_ACTIONS = np.zeros(1 << 16, np.int64)
for _action, _status in {
    1: TradingStatus.PRE_OPEN, 2: TradingStatus.PRE_OPEN, 3: TradingStatus.PRE_OPEN, 4: TradingStatus.PRE_OPEN,
    5: TradingStatus.PRE_OPEN, 7: TradingStatus.CONTINUOUS, 8: TradingStatus.HALT, 9: TradingStatus.HALT,
    10: TradingStatus.HALT, 11: TradingStatus.CONTINUOUS, 12: TradingStatus.CLOSED, 13: TradingStatus.CLOSED,
    15: TradingStatus.CLOSED,
}.items():  # fmt: skip
    _ACTIONS[_action] = _status


class _Slot(NamedTuple):
    """One row of events for each record where it is there."""

    kind: EventKind
    flags: int
    side: Any
    price: NDArray[np.int64]
    qty: NDArray[np.int64]
    there: NDArray[np.bool_]


def events(
    r: NDArray[Any], kind: int, row: NDArray[np.int64], unit: NDArray[np.int64], receipt_ns: NDArray[np.int64]
) -> tuple[Any, NDArray[np.bool_], NDArray[np.int64]]:
    """Rows of events of records of one type.

    Parameters
    ----------
    r
        Records, by their layout.
    kind
        Their type, one of TOLD.
    row
        Each one's row of the instrument table; below 0: it has none, and makes no event.
    unit
        Each one's tick, in 1e-9.
    receipt_ns
        When each was received.

    Returns
    -------
    events, good, source
        `MARKET_EVENTS` columns in the order of the records, which records had every price on the tick, and the record
        of each event. O(records).
    """
    slots = _slots(r, kind)
    shape = (len(r), len(slots))
    there, price = np.zeros(shape, bool), np.zeros(shape, np.int64)
    for k, slot in enumerate(slots):
        there[:, k], price[:, k] = slot.there, slot.price
    ticks = price // unit[:, None]
    good = ((ticks * unit[:, None] == price) | ~there).all(axis=1)
    there &= (good & (row >= 0))[:, None]
    at, place = np.nonzero(there)
    last = np.append(at[1:] != at[:-1], True) if len(at) else np.zeros(0, bool)

    def every(name: str) -> NDArray[Any]:
        out = np.zeros(shape, np.int64)
        for j, slot in enumerate(slots):
            out[:, j] = getattr(slot, name)
        told: NDArray[Any] = out[at, place]
        return told

    time = r["ts_event"][at]
    made = MARKET_EVENTS.make(
        kind=every("kind").astype(np.uint32),
        flags=(every("flags") | last * int(EventFlag.LAST)).astype(np.uint32),
        instrument=row[at].astype(np.uint32),
        side=every("side").astype(np.uint32),
        price_ticks=ticks[at, place],
        qty=every("qty"),
        venue_ns=np.where(time == UNDEFINED_TIME, 0, time).astype(np.int64),
        receipt_ns=receipt_ns[at],
    )
    return made, good, at


def _slots(r: NDArray[Any], kind: int) -> list[_Slot]:
    always, none = np.ones(len(r), bool), np.zeros(len(r), np.int64)
    if kind == STATUS:
        return [_Slot(EventKind.STATUS, 0, Side.NONE, none, _ACTIONS[r["action"]], always)]
    if kind == STATISTICS:
        settled = (r["stat_type"] == _SETTLEMENT_PRICE) & (r["price"] != UNDEFINED)
        return [_Slot(EventKind.SETTLEMENT, 0, Side.NONE, r["price"], none, settled)]
    made: list[_Slot] = []
    if kind == MBP_0 or "action" in (r.dtype.names or ()):
        side = np.select([r["side"] == b"B", r["side"] == b"A"], [int(Side.BID), int(Side.ASK)], int(Side.NONE))
        traded = (r["action"] == b"T") & (r["price"] != UNDEFINED)
        made.append(_Slot(EventKind.TRADE, 0, side, r["price"], r["size"].astype(np.int64), traded))
    if kind == MBP_10:
        made.append(_Slot(EventKind.CLEAR, EventFlag.SNAPSHOT, Side.NONE, none, none, always))
    for level in range(10 if kind == MBP_10 else 1 if kind in _QUOTES else 0):
        for side_code, name in ((Side.BID, "bid"), (Side.ASK, "ask")):
            price, size = r[f"{name}_px_{level:02d}"], r[f"{name}_sz_{level:02d}"].astype(np.int64)
            there = (price != UNDEFINED) & (size > 0)
            if kind == MBP_10:
                made.append(_Slot(EventKind.LEVEL, EventFlag.SNAPSHOT, side_code, price, size, there))
            else:
                absent = ~there
                price, size = np.where(absent, 0, price), np.where(absent, 0, size)
                made.append(_Slot(EventKind.QUOTE, 0, side_code, price, size, always))
    return made
