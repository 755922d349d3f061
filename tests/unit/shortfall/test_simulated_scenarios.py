"""Monte Carlo scenarios: each factor's own law, how they move together, and how volatility carries on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from qflib.errors import InputError
from qflib.shortfall import ScenarioSet, scenarios
from qflib.shortfall.volatility_filter import fit_volatility

DAY = 86_400_000_000_000


def history(n: int = 1_200, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, n) * 0.01
    days = pd.bdate_range("2020-01-01", periods=n, tz="UTC")
    columns = {}
    for u in ("ACME", "BETA"):
        r = 0.8 * common + rng.standard_t(6, n) * 0.004
        columns[(u, "spot")] = 100 * np.exp(np.cumsum(r))
        columns[(u, "atm_vol")] = 0.25 * np.exp(np.clip(-3.0 * r + rng.normal(0, 0.01, n), -1, 1))
    return pd.DataFrame(columns, days)


def joint(s: ScenarioSet) -> Any:
    return np.hstack([s.spot_return, s.vol_shift])


@pytest.mark.parametrize("law", ["t_copula", "gaussian_copula"])
@pytest.mark.parametrize("margins", ["gpd", "empirical"])
def test_copulas_keep_margins_and_rank_correlations(law: Any, margins: Any) -> None:
    h = history()
    past = joint(scenarios.historical(h, n=None))
    s = scenarios.simulated(h, n=20_000, law=law, margins=margins)
    assert (s.n, s.n_historical, s.horizon_ns) == (20_000, 0, DAY)
    drawn = joint(s)
    for j in range(4):
        centred = past[:, j] - past[:, j].mean()
        assert stats.ks_2samp(drawn[:, j], centred).statistic < 0.03
    np.testing.assert_allclose(stats.spearmanr(drawn).statistic, stats.spearmanr(past).statistic, atol=0.05)
    assert (drawn[:, 0].min() < past[:, 0].min()) == (margins == "gpd")


def test_a_t_copula_has_bad_days_together_more_than_a_gaussian_one() -> None:
    h = history(2_000)

    def together(law: Any) -> float:
        r = scenarios.simulated(h, n=200_000, law=law, margins="empirical").spot_return
        low = r < np.quantile(r, 0.002, axis=0)
        return float(np.mean(low.all(axis=1))) / 0.002

    assert together("t_copula") > together("gaussian_copula") + 0.1


@pytest.mark.parametrize("law", ["t_copula", "gaussian_copula", "student_t", "gaussian", "bootstrap"])
@pytest.mark.parametrize("volatility", [None, "ewma"])
def test_a_seed_gives_one_set(law: Any, volatility: Any) -> None:
    h = history(400)
    a, b, c = (scenarios.simulated(h, "2D", n=300, seed=seed, law=law, volatility=volatility) for seed in (7, 7, 8))
    assert a.set_id == b.set_id != c.set_id
    assert a.horizon_ns == 2 * DAY
    assert a.spot_return.std() > 0


def test_the_default_is_history_and_a_simulated_t() -> None:
    h = history(400)
    both, drawn = (
        scenarios.default(h, n_historical=100, n_simulated=500),
        scenarios.simulated(h, n=500, law="student_t"),
    )
    assert both.spot_return[100:].tobytes() == drawn.spot_return.tobytes()
    assert both.vol_shift[100:].tobytes() == drawn.vol_shift.tobytes()


def test_a_gaussian_law_has_normal_margins_of_the_moves_covariance() -> None:
    h = history()
    past = scenarios.historical(h, n=None)
    s = scenarios.simulated(h, n=50_000, law="gaussian")
    x = np.hstack([np.log1p(s.spot_return), s.vol_shift])
    y = np.hstack([np.log1p(past.spot_return), past.vol_shift])
    np.testing.assert_allclose(np.cov(x.T), np.cov(y.T), rtol=0.05, atol=2e-7)
    assert abs(stats.kurtosis(x[:, 0])) < 0.1


def test_a_bootstrap_draws_whole_days() -> None:
    h = history(300)
    past = joint(scenarios.historical(h, n=None))
    centred = np.hstack([np.log1p(past[:, :2]), past[:, 2:]])
    centred -= centred.mean(axis=0)
    rows = np.hstack([np.expm1(centred[:, :2]), centred[:, 2:]])
    drawn = joint(scenarios.simulated(h, n=500, law="bootstrap"))
    near, which = cKDTree(rows).query(drawn)
    assert near.max() < 1e-9
    assert len(set(which.tolist())) > 150


@pytest.mark.parametrize("volatility", ["garch", "gjr", "ewma"])
def test_volatility_starts_from_that_of_now(volatility: Any) -> None:
    h = history(1_000)
    calm = h.copy()
    wild = h.copy()
    for frame, last in ((calm, 0.2), (wild, 3.0)):
        for u in ("ACME", "BETA"):
            r = np.diff(np.log(h[(u, "spot")].to_numpy()), prepend=np.log(100))
            r[-60:] *= last
            frame[(u, "spot")] = 100 * np.exp(np.cumsum(r))
    one, other = (
        scenarios.simulated(x, n=5_000, law="bootstrap", volatility=volatility).spot_return.std() for x in (calm, wild)
    )
    assert other > 3 * one
    x = np.diff(np.log(wild[[("ACME", "spot")]].to_numpy()), axis=0)
    f = fit_volatility(x, volatility)
    s = scenarios.simulated(wild, n=20_000, law="bootstrap", volatility=volatility)
    assert np.log1p(s.spot_return[:, 0]).std() == pytest.approx(f.next[0] * f.innovations(x).std(), rel=0.05)


def test_horizons_of_paths() -> None:
    h = history(1_000)
    day, ten, hours = (
        np.log1p(scenarios.simulated(h, x, n=20_000, law="gaussian", volatility="ewma").spot_return[:, 0])
        for x in ("1D", "10D", "6h")
    )
    assert ten.std() == pytest.approx(day.std() * np.sqrt(10), rel=0.03)
    assert hours.std() == pytest.approx(day.std() / 2, rel=0.03)
    assert stats.kurtosis(ten) > 0.2  # volatility changes along the way
    assert abs(stats.kurtosis(day)) < 0.15


def test_vols_drawn_as_logs_stay_positive() -> None:
    h = history(600)
    newest = h[("ACME", "atm_vol")].iloc[-1]
    s = scenarios.simulated(h, "10D", n=20_000, law="bootstrap", volatility="ewma", moves={"atm_vol": "log"})
    assert (newest + s.vol_shift[:, 0]).min() > 0
    relative = scenarios.simulated(
        h, "10D", n=20_000, law="bootstrap", volatility="ewma", moves={"atm_vol": "relative"}
    )
    assert s == relative


def test_what_does_not_move_stays_and_one_factor_is_enough() -> None:
    h = history(400)[["ACME"]].copy()
    h[("ACME", "atm_vol")] = 0.3
    for law in ("t_copula", "bootstrap", "gaussian"):
        s = scenarios.simulated(h, n=1_000, law=law)  # type: ignore[arg-type]
        assert not s.vol_shift.any()
        assert s.spot_return.std() > 0
    h[("ACME", "spot")] = 100.0
    assert not joint(scenarios.simulated(h, n=10)).any()


def test_factors_that_move_as_one_have_no_copula() -> None:
    h = history(300)
    h[("BETA", "spot")] = 2 * h[("ACME", "spot")]
    assert scenarios.simulated(h, n=10, law="bootstrap").n == 10
    with pytest.raises(InputError, match="ACME spot and BETA spot move as one"):
        scenarios.simulated(h, n=10, law="t_copula")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n is 0"),
        ({"law": "vine"}, "law is 'vine'"),
        ({"n": 2.5}, r"n is 2\.5; expected a whole number"),
        ({"n": "many"}, "n is 'many'"),
        ({"seed": -1}, "seed is -1; expected a whole number of 0"),
        ({"margins": "kernel"}, "margins is 'kernel'"),
        ({"margins": "kernel", "law": "bootstrap"}, "margins is 'kernel'"),
        ({"decay": 2.0, "law": "student_t"}, r"decay is 2\.0"),
        ({"volatility": "egarch"}, "volatility is 'egarch'"),
        ({"volatility": "ewma", "decay": 2.0}, r"decay is 2\.0"),
        ({"moves": {"spot": "square"}}, "'square'"),
        ({"moves": "log"}, "moves are 'log'; expected factor -> kind"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        scenarios.simulated(history(300), **arguments)
