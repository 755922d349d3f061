"""What is told of a market that behaves, and of one in which something is planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.desk.market_quality import LEAST, Quality
from qflib.records import TOPS, Instrument, Instruments

S = 1_000_000_000
TABLE = Instruments(
    (
        Instrument("ACME.F", underlying="ACME", source="sim:ACME"),
        Instrument("BETA.F", underlying="BETA", source="sim:BETA"),
    )
)


def top(bid: int, ask: int, time_ns: int, instrument: int = 0, bid_qty: int = 1) -> Any:
    return TOPS.make(
        instrument=[instrument], bid_ticks=[bid], bid_qty=[bid_qty], ask_ticks=[ask], ask_qty=[1], time_ns=[time_ns]
    )


@pytest.fixture
def market() -> Quality:
    """Five minutes of a quiet future: a tick up or down a second, two ticks wide."""
    made = Quality(TABLE)
    steps = np.random.default_rng(3).integers(-1, 2, 5 * LEAST).cumsum()
    for k, step in enumerate(steps.tolist(), 1):
        made.take(top(10_000 + step, 10_002 + step, k * S), k * S)
    return made


NOW = (5 * LEAST + 1) * S


def test_a_quiet_market_has_no_anomalies(market: Quality) -> None:
    assert set(market.anomalies.values()) == {0}
    assert market.crossed() == {"ACME.F": 0, "BETA.F": 0}
    assert market.stale(NOW) == {"ACME.F": 0, "BETA.F": 0}
    assert market.spreads() == {"ACME.F": 2.0}
    assert market.ages(NOW) == {"ACME.F": 1.0}


def test_a_jump_is_told_once_and_scored(market: Quality) -> None:
    market.scores()
    market.take(top(10_100, 10_102, NOW), NOW)
    market.take(top(10_101, 10_103, NOW + S), NOW + S)
    assert market.anomalies["ACME.F", "jump"] == 1
    assert market.anomalies["ACME.F", "spread"] == 0
    assert market.scores()["ACME.F", "jump"] > 50
    assert market.scores()["ACME.F", "jump"] == 0


def test_the_same_move_over_an_hour_is_none(market: Quality) -> None:
    market.take(top(10_100, 10_102, NOW + 3_600 * S), NOW + 3_600 * S)
    assert market.anomalies["ACME.F", "jump"] == 0


def test_a_wide_spread_is_told(market: Quality) -> None:
    last = int(market._mid[0])
    market.take(top(last - 10, last + 10, NOW), NOW)
    assert market.anomalies["ACME.F", "spread"] == 1
    assert market.anomalies["ACME.F", "jump"] == 0


def test_crossed_books_are_counted_while_they_are(market: Quality) -> None:
    market.take(top(10_002, 10_002, NOW), NOW)
    assert market.crossed()["ACME.F"] == 1
    market.take(top(10_002, 10_000, NOW, bid_qty=0), NOW)  # without a bid there is nothing to cross
    assert market.crossed()["ACME.F"] == 0


def test_silence_is_held_against_the_instrument_s_own_habit(market: Quality) -> None:
    assert market.stale(NOW + 3 * S)["ACME.F"] == 0
    assert market.stale(NOW + 60 * S)["ACME.F"] == 1
    slow = Quality(TABLE)
    times = np.random.default_rng(5).exponential(30 * S, 100).cumsum().astype(np.int64).tolist()
    for t in times:
        slow.take(top(100, 102, t), t)
    assert slow.stale(times[-1] + 60 * S)["ACME.F"] == 0
    assert slow.stale(times[-1] + 3_600 * S)["ACME.F"] == 1


def test_what_was_asked_of_staleness_leaves_no_trace(market: Quality) -> None:
    before = {kind: states.copy() for kind, states in market._windows.items()}
    market.stale(NOW + 60 * S)
    for kind, states in before.items():
        np.testing.assert_array_equal(states, market._windows[kind])


def test_options_are_told_by_their_underlying() -> None:
    option = Instrument(
        "ACME.C100", underlying="ACME", source="sim:ACME", kind="option", right="call", style="european",
        strike=100.0,
        expiry=pd.Timestamp("2026-06-19T20:00Z"),
    )  # fmt: skip
    made = Quality(Instruments((*TABLE, option)))
    assert made.groups == ("ACME.F", "BETA.F", "ACME options")
    made.take(top(5, 4, S, instrument=2), S)
    assert made.crossed()["ACME options"] == 1


def test_a_leap_of_the_shortfall_is_told() -> None:
    made = Quality(TABLE)
    for k in range(1, 40):
        made.take_es("DESK1", 1_000.0 + k % 3, k * S)
    made.take_es("DESK1", float("nan"), 41 * S)
    made.take_es("DESK1", 0.0, 42 * S)
    assert made.es_anomalies == {"DESK1": 0}
    made.take_es("DESK1", 1_500.0, 43 * S)
    assert made.es_anomalies == {"DESK1": 1}
