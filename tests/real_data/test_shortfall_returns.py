"""Known figures on real returns: the S&P 500, the DAX, Danish fires, real forecasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qflib.cli.verify_shortfall import FUNCTIONS, figures
from qflib.shortfall import backtest, expected_shortfall, fit_pot, rolling_es

pytestmark = pytest.mark.data


def sp500(folder: Path) -> pd.Series:
    return pd.read_csv(folder / "returns" / "rugarch_sp500ret.csv.gz")["SP500RET"]


@pytest.mark.parametrize(
    ("convention", "es"),
    [
        ("rockafellar_uryasev", 0.05175626176639258),
        ("quantlib", 0.051842),
        ("type7", 0.051475),
        ("gaussian", 0.031642),
    ],
)
def test_what_each_peer_calls_es_of_the_sp500(test_data: Path, convention: str, es: float) -> None:
    got = expected_shortfall(sp500(test_data), 0.99, kind="return", convention=convention).es
    assert got == pytest.approx(es, abs=1e-6)


def test_rolling_es_of_the_sp500_equals_every_window(test_data: Path) -> None:
    x = sp500(test_data)
    got = rolling_es(x, 250, kind="return")["es"]
    assert got.sum() == pytest.approx(142.43904554995842, rel=1e-10)
    for k in range(249, len(x), 400):
        assert got[k] == expected_shortfall(x[k - 249 : k + 1], kind="return").es


def test_real_forecasts_through_every_test(test_data: Path) -> None:
    raw = pd.read_csv(test_data / "returns" / "esback_risk_forecasts.csv.gz")
    time = pd.date_range("2000-01-03", periods=len(raw), tz="UTC")
    f = pd.DataFrame({"time": time, "outcome": raw["r"], "var": -raw["q"], "es": -raw["e"], "sigma": raw["s"]})
    s = backtest(f, "1D").table["statistic"]
    want = {
        "exceedances": 155,
        "kupiec": 14.239432997725544,
        "christoffersen_cc": 29.75461058012212,
        "acerbi_szekely_z1": -0.048040167741509876,
        "acerbi_szekely_z2": -0.43535432736853585,
        "fz0": 1.141532918299348,
        "dynamic_quantile": 173.26891833201844,
        "e_backtest_log_max": 8.54567335360532,
    }
    for test, figure in want.items():
        assert s[test] == pytest.approx(figure, rel=1e-8), test


def test_a_vector_comes_back_in_its_own_shape(test_data: Path) -> None:
    vector = {
        "calls": [
            {
                "function": "expected_shortfall",
                "args": {
                    "x": {"csv": "quarks_DAX.csv.gz", "column": "price_close", "transform": "log_return", "last": 1000},
                    "kind": "return",
                    "level": [0.975],
                    "convention": "ewma_volatility",
                    "decay": 0.94,
                },
                "figures": {"vwhs/0": "var/0", "vwhs/1": "es/0", "minus": "-es/0"},
            }
        ]
    }
    got = figures(vector, test_data)
    assert got is not None
    np.testing.assert_allclose(got["vwhs"], [0.012364112334648, 0.017796913800388], rtol=1e-10)
    assert got["minus"] == -got["vwhs"][1]
    vector["calls"][0]["function"] = "not_built"
    assert figures(vector, test_data) is None
    assert "backtest" in FUNCTIONS


def test_intervals_of_the_danish_fires(test_data: Path) -> None:
    # McNeil, Frey and Embrechts, Quantitative risk management, the example of the Danish fires at a threshold of 10:
    # VaR 27.3 (23.3 to 33.1), ES 58.2 (41.6 to 154.7), read off an interpolated profile; standard errors .14 and 1.1.
    # Quoted from memory.
    loss = pd.read_csv(test_data / "returns" / "danish.csv.gz")["loss_mdkk"]
    tail = fit_pot(loss, 10.0, 0.99, kind="loss", fixed_rate=True)
    got = [tail.var[0], tail.var_low[0], tail.var_high[0], tail.es[0], tail.es_low[0], tail.es_high[0]]
    np.testing.assert_allclose(got, [27.3, 23.3, 33.1, 58.2, 41.6, 154.7], rtol=0.015)
    assert (tail.shape_se, tail.scale_se) == pytest.approx((0.14, 1.15), abs=0.06)
    assert tail.goodness_of_fit.anderson_darling_p > 0.05
