"""The false-alarm rates of docs/operations.md, on recordings, and that what is planted in one is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qflib.cli.benches.anomalies import alarms, es_alarms, tops

I8 = np.ndarray[tuple[int], np.dtype[np.int64]]


@pytest.fixture(scope="module")
def recorded(test_data: Path) -> dict[str, tuple[I8, I8, I8]]:
    return dict(tops(test_data))


def test_recorded_markets_raise_few_alarms(recorded: dict[str, tuple[I8, I8, I8]], test_data: Path) -> None:
    quiet = {"jump": 0, "spread": 0, "stale": 0}
    assert alarms(*recorded["es_future"]) == quiet | {"stale": 1}  # an hour of Christmas
    assert alarms(*recorded["amzn_share"]) == quiet | {"stale": 1}  # a day of 6.5 h
    assert alarms(*recorded["eth_spot"]) == quiet | {"spread": 1}  # six minutes; the spread did go from 1 to 28 ticks
    assert es_alarms(test_data) == (16, 4_527)


def test_what_is_planted_in_a_recording_is_found(recorded: dict[str, tuple[I8, I8, I8]]) -> None:
    times, bid, ask = recorded["amzn_share"]
    found = 0
    for at in np.linspace(0.4 * len(times), 0.95 * len(times), 12).astype(int).tolist():
        part = slice(at - 3_000, at + 50)
        up = np.where(np.arange(len(times)) >= at, bid[at] // 50, 0)[part]  # a fiftieth, for good
        found += alarms(times[part], bid[part] + up, ask[part] + up)["jump"] > 0
    assert found >= 11  # of 12: the next top may come late, and the market be wild
    at = len(times) // 2
    wide = np.where((np.arange(len(times)) >= at) & (times < times[at] + 2_000_000_000), 200, 0)
    assert alarms(times, bid - wide // 2, ask + wide // 2)["spread"] >= 1
    late = times + np.where(np.arange(len(times)) >= at, 600_000_000_000, 0)
    assert alarms(late, bid, ask)["stale"] == 2  # one is the market's own
