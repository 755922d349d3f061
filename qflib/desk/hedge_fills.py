"""What a desk's own hedges were filled at, and what each fill cost against the mid it was decided at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from qflib.desk.run import Run

_COLUMNS = ("instrument", "side", "qty", "price", "price_expected", "cost", "fee", "hedge_no")


def hedge_fills(run: Run) -> pd.DataFrame:
    """Fills of the desk's own hedge orders, with their cost.

    A decision tells its expected price and cost, and so its mid. A fill of a linear contract costs its share of that,
    and what its price is worse than expected; of an inverse one only the share is known. Fees are not in the cost.

    Parameters
    ----------
    run
        A run, or a day of the history as one.

    Returns
    -------
    DataFrame
        Index time (UTC); columns instrument, side ("buy" or "sell"), qty, price, price_expected, cost, fee, hedge_no;
        money in reporting currency. O(fills).

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.desk.hedge_fills import hedge_fills
    >>> run = qf.Desk(qf.datasets.load("sim", seed=7, duration="2s"), hedger=qf.hedgers.Band()).run()
    >>> bool((hedge_fills(run)["qty"] > 0).all())
    True
    """
    key, x, decided = ["hedge_no", "instrument"], run.executions, run.hedges
    x = x[(x["exec_type"] == "fill") & (x["hedge_no"] > 0) & (x["portfolio"] == run.recorder.portfolio)]
    if x.empty:  # a column without rows has no type to merge on
        empty = pd.DataFrame({c: pd.Series(dtype=object if c in _COLUMNS[:2] else np.float64) for c in _COLUMNS})
        return empty.set_axis(pd.DatetimeIndex([], tz="UTC", name="time"))
    decided = decided[decided["portfolio"] == run.recorder.portfolio].drop_duplicates(key)
    fills = x.rename_axis("time").reset_index().merge(decided, on=key, suffixes=("", "_expected"))
    lots = fills["qty"].abs()
    share = fills["cost"] * lots / fills["qty_expected"].abs()
    unit = fills["instrument"].map(_value_of_one(run)).astype(float)
    buys = fills["side"] == "bid"
    worse = np.where(buys, 1.0, -1.0) * (fills["price"] - fills["price_expected"]) * lots * unit
    made = fills.assign(side=np.where(buys, "buy", "sell"), cost=share + worse).set_index("time")
    return made[list(_COLUMNS)]


def _value_of_one(run: Run) -> dict[str, float]:
    """Reporting currency a 1.00 of each hedge contract's price; 0 for inverse ones."""
    table, p = run.recorder.instruments, run.recorder.latest["risk"].positions
    fx = {table.rows[i].symbol: float(f) for i, f in zip(p.instrument.tolist(), p.fx, strict=True)}
    rows = (table[s] for s in run.hedges["instrument"].unique())
    return {r.symbol: 0.0 if r.inverse else r.multiplier * fx.get(r.symbol, 1.0) for r in rows}
