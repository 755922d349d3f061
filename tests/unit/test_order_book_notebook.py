"""The research notebook on the order book runs from the top, recorded and simulated, and says what is so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notebooks import MODES, every_result_shows_itself, executed_as, table, told


@pytest.fixture(scope="module", params=MODES)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return executed_as("research/order_book.ipynb", request, tmp_path_factory)


def test_every_result_shows_itself(executed: Any) -> None:
    every_result_shows_itself(executed)
    assert ("recorded: CME" in told(executed, "text/html")) == executed.recorded


def test_its_books_are_right(executed: Any) -> None:
    checks = table(executed, "def checks")
    assert checks.loc["spot", "checksums right"] == (4269 if executed.recorded else 0)
    assert (checks[["dead", "gaps", "wrong"]] == 0).all(axis=None)
    market = table(executed, '"one tick wide"')
    assert market["crossed"].item() == 0
    assert market["trades"].item() > 1_000


def test_flow_explains_the_mid_and_deeper_flow_more(executed: Any) -> None:
    r2 = table(executed, "explained[every]")
    assert (r2["five levels"] >= r2["best level"]).all()
    assert (r2["five levels"] > 0.7).all()


def test_orders_in_the_queue_pay_no_spread(executed: Any) -> None:
    orders = table(executed, "paper = paper_trade")
    done = orders[orders["status"] == "filled"]
    assert len(done) >= 3
    assert (done["cost"].astype(float) < 0).all()


def test_its_pictures_are_there(executed: Any) -> None:
    plain = told(executed, "text/plain")
    for name in (
        "Rectangles.Bid",
        "Curve.Micro_hyphen_minus_price",
        "(price,log_qty)",
        "[queue_ahead]",
        "rescaled gap",
    ):
        assert name.strip("[]") in plain, name
