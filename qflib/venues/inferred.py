"""Ticks and lots of instruments that only their own messages tell of: the finest decimals seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from qflib.records import Instrument
from qflib.venues.decimal_text import unit_text

#: Decimals that an int64 holds.
_MOST_PLACES = 18


def infer(
    found: dict[str, Instrument],
    symbol: str,
    levels: Iterable[tuple[str, str]],
    places: Callable[[str], int],
    make: Callable[[str], Instrument],
) -> None:
    """Add an instrument to the table, or make its tick and lot as fine as its texts.

    Parameters
    ----------
    found
        The table by symbol.
    symbol
        The venue's own.
    levels
        Prices and quantities as text; with none, a symbol that is not in the table stays out. What has more than 18
        decimals is passed over: no tick of int64 is so fine, and the decoder refuses it.
    places
        Decimals of a text that count.
    make
        A new instrument, but for tick and lot.
    """
    told = [(p, q) for p, q in levels if max(places(p), places(q)) <= _MOST_PLACES]
    if not told:
        return
    old = found.get(symbol)
    price = max([places(p) for p, _ in told] + ([places(old.tick_schedule[0][1])] if old else []))
    qty = max([places(q) for _, q in told] + ([places(old.lot)] if old else []))
    if old is None or price > places(old.tick_schedule[0][1]) or qty > places(old.lot):
        found[symbol] = replace(old or make(symbol), tick_schedule=(("0", unit_text(price)),), lot=unit_text(qty))
