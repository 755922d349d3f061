"""The frontier is convex, right at each size, and its best is the best of all sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import qflib as qf
from qflib.errors import InputError
from qflib.hedging import Portfolio, hedge_frontier
from qflib.orderbook.cost import TradeCost, walk
from qflib.pricing import Market
from qflib.records import Instruments
from qflib.shortfall.scenarios import ScenarioSet

FEED = qf.datasets.load("sim", seed=7, duration="2s")
OPTION = next(r.symbol for r in FEED.instruments if r.kind == "option" and r.underlying == "ACME")


class Levels:
    """A book of a few levels."""

    def __init__(self, table: Instruments, mid: float, n: int = 200) -> None:
        self.symbol, self.row, self.mid = "ACME.F", table["ACME.F"], mid
        self.sizes = np.array([30.0, 40.0, float(n)])

    def cost_to_trade(self, side: str, qty: float) -> TradeCost:
        step = np.array([0.005, 0.015, 0.05]) * (1 if side == "buy" else -1)
        return walk(side, qty, self.mid + step, self.sizes, self.mid, self.row)


def case() -> tuple[Portfolio, Market, ScenarioSet, Levels]:
    market = FEED.market()
    rows = pd.DataFrame({"instrument": [OPTION, "ACME.F"], "qty": [-300.0, 40.0], "avg_price": [2.0, 100.0]})
    scen = qf.scenarios.historical(FEED.history, n=1_000)
    return Portfolio.from_frame(rows), market, scen, Levels(FEED.instruments, market.forwards["ACME"])


def test_each_point_is_the_library_own() -> None:
    pf, market, scen, book = case()
    made = hedge_frontier(pf, market, scen, instrument="ACME.F", book=book, held=40.0, points=13)
    points = made.points.set_index("qty")
    assert {0.0, 40.0, made.best, round(made.neutral)} <= set(points.index)
    assert made.at(1e9)["qty"] == points.index.max() >= 1.4 * made.neutral > 0
    for qty in (0.0, 40.0, points.index.max()):
        trade = pd.DataFrame({"instrument": ["ACME.F"], "qty": [qty - 40.0]})
        own = qf.expected_shortfall(pf.traded(trade).scenario_pnl(market, scen), level=0.975, kind="pnl")
        assert points.loc[qty, "es"] == pytest.approx(own.es, rel=1e-9)
        assert points.loc[qty, "ratio"] == pytest.approx(qty / made.neutral)
    assert points.loc[40.0, "cost_now"] == points.loc[0.0, "cost"] == 0.0
    assert points.loc[0.0, "cost_now"] == book.cost_to_trade("sell", 40.0).cost
    net = pf.traded(pd.DataFrame({"instrument": ["ACME.F"], "qty": [made.neutral - 40.0]})).greeks(market)["delta"]
    assert net["ACME"] == pytest.approx(0.0, abs=1e-6 * abs(made.neutral))


def test_es_and_costs_are_convex_and_the_best_is_the_best() -> None:
    pf, market, scen, _ = case()
    book = Levels(FEED.instruments, market.forwards["ACME"], 1_000)
    made = hedge_frontier(pf, market, scen, instrument="ACME.F", book=book, held=40.0, points=10_000, fee=1.5)
    p = made.points
    assert (np.diff(p["qty"]) == 1.0).all()
    for column in ("es", "cost", "cost_now"):
        assert (np.diff(p[column], 2) > -1e-6).all(), column
    total = p["es"] + p["cost_now"]
    assert made.best == p["qty"][total.idxmin()]
    assert 40.0 < made.best < made.neutral, "the last lots are not worth their cost, the first ones are"
    assert (np.diff(p["cost"]) >= 1.5).all(), "fees are in it"


def test_what_the_book_has_not_is_no_cost() -> None:
    pf, market, scen, _ = case()
    book = Levels(FEED.instruments, market.forwards["ACME"], 1)
    made = hedge_frontier(pf, market, scen, instrument="ACME.F", book=book, held=0.0)
    p = made.points
    assert p["cost"].isna().equals(p["qty"] > 71.0)
    assert p["cost"].isna().any()
    assert np.isfinite(p["es"]).all()
    assert made.best <= 71.0


def test_costs_are_in_the_portfolios_currency() -> None:
    pf, market, scen, book = case()
    euros = replace(pf, currency="EUR"), replace(market, fx={"EUR": 1.25}), scen.with_fx({"EUR": 0.0}), book
    one, two = (
        hedge_frontier(p, m, s, instrument="ACME.F", book=b, held=40.0, fee=fee)
        for (p, m, s, b), fee in (((pf, market, scen, book), 1.5), (euros, 1.5 / 1.25))
    )
    assert one.best == two.best
    assert one.points["cost"].max() > 0
    for column in ("es", "cost", "cost_now"):
        np.testing.assert_allclose(two.points[column], one.points[column] / 1.25, rtol=1e-9, err_msg=column)


def test_it_shows_itself() -> None:
    pf, market, scen, book = case()
    made = hedge_frontier(pf, market, scen, instrument="ACME.F", book=book, held=40.0)
    assert "held" in made._repr_html_()
    assert made.to_frame() is made.points
    assert len(made.plot()) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [({"instrument": OPTION}, "is option"), ({"over": 0.0}, "over is 0"), ({"points": 1}, "points 1"),
     ({"held": float("nan")}, "held nan"), ({"level": 2.0}, "level")],
)  # fmt: skip
def test_what_is_no_question_is_refused(change: dict[str, object], said: str) -> None:
    pf, market, scen, book = case()
    asked: dict[str, object] = {"instrument": "ACME.F", "book": book} | change
    with pytest.raises(InputError, match=said):
        hedge_frontier(pf, market, scen, **asked)  # type: ignore[arg-type]
