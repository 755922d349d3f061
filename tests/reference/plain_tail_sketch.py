"""The tail sketch in exact fractions and dictionaries: slow and plain."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction


def bins(pnl: list[float], bits: int, octaves: int) -> tuple[Counter[tuple[str, int, int]], int]:
    """How many values lie in each bin (side, octave, number), and how many are small."""
    sides = [("loss", -x) if math.copysign(1.0, x) < 0 else ("gain", x) for x in pnl]
    top = {side: max((_octave(x) for s, x in sides if s == side), default=0) for side in ("loss", "gain")}
    counts: Counter[tuple[str, int, int]] = Counter()
    small = 0
    for side, x in sides:
        octave = _octave(x)
        if octave <= max(top[side] - octaves, 0):
            small += 1
        else:
            start, width = _start(octave)
            counts[side, octave, int((Fraction(x) - start) / width * 2**bits)] += 1
    return counts, small


def _octave(x: float) -> int:
    """The octave's number by the format: 0 below the least normal double, which has 1."""
    return 0 if x < 2.0**-1022 else math.frexp(x)[1] + 1022


def _start(octave: int) -> tuple[Fraction, Fraction]:
    """Where an octave begins, and its width."""
    start = Fraction(2) ** (octave - 1023)
    return start, start
