"""The research notebook on hedging runs from the top, with the recordings and without, and every cell shows itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notebooks import MODES, every_result_shows_itself, executed_as, told


@pytest.fixture(scope="module", params=MODES)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return executed_as("research/hedging.ipynb", request, tmp_path_factory)


def test_every_result_shows_itself(executed: Any) -> None:
    every_result_shows_itself(executed)
    assert ("recorded: Deribit" in told(executed, "text/html")) == executed.recorded
    assert ("recorded: SPXW" in told(executed, "text/html")) == executed.recorded


def test_its_pictures_are_there(executed: Any) -> None:
    assert told(executed, "text/plain").count("Scatter") >= 6
    for name in ("Curve.Current", "Curve.Target", "Rectangles.Unexplained", "Bars.Coins"):
        assert name in told(executed, "text/plain"), name
