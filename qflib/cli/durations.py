"""Durations as people write them."""

from __future__ import annotations

import re

from qflib.errors import InputError

_UNITS = {"ms": 1_000_000, "s": 10**9, "min": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}


def nanoseconds(text: str) -> int:
    """A duration in nanoseconds.

    Raises
    ------
    InputError
        If it is not a positive number with a unit.

    Examples
    --------
    >>> nanoseconds("10min"), nanoseconds("250ms")
    (600000000000, 250000000)
    """
    m = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)", text.strip().lower())
    ns = round(float(m[1]) * _UNITS[m[2]]) if m else 0
    if ns <= 0:
        raise InputError(f"duration {text!r} is not a positive number with a unit; write 250ms, 60s, 10min, 2h or 1d")
    return ns


def seconds(text: str) -> float:
    """A duration in seconds.

    Examples
    --------
    >>> seconds("1min")
    60.0
    """
    return nanoseconds(text) / 1e9
