"""The way of records between steps in one process."""

from __future__ import annotations

from qflib.records.topics import (
    EXCHANGE_MARKS,
    MARKET_NORMALIZED,
    MARKET_RAW,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_EXPOSURES,
)

#: Batches that one slice of the market may cause in one process.
MOST_ANSWERS = 200_000
#: Which steps read a topic, in the order of the flow.
READERS: dict[str, tuple[str, ...]] = {
    MARKET_RAW: ("normalize",),
    MARKET_NORMALIZED: ("exchange", "strategy", "promoted"),
    ORDERS_INCOMING: ("exchange",),
    ORDERS_EXECUTED: ("strategy", "promoted", "exposures"),
    EXCHANGE_MARKS: ("strategy", "promoted", "exposures"),
    RISK_EXPOSURES: ("portfolio",),
}


def without_end(who: str) -> str:
    """What is said of a desk that never comes to the end of a moment."""
    return (
        f"{who} answers what its own orders cause without end, within one moment of the market; let it wait for its "
        "executions (one order alive an instrument), or for later market time"
    )
