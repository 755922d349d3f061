"""The pages' examples run: the quickstart whole, the README's first lines, and microstructure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def python_of(page: Path) -> str:
    """A page's Python, but what asks a running desk: `tests/browser` has one."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return "\n".join(b for b in blocks if "live." not in b)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/quickstart.md"), "quickstart", "exec"), scope)
    return scope


def test_quickstart_figures(names: dict[str, Any]) -> None:
    assert len(names["top"]) > 5_000
    assert {"micro_price", "ofi", "imbalance"} <= set(names["top"].columns)
    assert (names["chain"]["iv_status"] == "ok").mean() > 0.9
    es, plan = names["es"], names["plan"]
    assert es.es >= es.var > 0
    assert plan.es_target <= plan.es_current
    np.testing.assert_allclose(es.es, plan.es_current, rtol=1e-12)


def test_quickstart_run_is_hedged(names: dict[str, Any]) -> None:
    risk = names["run"].risk
    assert risk["es_current"].median() < 0.6 * risk["es_unhedged"].median()
    forecasts = names["run"].forecasts
    assert list(forecasts.columns[:4]) == ["time", "outcome", "var", "es"]
    assert len(forecasts) >= 8
    explain = names["run"].explain
    np.testing.assert_allclose(explain.drop(columns="total").sum(axis=1), explain["total"], atol=1e-6)


@pytest.mark.parametrize("name", ["es", "plan", "surface", "run", "market", "pf"])
def test_results_show_themselves(names: dict[str, Any], name: str) -> None:
    assert "<" in names[name]._repr_html_()


@pytest.mark.parametrize("name", ["es", "plan", "surface", "run"])
def test_results_have_pictures(names: dict[str, Any], name: str) -> None:
    import holoviews as hv

    assert hv.render(names[name].plot(), backend="bokeh") is not None


def test_readme_example_runs() -> None:
    scope: dict[str, Any] = {}
    code = python_of(ROOT / "README.md")
    assert code.count("\n") >= 9
    exec(compile(code, "readme", "exec"), scope)


def test_the_microstructure_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/microstructure.md"), "microstructure", "exec"), scope)
    assert np.isfinite(scope["quotes"]["micro_price"]).mean() > 0.9
    assert 0 < scope["hawkes"].branching < 1
    assert scope["integrated"].explained[0] > 0.2
    by_volume = scope["by_volume"]
    assert (by_volume["volume"].iloc[:-1] >= 200).all()
    assert by_volume[["mid", "micro_price", "ofi", "ofi_4", "effective"]].notna().mean().min() > 0.9


def test_the_order_book_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/orderbook.md"), "orderbook", "exec"), scope)
    assert scope["book"].misfits.to_dict("records") == [{"event": 1, "reason": "unknown id"}]
    assert len(scope["levels"]) > 10
    assert scope["levels"]["orders"].sum() == len(scope["orders"])


def test_the_matching_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(compile(python_of(ROOT / "docs/matching.md"), "matching", "exec"), scope)
    told = scope["events"].to_frame()
    assert told["kind"].value_counts()["triggered"] == 1
    assert (told["reason"] == "self_trade").sum() == 1
    assert len(scope["events"].fills()) > 0


def test_the_paper_trading_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/paper_trading.md"), "paper trading", "exec"), scope)
    made = scope["made"]
    assert made.orders["filled"].iloc[1] == 25
    assert (made.orders["cost"].iloc[[1, 3]] > 0).all()
    assert made.shortfall()["cost"].notna().all()


def test_the_hedging_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/hedging.md"), "hedging", "exec"), scope)
    made = scope["made"].to_frame()
    assert len(made) == 5
    assert made["mean_cost"].idxmax() == "Delta()"


def test_the_scenarios_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/scenarios.md"), "scenarios", "exec"), scope)
    assert list(scope["stressed"].index) == ["crash", "melt-up", "ACME alone"]
    assert scope["worst"].iloc[0] == pytest.approx(scope["days"].min(), rel=1e-12)
    assert (scope["fast"] - scope["full"]).abs().max() <= scope["fast"].attrs["max_error"] + 1e-9
    assert scope["copula"].df > 1.0


def test_the_shortfall_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/shortfall.md"), "shortfall", "exec"), scope)
    assert scope["drawn"].low < scope["es"].es[0] < scope["drawn"].high
    assert scope["step"].risk == pytest.approx(scope["es"].es[0], rel=1e-9)
    assert scope["fhs"].es < scope["ten_days"].es
    assert (scope["told"].table.loc[["kupiec", "acerbi_szekely_z2", "esr_intercept"], "p_value"] < 0.01).all()
    assert set(scope["test"].evidence()["alarm"]) == {10}
    assert scope["whole"]["es"].iloc[299] == scope["now_es"][0]
    assert scope["sketched"] == pytest.approx(scope["es"].es[0], rel=0.01)
    assert scope["split"].contribution.sum() == pytest.approx(scope["split"].es, rel=1e-12)
    assert scope["least"].es < scope["split"].standalone.min()
    assert scope["shared"].share == pytest.approx([0.5, 0.3, 0.2], abs=1e-6)
    assert scope["zone"] == "green"


def test_the_promotion_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/promotion.md"), "promotion", "exec"), scope)
    assert len(scope["parity"].rungs) == 6
    assert len(scope["made"].to_frame())


def test_the_scaling_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/scaling.md"), "scaling", "exec"), scope)
    assert scope["made"].to_frame()["digest"].nunique() == 4


def test_the_pricing_page_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(python_of(ROOT / "docs/pricing.md"), "pricing", "exec"), scope)
    ok = scope["status"] == "ok"
    assert np.abs(scope["vols"][ok] - 0.25).max() < 1e-9
    assert (scope["table"]["price"].to_numpy() == scope["price"]).all()
    assert scope["two"]["near"].isna().any()
    assert scope["daily"] > 0 < scope["knocked"]
    assert abs(scope["simulated"].price - scope["average"]) < 0.05
    assert scope["smile"].butterfly_free
    assert abs(scope["raw"]["b"] - 0.1) < 1e-12
    assert np.abs(scope["rough"] - scope["calls"]).max() < 2.0
