"""Impact that decays: against a plain double loop, and schedules against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import InputError
from qflib.hedging import ExponentialDecay, PowerDecay
from qflib.hedging.decaying_impact import DecayingImpact

KINDS: list[DecayingImpact] = [ExponentialDecay(0.3, 40.0), PowerDecay(0.3, 0.5, 10.0), PowerDecay(2.0, 1.3, 700.0)]
TRADES = st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e3, 1e3)), min_size=1, max_size=30).map(sorted)


def plain_cost(impact: DecayingImpact, trades: list[tuple[float, float]]) -> float:
    paid = 0.0
    for k, (t, q) in enumerate(trades):
        paid += 0.5 * float(impact.left(0.0)) * q * q
        paid += sum(q * p * float(impact.left(t - s)) for s, p in trades[:k])
    return paid


@pytest.mark.parametrize("impact", KINDS, ids=str)
@given(trades=TRADES)
def test_cost_and_displacement_are_those_of_a_double_loop(
    impact: DecayingImpact, trades: list[tuple[float, float]]
) -> None:
    times, qty = [t for t, _ in trades], [q for _, q in trades]
    scale = float(impact.left(0.0)) * sum(abs(q) for q in qty) ** 2 + 1e-300
    assert impact.cost(times, qty) == pytest.approx(plain_cost(impact, trades), abs=1e-12 * scale)
    at = times[-1] + 17.0
    left = sum(q * float(impact.left(at - t)) for t, q in trades)
    assert impact.displaced(times, qty, at) == pytest.approx(left, abs=1e-12 * (1 + sum(map(abs, qty))))
    # convex and falling: no round trip gains
    assert impact.cost(times, qty) >= -1e-12 * scale


@given(n=st.integers(2, 40), half_life=st.floats(0.5, 1e3), qty=st.floats(1, 1e6))
def test_the_schedule_of_exponential_decay_has_its_closed_form(n: int, half_life: float, qty: float) -> None:
    """Alfonsi, Fruth and Schied 2010, Quantitative Finance 10(2), theorem 1: blocks at the ends, even between."""
    made = ExponentialDecay(0.01, half_life).schedule(np.arange(n) * 10.0, qty)
    a = 2.0 ** (-10.0 / half_life)
    end = qty / ((n - 2) * (1 - a) + 2)
    np.testing.assert_allclose(made, [end, *[end * (1 - a)] * (n - 2), end], rtol=1e-8 / (1 - a))


@pytest.mark.parametrize("impact", KINDS, ids=str)
def test_no_other_schedule_is_cheaper(impact: DecayingImpact) -> None:
    times = np.array([0.0, 5.0, 30.0, 100.0, 110.0])
    best = impact.schedule(times, 50.0)
    assert best.sum() == pytest.approx(50.0)
    least = impact.cost(times, best)
    rng = np.random.default_rng(5)
    for _ in range(200):
        move = rng.normal(size=5)
        assert impact.cost(times, best + move - move.mean()) >= least * (1 - 1e-12)
    assert least < impact.cost(times, np.full(5, 10.0))


@pytest.mark.parametrize("impact", [ExponentialDecay(0.0, 40.0), PowerDecay(0.0)], ids=str)
def test_without_impact_trades_are_even(impact: DecayingImpact) -> None:
    assert impact.schedule([0.0, 1.0, 5.0], -30.0).tolist() == [-10.0, -10.0, -10.0]


@pytest.mark.parametrize("impact", [ExponentialDecay(0.3, 1e20), PowerDecay(0.3, scale=1e20)], ids=str)
def test_impact_that_does_not_decay_has_no_schedule(impact: DecayingImpact) -> None:
    with pytest.raises(InputError, match=r"tells 3 times from 0\.0 to 5\.0 not apart"):
        impact.schedule([0.0, 1.0, 5.0], 30.0)
    assert impact.schedule([2.0], 30.0).tolist() == [30.0]


def test_bad_input_is_named() -> None:
    impact = ExponentialDecay(1.0, 1.0)
    with pytest.raises(InputError, match="times fall"):
        impact.cost([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(InputError, match=r"the last trade is at 2\.0, after 1"):
        impact.displaced([2.0], [1.0], at=1.0)
    with pytest.raises(InputError, match="rising times"):
        impact.schedule([1.0, 1.0], 5.0)
    with pytest.raises(InputError, match=r"times have shape \(2,\)"):
        impact.cost([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="half_life is 0"):
        ExponentialDecay(1.0, 0.0)
    with pytest.raises(InputError, match="size is -1"):
        PowerDecay(-1.0)
