"""What a desk's own hedges were filled at, and what each fill cost against the mid it was decided at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.hedge_cost import fill_cost, rates_of, value_of_one

if TYPE_CHECKING:
    from qflib.desk.run import Run

_COLUMNS = ("instrument", "side", "qty", "price", "price_expected", "cost", "fee", "hedge_no")


def hedge_fills(run: Run) -> pd.DataFrame:
    """Fills of the desk's own hedge orders, with their cost.

    Each costs what `qflib.desk.hedge_cost.fill_cost` says. A fill whose decision is not among the run's, as one just
    after midnight in a day of the history, has no price_expected and no cost (NaN).

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
    fills = x.rename_axis("time").reset_index().merge(decided, on=key, how="left", suffixes=("", "_expected"))
    lots, buys = fills["qty"].abs(), fills["side"] == "bid"
    worth = lots * _value_of_one(run, fills["instrument"], fills["price_expected"])
    cost = fill_cost(fills["qty_expected"], fills["price_expected"], fills["cost"], lots, fills["price"], worth)
    made = fills.assign(side=np.where(buys, "buy", "sell"), cost=cost).set_index("time")
    return made[list(_COLUMNS)]


def _value_of_one(run: Run, symbols: Iterable[str], prices: Iterable[float]) -> NDArray[np.float64]:
    """Reporting currency a 1.00 of each contract's price."""
    table, fx = run.recorder.instruments, rates_of(run.recorder.latest["risk"].positions)
    worth = [value_of_one(table[s], fx.get(table.id(s), 1.0), p) for s, p in zip(symbols, prices, strict=True)]
    return np.array(worth, np.float64)
