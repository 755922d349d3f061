"""Historical moves of each kind, and what they are from the newest levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import InputError
from qflib.shortfall import scenarios
from qflib.shortfall.moves import Factors

DAY = 86_400_000_000_000


def history(n: int = 60, seed: int = 1) -> pd.DataFrame:
    """Levels that every machine makes alike: no logarithm, no exponential."""
    rng = np.random.Generator(np.random.PCG64(seed))
    days = pd.date_range("2024-01-01", periods=n, tz="UTC")
    columns = {}
    for u in ("ACME", "BETA"):
        columns[(u, "spot")] = 100 + np.cumsum(rng.integers(-64, 65, n)) / 64
        columns[(u, "atm_vol")] = 0.25 + rng.integers(-64, 65, n) / 4096
    return pd.DataFrame(columns, days)


def test_sets_keep_their_ids() -> None:
    h = history(400)
    assert scenarios.historical(h, n=100).set_id == "be104a28d4fd5e37f85deffb7d68138e"
    assert scenarios.default(h, n_historical=100, n_simulated=400).set_id == "dd9321aa828d15797eaa6cf82b4676b8"


def test_factors_move_each_in_its_own_way() -> None:
    h = history()
    s = scenarios.historical(
        h,
        n=None,
        moves={"ACME": "absolute", ("ACME", "atm_vol"): "relative", "atm_vol": "log", ("BETA", "spot"): "log"},
    )
    a, b = h[("ACME", "spot")].to_numpy(), h[("BETA", "spot")].to_numpy()
    v, w = h[("ACME", "atm_vol")].to_numpy(), h[("BETA", "atm_vol")].to_numpy()
    np.testing.assert_allclose(s.shocks("ACME")[0], (a[1:] - a[:-1]) / a[-1], rtol=1e-13)
    np.testing.assert_allclose(s.shocks("ACME")[1], v[-1] * (v[1:] / v[:-1] - 1), rtol=1e-12)
    np.testing.assert_allclose(s.shocks("BETA")[0], b[1:] / b[:-1] - 1, rtol=1e-12)
    np.testing.assert_allclose(s.shocks("BETA")[1], w[-1] * (w[1:] / w[:-1] - 1), rtol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["relative", "absolute", "log"]), st.sampled_from(["spot", "atm_vol"]))
def test_the_newest_move_leads_back_to_the_newest_level(seed: int, kind: Any, what: str) -> None:
    h = history(30, seed)
    s = scenarios.historical(h, n=1, moves={what: kind})
    moved = s.spot_return[0] if what == "spot" else s.vol_shift[0]
    for j, u in enumerate(s.underlyings):
        before, now = h[(u, what)].iloc[-2:]
        if what == "spot":
            from_newest = now * (1 + moved[j])
            expected = now + (now - before) if kind == "absolute" else now * now / before
        else:
            from_newest = now + moved[j]
            expected = now + (now - before) if kind == "absolute" else now * now / before
        assert from_newest == pytest.approx(expected, rel=1e-12)


def test_below_the_period_log_moves_scale_as_logs() -> None:
    h = history()
    day, hours = (scenarios.historical(h, x, n=None, moves={"spot": "log"}) for x in ("1D", "6h"))
    np.testing.assert_allclose(np.log1p(hours.spot_return), 0.5 * np.log1p(day.spot_return), rtol=1e-10)


def test_a_spot_is_not_moved_to_zero() -> None:
    h = history(10)
    h[("ACME", "spot")] = [100.0, 100, 40, 40, 40, 40, 40, 40, 40, 40]
    assert scenarios.historical(h, n=None).spot_return.min() > -1
    with pytest.raises(
        InputError, match=r"absolute move of -60 takes ACME from 40 to 0 or below; let its moves be 'log'"
    ):
        scenarios.historical(h, n=None, moves={"ACME": "absolute"})


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ({"GAMMA": "log"}, "'GAMMA', which the history does not have"),
        ({("ACME", "skew"): "log"}, "which the history does not have"),
        ({"ACME": "geometric"}, "'geometric'; expected one of relative, absolute, log"),
    ],
)
def test_moves_that_are_unknown(moves: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scenarios.historical(history(), n=None, moves=moves)


def test_rescaled_moves_have_the_volatility_of_now() -> None:
    rng = np.random.default_rng(2)
    calm_then_wild = np.r_[rng.normal(0, 0.005, 500), rng.normal(0, 0.03, 300)]
    days = pd.date_range("2022-01-01", periods=801, tz="UTC")
    spot = 100 * np.exp(np.cumsum(np.r_[0.0, calm_then_wild]))
    h = pd.DataFrame({("ACME", "spot"): spot, ("ACME", "atm_vol"): 0.2}, days)
    plain = scenarios.historical(h, n=None)
    moved = scenarios.historical(h, n=None, rescaled=0.97)
    assert plain.spot_return[:400].std() < 0.006
    assert moved.spot_return[100:400].std() == pytest.approx(0.03, rel=0.25)
    # the plain twin: σ now over σ then
    r, decay = plain.spot_return[:, 0], 0.97
    variance = [float(np.mean(r**2))]
    for x in r:
        variance.append(decay * variance[-1] + (1 - decay) * x * x)
    expected = r * np.sqrt(variance[-1] / np.array(variance[:-1]))
    np.testing.assert_allclose(moved.spot_return[:, 0], expected, rtol=1e-10)
    two = scenarios.historical(h, "2D", n=None, rescaled=0.97)
    overlapping = spot[2:] / spot[:-2] - 1
    np.testing.assert_allclose(
        two.spot_return[:, 0], overlapping * np.sqrt(variance[-1] / np.array(variance[:-2])), rtol=1e-10
    )
    with pytest.raises(InputError, match=r"decay is 1\.0"):
        scenarios.historical(h, n=None, rescaled=1.0)


def test_levels_are_spots_then_vols() -> None:
    f = Factors.of(history())
    assert f.kinds == ("relative", "relative", "absolute", "absolute")
    np.testing.assert_array_equal(f.moves(DAY)[:, 3], np.diff(history()[("BETA", "atm_vol")].to_numpy()))
