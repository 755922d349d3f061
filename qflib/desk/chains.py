"""Option chains and markets from the books at an instant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.records import MARKET_EVENTS, Instrument, Instruments

if TYPE_CHECKING:
    from qflib.desk.feed import Feed

_YEAR = pd.Timedelta(365, "D")


def books_at(feed: Feed, when: pd.Timestamp, progress: bool = False) -> Any:
    """The books (`qflib.orderbook.books.Books`) after every event received up to and at an instant; O(events)."""
    from qflib.orderbook.books import Books
    from qflib.progress import through_market

    books = Books(feed.instruments)
    limit = when.as_unit("ns").value
    source = [r.source for r in feed.instruments]
    running = set(source)
    events = feed.events()
    if progress:
        events = through_market(events, feed.start.as_unit("ns").value, limit, "books")
    for columns in events:
        # Within a source time does not fall; several sources take turns, so that each must have passed the instant.
        n = int(np.searchsorted(columns.receipt_ns, limit, side="right"))
        if n:
            books.apply(MARKET_EVENTS.slice(columns, 0, n))
        if n < len(columns.kind):
            running.discard(source[columns.instrument[n]])
            if not running:
                break
    return books


def tops_frame(table: Instruments, books: Any) -> pd.DataFrame:
    """Best prices of every instrument: index symbol; bid, ask, bid_qty, ask_qty, NaN and 0 where a side is empty."""
    top = books.tops()
    at = np.arange(len(table))
    made = pd.DataFrame(index=pd.Index([r.symbol for r in table], name="symbol"))
    for side in ("bid", "ask"):
        lots = getattr(top, f"{side}_qty")
        price = table.to_price(at, getattr(top, f"{side}_ticks"))
        made[side] = np.where(lots > 0, price, np.nan)
        made[f"{side}_qty"] = table.to_qty(at, lots)
    return made


def chain_frame(table: Instruments, underlying: str, books: Any, when: pd.Timestamp) -> pd.DataFrame:
    """The chain of an underlying; see `Feed.chain`."""
    return chain_of(table, underlying, tops_frame(table, books), when)


def chain_of(table: Instruments, underlying: str, tops: pd.DataFrame, when: pd.Timestamp) -> pd.DataFrame:
    """The chain of an underlying from the best prices of its instruments, as `Feed.chain` gives it.

    Parameters
    ----------
    table
        The instrument table.
    underlying
        A name of its underlyings.
    tops
        Index symbol; bid, ask, bid_qty, ask_qty, NaN where a side is empty. What it lacks has no quote.
    when
        The instant that years to expiry count from.

    Raises
    ------
    InputError
        If the underlying is unknown or has no options.
    """
    if underlying not in table.underlyings:
        near = ", ".join(table.underlyings[:8])
        raise InputError(f"underlying {underlying!r} is not in the table; expected one of {near}")
    rows = [r for r in table if r.underlying == underlying and r.kind == "option"]
    if not rows:
        raise InputError(f"underlying {underlying!r} has no options in the table; a chain needs them")
    tops = tops.reindex([r.symbol for r in table if r.underlying == underlying])
    quotes = tops.loc[[r.symbol for r in rows]]
    mid = 0.5 * (tops["bid"] + tops["ask"])
    made = pd.DataFrame(
        {
            "underlying": underlying,
            "right": [r.right for r in rows],
            "strike": [r.strike for r in rows],
            "expiry": pd.DatetimeIndex([r.expiry for r in rows if r.expiry is not None]).as_unit("ns"),
            "years": [max((r.expiry - when) / _YEAR, 0.0) for r in rows if r.expiry is not None],
            "forward": _forward(table, underlying, mid, when),
            "bid": quotes["bid"],
            "ask": quotes["ask"],
            "mid": mid[quotes.index],
            "bid_qty": quotes["bid_qty"],
            "ask_qty": quotes["ask_qty"],
            "multiplier": [r.multiplier for r in rows],
            "rate": 0.0,
        },
        index=quotes.index,
    )
    if any(r.inverse for r in rows):
        made["inverse"] = [r.inverse for r in rows]
    if any(r.style == "american" for r in rows):
        made["style"] = [r.style for r in rows]
    return made


def market_at(
    feed: Feed, when: pd.Timestamp, surfaces: Mapping[str, Any] | None, dynamics: str, progress: bool = False
) -> Any:
    """The market at an instant; see `Feed.market`."""
    from qflib.pricing.market import Market

    tops = tops_frame(feed.instruments, books_at(feed, when, progress))
    return Market.from_quotes(feed.instruments, tops, when, surfaces=surfaces, dynamics=dynamics)


def _forward(table: Instruments, underlying: str, mid: pd.Series[Any], when: pd.Timestamp) -> float:
    """Mid of the future that expires next, else of the perpetual, else of the spot; as `Market` takes it."""

    def rank(r: Instrument) -> tuple[int, int]:
        return ("future", "perpetual", "spot").index(r.kind), 0 if r.expiry is None else r.expiry.as_unit("ns").value

    carriers = [
        r for r in table if r.underlying == underlying and r.kind != "option" and (r.expiry is None or r.expiry > when)
    ]
    for r in sorted(carriers, key=rank):
        if np.isfinite(mid[r.symbol]):
            return float(mid[r.symbol])
    return float("nan")
