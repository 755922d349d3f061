"""Backtests: their size under true forecasts, their power under false ones, and a rule for every thin case."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qflib.errors import InputError
from qflib.kernels.e_backtest import BETTINGS
from qflib.shortfall import backtest, kupiec, traffic_light

VAR, ES = stats.norm.ppf(0.975), stats.norm.pdf(stats.norm.ppf(0.975)) / 0.025


def forecasts(outcome: np.ndarray, scale: float = 1.0) -> pd.DataFrame:
    time = pd.date_range("2025-01-01", periods=len(outcome), freq="min", tz="UTC")
    return pd.DataFrame({"time": time, "outcome": outcome, "var": VAR * scale, "es": ES * scale})


def test_true_forecasts_pass_and_small_ones_fail() -> None:
    rng = np.random.default_rng(2)
    f = forecasts(rng.normal(size=4000))
    f["var"] *= 1 + 1e-3 * rng.normal(size=4000)
    good = backtest(f, "1min").table
    assert (good["p_value"].dropna() > 0.005).all()
    assert abs(good.loc["acerbi_szekely_z2", "statistic"]) < 0.3
    assert good.loc["e_backtest_log_max", "statistic"] < math.log(10)
    bad = backtest(f.assign(outcome=f["outcome"] * 1.5), "1min").table
    assert bad.loc["kupiec", "p_value"] < 1e-6
    assert bad.loc["nolde_ziegel", "p_value"] < 1e-6
    assert bad.loc["acerbi_szekely_z2", "statistic"] < -0.7
    assert bad.loc["e_backtest_log_max", "note"].startswith("alarm at 10, first at forecast ")
    assert bad.loc["fz0", "statistic"] > good.loc["fz0", "statistic"]


def test_kupiec_has_its_size() -> None:
    hits = np.random.default_rng(4).binomial(1000, 0.025, 4000)
    assert np.mean([kupiec(1000, int(k), 0.975).p_value < 0.05 for k in hits]) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("n", [1, 2, 3, 250])
def test_no_exceedance_is_told_not_a_crash(n: int) -> None:
    r = backtest(forecasts(np.ones(n)))
    t = r.table
    assert t.loc["exceedances", "statistic"] == 0
    assert t.loc["kupiec", "statistic"] == pytest.approx(-2 * n * math.log(0.975))
    assert t.loc["acerbi_szekely_z2", "statistic"] == 1.0
    for test in ("christoffersen_ind", "christoffersen_cc", "acerbi_szekely_z1", "mcneil_frey", "dynamic_quantile"):
        assert math.isnan(t.loc[test, "statistic"])
        assert t.loc[test, "note"]
    assert r._repr_html_()


def test_one_and_only_exceedances() -> None:
    one = backtest(forecasts(np.array([1.0] * 50 + [-3.0]))).table
    assert one.loc["acerbi_szekely_z1", "statistic"] == pytest.approx(1 - 3 / ES)
    assert "1 exceedances" in one.loc["mcneil_frey", "note"]
    every = backtest(forecasts(np.full(50, -3.0))).table
    assert every.loc["kupiec", "p_value"] < 1e-10
    assert "nothing but" in every.loc["christoffersen_ind", "note"]


def test_levels_sigma_and_rows_left_out() -> None:
    f = forecasts(np.random.default_rng(1).normal(size=300)).assign(sigma=1.0)
    f.loc[299, "outcome"] = np.nan
    f.loc[298, ["outcome", "var", "es"]] = 0.0
    r = backtest(pd.concat([f.assign(level=0.975), f.assign(level=0.99, var=2.4, es=2.7)]))
    assert r.table.index.names == ["level", "test"]
    assert "mcneil_frey_standardised" in r.table.loc[0.99].index
    assert (r.n, r.n_dropped) == (597, 3)
    assert r.to_frame() is r.table
    assert set(r.path) >= {"time", "level", "outcome", "hit", "log_e"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="es"), "no column 'es'"),
        (lambda f: f.assign(outcome=np.nan), "outcome yet"),
        (lambda f: f.assign(var=np.inf), "'var' holds"),
        (lambda f: f.assign(es=0.5), "es below var"),
        (lambda f: f.assign(var="much"), "'var' holds 'much'"),
        (lambda f: None, "no column 'time'"),
        (lambda f: f.assign(sigma=-1.0), "'sigma' holds"),
        (lambda f: f.assign(time=f["time"].dt.tz_localize(None)), "tz-aware"),
        (lambda f: f.iloc[::-1], "rising times"),
        (lambda f: f.assign(level=0.0), "level is"),
    ],
)
def test_bad_forecasts_get_a_sentence(change: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        backtest(change(forecasts(np.ones(20))))  # type: ignore[operator]


def test_overlapping_forecasts_are_refused() -> None:
    with pytest.raises(InputError, match="no closer than the horizon 1D"):
        backtest(forecasts(np.ones(20)), "1D")
    with pytest.raises(InputError, match="betting"):
        backtest(forecasts(np.ones(20)), betting=1.0)
    with pytest.raises(InputError, match="betting is 'kelly'"):
        backtest(forecasts(np.ones(20)), betting="kelly")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="betting is None"):
        backtest(forecasts(np.ones(20)), betting=None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"dq_lags is 1\.5"):
        backtest(forecasts(np.ones(20)), dq_lags=1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected one confidence"):
        backtest(forecasts(np.ones(20)), level=[0.975, 0.99])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="df is 5"):
        backtest(forecasts(np.ones(20)), df=5)
    with pytest.raises(InputError, match="dist is 'cauchy'"):
        backtest(forecasts(np.ones(20)), null="cauchy")  # type: ignore[arg-type]


@pytest.mark.parametrize("es", [0.0, -1.0])
def test_ratios_to_an_es_that_is_no_loss_are_not_told(es: float) -> None:
    """By a gain a ratio turns round: a tail worse than the forecast had a Z above 0."""
    rng = np.random.default_rng(6)
    f = forecasts(rng.normal(size=200)).assign(var=es - 0.5, es=es)
    table = backtest(f, regressions=False).table
    for name in ("acerbi_szekely_z1", "acerbi_szekely_z2", "minimally_biased_rel", "fz0", "asymmetric_laplace"):
        assert table.loc[name, ["statistic", "p_value"]].isna().all()
        assert table.loc[name, "note"] == "needs es above 0 throughout"
    rest = ("kupiec", "minimally_biased_abs", "mcneil_frey", "nolde_ziegel", "e_backtest_es_grem", "tick_loss")
    assert table.loc[list(rest), "statistic"].notna().all()


def test_basel_zones() -> None:
    zones = [traffic_light(250, k).zone for k in range(12)]
    assert zones == ["green"] * 5 + ["yellow"] * 5 + ["red"] * 2
    assert traffic_light(250, 7).multiplier_mar32 == 1.83
    with pytest.raises(InputError, match="0 to n"):
        kupiec(10, 11)


def test_the_result_is_a_short_text() -> None:
    bad = forecasts(np.random.default_rng(2).normal(size=400) * 3.0)
    said = repr(backtest(bad, "1min"))
    assert said.startswith("BacktestResult(400 forecasts, ")
    assert "kupiec" in said
    assert "\n" not in said
    two = pd.concat([bad.assign(level=0.975), bad.assign(level=0.99)])
    assert "0.99 kupiec" in repr(backtest(two, "1min"))


def test_the_picture_marks_what_is_beyond_var() -> None:
    bad = forecasts(np.random.default_rng(2).normal(size=400) * 3.0)
    outcomes, process = backtest(bad, "1min").plot()
    labels = [e.label for e in outcomes]
    assert labels == ["outcome", "-VaR 97.5%", "-ES 97.5%", "beyond VaR 97.5%"]
    assert len(outcomes.get(3)) == int((bad["outcome"] < -VAR).sum())
    assert [e.label for e in process][:4] == [f"{b} 97.5%" for b in BETTINGS]
    assert len(process) == 7
