"""The research notebook on expected shortfall runs from the top, recorded and simulated, and says what is so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notebooks import MODES, every_result_shows_itself, executed_as, table, told


@pytest.fixture(scope="module", params=MODES)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return executed_as("research/shortfall.ipynb", request, tmp_path_factory)


def test_every_result_shows_itself(executed: Any) -> None:
    every_result_shows_itself(executed)
    assert ("recorded: S&amp;P 500" in told(executed, "text/html")) == executed.recorded


def test_peers_and_their_figures_differ_as_published(executed: Any) -> None:
    peers = table(executed, "peers = (")
    assert peers.loc["skfolio", "es"] == peers.loc["rockafellar_uryasev", "es"]
    if executed.recorded:
        assert peers["es"].tolist() == [0.051756, 0.051756, 0.051842, 0.051475, 0.031642]


def test_stretches_of_days_widen_the_interval(executed: Any) -> None:
    both = table(executed, "stretches = qf.expected_shortfall")
    widths = (both["high"] - both["low"]).to_numpy().reshape(2, 3)
    assert (widths[1] > widths[0]).all()


def test_the_weighted_forecast_beats_the_historical_one(executed: Any) -> None:
    scores = table(executed, "better = compare_forecasts")
    assert (scores["difference"] < 0).all()
    tests = table(executed, "LEVEL, WINDOW =")
    assert tests.loc["mcneil_frey", "normal"] < 0.01 < tests.loc["mcneil_frey", "weighted"]


def test_the_stream_and_the_notebook_have_the_same_bits(executed: Any) -> None:
    both = table(executed, "again = EBacktest(0.975)")
    assert len(both) == 8
    assert (both["on the stream"] == both["in the notebook"]).all()


def test_its_pictures_are_there(executed: Any) -> None:
    plain = told(executed, "text/plain")
    for name in (":Histogram", "mean_excess", "Curve.Grel", "[name]   (contribution)", "[instrument]   (contribution)"):
        assert name in plain, name
