"""P&L explain: what the Greeks at each revaluation's start say of a period's P&L."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from qflib.records import EXPLAIN, Batch

#: Parts of the P&L, the rest, and their sum.
COLUMNS = tuple(c.name for c in EXPLAIN.columns if c.type == "f64")


def explain(reports: list[Batch]) -> pd.DataFrame:
    """P&L between successive reports, by Greek, carry and cost.

    Parameters
    ----------
    reports
        Risk reports ("risk" batches) of one portfolio in time order.

    Returns
    -------
    DataFrame
        Index the period's end (UTC); columns delta, gamma, vega, theta, rho, vanna, volga, charm, veta, carry, fees,
        slippage, unexplained, total, in reporting currency. Parts sum to total: exactly while sums are below 2^33.

    Notes
    -----
    The exposures step attributes at every revaluation, so fills and costs within a period are in it. What a booking
    brings with it, its price against the mark, is nobody's P&L of the period and in none of the columns.
    O(underlyings * reports).

    Examples
    --------
    >>> from qflib.desk.explain import explain
    >>> explain([]).columns.tolist()[-3:]
    ['slippage', 'unexplained', 'total']
    """
    sums = [_sums(b) for b in reports]
    rows = [_between(a, b) for a, b in pairwise(sums)]
    ends = pd.to_datetime([int(b.risk.time_ns[0]) for b in reports[1:]], utc=True)
    return pd.DataFrame(rows, columns=list(COLUMNS), index=pd.DatetimeIndex(ends, name="time"), dtype=np.float64)


def _sums(report: Batch) -> dict[tuple[bytes, int], np.ndarray]:
    """Figures since the beginning, by underlying and book."""
    e = report.explain
    figures = np.stack([getattr(e, name) for name in COLUMNS], axis=1)
    return {(u, int(b)): row for u, b, row in zip(e.underlying.tolist(), e.book.tolist(), figures, strict=True)}


def _between(a: dict[tuple[bytes, int], np.ndarray], b: dict[tuple[bytes, int], np.ndarray]) -> np.ndarray:
    made = np.zeros(len(COLUMNS))
    for key, figures in b.items():
        made += figures - a.get(key, 0.0)
    return made
