"""P&L explain: what the Greeks at a period's start say of the period's P&L."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from qflib.records import Batch

YEAR_NS = 365 * 86_400 * 10**9
COLUMNS = ("delta", "gamma", "vega", "theta", "unexplained", "total")


def explain(reports: list[Batch]) -> pd.DataFrame:
    """Hypothetical P&L between successive reports, by Greek.

    Parameters
    ----------
    reports
        Risk reports ("risk" batches) in time order.

    Returns
    -------
    DataFrame
        Index the period's end (UTC); columns delta, gamma, vega, theta, unexplained, total, in reporting currency.

    Notes
    -----
    Second order in the underlying, first in volatility and time: dV = delta dF + gamma dF^2 / 2 + vega dsigma +
    theta dt, position by position, with positions frozen at the start. O(positions * reports).

    Examples
    --------
    >>> from qflib.desk.explain import explain
    >>> explain([]).columns.tolist()
    ['delta', 'gamma', 'vega', 'theta', 'unexplained', 'total']
    """
    rows = [_between(a, b) for a, b in pairwise(reports)]
    ends = pd.to_datetime([int(b.risk.time_ns[0]) for b in reports[1:]], utc=True)
    return pd.DataFrame(rows, columns=list(COLUMNS), index=pd.DatetimeIndex(ends, name="time"), dtype=np.float64)


def _between(a: Batch, b: Batch) -> list[float]:
    moved = dict.fromkeys(("delta", "gamma", "vega", "theta"), 0.0)
    shift, years = {}, {}
    before = {
        g: (float(f), int(t)) for g, f, t in zip(a.greeks.underlying, a.greeks.forward, a.greeks.time_ns, strict=True)
    }
    for u, f, t in zip(b.greeks.underlying, b.greeks.forward, b.greeks.time_ns, strict=True):
        if u in before:
            shift[u], years[u] = float(f) - before[u][0], (int(t) - before[u][1]) / YEAR_NS
    for i in range(len(a.greeks.underlying)):
        u = a.greeks.underlying[i]
        if u in shift:
            moved["delta"] += float(a.greeks.delta[i]) * shift[u]
            moved["gamma"] += 0.5 * float(a.greeks.gamma[i]) * shift[u] ** 2
            moved["theta"] += float(a.greeks.theta[i]) * years[u]
    p, q = a.positions, b.positions
    later = {(int(q.instrument[i]), int(q.book[i])): i for i in range(len(q.qty))}
    total = 0.0
    for i in range(len(p.qty)):
        j = later.get((int(p.instrument[i]), int(p.book[i])))
        if j is None:
            continue
        total += int(p.qty[i]) * (float(q.lot_value[j]) - float(p.lot_value[i])) * float(q.fx[j])
        if np.isfinite(p.implied_vol[i]) and np.isfinite(q.implied_vol[j]):
            moved["vega"] += float(p.vega[i]) * (float(q.implied_vol[j]) - float(p.implied_vol[i]))
    return [*moved.values(), total - sum(moved.values()), total]
