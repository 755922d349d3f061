"""Prices and quantities as decimal text: exact both ways, where floats would round."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from qflib.errors import InputError
from qflib.records.instrument import smallest_tick

if TYPE_CHECKING:
    from qflib.records.instruments import Instruments

_DECIMAL = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,18})?")
_REMEMBERED = 20_000  # texts of an instrument: a book shows the same prices again and again
_PLACES = 30  # of a unit that is no decimal number, as 1/3


class Decimals:
    """Texts of the ticks and lots of an instrument table.

    Parameters
    ----------
    instruments
        The table; an instrument is meant by its row.

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> texts = Instruments((Instrument("ACME", tick_schedule=(("0", "0.05"),), lot="0.001"),)).decimals
    >>> texts.price(0, 2011), texts.qty(0, -1500), texts.ticks(0, "100.550")
    ('100.55', '-1.5', 2011)
    """

    def __init__(self, instruments: Instruments) -> None:
        tick, lot = [smallest_tick(r) for r in instruments], [Fraction(r.lot) for r in instruments]
        self._price, self._qty = [_writer(u) for u in tick], [_writer(u) for u in lot]
        symbols = [r.symbol for r in instruments]
        self._ticks = [_reader("price", u, "tick", s) for u, s in zip(tick, symbols, strict=True)]
        self._lots = [_reader("quantity", u, "lot", s) for u, s in zip(lot, symbols, strict=True)]

    def price(self, instrument: int, ticks: int) -> str:
        """Ticks as text; O(1)."""
        return self._price[instrument](ticks)

    def qty(self, instrument: int, lots: int) -> str:
        """Lots as text; O(1)."""
        return self._qty[instrument](lots)

    def ticks(self, instrument: int, text: str) -> int:
        """Text to ticks.

        Raises
        ------
        InputError
            If it is no decimal number, or no multiple of the tick.
        """
        return self._ticks[instrument](text)

    def lots(self, instrument: int, text: str) -> int:
        """Text to lots.

        Raises
        ------
        InputError
            If it is no decimal number, or no multiple of the lot.
        """
        return self._lots[instrument](text)


def decimal_text(value: float) -> str:
    """A float as a decimal number of ten places at most, never with an exponent.

    Examples
    --------
    >>> decimal_text(100.25), decimal_text(-0.0), decimal_text(1e-7)
    ('100.25', '0', '0.0000001')
    """
    text = f"{value:.10f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def is_decimal(text: str) -> bool:
    """Whether a text is a plain decimal number.

    Examples
    --------
    >>> is_decimal("100.5"), is_decimal("1e3"), is_decimal("NaN")
    (True, False, False)
    """
    return _DECIMAL.fullmatch(text) is not None


def _reader(what: str, unit: Fraction, name: str, symbol: str) -> Callable[[str], int]:
    """A function from text to a number of units."""
    over, under = unit.numerator, unit.denominator  # once: a Fraction takes longer to tell them than to divide by them

    def units(text: str) -> int:
        if not is_decimal(text):
            raise InputError(f"{what} {text[:40]!r} is no decimal number; give one as '100.25'")
        whole, _, part = text.partition(".")
        scale: int = 10 ** len(part)
        n, rest = divmod(int(whole + part) * under, scale * over)
        if rest:
            raise InputError(
                f"{what} {text} is not a multiple of the {name} of {symbol}, {_shown(unit)}; round it to it"
            )
        return n

    return units


def _shown(unit: Fraction) -> str:
    return _writer(unit)(1)


def _writer(unit: Fraction) -> Callable[[int], str]:
    """A function from a number of units to text, which remembers what it wrote."""
    places = next((k for k in range(_PLACES) if 10**k % unit.denominator == 0), None)
    if places is None:
        return lambda n: decimal_text(float(n * unit))
    factor, scale = unit.numerator * 10**places // unit.denominator, 10**places
    known: dict[int, str] = {}

    def text(n: int) -> str:
        made = known.get(n)
        if made is None:
            whole, part = divmod(abs(n) * factor, scale)
            made = f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".") if part else str(whole)
            if n < 0:
                made = f"-{made}"
            if len(known) >= _REMEMBERED:
                known.clear()
            known[n] = made
        return made

    return text
