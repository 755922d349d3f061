"""The research notebook on market impact runs from the top, recorded and simulated, and its orders are executed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notebooks import MODES, every_result_shows_itself, executed_as, table, told


@pytest.fixture(scope="module", params=MODES)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return executed_as("research/market_impact.ipynb", request, tmp_path_factory)


def test_every_result_shows_itself(executed: Any) -> None:
    every_result_shows_itself(executed)
    assert ("recorded: CME" in told(executed, "text/html")) == executed.recorded


def test_what_is_split_walks_less(executed: Any) -> None:
    verdict = table(executed, "verdict.round(2)")
    assert (verdict["filled, %"] > 99).all()
    split = verdict.drop("at once")
    assert (split["walked"] < verdict.loc["at once", "walked"]).all()
    assert split["walked"].idxmin() == "resting"
    assert verdict["deviation of cost"].idxmin() == "at once"
    assert verdict.loc["averse to risk", "deviation of cost"] < verdict.loc["constant rate", "deviation of cost"]


def test_impact_grows_with_size(executed: Any) -> None:
    fits = table(executed, '"standard error": [fitted')
    assert 0.1 < fits.loc["fitted", "exponent"] < 1.1
    assert fits.loc["fitted", "R2"] >= fits.loc["square root", "R2"]


def test_its_pictures_are_there(executed: Any) -> None:
    plain = told(executed, "text/plain")
    for name in ("(low,high)", "(impact / volatility)", "[seconds]", "Scatter.Fills"):
        assert name in plain, name
