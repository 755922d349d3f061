"""The no-trade band: published widths, where it trades to, whole lots, what is working, bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.errors import InputError
from qflib.hedging.hedgers import Band, LimitMarket, band_halfwidth, decide


@pytest.mark.parametrize(
    ("spot", "gamma", "cost", "risk_aversion", "expected"),
    [  # Whalley and Wilmott's formula for K = 100, T = 0.5, r = 2 %, σ = 25 %
        (100.0, 0.02233172383841429, 0.002, 1.0, 0.052910386708020354),
        (100.0, 0.02233172383841429, 0.005, 0.1, 0.15471090926995376),
        (90.0, 0.0226497992222867, 0.002, 1.0, 0.05156834308033332),
    ],
)
def test_halfwidth_has_the_published_value(
    spot: float, gamma: float, cost: float, risk_aversion: float, expected: float
) -> None:
    got = band_halfwidth(gamma, spot, cost * spot, risk_aversion, discount=math.exp(-0.01))
    assert got == pytest.approx(expected, abs=1e-12)


CALM = {"gamma": 0.0, "mid": 100.0, "half_spread": 0.01, "unit_delta": 100.0, "position": 0, "risk_aversion": 1.0}


@given(
    net_delta=st.floats(-1e7, 1e7),
    gamma=st.floats(-1e5, 1e5),
    half_spread=st.floats(0, 5),
    working=st.integers(-500, 500),
)
def test_after_the_trade_delta_is_in_the_band_or_as_near_as_a_lot_can_bring_it(
    net_delta: float, gamma: float, half_spread: float, working: int
) -> None:
    market = {"gamma": gamma, "mid": 100.0, "half_spread": half_spread, "unit_delta": 100.0, "risk_aversion": 0.5}
    lots = decide(net_delta=net_delta, position=0, working=working, **market)
    before = net_delta / 100 + working
    after = before + lots
    width = band_halfwidth(gamma / 100, 100.0, half_spread, 0.5)
    if abs(before) <= max(width, 1.0):
        assert lots == 0
    assert abs(after) <= max(width, 1.0) + 1e-9 * abs(before)
    assert lots * before <= 0
    # to the edge, no further: one lot less would be outside
    if lots:
        assert abs(before) - (abs(lots) - 1) > width * (1 - 1e-12)
    # what was sent counts as done: no second order for the same delta
    assert decide(net_delta=net_delta, position=0, working=working + lots, **market) == 0


def test_working_lots_are_not_sent_again() -> None:
    assert decide(net_delta=1000.0, working=0, **CALM) == -10
    assert decide(net_delta=1000.0, working=-10, **CALM) == 0
    assert decide(net_delta=1000.0, working=-12, **CALM) == 2


@pytest.mark.parametrize(("delta", "lots"), [(30.0, 0), (-30.0, 0), (50.0, 0), (100.0, 0), (-101.0, 1), (149.0, -1)])
def test_lots_are_whole_and_never_make_delta_greater(delta: float, lots: int) -> None:
    assert decide(net_delta=delta, working=0, **CALM) == lots


def test_a_wider_spread_or_a_lower_aversion_trades_less() -> None:
    wide = {**CALM, "gamma": 3000.0}
    few = decide(net_delta=5000.0, working=0, **{**wide, "half_spread": 1.0})
    many = decide(net_delta=5000.0, working=0, **{**wide, "half_spread": 0.01})
    averse = decide(net_delta=5000.0, working=0, **{**wide, "half_spread": 1.0, "risk_aversion": 1000.0})
    assert -50 <= many < few < 0
    assert averse < few


def test_bounds_cut_the_order_and_the_position() -> None:
    assert decide(net_delta=5000.0, working=0, max_order=7, **CALM) == -7
    assert decide(net_delta=5000.0, working=0, max_position=20, **{**CALM, "position": -15}) == -5
    assert decide(net_delta=5000.0, working=-5, max_position=20, **{**CALM, "position": -15}) == 0
    # a bound already broken on this side: nothing more on it
    assert decide(net_delta=5000.0, working=0, max_position=10, **{**CALM, "position": -15}) == 0


def test_without_two_sides_nothing_is_sent() -> None:
    assert decide(net_delta=5000.0, working=0, **{**CALM, "mid": math.nan}) == 0
    assert decide(net_delta=5000.0, working=0, **{**CALM, "half_spread": math.nan}) == 0


def test_wrong_values_are_named() -> None:
    with pytest.raises(InputError, match="risk_aversion is 0"):
        Band(risk_aversion=0)
    with pytest.raises(InputError, match="max_order is -1"):
        Band(max_order=-1)
    with pytest.raises(InputError, match="unit_delta is 0"):
        decide(net_delta=1.0, working=0, **{**CALM, "unit_delta": 0.0})
    with pytest.raises(InputError, match="net_delta is nan"):
        decide(net_delta=math.nan, working=0, **CALM)
    with pytest.raises(InputError, match="mid is 0"):
        band_halfwidth(1.0, 0.0, 0.1, 1.0)


TOUCH = {"mid": 100.0, "half_spread": 0.01, "unit_delta": 100.0, "bid_ticks": 9_999, "ask_ticks": 10_001}


@given(
    net_delta=st.floats(-1e6, 1e6),
    gamma=st.floats(0, 1e5),
    rest_from=st.floats(0, 1),
    position=st.integers(-50, 50),
    max_order=st.none() | st.integers(1, 100),
    max_position=st.none() | st.integers(0, 60),
)
def test_what_rests_lies_between_the_inner_band_and_the_edge_and_never_turns_delta_round(
    net_delta: float, gamma: float, rest_from: float, position: int, max_order: int | None, max_position: int | None
) -> None:
    policy = LimitMarket(0.5, max_order, max_position, rest_from=rest_from)
    now = {**TOUCH, "net_delta": net_delta, "gamma": gamma, "position": position}
    quoted = policy.quote(**now)
    width = band_halfwidth(gamma / 100, 100.0, 0.01, 0.5)
    if abs(net_delta) / 100 <= max(rest_from * width, 1.0):
        assert quoted is None
    if quoted is not None:
        lots, ticks = quoted
        assert lots * net_delta < 0
        assert abs(lots) <= min(abs(net_delta) / 100, max_order or math.inf)
        assert ticks == (9_999 if lots > 0 else 10_001)
        if max_position is not None:
            assert lots * (position + lots) <= max(lots * position, abs(lots) * max_position)
        aggressive = policy.decide(**{k: v for k, v in now.items() if "ticks" not in k}, working=0)
        assert policy.stays(leaves=lots, price_ticks=ticks, **now) == (aggressive == 0)


def test_an_order_keeps_its_place_until_it_is_wrong() -> None:
    policy = LimitMarket(0.5, behind=1)
    now = {**TOUCH, "net_delta": 800.0, "gamma": 30_000.0, "position": 0}
    assert policy.stays(leaves=-8, price_ticks=10_001, **now)
    assert policy.stays(leaves=-3, price_ticks=10_001, **now)  # filled in part
    assert policy.stays(leaves=-8, price_ticks=10_002, **now)  # a tick behind
    assert not policy.stays(leaves=-8, price_ticks=10_003, **now)
    assert not policy.stays(leaves=-9, price_ticks=10_001, **now)  # its fill would turn delta round
    assert not policy.stays(leaves=-8, price_ticks=10_001, **{**now, "net_delta": -800.0})
    assert not policy.stays(leaves=-8, price_ticks=10_001, **{**now, "net_delta": 8_000.0})  # the edge is crossed


def test_behind_a_long_queue_it_rests_inside_a_wide_spread() -> None:
    policy = LimitMarket(0.5, max_ahead=50)
    now = {**TOUCH, "net_delta": 800.0, "gamma": 30_000.0, "position": 0}
    assert policy.quote(**now, ahead=50) == (-8, 10_001)
    assert policy.quote(**now, ahead=51) == (-8, 10_000)
    assert policy.quote(**{**now, "bid_ticks": 10_000}, ahead=51) == (-8, 10_001)  # a tick wide
    assert policy.quote(**{**now, "net_delta": -800.0}, ahead=51) == (8, 10_000)
    assert policy.quote(**now, ahead=51, tick=2) == (-8, 10_001)
    assert policy.quote(**{**now, "half_spread": math.nan}) is None


def test_wrong_parameters_of_resting_are_named() -> None:
    with pytest.raises(InputError, match=r"rest_from is 1\.5"):
        LimitMarket(rest_from=1.5)
    with pytest.raises(InputError, match="behind is -1"):
        LimitMarket(behind=-1)
    with pytest.raises(InputError, match="risk_aversion is 0"):
        LimitMarket(0)
