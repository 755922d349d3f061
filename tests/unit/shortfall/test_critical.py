"""Simulated p-values: beside the definition written out, of the size they say, and drawn once."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qflib.errors import InputError
from qflib.kernels.tail_sums import tail_sums
from qflib.shortfall import backtest, critical, es_tests
from qflib.shortfall.critical import null_values, z3_null, z_critical
from qflib.shortfall.pit_tests import acerbi_szekely_z3

LEVEL, A, N = 0.975, 0.025, 250


def forecasts(seed: int, df: float | None) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    law = stats.norm if df is None else stats.t(df)
    var = law.ppf(LEVEL)
    es = law.expect(lambda x: x, lb=var) / A
    sigma = rng.uniform(0.5, 2.0, N)
    x = sigma * (rng.normal(size=N) if df is None else rng.standard_t(df, N))
    time = pd.date_range("2025-01-01", periods=N, tz="UTC")
    return pd.DataFrame({"time": time, "outcome": x, "var": sigma * var, "es": sigma * es, "pit": law.cdf(x / sigma)})


@pytest.mark.parametrize("df", [None, 4.0])
def test_laws_are_those_of_whole_series(df: float | None) -> None:
    """Every P&L drawn, not the tail alone: the same quantiles, within their noise."""
    rng = np.random.default_rng(1)
    law = stats.norm if df is None else stats.t(df)
    var = np.full(N, law.ppf(LEVEL))
    es = np.full(N, law.expect(lambda x: x, lb=law.ppf(LEVEL)) / A)
    made = []
    for _ in range(20_000):
        x = rng.normal(size=N) if df is None else rng.standard_t(df, N)
        made.append(
            (
                es_tests.acerbi_szekely_z1(x, var, es).statistic,
                es_tests.acerbi_szekely_z2(x, var, es, A).statistic,
                es_tests.minimally_biased(x, var, es, A, relative=True).statistic,
            )
        )
    five = np.nanquantile(made, 0.05, axis=0)
    r = z_critical(N, LEVEL, dist="normal" if df is None else "student_t", df=df)
    assert r.z1_5pct == pytest.approx(five[0], abs=0.012)
    assert r.z2_5pct == pytest.approx(five[1], abs=0.02)
    assert r.min_biased_rel_5pct == pytest.approx(five[2], abs=0.012)


@pytest.mark.parametrize(("null", "df"), [("normal", None), ("student_t", 4.0)])
def test_p_values_have_their_size(null: str, df: float | None) -> None:
    p = []
    for seed in range(200):
        f = forecasts(seed, df)
        x, var, es = (f[c].to_numpy() for c in ("outcome", "var", "es"))
        z1, z2 = es_tests.acerbi_szekely_z1(x, var, es), es_tests.acerbi_szekely_z2(x, var, es, A)
        gap = es_tests.minimally_biased(x, var, es, A, relative=True)
        z3 = acerbi_szekely_z3(f["pit"].to_numpy(), A)
        told = null_values((z1.statistic, z2.statistic, gap.statistic), N, LEVEL, null, df)
        p.append([*(v.p for v in told), z3_null(z3.statistic, N, LEVEL).p])
    small = (np.array(p) < 0.1).sum(axis=0)
    assert ((small >= stats.binom.ppf(1e-5, 200, 0.08)) & (small <= stats.binom.ppf(1 - 1e-5, 200, 0.1))).all(), small


def test_the_note_names_the_law() -> None:
    f = forecasts(3, None)
    f["outcome"] *= 1.6
    t = backtest(f, null="student_t", df=5.0, regressions=False).table
    assert t.loc["acerbi_szekely_z2", "note"] == "5 % critical value -0.736, outcomes Student t(5)"
    assert t.loc["acerbi_szekely_z2", "p_value"] < 0.05
    assert t.loc["acerbi_szekely_z3", "note"].endswith("uniform ranks")
    none = backtest(f, null=None, regressions=False).table
    for name in ("acerbi_szekely_z1", "acerbi_szekely_z2", "minimally_biased_rel", "acerbi_szekely_z3"):
        assert math.isnan(none.loc[name, "p_value"])
        assert none.loc[name, "statistic"] == t.loc[name, "statistic"]


def test_z3_of_ranks_drawn_one_by_one() -> None:
    u = np.random.default_rng(4).random((20_000, N))
    five = np.quantile([acerbi_szekely_z3(row, A).statistic for row in u], 0.05)
    assert z3_null(0.0, N, LEVEL).five_pct == pytest.approx(five, abs=0.004)
    assert math.isnan(z3_null(0.0, 20, LEVEL).p)


def test_a_law_is_drawn_once() -> None:
    critical._kept.cache_clear()
    first = z_critical(77)
    assert z_critical(77, z2=-0.3).z2_5pct == first.z2_5pct
    null_values((-0.1, -0.2, 0.0), 77, LEVEL, "normal")
    z_critical(77, sims=200_000)  # too many to keep
    assert critical._kept.cache_info()[:2] == (2, 1)


def test_a_long_series_gets_fewer_simulations() -> None:
    one, two, gap = null_values((0.0, 0.0, 0.0), 200_000, LEVEL, "normal")
    assert all(0.3 < v.p < 0.7 for v in (one, two, gap))


def test_sums_are_lines_between_the_grid() -> None:
    rng = np.random.default_rng(5)
    count, grid = rng.integers(0, 5, 300), -np.sort(rng.random(101))
    deep = rng.uniform(0.0, 12.0, count.sum())  # beyond the grid's end at 10, too
    total = np.empty(300)
    tail_sums(count, deep, grid, 0.1, total)
    each = np.interp(deep, 0.1 * np.arange(101), grid)
    np.testing.assert_allclose(total, np.bincount(np.repeat(np.arange(300), count), each, 300), atol=1e-9)


def test_an_unknown_law_gets_a_sentence() -> None:
    with pytest.raises(InputError, match="dist is 'cauchy'"):
        z_critical(dist="cauchy")


def test_df_of_a_law_without_them_and_counts_that_are_none_get_a_sentence() -> None:
    """A normal law took the quantiles of t(5) with its own ES: -1.61 for -0.70."""
    with pytest.raises(InputError, match=r"df is 5\.0"):
        z_critical(df=5.0)
    with pytest.raises(InputError, match="n is 250"):
        z_critical(250.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sims is 0"):
        z_critical(sims=0)
    assert z_critical(sims=1e3) == z_critical(sims=1_000)  # type: ignore[arg-type]
    assert math.isnan(z_critical(sims=1_000, z2=math.nan).z2_p)
