"""Venues' own text of numbers and times as exact integers: no float on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from qflib.records import Instruments

#: The greatest value a record's int64 holds.
_MAX = (1 << 63) - 1
#: The last time that nanoseconds hold.
LAST_NS = _MAX
_MAX_DIGITS = 19
#: A time beyond the year 2262 does not fit into nanoseconds.
_LAST_SECOND = _MAX // 10**9 - 1


def decimals(text: object) -> int:
    """Digits after the point.

    Raises
    ------
    TypeError
        If it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r:.20} is not a string")
    return len(text) - 1 - text.index(".") if "." in text else 0


def significant(text: str) -> int:
    """Digits after the point, without the zeros at the end.

    Examples
    --------
    >>> significant("2683.80000000"), significant("2700.000")
    (1, 0)
    """
    return len(text.partition(".")[2].rstrip("0"))


def unit_text(places: int) -> str:
    """10**-places as text.

    Examples
    --------
    >>> unit_text(0), unit_text(3)
    ('1', '0.001')
    """
    return "1" if not places else f"0.{'0' * (places - 1)}1"


def exact(text: object, places: int) -> int:
    """A decimal string as an integer of 10**-places.

    Raises
    ------
    ValueError
        If it is not a plain decimal string, is too long, or needs more places.

    Examples
    --------
    >>> exact("0.0431", 6)
    43100
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r:.20} is not a string")
    whole, _, part = text.partition(".")
    digits = whole + part
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text!r:.24} is not a decimal")
    short = places - len(part)
    if short < 0:
        if part[places:].strip("0"):
            raise ValueError(f"{text!r:.24} has more than {places} decimals")
        digits, short = digits[:short], 0
    digits = digits.lstrip("0")
    if len(digits) + short > _MAX_DIGITS or (made := int(digits + "0" * short or "0")) > _MAX:
        raise ValueError(f"{text!r:.24} is too long")
    return made


def plain(number: Decimal) -> str:
    """A JSON number as plain text, whatever way it was written.

    Raises
    ------
    ValueError
        If it has more digits than a record can hold, or is none.

    Examples
    --------
    >>> from decimal import Decimal
    >>> plain(Decimal("5e-4")), plain(Decimal("5042.50"))
    ('0.0005', '5042.50')
    """
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 2 * _MAX_DIGITS:
        raise ValueError(f"{number!s:.24} is no price or quantity")
    return f"{number:f}"


def seconds_to_ns(text: object) -> int:
    """Decimal seconds to nanoseconds, exactly; digits beyond the ninth are dropped.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If it is not a plain decimal string.

    Examples
    --------
    >>> seconds_to_ns("1618678132.8258188")
    1618678132825818800
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r:.20} is not a string")
    whole, _, part = text.partition(".")
    return exact(f"{whole}.{part[:9]}", 9)


def iso_to_ns(text: str) -> int:
    """A UTC time as ISO 8601 writes it to nanoseconds, exactly; digits beyond the ninth are dropped.

    Raises
    ------
    ValueError
        If it is no such time, or lies before 1970 or after 2261.

    Examples
    --------
    >>> iso_to_ns("2021-04-17T16:43:37.075687Z")
    1618677817075687000
    """
    if text[-1:] != "Z":
        raise ValueError(f"{text!r:.40} is no UTC time")
    head, point, part = text[:-1].partition(".")
    if point and not (part.isascii() and part.isdigit()):
        raise ValueError(f"{text!r:.40} is no UTC time")
    return _second(head) * 10**9 + int(part[:9].ljust(9, "0") or "0")


@lru_cache(64)
def _second(text: str) -> int:
    made: int = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    if len(text) != 19 or not 0 <= made <= _LAST_SECOND:
        raise ValueError(f"{text!r:.40} is no time that can be")
    return made


class Units:
    """Decimal text to the ticks and lots of an instrument table, whose rows are meant by number.

    Parameters
    ----------
    instruments
        The table.
    sizes
        What one unit of each row's quantities is of the venue's own: 10 where a contract is 10 USD and the venue tells
        USD; default: 1.

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> units = Units(Instruments((Instrument("ACME", tick_schedule=(("0", "0.05"),), lot="0.001"),)))
    >>> units.price(0, "100.550"), units.qty(0, "1.5")
    (2011, 1500)
    """

    def __init__(self, instruments: Instruments, sizes: Sequence[Fraction] | None = None) -> None:
        num, den = instruments.tick_num.tolist(), instruments.tick_den.tolist()
        self._price = [_reader(Fraction(n, d)) for n, d in zip(num, den, strict=True)]
        num, den = instruments.lot_num.tolist(), instruments.lot_den.tolist()
        lots = [Fraction(n, d) for n, d in zip(num, den, strict=True)]
        self._qty = [_reader(u * s) for u, s in zip(lots, sizes or [Fraction(1)] * len(lots), strict=True)]

    def price(self, instrument: int, text: str) -> int:
        """Ticks, more than 0.

        Raises
        ------
        ValueError
            If the text is no positive decimal, or off the tick.
        """
        made = self._price[instrument](text)
        if not made:
            raise ValueError("a price of 0")
        return made

    def qty(self, instrument: int, text: str) -> int:
        """Lots, 0 or more.

        Raises
        ------
        ValueError
            If the text is no decimal, or off the lot.
        """
        return self._qty[instrument](text)


def _reader(unit: Fraction) -> Callable[[str], int]:
    """A function from text to whole units."""
    places = next((k for k in range(_MAX_DIGITS) if unit == Fraction(1, 10**k)), None)
    if places is not None:
        return lambda text: exact(text, places)

    def divided(text: str) -> int:
        part = decimals(text)
        scale: int = 10**part
        n, rest = divmod(exact(text, part) * unit.denominator, scale * unit.numerator)
        if rest:
            raise ValueError(f"{text!r:.24} is no multiple of {unit}")
        if n > _MAX:
            raise ValueError(f"{text!r:.24} is too long")
        return n

    return divided
