"""Contributions to the ES of a sliding window in exact fractions: each window looked through anew."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from math import ceil

Figures = tuple[float, float, list[float]]


def contributions(rows: list[list[float]], level: str) -> Figures:
    """ES, VaR and contributions of rows, the oldest first, by the rows' sums as floats make them."""
    totals = []
    for row in rows:
        total = 0.0
        for x in row:
            total += x
        totals.append(total)
    mass = len(rows) * (1 - Fraction(level))
    edge = sorted(totals)[ceil(mass) - 1]
    left = mass - sum(t < edge for t in totals)
    out = [Fraction(0)] * len(rows[0])
    es = Fraction(0)
    for row, total in zip(rows, totals, strict=True):
        weight = Fraction(1) if total < edge else Fraction(0)
        if total == edge:
            weight = min(Fraction(1), left)
            left -= weight
        es -= weight * Fraction(total) / mass
        out = [c - weight * Fraction(x) / mass for c, x in zip(out, row, strict=True)]
    return float(es), -edge, [float(c) for c in out]


def rolling(rows: list[list[float]], window: int, level: str) -> list[Figures]:
    """The same at every step."""
    held: deque[list[float]] = deque(maxlen=window)
    out = []
    for row in rows:
        held.append(row)
        out.append(contributions(list(held), level))
    return out
