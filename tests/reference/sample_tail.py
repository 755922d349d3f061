"""Expected shortfall of a sample in exact fractions: slow, plain, and beyond doubt."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from math import ceil


def es_var(pnl: list[float], level: str) -> tuple[float, float]:
    """ES and VaR, positive losses; the level as a decimal string, so that 0.975 is 39/40."""
    losses = sorted((-Fraction(x) for x in pnl), reverse=True)
    mass = len(losses) * (1 - Fraction(level))
    left, total = mass, Fraction(0)
    for loss in losses:
        taken = min(left, Fraction(1))
        total += taken * loss
        left -= taken
        if left == 0:
            break
    return float(total / mass), float(losses[ceil(mass) - 1])


def rolling(pnl: list[float], window: int, level: str) -> list[tuple[float, float]]:
    """The same of each window, sorted anew at every step."""
    held: deque[float] = deque(maxlen=window)
    out = []
    for x in pnl:
        held.append(x)
        out.append(es_var(list(held), level))
    return out
