"""Captures of Kraken's websocket: read and found out."""

from __future__ import annotations

import json
from pathlib import Path

from qflib.records import Instrument, Instruments
from qflib.venues.captures import Told, read_capture
from qflib.venues.decimal_text import decimals, unit_text
from qflib.venues.venue import Recording

SOURCE = "kraken:0"


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture, as `read_capture` reads it: one instrument a pair that has a snapshot."""
    return read_capture(path, Told("kraken", SOURCE, discover, "Kraken book snapshot"), instruments)


def discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add the pair of a book snapshot to `found`: tick and lot from its strings' decimals."""
    if b'"as"' not in payload and b'"bs"' not in payload:
        return
    try:
        message = json.loads(payload)
        pair = str(message[-1])
        rows = [r for part in message[1:-2] for r in (part.get("as") or part.get("bs") or ())]
        price, qty = rows[0][0], rows[0][1]
        base, _, quote = pair.partition("/")
        if pair not in found and base:
            found[pair] = Instrument(
                pair, underlying=pair, quote_currency=quote or "USD", settlement_currency=quote or "USD",
                tick_schedule=(("0", unit_text(decimals(price))),), lot=unit_text(decimals(qty)),
                venue="kraken", venue_symbol=pair, source=SOURCE, levels=True,
            )  # fmt: skip
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return  # the decoder refuses the frame and says why
