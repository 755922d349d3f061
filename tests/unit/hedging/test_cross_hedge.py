"""Cross hedges and betas: Hull's figures, a regression by scipy, slices that sum to what is traded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qflib.errors import InputError
from qflib.hedging import (
    ExponentialDecay,
    HedgePlan,
    beta_hedge_contracts,
    beta_of,
    cross_hedge_contracts,
    min_variance_ratio,
)
from qflib.orderbook import almgren_chriss


def test_hulls_heating_oil_hedges_jet_fuel() -> None:
    """Hull, example 3.3: 2 million gallons, contracts of 42,000."""
    ratio = round(min_variance_ratio(0.928, 0.0263, 0.0313), 2)
    assert ratio == 0.78
    assert cross_hedge_contracts(ratio, 2_000_000, 42_000) == pytest.approx(37.14, abs=0.005)
    # tailed: values of 3,880,000 and 83,580
    tailed = cross_hedge_contracts(ratio, 2_000_000, 42_000, spot=1.94, futures=1.99)
    assert tailed == pytest.approx(0.78 * 3_880_000 / 83_580, rel=1e-12)


@pytest.mark.parametrize(("target", "contracts"), [(0.0, 30.0), (0.75, 15.0), (2.0, -10.0)])
def test_hulls_index_hedge(target: float, contracts: float) -> None:
    """Hull, section 3.5: 5,050,000 of beta 1.5, a future at 1,010 times 250."""
    assert beta_hedge_contracts(5_050_000, 1.5, 252_500, target_beta=target) == pytest.approx(contracts)


@given(seed=st.integers(0, 999), target=st.floats(-2, 2))
def test_the_hedged_portfolio_has_the_beta_asked_for(seed: int, target: float) -> None:
    rng = np.random.default_rng(seed)
    value, beta = rng.uniform(-1e6, 2e6, 6), rng.uniform(-0.5, 2, 6)
    n = beta_hedge_contracts(value, beta, 50_000, target_beta=target)
    assert value @ beta - n * 50_000 == pytest.approx(target * value.sum(), abs=1e-6)


def test_beta_is_a_regressions() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 0.01, 250)
    y = 0.0002 + 1.3 * x + rng.normal(0, 0.005, 250)
    known = stats.linregress(x, y)
    assert beta_of(y, x) == pytest.approx((known.slope, known.stderr), rel=1e-12)


def plan(**qty: float) -> HedgePlan:
    trades = pd.DataFrame({"instrument": list(qty), "qty": list(qty.values()), "avg_price": 1.0, "cost": 0.0})
    flat = pd.Series(dtype=float)
    lots = pd.Series({"A": 1.0, "B": 0.5})
    return HedgePlan(trades, 2.0, 1.0, flat, flat, 0.975, "USD", pd.DataFrame(), lots=lots)


@given(a=st.integers(-5_000, 5_000).filter(bool), b=st.integers(-99, 99).filter(bool), aversion=st.floats(0, 5))
def test_slices_are_whole_lots_near_the_schedule(a: int, b: int, aversion: float) -> None:
    made = plan(A=float(a), B=b / 2).slices(
        2.0, 8, volatility={"A": 1.0, "B": 0.0}, eta={"A": 0.1, "B": 0.2}, risk_aversion=aversion
    )
    assert made.sum().tolist() == [a, b / 2]
    assert (made["B"] * 2 % 1 == 0).all()
    known = a - almgren_chriss(a, 2.0, 1.0, 0.1, risk_aversion=aversion, intervals=8).holdings
    assert np.abs(made["A"].cumsum().to_numpy() - known).max() <= 0.5 + 1e-9
    assert (made["A"] * np.sign(a) >= 0).all()


def test_slices_of_impact_that_decays() -> None:
    made = plan(A=100.0).slices(120.0, 2, impact={"A": ExponentialDecay(0.01, 60.0)})
    assert made["A"].tolist() == [40.0, 20.0, 40.0]
    assert made.index.tolist() == [0.0, 60.0, 120.0]


def test_bad_figures_are_named() -> None:
    with pytest.raises(InputError, match="give both prices"):
        cross_hedge_contracts(1.0, 1.0, 1.0, spot=1.0)
    with pytest.raises(InputError, match="contract size 0"):
        cross_hedge_contracts(1.0, 1.0, 0.0)
    with pytest.raises(InputError, match="one beta a value"):
        beta_hedge_contracts([1.0, 2.0], [1.0], 5.0)
    with pytest.raises(InputError, match="contract value is -5"):
        beta_hedge_contracts(1.0, 1.0, -5.0)
    with pytest.raises(InputError, match="never moves"):
        beta_of([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    with pytest.raises(InputError, match="neither impact that decays nor eta"):
        plan(A=1.0).slices(1.0)
    with pytest.raises(InputError, match="horizon 0"):
        plan(A=1.0).slices(0.0, eta=1.0)
