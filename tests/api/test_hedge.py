"""Hedges by the API: what the views and the library say, as JSON."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from qflib.api.hedge import hedge_form
from qflib.views import ShortfallView
from qflib.views.rehedging import hedge_states, realised_cut
from qflib.views.report import Report
from tests.api.served import NOW_NS, Served, served

HEDGE, FRONTIER = "/v1/portfolios/DESK1/hedge", "/v1/portfolios/DESK1/hedge/frontier"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served(tmp_path_factory.mktemp("api"))


def _shown(x: float) -> float | None:
    return x if math.isfinite(x) else None


def test_hedges_are_the_views(api: Served) -> None:
    views = api.state.views
    report = views.risk.latest("DESK1")
    assert report is not None
    with api.client("read") as client:
        told = client.get(HEDGE).json()
    assert (told["seq"], told["time_ns"], told["currency"]) == (report.stamp.seq, report.stamp.time_ns, "USD")
    assert told["risk_aversion"] == 1.0
    assert told["es_current"] == report.figure("es_current")
    cost = views.risk.hedge_counts()["cost"]
    assert (told["cost"], told["fees"]) == (cost, 0.0)
    assert told["es_cut_per_cost"] == realised_cut(report, cost) > 0
    states = hedge_states(views, report)
    assert (
        [r["underlying"] for r in told["items"]] == [s.underlying for s in states] == ["ACME", "BETA", "GAMA", "DELT"]
    )
    for row, s in zip(told["items"], states, strict=True):
        for name, value in row.items():
            if name == "book_age_ms":
                assert value == (NOW_NS - s.book_append_ns) // 10**6
            elif name in ("to_neutral", "to_edge"):
                trade = getattr(s, name)
                assert (float(value["qty"]), float(value["filled"])) == (trade.qty, trade.filled)
                assert (value["cost"], value["fees"]) == (_shown(trade.cost), _shown(trade.fees))
                assert value["avg_price"] is None or float(value["avg_price"]) == pytest.approx(trade.avg_price)
            elif isinstance(value, float):
                assert value == getattr(s, name), name
    assert told["period_ns"] == 10_000_000_000


def test_another_portfolio_has_nothing_of_the_desks_cost(api: Served) -> None:
    views = api.state.views
    report = views.risk.latest("DESK1")
    assert report is not None
    told = hedge_form(views, Report("DESK2", report.stamp, report.batch, report.instruments), NOW_NS)
    assert (told.since, told.cost, told.fees) == (None, None, None)
    assert math.isnan(told.es_cut_per_cost or math.nan)


def test_effectiveness_needs_some_periods(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with api.client("read") as client:
        assert client.get(HEDGE).json()["effectiveness"] == [], "20 s have two periods"
        monkeypatch.setattr("qflib.views.hedging.PERIOD_NS", 10**9)
        rows = client.get(HEDGE).json()["effectiveness"]
    assert [r["underlying"] for r in rows] == [None, "ACME", "BETA", "GAMA", "DELT"]
    own = api.state.views.hedging.effectiveness("DESK1", "ACME", 10**9)
    assert own is not None
    assert (rows[1]["effectiveness"], rows[1]["r2"], rows[1]["n"]) == (own.effectiveness, own.r2, own.n)


def test_the_frontier_is_the_librarys_and_is_computed_once_a_second(api: Served) -> None:
    with api.client("read") as client:
        told = client.get(FRONTIER, params={"underlying": "ACME"}).json()
        again = client.get(FRONTIER, params={"underlying": "ACME"}).json()
    assert told == again
    made = api.state.frontiers.get("DESK1", "ACME")
    assert [p["es"] for p in told["points"]] == made.frontier.points["es"].tolist()
    assert (told["held"], told["neutral"], told["best"]) == (
        made.frontier.held,
        made.frontier.neutral,
        made.frontier.best,
    )
    report = api.state.views.risk.latest("DESK1")
    assert report is not None
    [here] = [p for p in told["points"] if p["qty"] == told["held"]]
    assert here["es"] == pytest.approx(report.figure("es_current"), rel=1e-9)
    assert here["cost_now"] == 0.0
    assert (told["instrument"], told["level"], told["seq"]) == ("ACME.F", 0.975, report.stamp.seq)


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        (FRONTIER, {}, 400, "bad_parameter"), (FRONTIER, {"underlying": ""}, 400, "bad_parameter"),
        (FRONTIER, {"underlying": "OMEG"}, 404, "unknown_underlying"),
        ("/v1/portfolios/NONE/hedge", {}, 404, "unknown_portfolio"),
        ("/v1/portfolios/NONE/hedge/frontier", {"underlying": "ACME"}, 404, "unknown_portfolio"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_problem(api: Served, path: str, params: dict[str, str], status: int, code: str) -> None:
    with api.client("read") as client:
        answer = client.get(path, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_scenarios_there_is_no_frontier(tmp_path: Path) -> None:
    api = served(tmp_path)
    api.state.views.shortfall = ShortfallView()
    with api.client("read") as client:
        answer = client.get(FRONTIER, params={"underlying": "ACME"})
    assert (answer.status_code, answer.json()["code"]) == (503, "no_frontier")
    assert answer.headers["retry-after"] == "1"
