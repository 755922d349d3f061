"""What a person asks a book for, in the forms that kernels take."""

from __future__ import annotations

import math
import operator
from typing import Any

from qflib.errors import InputError

_SIDES = {"buy": 1, "bid": 1, "sell": 2, "ask": 2}


def side_of(side: Any) -> int:
    """1 for "buy" or "bid", 2 for "sell" or "ask".

    Raises
    ------
    InputError
        If it is none of these.
    """
    if not isinstance(side, str) or side not in _SIDES:
        raise InputError(f"side {side!r} is unknown; give 'buy' or 'sell' ('bid' or 'ask')")
    return _SIDES[side]


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
