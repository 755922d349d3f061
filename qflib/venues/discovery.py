"""The instruments of a live venue, from the first frames it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from qflib.errors import DataError
from qflib.records import Instrument, Instruments
from qflib.venues.session import BACK_OFF_S, Session, What
from qflib.venues.table import venue as venue_row
from qflib.venues.venue import LiveVenue

_PATIENCE_S = 20.0


def instruments(
    venue: str,
    symbols: Sequence[str],
    *,
    url: str | None = None,
    rest: str | None = None,
    patience_s: float = _PATIENCE_S,
) -> Instruments:
    """Ask a live venue for its symbols' ticks and lots: subscribe, and listen until each has made itself known.

    Parameters
    ----------
    venue
        Its name.
    symbols
        The venue's own.
    url, rest
        Its websocket and its REST, where they are not the usual ones.
    patience_s
        How long to listen.

    Raises
    ------
    DataError
        If it cannot be reached, or a symbol keeps silent.
    UnknownVenueError
        If it is unknown, or not live.
    """
    row = venue_row(venue).live().elsewhere(url, rest)
    with ThreadPoolExecutor(1) as thread:  # the caller may have a loop of its own, as a notebook has
        return thread.submit(lambda: asyncio.run(_listen(row, list(symbols), patience_s))).result()


async def _listen(row: LiveVenue, symbols: list[str], patience_s: float) -> Instruments:
    found: dict[str, Instrument] = {}
    session = Session(row, symbols, (BACK_OFF_S[0], 2.0))
    try:
        async with asyncio.timeout(patience_s), aclosing(session.heard()) as heard:
            async for one in heard:
                if one.what is What.FRAME:
                    row.discover(one.data, found)
                    if found.keys() >= set(symbols):
                        break
    except TimeoutError:
        if not session.frames:
            raise DataError(
                f"{row.url} could not be reached in {patience_s:g} s ({session.trouble}); check the network"
            ) from None
        missing = sorted(set(symbols) - {i.venue_symbol or i.symbol for i in found.values()})
        raise DataError(
            f"{row.url} said nothing of {', '.join(missing)} in {patience_s:g} s; check the symbols"
        ) from None
    return Instruments(tuple(found[symbol] for symbol in sorted(set(symbols))))
