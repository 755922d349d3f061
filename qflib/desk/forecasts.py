"""Forecasts beside their outcomes, as a backtest takes them."""

from __future__ import annotations

import pandas as pd


def forecasts_of(outcomes: pd.DataFrame, portfolio: str) -> pd.DataFrame:
    """What `qf.backtest` takes, at the first level.

    Parameters
    ----------
    outcomes
        Rows of `Run.outcomes` or `Live.outcomes`, index UTC.
    portfolio
        Whose.

    Returns
    -------
    pandas.DataFrame
        Columns time, outcome (of the forecast's own positions), var, es, level; a row an outcome that was forecast.
        `time` is the horizon's end on the clock: the report that judges it comes a moment later, sooner or later by the
        feed, and so horizons would seem shorter than they are.

    Examples
    --------
    >>> import qflib as qf
    >>> run = qf.Desk(qf.datasets.load("sim", seed=7, duration="2s")).run()
    >>> forecasts_of(run.outcomes, "DESK1").equals(run.forecasts)
    True
    """
    if not len(outcomes):
        none = dict.fromkeys(("outcome", "var", "es", "level"), pd.Series(dtype=float))
        return pd.DataFrame({"time": pd.DatetimeIndex([], tz="UTC")} | none)
    ours = (outcomes["portfolio"] == portfolio) & (outcomes["outcome"] == "hypothetical")
    mine = outcomes[ours & (outcomes["level"] == outcomes["level"].iloc[0])]
    made = pd.DataFrame(
        {
            "time": _ends(mine),
            "outcome": mine["pnl"].to_numpy(),
            "var": mine["forecast_var"].to_numpy(),
            "es": mine["forecast_es"].to_numpy(),
            "level": mine["level"].to_numpy(),
        }
    )
    return made.dropna().reset_index(drop=True)


def _ends(outcomes: pd.DataFrame) -> pd.DatetimeIndex:
    told = outcomes["period_ns"] if "period_ns" in outcomes else outcomes["period"].dt.as_unit("ns")
    at, each = pd.DatetimeIndex(outcomes.index).as_unit("ns").asi8, told.astype("int64").to_numpy()
    return pd.DatetimeIndex((at - at % each).view("M8[ns]"), tz="UTC")
