"""Scenario sets: joint, named by their content, the same after a trip through tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import ChecksumError, DataError, InputError
from qflib.records import SHOCKS
from qflib.shortfall import ScenarioSet, scenarios
from qflib.shortfall.draws import student_t_draws
from qflib.shortfall.horizon import horizon_ns

DAY = 86_400_000_000_000


def history(n: int = 400, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    common = rng.standard_t(5, n) * 0.01
    days = pd.bdate_range("2024-01-01", periods=n, tz="UTC")
    columns = {}
    for u in ("ACME", "BETA"):
        r = 0.8 * common + rng.normal(0, 0.005, n)
        columns[(u, "spot")] = 100 * np.exp(np.cumsum(r))
        columns[(u, "atm_vol")] = 0.25 * np.exp(-2.0 * r)
    return pd.DataFrame(columns, days)


def test_historical_moves_are_what_happened() -> None:
    h = history()
    s = scenarios.historical(h, n=100)
    spot, vol = h[("BETA", "spot")].to_numpy(), h[("BETA", "atm_vol")].to_numpy()
    returns, shifts = s.shocks("BETA")
    assert returns.tobytes() == (spot[1:] / spot[:-1] - 1)[-100:].tobytes()
    assert shifts.tobytes() == (vol[1:] - vol[:-1])[-100:].tobytes()
    assert (s.n, s.n_historical, s.horizon_ns) == (100, 100, DAY)


def test_longer_horizons_overlap_and_shorter_ones_scale() -> None:
    h = history()
    spot = h[("ACME", "spot")].to_numpy()
    ten = scenarios.historical(h, "10D", n=None)
    assert ten.n == 390
    assert ten.spot_return[-1, 0] == spot[-1] / spot[-11] - 1
    minute = scenarios.historical(h, "1min", n=None)
    day = scenarios.historical(h, "1D", n=None)
    np.testing.assert_allclose(minute.spot_return, day.spot_return / np.sqrt(1440), rtol=1e-14)


def test_simulated_moves_keep_the_joint_law() -> None:
    h = history(1500)
    s = scenarios.default(h, n_historical=1000, n_simulated=40_000)
    past = np.hstack([scenarios.historical(h, n=None).spot_return, scenarios.historical(h, n=None).vol_shift])
    drawn = np.hstack([s.spot_return[1000:], s.vol_shift[1000:]])
    np.testing.assert_allclose(np.corrcoef(drawn.T), np.corrcoef(past.T), atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), past.std(axis=0), rtol=0.05)
    z = drawn[:, 0] / drawn[:, 0].std()
    assert (z**4).mean() > 3.5  # thicker than normal, as the moves are
    both = np.mean((drawn[:, 0] < np.quantile(drawn[:, 0], 0.01)) & (drawn[:, 1] < np.quantile(drawn[:, 1], 0.01)))
    assert both > 10 * 0.01**2  # bad days come together


def test_the_default_is_seeded_and_starts_with_history() -> None:
    h = history()
    a, b = (scenarios.default(h, n_historical=200, n_simulated=500) for _ in range(2))
    other = scenarios.default(h, n_historical=200, n_simulated=500, seed=8)
    assert a == b
    assert a.set_id == b.set_id
    assert a.set_id != other.set_id
    assert a.spot_return[:200].tobytes() == scenarios.historical(h, n=200).spot_return.tobytes()
    assert other.spot_return[:200].tobytes() == a.spot_return[:200].tobytes()
    assert scenarios.default(h, n_historical=200, n_simulated=0) == scenarios.historical(h, n=200)


def test_a_constant_column_stays_constant() -> None:
    h = history()
    h[("BETA", "atm_vol")] = 0.3
    s = scenarios.default(h, n_historical=100, n_simulated=100)
    assert not s.shocks("BETA")[1].any()
    drawn = student_t_draws(np.ones((10, 2)), 5, 1)
    assert not drawn.any()


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 50), st.integers(0, 2**31), st.randoms())
def test_tables_give_the_set_back_bit_for_bit(n: int, width: int, rows: int, seed: int, random: object) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(f"U{i}" for i in range(width))
    made = ScenarioSet(names, rng.uniform(-0.9, 1, (n, width)), rng.normal(size=(n, width)), DAY, n // 2)
    chunks = made.to_tables(rows)
    assert all(len(s.spot_return) <= rows for _, s in chunks)
    random.shuffle(chunks)  # type: ignore[attr-defined]
    back = ScenarioSet.from_tables([*chunks, chunks[0]])
    assert back.spot_return.tobytes() == made.spot_return.tobytes()
    assert back.vol_shift.tobytes() == made.vol_shift.tobytes()
    assert (back.underlyings, back.horizon_ns, back.n_historical, back.set_id) == (
        made.underlyings,
        made.horizon_ns,
        made.n_historical,
        made.set_id,
    )


def test_what_differs_has_another_id() -> None:
    base = ScenarioSet(("A", "B"), [[0.1, 0.2]], [[0.0, 0.0]], DAY, 1)
    others = [
        ScenarioSet(("B", "A"), [[0.1, 0.2]], [[0.0, 0.0]], DAY, 1),
        ScenarioSet(("A", "B"), [[0.2, 0.1]], [[0.0, 0.0]], DAY, 1),
        ScenarioSet(("A", "B"), [[0.1, 0.2]], [[0.0, 0.1]], DAY, 1),
        ScenarioSet(("A", "B"), [[0.1, 0.2]], [[0.0, 0.0]], DAY + 1, 1),
        ScenarioSet(("A", "B"), [[0.1, 0.2]], [[0.0, 0.0]], DAY, 0),
    ]
    assert len({s.set_id for s in [base, *others]}) == 6
    assert ScenarioSet(("A", "B"), [[0.1, 0.2]], [[-0.0, 0.0]], DAY, 1) == base


def test_torn_chunks_are_told() -> None:
    made = scenarios.historical(history(), n=50)
    chunks = made.to_tables(30)
    with pytest.raises(DataError, match="lacks chunk 1"):
        ScenarioSet.from_tables([chunks[0], *chunks[2:]])
    with pytest.raises(DataError, match="another"):
        ScenarioSet.from_tables([*chunks, *scenarios.historical(history(), n=51).to_tables(30)])
    head, shocks = chunks[0]
    wrong = SHOCKS.make(**{**shocks._asdict(), "vol_shift": shocks.vol_shift + 1e-17 + 0.1})
    with pytest.raises(ChecksumError, match="send it again"):
        ScenarioSet.from_tables([(head, wrong), *chunks[1:]])
    with pytest.raises(DataError, match="no chunk"):
        ScenarioSet.from_tables([])


@pytest.mark.parametrize("make", [scenarios.historical, scenarios.default])
def test_an_underlying_with_a_pairs_name_needs_its_vol_unless_it_is_told_a_rate(make: Any) -> None:
    h = history(1_100)
    h = h.rename(columns={"BETA": "BTC/USDT"}, level=0)
    bare = h.drop(columns=[("BTC/USDT", "atm_vol")])
    with pytest.raises(InputError, match=r"no column \('BTC/USDT', 'atm_vol'\).*name it in fx=\['BTC/USDT'\]"):
        make(bare)
    assert make(h, fx=[]).shocks("BTC/USDT")[1].std() > 0
    assert make(h, fx=["BTC/USDT"]) == make(h)  # it has a vol
    rate = make(bare, fx=["BTC/USDT"])
    assert not rate.shocks("BTC/USDT")[1].any()
    assert rate.shocks("ACME")[1].std() > 0
    for wrong in (["EUR/USD"], "BTC/USDT"):
        with pytest.raises(InputError, match="expected a list of rates of exchange that the history has"):
            make(bare, fx=wrong)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h.tz_localize(None), "tz-aware"),
        (lambda h: h.drop(columns=[("ACME", "atm_vol")]), "atm_vol"),
        (lambda h: h.iloc[::-1], "order of time"),
        (lambda h: h.iloc[:1], "2 at least"),
        (lambda h: h.where(h.index.to_series() != h.index[7]), "nan of ACME"),
        (lambda h: h * -1, "positive"),
        (lambda h: h[("ACME", "spot")], "DataFrame"),
    ],
)
def test_a_bad_history_gets_a_sentence(change: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scenarios.historical(change(history()), n=None)  # type: ignore[operator]


def test_other_bad_arguments() -> None:
    with pytest.raises(InputError, match="n is 1000 and the history gives 399"):
        scenarios.historical(history(), n=1000)
    with pytest.raises(InputError, match="horizon is 'soon'"):
        scenarios.historical(history(), "soon")
    with pytest.raises(InputError, match="n_simulated is -1"):
        scenarios.default(history(), n_historical=9, n_simulated=-1)
    with pytest.raises(InputError, match="-1 or less"):
        ScenarioSet(("A",), [[-1.0]], [[0.0]], DAY)
    with pytest.raises(InputError, match="distinct"):
        ScenarioSet(("A", "A"), [[0.0, 0.0]], [[0.0, 0.0]], DAY)
    with pytest.raises(InputError, match="no underlying 'C'"):
        ScenarioSet(("A",), [[0.0]], [[0.0]], DAY).shocks("C")


def test_horizons() -> None:
    assert [horizon_ns(h) for h in ("1D", "10D", "1min", "30s", 5)] == [
        DAY,
        10 * DAY,
        60_000_000_000,
        30_000_000_000,
        5,
    ]
    for bad in ("-1D", "0s", "", "D1 x", -5):
        with pytest.raises(InputError, match="positive time"):
            horizon_ns(bad)


def test_it_shows_itself() -> None:
    s = scenarios.default(history(), n_historical=100, n_simulated=100)
    assert s.to_frame().shape == (200, 4)
    assert s.set_id in s._repr_html_()
    assert len(s.plot()) == 2
