"""Neutral hedges, least variance, and explanations of P&L."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import DataError, InputError
from qflib.hedging import (
    MinVarianceDelta,
    explain_by_greeks,
    explain_by_steps,
    hedge_diary,
    min_variance_ratio,
    neutral_quantities,
)
from qflib.pricing import black_scholes, greeks

GREEKS = ("delta", "gamma", "vega")


@settings(deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), st.integers(1, 999))
def test_what_is_neutral_has_no_greeks(portfolio: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    options = pd.DataFrame(rng.uniform(0.1, 1.0, (2, 3)), columns=list(GREEKS))
    options.loc[1, "vega"] += 2.0  # apart
    q, underlying = neutral_quantities(dict(zip(GREEKS, portfolio, strict=True)), options)
    left = np.array(portfolio) + q @ options.to_numpy() + [underlying, 0, 0]
    assert np.abs(left).max() < 1e-8 * (1 + np.abs(portfolio).max()) * (1 + np.abs(q).max())


def test_fewer_instruments_leave_the_least() -> None:
    portfolio = {"delta": 0.0, "gamma": -10.0, "vega": -5.0}
    q, _ = neutral_quantities(portfolio, [{"delta": 0.5, "gamma": 1.0, "vega": 1.0}])
    assert q.tolist() == pytest.approx([7.5])


@pytest.mark.parametrize(
    ("portfolio", "options", "said"),
    [
        ({"delta": 1.0, "gamma": 1.0}, [{"delta": 1, "gamma": 1, "vega": 1}], "'vega' is missing"),
        ({"delta": 1.0, "gamma": 1.0, "vega": 1.0}, [{"delta": 1, "gamma": 1, "vega": 2}] * 2, "do not move"),
        ({"delta": 1.0, "gamma": np.nan, "vega": 1.0}, [{"delta": 1, "gamma": 1, "vega": 2}], "not finite"),
        ({"delta": 1.0, "gamma": 1.0, "vega": 1.0}, [{"delta": np.nan, "gamma": 1, "vega": 2}], "not finite"),
    ],
)
def test_what_cannot_be_made_neutral_is_told(portfolio: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        neutral_quantities(portfolio, options)


def test_the_least_variance_ratio_is_that_of_a_regression() -> None:
    rng = np.random.default_rng(2)
    hedge = rng.normal(size=5_000)
    exposure = 0.7 * hedge + rng.normal(size=5_000)
    ratio = min_variance_ratio(np.corrcoef(exposure, hedge)[0, 1], exposure.std(), hedge.std())
    assert ratio == pytest.approx(np.polyfit(hedge, exposure, 1)[0])
    with pytest.raises(InputError, match="a correlation lies in"):
        min_variance_ratio(1.2, 1.0, 1.0)


def moves(n: int, a: float, later: float, seed: int = 1) -> pd.DataFrame:
    """Changes of options whose vol falls by `a` as the underlying rises; by `later` in the second half."""
    rng = np.random.default_rng(seed)
    spot, years, strike = 100.0, rng.uniform(0.1, 1.0, n), rng.uniform(90, 110, n)
    g = greeks(["call"] * n, strike, years, 0.2, spot=spot)
    change = rng.normal(0, 1.0, n)
    slope = np.where(np.arange(n) < n // 2, a, later)
    vol_change = slope * change / (spot * np.sqrt(years))
    return pd.DataFrame(
        {
            "delta": g["delta"], "vega": g["vega"], "spot": spot, "years": years, "spot_change": change,
            "change": g["delta"] * change + g["vega"] * vol_change + rng.normal(0, 0.01, n),
        }
    )  # fmt: skip


def test_least_variance_delta_is_used_only_where_it_gains_later() -> None:
    model = MinVarianceDelta.fit(moves(2_000, -0.25, -0.25))
    assert model.used
    assert model.a + 0.5 * model.b + 0.25 * model.c == pytest.approx(-0.25, abs=0.01)
    assert model.gain_out_of_sample > 0.9
    assert model.delta(0.5, 20.0, 100.0, 0.25) < 0.5
    turned = MinVarianceDelta.fit(moves(2_000, -0.25, 0.25))
    assert turned.gain_in_sample > 0.9
    assert not turned.used
    assert turned.delta(0.5, 20.0, 100.0, 0.25) == 0.5
    assert "gain_out_of_sample" in turned._repr_html_()
    assert model.plot() is not None


def test_least_variance_delta_refuses() -> None:
    with pytest.raises(InputError, match="no column 'vega'"):
        MinVarianceDelta.fit(moves(50, 0.1, 0.1).drop(columns="vega"))
    with pytest.raises(DataError, match="too few"):
        MinVarianceDelta.fit(moves(15, 0.1, 0.1))
    with pytest.raises(InputError, match="between 0 and 1"):
        MinVarianceDelta.fit(moves(50, 0.1, 0.1), out_of_sample=1.0)
    for column, value in (("years", 0.0), ("vega", np.inf), ("spot", -1.0)):
        with pytest.raises(InputError, match="drop them"):
            MinVarianceDelta.fit(moves(50, 0.1, 0.1).assign(**{column: value}))
    exact = moves(50, 0.1, 0.1).assign(change=lambda f: f["delta"] * f["spot_change"])
    with pytest.raises(DataError, match="nothing to explain"):
        MinVarianceDelta.fit(exact)


@settings(deadline=None)
@given(
    st.floats(-5, 5),
    st.floats(-0.05, 0.1),
    st.floats(-0.01, 0.01),
    st.floats(0, 0.02),
    st.sampled_from(["call", "put"]),
)
def test_explanations_sum_to_the_change(ds: float, dv: float, dr: float, dt: float, right: str) -> None:
    terms = (right, 100.0, np.array([90.0, 100.0, 115.0]), 0.3, 0.03, 0.01, 0.2)
    moved = {"spot_change": ds, "vol_change": dv, "rate_change": dr, "years_passed": dt}
    before = black_scholes(*terms)
    after = black_scholes(right, 100.0 + ds, terms[2], 0.3 - dt, 0.03 + dr, 0.01, 0.2 + dv)
    for frame in (explain_by_greeks(*terms, **moved), explain_by_steps(*terms, **moved)):
        np.testing.assert_allclose(frame["total"], after - before, atol=1e-12)
        np.testing.assert_allclose(frame.drop(columns="total").sum(axis=1), frame["total"], atol=1e-12)
    other = explain_by_steps(*terms, **moved, order=("rate", "vol", "spot", "time"))
    np.testing.assert_allclose(other["total"], after - before, atol=1e-12)


def test_small_moves_leave_little_unexplained() -> None:
    frame = explain_by_greeks("call", 100.0, 100.0, 0.25, 0.03, 0.01, 0.2, spot_change=0.01, vol_change=1e-4)
    assert abs(frame["unexplained"][0]) < 1e-6 * abs(frame["total"][0])
    lists = explain_by_greeks("call", [100.0, 101.0], 100.0, 0.25, 0.03, 0.01, 0.2, spot_change=[0.01, 0.02])
    assert lists["total"][0] == pytest.approx(explain_by_steps("call", [100.0], 100.0, 0.25, 0.03, 0.01, 0.2,
                                                               spot_change=[0.01])["spot"][0])  # fmt: skip
    with pytest.raises(InputError, match="must hold each of"):
        explain_by_steps("call", 100.0, 100.0, 0.25, 0.03, 0.01, 0.2, order=("time", "spot"))


def test_the_diary_pays_for_what_it_buys() -> None:
    path = [100.0, 103.0, 99.0, 104.0]
    diary = hedge_diary(path, 100.0, 3 / 52, 0.05, 0.2, contracts=50.0)
    assert diary["bought"].sum() == pytest.approx(50.0)
    cumulative = diary["cost"].sum() + diary["interest"].sum()
    assert diary["cumulative"].iloc[-1] == pytest.approx(cumulative)
    assert diary.attrs["hedge_cost"] == pytest.approx(cumulative - 50.0 * 100.0)
    for call in ("c", "C", 1):
        assert hedge_diary(path, 100.0, 3 / 52, 0.05, 0.2, contracts=50.0, right=call).equals(diary)  # type: ignore[arg-type]
    put = hedge_diary(path, 110.0, 3 / 52, 0.05, 0.2, right="put")
    assert put["delta"].iloc[-1] == -1.0
    with pytest.raises(InputError, match="give a path of two or more"):
        hedge_diary([100.0], 100.0, 0.1, 0.0, 0.2)
