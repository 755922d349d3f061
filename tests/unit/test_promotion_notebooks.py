"""The notebooks whose steps are promoted run from the top, and prove their steps on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notebooks import every_result_shows_itself, executed_as, table


@pytest.fixture(scope="module", params=["realised_vol.ipynb", "flow_strategy.ipynb"])
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name = request.param
    request.param = "simulated"
    book = executed_as(f"promotion/{name}", request, tmp_path_factory)
    book.step = name
    return book


def test_every_result_shows_itself(executed: Any) -> None:
    every_result_shows_itself(executed)


def test_its_ladder_is_green(executed: Any) -> None:
    rungs = table(executed, "parity = step.check(feed)")
    assert rungs.index.tolist() == ["whole", "random_cuts", "one_by_one", "restore", "apart", "bounds"]
    assert (rungs["same"].astype(str) == "True").all()


def test_a_strategy_trades_in_its_backtest(executed: Any) -> None:
    if executed.step == "flow_strategy.ipynb":
        assert len(table(executed, "fills = run.executions")) > 3
