"""Forecasts as a backtest takes them: on the horizon's clock, whenever the report came that judged them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.desk.forecasts import forecasts_of

MIN = 60 * 10**9


def outcomes(late_ns: list[int]) -> pd.DataFrame:
    """A minute each, judged so much after its end; beside the actual outcomes and those of another level."""
    rng, n = np.random.default_rng(1), len(late_ns)
    ends = (np.arange(1, n + 1) * MIN + np.array(late_ns)).view("M8[ns]")
    one = pd.DataFrame(
        {"portfolio": "P", "outcome": "hypothetical", "level": 0.975, "pnl": rng.normal(size=n),
         "period_ns": MIN, "forecast_es": 2.338, "forecast_var": 1.96},
        index=pd.DatetimeIndex(ends, tz="UTC", name="time"),
    )  # fmt: skip
    others = [one.assign(outcome="actual"), one.assign(level=0.99), one.assign(portfolio="Q")]
    return pd.concat([one, *others]).sort_index(kind="stable")


@pytest.mark.parametrize("named", ["period_ns", "period"])
def test_reports_that_come_sooner_or_later_leave_horizons_whole(named: str) -> None:
    """A venue's clock ticks when it does: the reports of two minutes may be 59.7 s apart."""
    rows = outcomes([400_000_000, 100_000_000, 0, 59 * 10**9, 1])
    assert rows.index.to_series().drop_duplicates().diff().min() < pd.Timedelta("1min")
    if named == "period":  # as the history shows it
        rows = rows.assign(period=pd.to_timedelta(rows.pop("period_ns"), unit="ns"))
    made = forecasts_of(rows, "P")
    assert made["time"].tolist() == pd.date_range("1970-01-01 00:01", periods=5, freq="min", tz="UTC").tolist()
    assert len(qf.backtest(made, horizon="1min", regressions=False).path) == 5


def test_what_was_not_forecast_is_left_out() -> None:
    rows = outcomes([0, 0, 0])
    rows.iloc[:4, rows.columns.get_loc("forecast_es")] = np.nan
    assert len(forecasts_of(rows, "P")) == 2
    assert forecasts_of(rows.iloc[:0], "P").columns.tolist() == ["time", "outcome", "var", "es", "level"]
