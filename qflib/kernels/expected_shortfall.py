"""Expected shortfall of a sample, with the fractional atom at the quantile.

The worst values are selected, sorted, and summed from the worst inward, so every result is a function of the
multiset alone: the same bits in whatever order, and in whatever batches, the values came.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

F8 = NDArray[np.float64]

#: A sample this large gives the threshold of the first cut; below `_CUT_FROM` values nothing is gained by it.
_SAMPLE = 256
_CUT_FROM = 2048


@kernel
def tail_mass(n: int, level: float) -> float:
    """Mass of the tail, n (1 − level), set to the whole number it stands for.

    0.975 has no exact double: 1,000 × (1 − 0.975) is 25.000000000000021, and without the snap a 26th value
    of weight 2e-14 would become the VaR.
    """
    m = n * (1.0 - level)
    whole = math.floor(m + 0.5)
    if whole >= 1.0 and abs(m - whole) <= n * 4.5e-16:
        return whole
    return m


@kernel
def worst(pnl: F8, k: int, work: F8) -> int:
    """The k lowest values of pnl into work[:k], lowest first; -1 where a value is NaN.

    O(n + k log k) for values in no special order, O(n log n) at worst. `work` has the length of pnl.
    """
    n = pnl.shape[0]
    limit = np.inf
    if n >= _CUT_FROM and k * 8 <= n:
        # A threshold a little above the k-th value, from values at equal distances.
        for i in range(_SAMPLE):
            work[i] = pnl[i * n // _SAMPLE]
        work[:_SAMPLE].sort()
        rank = k * _SAMPLE / n
        limit = work[int(rank + 3.0 * math.sqrt(rank) + 2.0)]
    count = 0
    nan = 0
    for i in range(n):
        x = pnl[i]
        work[count] = x
        count += x <= limit
        nan += np.isnan(x)
    if nan > 0:
        return -1
    if count < k:  # the sample was far from the whole: take all
        for i in range(n):
            work[i] = pnl[i]
        count = n
    if 4 * count > 5 * k:
        _select(work, count, k)
        count = k
    work[:count].sort()
    return k


@kernel
def _select(a: F8, n: int, k: int) -> None:
    """The k lowest of a[:n] into a[:k], in any order (Hoare's selection; the result as a set is unique)."""
    lo, hi = 0, n - 1
    rounds = 0
    while lo < hi:
        rounds += 1
        if rounds > 64:  # pivots chosen badly again and again: sort, so that no input is quadratic
            a[lo : hi + 1].sort()
            return
        x, y, z = a[lo], a[(lo + hi) >> 1], a[hi]
        pivot = max(min(x, y), min(max(x, y), z))
        i, j = lo, hi
        while i <= j:
            while a[i] < pivot:
                i += 1
            while a[j] > pivot:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            hi = j
        elif k - 1 >= i:
            lo = i
        else:
            return


@kernel
def es_of_worst(tail: F8, mass: float) -> float:
    """ES of the values of a sorted tail, lowest P&L first, that hold `mass` observations."""
    whole = int(mass)
    a = b = c = d = e = f = g = h = 0.0
    blocks = whole & ~7
    for i in range(0, blocks, 8):  # eight sums side by side: one would wait for itself
        a += tail[i]
        b += tail[i + 1]
        c += tail[i + 2]
        d += tail[i + 3]
        e += tail[i + 4]
        f += tail[i + 5]
        g += tail[i + 6]
        h += tail[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(blocks, whole):
        total += tail[i]
    part = mass - whole
    if part > 0.0:
        total += part * tail[whole]
    return 0.0 - total / mass


@kernel
def es_var(pnl: F8, levels: F8, out: F8, work: F8) -> int:
    """Expected shortfall and value at risk of P&L at several levels.

    Rockafellar and Uryasev (2002), Conditional value-at-risk for general loss distributions, Proposition 8:
    with losses L₁ ≥ L₂ ≥ … and m = n(1 − level), ES = (Σ_{i ≤ ⌊m⌋} Lᵢ + (m − ⌊m⌋) L_{⌊m⌋+1}) / m. VaR is the
    least loss that carries weight, L_⌈m⌉ (the upper quantile where m is whole). With m < 1 both are the worst loss.

    Parameters
    ----------
    pnl
        (n,), gains positive, in any order; not changed.
    levels
        (n_levels,) confidences in (0, 1), in any order.
    out
        (n_levels, 2): ES and VaR, positive losses. NaN where pnl is empty or holds a NaN.
    work
        (n,) or longer: scratch.

    Returns
    -------
    int
        Observations with weight in the widest tail; -1 where pnl is empty or holds a NaN.

    Notes
    -----
    O(n + k log k), k the widest tail. 10,000 values at two levels take some 20 µs.
    """
    n = pnl.shape[0]
    k = 0
    for i in range(levels.shape[0]):
        k = max(k, math.ceil(tail_mass(n, levels[i])))
    if n == 0 or worst(pnl, k, work) < 0:
        for i in range(levels.shape[0]):
            out[i, 0] = np.nan
            out[i, 1] = np.nan
        return -1
    for i in range(levels.shape[0]):
        mass = tail_mass(n, levels[i])
        out[i, 0] = es_of_worst(work, mass)
        out[i, 1] = 0.0 - work[math.ceil(mass) - 1]
    return k


@kernel
def tail_weights(pnl: F8, level: float, out: F8, work: F8) -> int:
    """The weight of each observation in the expected shortfall: ES = −Σ wᵢ pnlᵢ, Σ wᵢ = 1.

    The Euler contribution of a component is −Σ wᵢ cᵢ (Tasche 1999, Risk contributions and performance measurement).
    Observations that tie at the VaR take what mass is left in their own order, the first first.

    Parameters
    ----------
    pnl, level
        (n,) gains positive; a confidence in (0, 1).
    out
        (n,): the weights.
    work
        (n,) or longer: scratch.

    Returns
    -------
    int
        Observations with weight; -1 (and NaN weights) where pnl is empty or holds a NaN.
    """
    n = pnl.shape[0]
    mass = tail_mass(n, level)
    k = math.ceil(mass)
    if n == 0 or worst(pnl, k, work) < 0:
        out[:] = np.nan
        return -1
    edge = work[k - 1]
    left = mass
    for i in range(k):
        left -= work[i] < edge
    for i in range(n):
        out[i] = 0.0
        if pnl[i] < edge:
            out[i] = 1.0 / mass
        elif pnl[i] == edge and left > 0.0:
            out[i] = min(left, 1.0) / mass
            left -= 1.0
    return k


@kernel
def tail_contributions(weight: F8, pnl: F8, out: F8) -> None:
    """Euler contributions of components to the expected shortfall, over its tail alone.

    Parameters
    ----------
    weight
        (k,) of the scenarios with weight, as `tail_weights` gives them.
    pnl
        (k, m) P&L of each component there, gains positive.
    out
        (m,): overwritten; positive adds to the shortfall.

    Notes
    -----
    O(k m), scenario after scenario.
    """
    for j in range(pnl.shape[1]):
        total = 0.0
        for i in range(pnl.shape[0]):
            total += weight[i] * pnl[i, j]
        out[j] = 0.0 - total
