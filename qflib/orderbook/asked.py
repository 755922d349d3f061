"""What a person asks a book for, in the forms that kernels take."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from qflib.errors import InputError

#: Codes of sides by their names.
SIDES = {"buy": 1, "bid": 1, "sell": 2, "ask": 2}


def side_of(side: Any) -> int:
    """1 for "buy" or "bid", 2 for "sell" or "ask".

    Raises
    ------
    InputError
        If it is none of these.
    """
    if not isinstance(side, str) or side not in SIDES:
        raise InputError(f"side {side!r} is unknown; give 'buy' or 'sell' ('bid' or 'ask')")
    return SIDES[side]


def whole(n: Any, what: str, most: int, least: int = 1) -> int:
    """A whole number within bounds.

    Parameters
    ----------
    n
        The number.
    what
        What it is, for the error.
    most, least
        The bounds, which belong to it.

    Raises
    ------
    InputError
        If it is not.
    """
    try:
        made = least - 1 if isinstance(n, bool) else operator.index(n)
    except TypeError:
        made = least - 1
    if not least <= made <= most:
        raise InputError(f"{what} {n} is not a whole number from {least} to {most:,}; give one")
    return made


def number(value: Any, what: str) -> float:
    """A finite number.

    Raises
    ------
    InputError
        If it is not.
    """
    try:
        made = float(value)
    except (TypeError, ValueError):
        made = float("nan")
    if not math.isfinite(made):
        raise InputError(f"{what} {value} must be one finite number")
    return made


def order_id(value: Any) -> int:
    """An order id from a table's cell: an integer, or a float that is one and has lost no digits.

    Raises
    ------
    InputError
        If it is missing, no whole number from 0 to 2**64 - 1, or a float beyond 2**53.
    """
    is_whole = isinstance(value, int | np.integer) or (
        isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    )
    if not is_whole or isinstance(value, bool) or not 0 <= int(value) < 2**64:
        raise InputError(
            f"order_id {value!r} is no whole number from 0 to 2**64 - 1; give integers: floats hold no more than 2**53"
        )
    return int(value)
