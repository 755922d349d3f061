"""A recording replayed into books, with what was found on the way: the figures of ``qflib replay``."""

from __future__ import annotations

import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

from qflib.desk.feed import FileFeed
from qflib.desk.read import read
from qflib.records import Instruments

_NOTED = 1_000_000  # misfits looked through for the first of each reason


def replay(
    path: str | Path, venue: str, instruments: Instruments | str | Path | None = None, *, progress: bool = False
) -> dict[str, Any]:
    """Replay a recording into its books.

    Parameters
    ----------
    path, venue, instruments
        As `qflib.read`.
    progress
        Show a bar on stderr.

    Returns
    -------
    dict
        venue, events, seconds (decoding and folding), checksums (right, wrong), unknown_ids, refused (every event that
        changed no book), gaps (in the venue's numbers), overdrawn (events that took more off an order than it had),
        crossed, locked (at the ends of messages), misfits (of these and of the refused the first thousand a reason:
        event, its number in the feed, and reason), dead_letters, digest (of all books, whatever their layout), and by
        the venue's symbol: bid, bid_qty, ask, ask_qty (decimal strings, None where a side is empty), orders (None for
        level books), levels, digest.

    Raises
    ------
    DataError
        If the file is missing, truncated or of another venue.
    UnknownVenueError
        If there is no such venue.

    Notes
    -----
    O(events).
    """
    from qflib.orderbook.books import Books, new_counters, noted, told

    feed = read(path, venue, instruments)
    books, counted = Books(feed.instruments), new_counters(_NOTED)
    decoder, dead = feed.decoder(), 0
    began = time.perf_counter()
    with _bar(feed, progress) as bar:
        for made in feed.decoded_by(decoder):
            dead += len(made.refused)
            books.count(made.events, counted)
            bar.update(len(made.events.kind))
    seconds = time.perf_counter() - began
    checks, counters = decoder.checks, told(counted)
    return {
        "venue": venue,
        "events": counters.events,
        "seconds": seconds,
        "checksums": {"right": checks.get("right", 0), "wrong": checks.get("wrong", 0)},
        "unknown_ids": counters.unknown_ids,
        "refused": counters.refused,
        "gaps": checks.get("gaps", 0),
        "crossed": counters.crossed,
        "locked": counters.locked,
        "overdrawn": counters.overdrawn,
        "misfits": _misfits(noted(counted)),
        "dead_letters": dead,
        "digest": books.digest(),
        "instruments": {r.venue_symbol or r.symbol: _book(feed, books, i) for i, r in enumerate(feed.instruments)},
    }


def _misfits(found: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """The first of each reason, in the order of the feed."""
    from qflib.orderbook.books import REASONS
    from qflib.orderbook.misfits import MAX_NOTED

    told, made = Counter[int](), []
    for event, place in found:
        told[place] += 1
        if told[place] <= MAX_NOTED:
            made.append({"event": event, "reason": REASONS[place]})
    return made


def _book(feed: FileFeed, books: Any, i: int) -> dict[str, Any]:
    table = feed.instruments
    top, levels = books.tops([i]), books.levels_of(i)
    tick, lot = (
        Fraction(int(table.tick_num[i]), int(table.tick_den[i])),
        Fraction(int(table.lot_num[i]), int(table.lot_den[i])),
    )
    made: dict[str, Any] = {}
    for side in ("bid", "ask"):
        qty = int(getattr(top, f"{side}_qty")[0])
        made[side] = _text(int(getattr(top, f"{side}_ticks")[0]), tick) if qty else None
        made[f"{side}_qty"] = _text(qty, lot) if qty else None
    return {
        **made,
        "orders": None if table[i].levels else int(levels["orders"].sum()),
        "levels": len(levels["qty"]),
        "digest": books.digest_of(i),
    }


def _text(n: int, unit: Fraction) -> str:
    """N units as an exact decimal string with the unit's own decimals."""
    places = 0
    while (unit * 10**places).denominator != 1:
        places += 1
    digits = str(abs(int(n * unit * 10**places))).rjust(places + 1, "0")
    sign = "-" if n < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _bar(feed: FileFeed, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(disable=not shown, unit=" events", desc=f"replay {feed.path.name}")
