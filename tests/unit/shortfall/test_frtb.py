"""The internal models approach: figures by hand, borders of zones, and what must rise with what."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qflib.errors import InputError
from qflib.shortfall import (
    desk_backtest,
    expected_shortfall,
    market_risk_capital,
    pla_test,
    scenario_imcc,
)
from qflib.shortfall.frtb import HORIZONS, LIQUIDITY_HORIZONS, imcc, liquidity_horizon_es, reduced_set_share, ses
from qflib.shortfall.frtb_desks import bank_multiplier, exceptions, kolmogorov_smirnov_p, pla_zone
from qflib.shortfall.frtb_scenarios import RiskClassPnl, scenario_horizon_es

figures = st.floats(0, 1e6)


def test_the_cascade_by_hand() -> None:
    # 100² + 60² (20 - 10)/10 + 40² (40 - 20)/10 + 20² (60 - 40)/10 + 10² (120 - 60)/10 = 18,200
    assert liquidity_horizon_es([100, 60, 40, 20, 10]) == pytest.approx(math.sqrt(18_200))
    assert liquidity_horizon_es([100], horizons=[10]) == 100
    with pytest.raises(InputError, match="expected one a horizon, rising"):
        liquidity_horizon_es([1, 2], horizons=[20, 10])


@given(st.lists(figures, min_size=5, max_size=5), st.integers(0, 4), st.floats(0, 1e3))
def test_the_cascade_rises_with_every_step(es: list[float], j: int, more: float) -> None:
    assert (
        liquidity_horizon_es([*es[:j], es[j] + more, *es[j + 1 :]]) >= liquidity_horizon_es(es) * (1 - 1e-12) - 1e-150
    )
    assert liquidity_horizon_es(es) >= es[0] * (1 - 1e-12) - 1e-150  # squares of less are nothing


def test_scenarios_of_groups_add_up_to_nested_ones() -> None:
    rng = np.random.default_rng(4)
    own = rng.standard_t(4, (1000, 5))
    nested = np.column_stack([own[:, j:].sum(axis=1) for j in range(5)])
    es, each = scenario_horizon_es(nested)
    want = [float(expected_shortfall(nested[:, j], 0.975, kind="pnl").es) for j in range(5)]
    np.testing.assert_allclose(each, want, rtol=1e-14)
    assert es == pytest.approx(liquidity_horizon_es(want))
    again, _ = scenario_horizon_es(own, nested=False)
    assert again == pytest.approx(es, rel=1e-12)
    assert scenario_horizon_es(-nested, kind="loss")[0] == pytest.approx(es)
    with pytest.raises(InputError, match="5 columns for horizons"):
        scenario_horizon_es(own, (10, 20))


def test_independent_steps_scale_with_the_root_of_time() -> None:
    rng = np.random.default_rng(4)
    # every factor on the longest horizon: ES₁ of 10 days scaled to 120 is ES √12
    x = rng.normal(size=(4000, 1))
    es, each = scenario_horizon_es(np.repeat(x, 5, axis=1))
    assert es == pytest.approx(each[0] * math.sqrt(12))
    assert set(LIQUIDITY_HORIZONS.values()) == set(HORIZONS)


def test_the_charge_of_scenarios_is_that_of_their_parts() -> None:
    rng = np.random.default_rng(4)

    def nested(scale: float) -> np.ndarray:
        own = rng.standard_t(5, (500, 5)) * scale
        return np.column_stack([own[:, j:].sum(axis=1) for j in range(5)])

    rates = RiskClassPnl(nested(3.0), nested(1.0), nested(0.9))
    credit = RiskClassPnl(nested(2.0), nested(0.8), nested(0.9))  # its reduced set has the greater ES
    both = RiskClassPnl(*(np.asarray(a) + np.asarray(b) for a, b in zip(rates, credit, strict=True)))
    r = scenario_imcc(both, {"rates": rates, "credit": credit})
    es = [[scenario_horizon_es(p)[0] for p in c] for c in (both, rates, credit)]
    scaled = [rs * max(fc / rc, 1.0) for rs, fc, rc in es]
    assert r.unconstrained == pytest.approx(scaled[0])
    assert r.constrained == pytest.approx(scaled[1] + scaled[2])
    assert r.imcc == pytest.approx(0.5 * scaled[0] + 0.5 * (scaled[1] + scaled[2]))
    assert r.imcc == pytest.approx(imcc(*es[0], scaled[1:])[1])
    assert r.reduced_set_share == pytest.approx(es[0][2] / es[0][1])
    assert r.to_frame().loc["credit", "ratio"] == 1.0
    assert "IMCC" in r._repr_html_()
    assert r.plot() is not None
    with pytest.raises(InputError, match="no risk classes"):
        scenario_imcc(both, {})


def test_the_reduced_set_is_measured_on_average() -> None:
    assert reduced_set_share([8, 7, 7.5], [10, 10, 10]) == pytest.approx(0.75)
    with pytest.raises(InputError, match="above 0"):
        reduced_set_share([1.0], [0.0])
    with pytest.raises(InputError, match="give as many"):
        reduced_set_share([1.0], [1.0, 2.0])


@given(st.lists(figures, max_size=4), st.lists(figures, max_size=4), st.lists(figures, min_size=1, max_size=4))
def test_stresses_diversify_and_never_vanish(credit: list[float], equity: list[float], other: list[float]) -> None:
    total = ses(credit, equity, other)
    assert total <= (sum(credit) + sum(equity) + sum(other)) * (1 + 1e-9)
    assert total >= max([*credit, *equity, *other]) * (1 - 1e-9) - 1e-100  # the squares of less are no numbers


@pytest.mark.parametrize(
    ("spearman", "distance", "zone"),
    [
        (0.800001, 0.089999, "green"),
        (0.8, 0.05, "amber"),
        (0.9, 0.09, "amber"),
        (0.7, 0.12, "amber"),
        (0.699999, 0.05, "red"),
        (0.95, 0.120001, "red"),
    ],
)
def test_zones_at_their_borders(spearman: float, distance: float, zone: str) -> None:
    assert pla_zone(spearman, distance) == zone


def test_attribution_metrics_are_scipys_over_the_last_250_days() -> None:
    rng = np.random.default_rng(4)
    hpl = rng.normal(size=400)
    rtpl = 0.9 * hpl + 0.3 * rng.normal(size=400)
    rtpl[::7] = np.round(rtpl[::7])  # ties
    r = pla_test(rtpl, hpl)
    assert r.n == 250
    assert r.spearman == pytest.approx(stats.spearmanr(rtpl[-250:], hpl[-250:]).statistic)
    assert r.distance == stats.ks_2samp(rtpl[-250:], hpl[-250:]).statistic
    assert r.p_value == kolmogorov_smirnov_p(r.distance, 250)
    # the p-values that the text gives beside its bounds
    assert [kolmogorov_smirnov_p(d, 250) for d in (0.09, 0.12)] == pytest.approx([0.264, 0.055], abs=1.5e-3)
    assert pla_test(np.exp(hpl / 10) - 1, hpl).spearman == pytest.approx(1.0)
    assert pla_test(-hpl, hpl).zone == "red"
    assert pla_test(hpl, hpl).zone == "green"
    assert pla_test(hpl * 2, hpl).zone == "red"  # twice the risk, in the same order: the laws differ
    assert pla_test(-rtpl, -hpl, kind="loss").spearman == r.spearman
    assert r.to_frame().loc["spearman", "value"] == r.spearman
    assert r.zone in r._repr_html_()
    assert r.plot() is not None
    with pytest.raises(InputError, match="never changes"):
        pla_test(np.zeros(250), hpl[:250])
    with pytest.raises(InputError, match="the same days of both"):
        pla_test(hpl[:10], hpl[:9])
    with pytest.raises(InputError, match="rtpl has 249 days"):
        pla_test(hpl[:249], hpl[:249])


@pytest.mark.parametrize(
    ("at_99", "at_975", "passes"), [(12, 30, True), (13, 13, False), (12, 31, False), (0, 30, True), (0, 31, False)]
)
def test_a_desk_leaves_with_one_exception_too_many(at_99: int, at_975: int, passes: bool) -> None:
    pnl = np.zeros(250)
    pnl[:at_975] = -2.5  # beyond the 97.5 % VaR of 2
    pnl[:at_99] = -4.0  # beyond the 99 % VaR of 3
    with pytest.raises(InputError, match=r"day 0 has var_99 2\.0 below var_975 3\.0; are they exchanged"):
        desk_backtest(np.zeros(250), pnl, np.full(250, 2.0), np.full(250, 3.0))
    r = desk_backtest(np.zeros(250), pnl, np.full(250, 3.0), np.full(250, 2.0))
    assert (r.at_99.count, r.at_975.count, r.passes) == (at_99, at_975, passes)
    assert r.to_frame()["exceptions"].tolist() == [at_99, at_975]
    assert ("passed" if passes else "failed") in r._repr_html_()


def test_exceptions_count_each_pnl_apart_and_only_the_last_250_days() -> None:
    var = np.full(300, 2.0)
    actual, hypothetical = np.zeros(300), np.zeros(300)
    actual[:60] = -3.0  # 50 of them are too old
    hypothetical[[100, 200]] = -3.0
    hypothetical[150] = -2.0  # at the VaR, not beyond it
    e = exceptions(actual, hypothetical, var, 0.99)
    assert (e.actual, e.hypothetical, e.count, e.n) == (10, 2, 10, 250)
    var[250] = np.nan  # not to be had: an exception of both
    actual[251] = np.nan
    e = exceptions(actual, hypothetical, var, 0.99)
    assert (e.actual, e.hypothetical) == (12, 3)
    gone = np.zeros(300, bool)
    gone[250:252] = True
    assert exceptions(actual, hypothetical, var, 0.99, disregarded=gone).actual == 10
    with pytest.raises(InputError, match="the same days of all"):
        exceptions(actual, hypothetical[:-1], var, 0.99)


def test_the_multiplier_rises_from_five_to_ten_exceptions() -> None:
    told = [bank_multiplier(k) for k in range(12)]
    assert told == [1.5] * 5 + [1.7, 1.76, 1.83, 1.88, 1.92, 2.0, 2.0]
    pnl = np.zeros(250)
    pnl[:6] = -3.0
    assert bank_multiplier(exceptions(pnl, pnl, np.full(250, 2.0), 0.99), qualitative=0.1) == pytest.approx(1.86)
    with pytest.raises(InputError, match="the multiplier is of"):
        bank_multiplier(exceptions(pnl, pnl, np.full(250, 2.0), 0.975))
    with pytest.raises(InputError, match="qualitative is -1"):
        bank_multiplier(0, -1.0)


DESKS = {"rates": ("green", 150.0), "credit": ("amber", 50.0), "exotics": ("red", 40.0)}


def test_capital_by_hand() -> None:
    imcc_days = [50.0] * 40 + [100.0] * 30  # the last 60: 30 of each
    r = market_risk_capital(
        imcc_days, [10.0] * 70, drc=[12.0, 20.0, 7.0], multiplier=1.7, desks=DESKS,
        sa_eligible=180.0, sa_ineligible=40.0, sa_all=205.0,
    )  # fmt: skip
    assert (r.days, r.imcc_average, r.ses_average) == (60, 75.0, 10.0)
    assert r.c_a == pytest.approx(1.7 * 75 + 10)  # 137.5 > 110
    assert r.drc == 13.0  # the average of 12 weeks is above the newest
    assert r.ima == pytest.approx(150.5)
    assert r.k == 0.5 * 50 / 200
    assert r.surcharge == pytest.approx(0.125 * 29.5)
    assert r.total == pytest.approx(150.5 + 3.6875 + 40)
    assert r.rwa == pytest.approx(12.5 * r.total)
    newest = market_risk_capital(
        [*[10.0] * 59, 200.0], [1.0] * 60, drc=5.0, desks=DESKS, sa_eligible=180.0, sa_ineligible=40.0, sa_all=205.0
    )
    assert newest.c_a == 201.0  # the newest is above 1.5 times the average
    assert newest.surcharge == 0.0  # internal models ask for more than the standardised approach
    assert newest.total == pytest.approx(min(206.0 + 40.0, 205.0) + 26.0)
    assert r.to_frame().loc["capital", "paragraph"] == "MAR33.43"
    assert isinstance(r.to_frame(), pd.DataFrame)
    assert "market risk capital" in r._repr_html_()
    assert r.plot() is not None


@given(
    st.lists(st.tuples(figures, figures), min_size=1, max_size=80),
    st.floats(1.5, 2.0),
    figures,
    figures,
    figures,
    figures,
    st.floats(0, 1e3),
)
def test_capital_rises_with_its_parts(
    days: list[tuple[float, float]], m: float, drc: float, eligible: float, ineligible: float, rest: float, more: float
) -> None:
    a, b = zip(*days, strict=True)
    kept = {"desks": DESKS, "sa_eligible": eligible, "sa_ineligible": ineligible, "sa_all": eligible + ineligible}

    def total(a: tuple[float, ...], drc: float, m: float, desks: dict[str, tuple[str, float]]) -> float:
        return market_risk_capital(a, b, drc=drc, multiplier=m, **{**kept, "desks": desks}).total  # type: ignore[arg-type]

    base = total(a, drc, m, DESKS)
    slack = 1e-9 * (1 + base)
    assert total(tuple(x + more for x in a), drc, m, DESKS) >= base - slack
    assert total(a, drc + more, m, DESKS) >= base - slack
    assert total(a, drc, m + 0.2, DESKS) >= base - slack
    green = {name: ("green" if zone == "amber" else zone, c) for name, (zone, c) in DESKS.items()}
    assert total(a, drc, m, green) <= base + slack


def test_bad_capital_gets_a_sentence() -> None:
    def ask(**more: object) -> None:
        given = {"imcc": [1.0], "ses": [1.0], "desks": DESKS, "sa_eligible": 1.0, "sa_all": 1.0, **more}
        market_risk_capital(**given)  # type: ignore[arg-type]

    for more, sentence in (
        ({"imcc": []}, "imcc is empty"),
        ({"ses": [math.nan]}, "ses is empty or holds"),
        ({"drc": -1.0}, "drc is empty or holds"),
        ({"ses": [1.0, 2.0]}, "same days of both"),
        ({"multiplier": 1.4}, "1.5 or above"),
        ({"sa_all": math.inf}, "sa_all is inf"),
        ({"desks": {"x": ("blue", 1.0)}}, "'x' is 'blue'"),
        ({"desks": {"x": ("amber", 0.0)}}, "give each desk's own"),
    ):
        with pytest.raises(InputError, match=sentence):
            ask(**more)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: liquidity_horizon_es([1.0, math.nan, 0, 0, 0]), "es holds nan"),
        (lambda: liquidity_horizon_es([1.0, 1.0], horizons=[20, 40]), "horizons start at 20 and base is 10"),
        (lambda: imcc(math.nan, 90, 90, [60]), "es_rs holds nan"),
        (lambda: imcc(100, math.inf, 90, [60]), "es_fc holds inf"),
        (lambda: imcc(100, 90, 90, [60, math.nan]), "class_es holds nan"),
        (lambda: imcc(100, 90, 90, [60], rho=1.5), "rho is 1.5"),
        (lambda: ses([math.nan], [], []), "idiosyncratic_credit holds nan"),
        (lambda: ses([], [], [1.0], rho=-0.1), "rho is -0.1"),
        (lambda: reduced_set_share([math.nan], [1.0]), "es_rc holds nan"),
        (lambda: pla_zone(math.nan, 0.05), "without one there is no zone"),
        (lambda: bank_multiplier(4.5), "found is 4.5; expected a whole number of 0"),
        (lambda: exceptions([1.0], [1.0], [1.0], 99), "level is 99"),
        (lambda: market_risk_capital(["a"], [1.0], desks={}, sa_eligible=1, sa_all=1), "imcc is empty or holds"),  # type: ignore[list-item]
    ],
)
def test_what_is_missing_is_no_capital_of_nothing(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_a_desks_backtest_shows_itself() -> None:
    pnl = np.r_[np.full(13, -3.0), np.zeros(237)]
    found = desk_backtest(pnl, pnl, np.full(250, 2.5), np.full(250, 2.0))
    assert "failed" in found._repr_html_()
    shown = found.plot().dframe()
    assert shown["value"].tolist() == [13, 13, 12, 30]


def test_a_charge_may_be_any_number() -> None:
    told = [
        market_risk_capital(
            np.full(60, 80.0), [10.0] * 60, drc=drc, desks={"a": ("green", 1.0)}, sa_eligible=150, sa_all=150
        )  # type: ignore[arg-type]
        for drc in (20, np.int64(20), np.float64(20), [20.0], np.array([20.0]))
    ]
    assert {r.total for r in told} == {told[0].total}
    assert {r.drc for r in told} == {20.0}
