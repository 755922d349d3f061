"""Figures of the Hedge page at the edges: a desk that counts in coin, one that runs for days, a hedge that is due."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import dashboards.components
from dashboards.pages.hedge_tables import effect_figures, explain_note, places, rehedge_rows, tab_rows
from dashboards.shared_hedges import Hedges
from qflib.views.rehedging import Rehedge, hedge_states
from tests.browser.conftest import Visit
from tests.views.recorded import recorded

_RENDER = """async ([js, rows, more]) => {
  const part = await import(URL.createObjectURL(new Blob([js], {type: "text/javascript"})));
  const el = document.createElement("div");
  let hear = null;
  part.render({model: {on: (_, f) => { hear = f; }, send_msg: () => {}}, el});
  hear({rows, ...more});
  return [...el.querySelectorAll(".rows > div")].map((d) => [d.className, d.querySelector("b").textContent]);
}"""


def _hedges(**figures: Any) -> Hedges:
    views = recorded().views()
    report = views.risk.latest("DESK1")
    assert report is not None
    states = {s.underlying: s for s in hedge_states(views, report)}
    return Hedges(report, states, {}, **{"cost": 0.0, "fees": 0.0} | figures)


@pytest.mark.parametrize(
    ("figure", "digits"), [(0.0, 0), (12_345.6, 0), (100.0, 0), (-99.9, 1), (1.5, 2), (0.0034, 5), (1e-12, 8)]
)
def test_three_digits_of_a_figure_tell(figure: float, digits: int) -> None:
    assert places(figure) == digits


def test_costs_in_coin_are_no_zeros() -> None:
    hedges = _hedges(cost=0.0034, fees=0.00012)
    [*_, (_, _, _, note)] = effect_figures(hedges, "ACME", 10**9, "BTC")
    assert note == "cost 0.00340, fees 0.000120"
    due = Rehedge(-3.0, -3.0, 100.0, 0.0034, 0.00012)
    states = {u: replace(s, to_neutral=due, to_edge=due) for u, s in hedges.states.items()}
    row = rehedge_rows(hedges._replace(states=states), hedges.report.instruments, "ACME")[0]
    assert (row["cost"], row["fees"], row["due_cost"]) == ([0.0034, 5], [0.00012, 6], [pytest.approx(0.00352), 5])


def test_a_waterfall_in_coin_has_tones_and_digits(visit: Visit) -> None:
    js = (Path(dashboards.components.__file__).parent / "waterfall.js").read_text()
    rows = [["delta", 0.0123, "part"], ["gamma", -0.004, "part"], ["rho", 1e-6, "part"], ["total", 0.0083, "total"]]
    assert visit.page.evaluate(_RENDER, [js, rows]) == [
        ["part gain", "+0.0123"], ["part loss", "−0.0040"], ["part nil", "0.0000"], ["total gain", "+0.0083"],
    ]  # fmt: skip
    rows = [["delta", 1234.5, "part"], ["total", 1234.5, "total"]]
    assert [text for _, text in visit.page.evaluate(_RENDER, [js, rows])] == ["+1,235"] * 2


def test_what_adds_to_a_shortfall_is_bad(visit: Visit) -> None:
    js = (Path(dashboards.components.__file__).parent / "waterfall.js").read_text()
    rows = [["ACME-C", 30.0, "part"], ["ACME.F hedge", -10.0, "part"], ["ES", 20.0, "total"]]
    for zero in (False, True):
        assert visit.page.evaluate(_RENDER, [js, rows, {"worse": True, "zero": zero}]) == [
            ["part loss", "+30.0"], ["part gain", "−10.0"], ["total loss", "+20.0"],
        ]  # fmt: skip


def test_a_hedge_that_is_due_says_so_in_a_word() -> None:
    hedges = _hedges()
    due = replace(hedges.states["BETA"], to_edge=Rehedge(-3.0, -3.0, 100.0, 0.1, 0.0), ratio=0.87)
    rows = {name: rest for name, *rest in tab_rows(hedges._replace(states=hedges.states | {"BETA": due}))}
    assert rows["BETA"] == ["87% due", "warn"]
    assert not rows["ACME"][0].endswith("due")


def test_bars_are_of_the_underlyings_own_beginning() -> None:
    begun = pd.to_datetime(["2026-01-05 08:00", "2026-01-06 09:30", "2026-01-06 09:31"], utc=True)
    explain = pd.DataFrame({"underlying": ["BETA", "ACME", "ACME"], "from": begun})
    stamp = SimpleNamespace(time_ns=pd.Timestamp("2026-01-06 10:00Z").value)
    report: Any = SimpleNamespace(explain=explain, stamp=stamp)
    assert explain_note(report, "ACME") == "since 09:30:00"
    assert explain_note(report, "BETA") == "since 2026-01-05 08:00:00"
    assert explain_note(report, "GAMA") == ""
