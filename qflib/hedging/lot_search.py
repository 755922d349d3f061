"""Least value of a convex function over whole lots."""

from __future__ import annotations

import itertools
from collections.abc import Callable

Lots = tuple[int, ...]


def along(f: Callable[[int], float]) -> int:
    """Where a convex f of an integer is least, searched from 0; infinite values bound it. O(log |result|) values of f.

    Doubles steps downhill until f no longer falls, then halves the interval on the sign of f(t + 1) − f(t).

    Examples
    --------
    >>> from qflib.hedging.lot_search import along
    >>> along(lambda t: abs(t - 1234.4)), along(lambda t: float("inf") if t > 3 else -t)
    (1234, 3)
    """
    here = f(0)
    if f(1) < here:
        sign = 1
    elif f(-1) < here:
        sign = -1
    else:
        return 0
    low, high = 0, 1
    while f(sign * 2 * high) < f(sign * high):
        low, high = high, 2 * high
    high *= 2
    while high - low > 1:  # f falls at low + 1; the least lies in [low, high]
        middle = (low + high) // 2
        if f(sign * middle) < f(sign * (middle - 1)):
            low = middle
        else:
            high = middle
    return sign * low


def descend(f: Callable[[Lots], float], n: int, sweeps: int = 50, start: Lots | None = None) -> Lots:
    """Where a convex f of n integers is least, searched from the origin or another start where f is finite.

    Descent over blocks of coordinates: every axis, then every plane of two axes, until a sweep gains nothing. A plane
    is searched by lines within a line: the least over y of a function convex in (x, y) is convex in x. For n = 1 exact;
    for n = 2 exact but for what whole lots do to that convexity; beyond, no plane improves the result. Axes alone would
    stop at the kinks of the empirical ES. O(log² |result - start|) values of f a plane.

    Parameters
    ----------
    f
        Infinite where lots cannot be had.
    n
        Integers.
    sweeps
        At most.
    start
        Where to search from; None: the origin.

    Examples
    --------
    >>> from qflib.hedging.lot_search import descend
    >>> descend(lambda p: max(abs(p[0] - p[1]), abs(p[0] + p[1] - 20)), 2)
    (10, 10)
    """
    known: dict[Lots, float] = {}

    def g(at: Lots) -> float:
        if at not in known:
            known[at] = f(at)
        return known[at]

    best: Lots = (0,) * n if start is None else start
    for _ in range(sweeps):
        before = g(best)
        for i in range(n):
            best = min(best, _axis(g, best, i), key=g)
        for i, j in itertools.combinations(range(n), 2):
            best = min(best, _plane(g, best, i, j), key=g)
        if not g(best) < before:
            break
    return best


def _axis(g: Callable[[Lots], float], at: Lots, i: int) -> Lots:
    return _moved(at, i, along(lambda t: g(_moved(at, i, t))))


def _plane(g: Callable[[Lots], float], at: Lots, i: int, j: int) -> Lots:
    inner: dict[int, Lots] = {}

    def best_at(t: int) -> Lots:
        if t not in inner:
            inner[t] = _axis(g, _moved(at, i, t), j)
        return inner[t]

    along(lambda t: g(best_at(t)))
    return min(inner.values(), key=g)


def _moved(at: Lots, i: int, t: int) -> Lots:
    return (*at[:i], at[i] + t, *at[i + 1 :])
