"""What the picture of a run says."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pytest

from qflib.desk import Desk, Run
from qflib.desk.datasets import load
from qflib.desk.plots import hedge_cost, plot_run
from qflib.hedging.hedgers import Band
from qflib.shortfall import scenarios


@pytest.fixture(scope="module")
def run() -> Run:
    feed = load("sim", seed=5, duration="8s", rate=4_000)
    scen = scenarios.default(feed.history, horizon="2D", n_historical=200, n_simulated=200)
    return Desk(feed, hedger=Band(), scenarios=scen).run()


def test_the_panels_share_time_and_name_their_unit(run: Run) -> None:
    hv.extension("bokeh")
    figures = [hv.render(panel, backend="bokeh") for panel in plot_run(run)]
    assert [f.title.text for f in figures[:2]] == [
        "Expected shortfall, 97.5% over 2 days",
        "Cost of hedge fills against the mid, so far",
    ]
    assert len({(f.x_range.start, f.x_range.end) for f in figures}) == 1
    assert len({f.min_border_left for f in figures}) == 1
    for f in figures:
        assert f.yaxis[0].axis_label.endswith(", USD")
        assert f.yaxis[0].formatter.format == "0,0.[00]"
    assert figures[1].y_range.start == 0.0


def test_the_target_is_dashed_under_the_current(run: Run) -> None:
    es = next(iter(plot_run(run)))
    labels = [e.label for e in es]
    assert labels.index("target") < labels.index("current")
    assert es.get(labels.index("target")).opts.get().kwargs["line_dash"] == "dashed"


def test_the_cost_is_what_fills_paid_beside_the_mid(run: Run) -> None:
    x = run.executions
    x = x[(x["exec_type"] == "fill") & (x["hedge_no"] > 0)]
    first = run.hedges.iloc[0]
    mine = x[(x["hedge_no"] == first["hedge_no"]) & (x["instrument"] == first["instrument"])]
    multiplier = run.recorder.instruments[first["instrument"]].multiplier
    mid = first["price"] - first["cost"] / (first["qty"] * multiplier)
    sign = np.sign(first["qty"])
    paid = float((sign * (mine["price"] - mid) * mine["qty"]).sum()) * multiplier
    got = hedge_cost(run)
    others = run.hedges.iloc[1:]
    first_others = others[others["hedge_no"] == first["hedge_no"]]["cost"].sum()
    assert got.iloc[0] == pytest.approx(paid + first_others)
    assert got.index.is_monotonic_increasing
    assert got.iloc[-1] > 0


def test_a_run_without_hedges_costs_nothing() -> None:
    run = Desk(load("sim", seed=5, duration="1s", rate=2_000)).run()
    assert hedge_cost(run).empty
    assert [f.y_range.start for f in (hv.render(p, backend="bokeh") for p in list(plot_run(run))[1:2])] == [0.0]
