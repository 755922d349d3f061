"""The e-backtest: beside a slow twin, true to its promise under the truth, strong against false forecasts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from qflib.errors import InputError, StateError
from qflib.kernels.e_backtest import ALARMS, BETTINGS, CAP, MEASURES, best_bet
from qflib.shortfall import EBacktest, e_process
from tests.reference.plain_e_backtest import process

LEVEL, A = 0.975, 0.025
VAR, ES = stats.norm.ppf(LEVEL), stats.norm.pdf(stats.norm.ppf(A)) / A


def moving(n: int, seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P&L of a scale that moves, and its forecasts."""
    rng = np.random.default_rng(seed)
    sigma = np.exp(0.5 * np.sin(np.arange(n) / 40) + 0.1 * rng.normal(size=n))
    return sigma * rng.standard_t(4, n), scale * VAR * sigma, scale * ES * sigma


@pytest.mark.parametrize("window", [40, 1_000])
@pytest.mark.parametrize("seed", range(3))
def test_every_process_is_the_slow_twins(seed: int, window: int) -> None:
    pnl, var, es = moving(250, seed, 0.9)
    e, bets, log_e = EBacktest(LEVEL, bet=0.02, cap=0.4, window=window).roll(pnl, var, es)
    assert np.count_nonzero(e[:, 0]) > 5
    assert ((bets[:, :, 1:] > 0) & (bets[:, :, 1:] < 0.4)).any()
    for m, measure in enumerate(MEASURES):
        for k, betting in enumerate(BETTINGS):
            stake, money = process(pnl, var, es, LEVEL, measure, betting, bet=0.02, cap=0.4, window=window)
            np.testing.assert_allclose(log_e[:, m, k], np.log(money), atol=1e-6)
            if betting != "grem":
                np.testing.assert_allclose(bets[:, m, k], stake, atol=2e-7)  # the maximum is flat


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=0, max_size=30),
    st.integers(0, 300),
    st.integers(0, 2),
    st.floats(0.01, 0.99),
)
def test_the_best_bet_is_the_derivatives_zero(some: list[float], nothing: int, infinite: int, cap: float) -> None:
    e = np.array(some + [math.inf] * infinite)

    def slope(bet: float) -> float:
        finite = np.array(some)
        each = (finite - 1.0) / (1.0 + bet * (finite - 1.0))
        return float(np.sum(each)) - nothing / (1.0 - bet) + (infinite / bet if infinite else 0.0)

    made = best_bet(e, len(e), nothing, cap)
    if len(e) + nothing == 0 or (not infinite and slope(0.0) <= 0.0):
        assert made == 0.0
    elif slope(cap) >= 0.0:
        assert made == cap
    else:
        exact = optimize.brentq(slope, 1e-300 if infinite else 0.0, cap, xtol=1e-300, rtol=1e-14)
        assert made == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_under_the_truth_alarms_are_as_rare_as_promised() -> None:
    """P(sup M ≥ b) ≤ 1 / b: of 2,000 runs of 500 forecasts, no more than a binomial of that chance has in 1e-6."""
    runs, n = 2_000, 500
    rng = np.random.default_rng(8)
    passed = np.zeros((2, 4, 3))
    for _ in range(runs):
        sigma = np.exp(0.3 * rng.normal(size=n))
        _, _, log_e = EBacktest(LEVEL).roll(sigma * rng.normal(size=n), VAR * sigma, ES * sigma)
        passed += log_e.max(axis=0)[..., None] >= np.log(ALARMS)
    for j, b in enumerate(ALARMS):
        assert (passed[..., j] <= stats.binom.ppf(1 - 1e-6, runs, 1 / b)).all(), f"alarm at {b}"
    assert (passed[..., 0] > 0.1 * runs).all(), "and it is not for want of betting"


@pytest.mark.parametrize("betting", range(4))
def test_an_unseen_forecast_is_worth_no_more_than_one(betting: int) -> None:
    """E[M] ≤ 1 under the truth, within the noise of the mean; small bets keep the noise small."""
    rng = np.random.default_rng(9)
    ends = []
    for _ in range(3_000):
        x = rng.normal(size=60)
        _, _, log_e = EBacktest(LEVEL, bet=0.01, cap=0.02).roll(x, np.full(60, VAR), np.full(60, ES))
        ends.append(np.exp(log_e[-1, :, betting]))
    mean, noise = np.mean(ends, axis=0), np.std(ends, axis=0) / math.sqrt(len(ends))
    assert (mean <= 1.0 + 4.0 * noise).all()
    assert (mean >= 1.0 - 4.0 * noise).all()  # forecasts are exact here: it is a martingale


@pytest.mark.parametrize(("scale", "least"), [(0.8, 0.85), (0.7, 0.99)])
def test_small_forecasts_are_found(scale: float, least: float) -> None:
    rng, n = np.random.default_rng(10), 1_000
    found = np.zeros((2, 4))
    for _ in range(100):
        _, _, log_e = EBacktest(LEVEL).roll(rng.normal(size=n), np.full(n, scale * VAR), np.full(n, scale * ES))
        found += log_e.max(axis=0) >= math.log(10.0)
    assert (found >= 100 * least).all(), found


def test_an_es_alone_that_is_small_is_found_by_es_alone() -> None:
    """VaR is right: its own evidence has nothing to find, as the promise has it."""
    rng, n = np.random.default_rng(11), 2_000
    found = np.zeros((2, 4))
    for _ in range(60):
        x = rng.standard_t(3, n)
        var = np.full(n, stats.t.ppf(LEVEL, 3))
        _, _, log_e = EBacktest(LEVEL).roll(x, var, var * ES / VAR)
        found += log_e.max(axis=0) >= math.log(10.0)
    assert (found[0, 1:] >= 55).all()
    assert found[0, 0] >= 40
    assert (found[1] <= stats.binom.ppf(1 - 1e-6, 60, 0.1)).all()


def test_the_papers_examples_of_gree_and_grel() -> None:
    """Example 7 (its authors' code): losses that grow with their forecasts are gree's, forecasts that waver grel's.

    The mixture stays near the better of the two: log M is never log 2 below it.
    """
    rng, n, level = np.random.default_rng(12), 1_010, 0.95
    grown, wavering = np.zeros(4), np.zeros(4)
    for _ in range(60):
        x, more = rng.normal(size=n), 1 + np.arange(1, n + 1) / n
        grown += EBacktest(level, window=n).roll(x * more, 1.48 * more, 1.86 * more)[2][-1, 0]
        off = rng.integers(-5, 6, n) / 10
        one = EBacktest(level, window=n).roll(x, 1.64 + off, 2.06 + off)[2]
        wavering += one[-1, 0]
        assert (one[:, 0, 3] >= one[:, 0, 1:3].max(axis=1) - math.log(2.0) - 1e-12).all()
    assert grown[1] > max(grown[2], 0.0)
    assert wavering[2] > max(wavering[1], 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_bits_however_it_is_cut_and_after_a_restore(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pnl, var, es = moving(400, seed, 0.85)
    var[rng.random(400) < 0.1] = math.nan
    pnl[200:205] = var[200:205] = es[200:205] = 0.0
    times = np.cumsum(rng.integers(1, 10**9, 400))
    whole = EBacktest(window=64)
    expected = whole.roll(pnl, var, es, times)
    cuts = np.sort(rng.choice(np.arange(1, 400), 30, replace=False))
    test, got = EBacktest(window=64), []
    for part in np.split(np.arange(400), cuts):
        restored = EBacktest(window=64)
        restored.load(np.frombuffer(test.state().tobytes()))
        test = restored
        got.append(test.roll(pnl[part], var[part], es[part], times[part]))
    for a, b in zip(zip(*got, strict=True), expected, strict=True):
        assert np.concatenate(a).tobytes() == b.tobytes()
    assert test.state().tobytes() == whole.state().tobytes()
    pd.testing.assert_frame_equal(test.evidence(), whole.evidence())
    assert whole.n == int((~np.isnan(var)).sum()) - int((~np.isnan(var[200:205])).sum())


def test_without_a_forecast_evidence_stays() -> None:
    test = EBacktest()
    before = test.update(-3.0, VAR, ES)
    state = test.state()
    for three in ((math.nan, VAR, ES), (-9.0, math.nan, ES), (-9.0, VAR, math.nan), (0.0, 0.0, 0.0)):
        np.testing.assert_array_equal(test.update(*three), before)
        assert test.state().tobytes() == state.tobytes()


def test_a_loss_held_impossible_is_infinite_evidence_for_ever() -> None:
    test = EBacktest(cap=0.5)
    e, bets, log_e = test.roll(np.array([-1.0, 1.0]), np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    assert e[:, 0].tolist() == [0.0, 0.0]  # at its VaR, not beyond
    assert log_e[1, 0, 0] == pytest.approx(2 * math.log(1 - 0.025))
    e, bets, log_e = test.roll(np.array([-1.5, 2.0]), np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    assert e[0, 0] == math.inf
    assert bets[0, 0, 1:].tolist() == [0.0, 0.0]  # nothing was bet by those that had seen no loss yet
    assert log_e[:, 0, 0].tolist() == [math.inf, math.inf]
    assert np.isfinite(log_e[:, 0, 1:]).all()
    assert np.isfinite(log_e[:, 1]).all()
    assert bets[1, 0, 1] == pytest.approx(1 / 3)  # one of three, by the limit of a great e-value
    assert test.evidence().loc[("es", "constant"), ["alarm", "alarm_ns"]].tolist() == [10, 3]


def test_alarms_keep_the_time_of_their_first_crossing() -> None:
    test = EBacktest(bet=0.1)
    for minute in range(1, 60):
        test.update(-3.0 if minute in (3, 40) else 1.0, VAR, ES, minute * 60 * 10**9)
    told = test.evidence().loc[("es", "constant")]
    assert told["log_e"] < math.log(2.0) < told["log_e_max"]
    assert told["alarm"] == 5
    assert told["alarm_ns"] == 3 * 60 * 10**9


def test_a_series_by_time() -> None:
    rng = np.random.default_rng(3)
    at = pd.date_range("2025-01-01", periods=300, freq="D", tz="UTC")
    r = e_process(pd.Series(2.0 * rng.normal(size=300), at), np.full(300, VAR), np.full(300, ES), kind="pnl")
    assert r.to_frame() is r.table
    assert set(r.table["alarm"]) == {10}
    first = r.path.index[r.path["log_es_gree"] >= math.log(10.0)][0]
    assert r.table.loc[("es", "gree"), "alarm_ns"] == first.value
    assert "gree" in r._repr_html_()
    es, var = r.plot()
    assert [len(es), len(var)] == [7, 7]
    assert "ES" in es.opts.get().kwargs["title"]
    loss = e_process(-r.path["pnl"], np.full(300, VAR), np.full(300, ES), kind="loss")
    pd.testing.assert_frame_equal(loss.table, r.table)
    numbered = e_process(r.path["pnl"].to_numpy(), np.full(300, VAR), np.full(300, ES), kind="pnl")
    assert numbered.table.loc[("es", "gree"), "alarm_ns"] == r.path.index.get_loc(first) + 1


def test_alarms_of_a_series_from_before_1970_have_their_times() -> None:
    at = pd.date_range("1960-01-01", periods=300, freq="D", tz="UTC")
    pnl = 2.0 * np.random.default_rng(3).normal(size=300)
    r = e_process(pd.Series(pnl, at), np.full(300, VAR), np.full(300, ES), kind="pnl")
    first = r.path.index[r.path["log_es_gree"] >= math.log(10.0)][0]
    assert r.table.loc[("es", "gree"), "alarm_ns"] == first.value < 0


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"bet": 1.0}, "bet is 1"),
        ({"bet": "a"}, "bet is a; expected numbers"),
        ({"cap": 1.0}, "cap 1"),
        ({"window": 0}, "window is 0"),
        ({"window": math.nan}, "window is nan"),
        ({"window": math.inf}, "window is inf"),
        ({"level": 0.025}, "level"),
        ({"level": [0.9, 0.95]}, "expected one confidence"),
    ],
)
def test_bad_settings_get_a_sentence(settings_: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        EBacktest(**settings_)  # type: ignore[arg-type]


def test_bad_forecasts_get_a_sentence_and_nothing_is_taken() -> None:
    test = EBacktest()
    before = test.state()
    with pytest.raises(InputError, match="below its var"):
        test.update(1.0, 2.0, 1.9)
    with pytest.raises(InputError, match="pnl is infinite at 0"):
        test.update(math.inf, 2.0, 2.1)
    with pytest.raises(InputError, match="times_ns has 0"):
        test.update(1.0, 2.0, 2.1, 0)
    with pytest.raises(InputError, match=r"pnl is \['a'\]; expected numbers"):
        test.update("a", 2.0, 2.1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="dtype float64; expected 1 whole"):
        test.roll([1.0], [2.0], [2.1], [1.5])
    with pytest.raises(InputError, match="one length"):
        test.roll(np.zeros(2), np.zeros(3), np.zeros(2))
    assert test.state().tobytes() == before.tobytes()
    assert test.update(1.0, 2.0, np.nextafter(2.0, 0.0))[0, 0] < 0.0  # what rounding does to an ES is no fault
    with pytest.raises(StateError, match="not of this test"):
        test.load([1.0, 2.0])  # type: ignore[arg-type]
    for other in (EBacktest(window=9), EBacktest(cap=0.4), EBacktest(0.99), EBacktest(bet=0.1)):
        with pytest.raises(StateError, match="not of this test"):
            test.load(other.state())
    assert CAP == 0.5
