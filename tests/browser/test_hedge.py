"""The Hedge page: its figures are the API's, each underlying's; it greys out with what it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from dashboards.access import Login
from dashboards.desk import SharedDesk
from dashboards.pages.hedge import HedgePage
from dashboards.tile import Age
from qflib.records.topics import ANALYTICS_RESULTS, RISK_METRICS
from tests.api.served import Served, served
from tests.browser.conftest import Visit, turn
from tests.browser.desk_up import wait
from tests.browser.running import KEYS, READER, TICKET, Running
from tests.browser.test_pages import PAGES

COLUMNS = (
    "name",
    "ratio",
    "net",
    "band",
    "inside",
    "below",
    "above",
    "qty",
    "price",
    "cost",
    "fees",
    "due",
    "due_cost",
)
_BARS = "(e) => e.map((d) => [d.dataset.name, +d.dataset.value, d.querySelector('b').textContent])"
_REST = "() => [...document.querySelectorAll('#hedge .tile')].map((t) => t.dataset.seq).join()"


@pytest.fixture
def still(visit: Visit, running: Running) -> Iterator[Visit]:
    """The page of a desk that stands still, all of it drawn of the last report."""
    turn(visit.page, "hedge")
    expect(visit.page.locator(".frontier")).to_have_attribute("data-n", re.compile(r"^\d"))
    running.player.pause()

    def drawn() -> bool:
        """Asked again and again: a report may have been on its way."""
        report = running.player.views.risk.latest("DESK1")
        seqs = {visit.tile(t).get_attribute("data-seq") for t in PAGES["hedge"]}
        return report is not None and seqs == {str(report.stamp.seq)}

    wait(lambda: drawn() or None)
    yield visit
    running.player.pause(False)


@pytest.fixture
def api(running: Running, tmp_path: Path) -> Served:
    """The real API over the views that the page is drawn of."""
    return served(tmp_path, running.player.views)


def number(text: str) -> float:
    """As people read it."""
    return float(text.replace("−", "-").replace("+", "").replace(",", "").replace("%", "").replace("–", "nan") or "nan")


def cells(tile: Locator, row: str) -> dict[str, str]:
    """Texts of a table's row."""
    texts = tile.locator(f'tr[data-id="{row}"] td').all_inner_texts()
    return dict(zip(COLUMNS, texts, strict=True))


def test_bands_and_costs_are_the_apis(still: Visit, api: Served) -> None:
    with api.client("read") as client:
        told = client.get("/v1/portfolios/DESK1/hedge").json()
    tile = still.tile("rehedge")
    assert len(told["items"]) == 4
    for row in told["items"]:
        shown = cells(tile, row["underlying"])
        assert shown["name"] == row["instrument"]
        assert number(shown["ratio"]) == pytest.approx(100 * row["ratio"], abs=0.051)
        for name, at, places in (("net", "net", 2), ("band", "halfwidth", 2), ("below", "next_below", 2),
                                 ("above", "next_above", 2)):  # fmt: skip
            assert number(shown[name]) == pytest.approx(row[at], abs=0.51 * 10**-places), name
        for name, trade in (("qty", "to_neutral"), ("due", "to_edge")):
            assert number(shown[name]) == float(row[trade]["qty"])
        for name, figure in (("cost", "cost"), ("fees", "fees")):
            assert number(shown[name]) == pytest.approx(row["to_neutral"][figure], abs=0.051)
        price = row["to_neutral"]["avg_price"]
        assert (
            shown["price"] == "" if price is None else number(shown["price"]) == pytest.approx(float(price), abs=6e-4)
        )
    assert any(float(r["halfwidth"]) > 0 for r in told["items"])
    assert still.faults == []


def test_the_frontier_is_the_apis(still: Visit, api: Served) -> None:
    picture = still.page.locator(".frontier")
    for underlying in ("GAMA", "ACME"):
        still.page.locator("#hedge .switch").get_by_role("button", name=re.compile(f"^{underlying}")).click()
        with api.client("read") as client:
            told = client.get("/v1/portfolios/DESK1/hedge/frontier", params={"underlying": underlying}).json()
        [here] = [p for p in told["points"] if p["qty"] == told["held"]]
        expect(picture).to_have_attribute("data-held", f"{told['held']:g}")
        expect(picture).to_have_attribute("data-best", f"{told['best']:g}")
        expect(picture).to_have_attribute("data-n", str(len(told["points"])))
        expect(picture).to_have_attribute("data-es", repr(here["es"]))  # an older report's is drawn for a moment
        expect(still.tile("frontier").locator(".note")).to_have_text(f"{underlying}.F, ES 97.5 %")
        expect(still.tile("band").locator(".note")).to_have_text(underlying)
    assert picture.locator("path.curve").get_attribute("d").count("L") >= 20  # type: ignore[union-attr]
    picture.locator(".plot").hover(position={"x": 40, "y": 60})
    expect(picture.locator(".tip")).to_contain_text("contracts")
    assert still.faults == []


def test_the_waterfall_is_the_apis_and_sums(still: Visit, api: Served) -> None:
    with api.client("read") as client:
        rows = [r for r in client.get("/v1/portfolios/DESK1/risk").json()["explain"] if r["underlying"] == "ACME"]
    assert {r["book"] for r in rows} == {"client", "hedge"}
    bars = still.page.locator("#hedge .waterfall .rows > div")
    names = bars.evaluate_all(
        "(e) => e.map((d) => [d.dataset.name, +d.dataset.value, d.querySelector('b').textContent])"
    )
    shown = {name: value for name, value, _ in names}
    assert [n for n, _, _ in names][-2:] == ["unexplained", "total"]
    assert len(names) == 14
    for name, value, text in names:
        own = sum(r[name] for r in rows)
        assert value == pytest.approx(own, abs=1e-6), name
        assert number(text) == pytest.approx(own, abs=0.51), name
    assert shown["total"] == pytest.approx(sum(v for n, v in shown.items() if n != "total"), abs=1e-6)
    boxes: list[Any] = bars.locator(".bar").evaluate_all("(e) => e.map((i) => i.getBoundingClientRect().toJSON())")
    assert all(b["width"] >= 1 for b in boxes)
    widest = max(range(13), key=lambda k: abs(names[k][1]))
    assert boxes[widest]["width"] == max(b["width"] for b in boxes[:13])


def test_effectiveness_is_the_apis(still: Visit, api: Served) -> None:
    with api.client("read") as client:
        told = client.get("/v1/portfolios/DESK1/hedge").json()
    figures = still.page.locator("#hedge .figures > div")
    [mine] = [r for r in told["effectiveness"] if r["underlying"] == "ACME"]
    own = pytest.approx(100 * mine["effectiveness"], abs=0.051)
    wait(lambda: number(figures.nth(0).locator("b").inner_text()) == own)  # another's is drawn for a moment
    expect(figures.nth(0).locator("small")).to_contain_text(f"{mine['n']} × 1 s")
    expect(figures.nth(1).locator("b")).to_have_text(f"{mine['slope']:.2f} ± {mine['slope_se']:.2f}")
    assert number(figures.nth(3).locator("b").inner_text()) == pytest.approx(told["es_cut_per_cost"], abs=0.51)


def test_the_pictures_share_time_and_cross_hair(still: Visit) -> None:
    band, held = (still.tile(t).locator(".chart") for t in ("band", "held"))
    still.tile("band").hover(position={"x": 150, "y": 100})
    for chart in (band, held):
        expect(chart).to_have_attribute("data-cross", re.compile(r"^\d"))
        expect(chart.locator(".v")).to_be_visible()
    assert band.get_attribute("data-start") == held.get_attribute("data-start")
    expect(band.locator(".tip")).to_contain_text("net")
    low, high = (float(held.get_attribute(f"data-{k}") or "nan") for k in ("low", "high"))
    assert high - low < 50, "the opening trade is not what the scale is of"
    still.page.mouse.move(2, 2)


def test_it_greys_out_with_the_portfolio_stage(visit: Visit, running: Running) -> None:
    turn(visit.page, "hedge")
    running.player.mute(RISK_METRICS)
    for tile in PAGES["hedge"]:
        expect(visit.tile(tile)).to_have_attribute("data-stale", "true", timeout=12_000)
    running.player.mute()
    for tile in PAGES["hedge"]:
        expect(visit.tile(tile)).to_have_attribute("data-stale", "false")
    running.player.mute(ANALYTICS_RESULTS)  # books alone are silent: what is reported is alive
    before = visit.page.evaluate(_REST)
    wait(lambda: visit.page.evaluate(_REST) != before or None)
    expect(visit.tile("band")).to_have_attribute("data-stale", "false")
    running.player.mute()
    assert visit.faults == []


def test_hedges_that_cannot_be_computed_grey_out_and_say_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come, and nothing is made of them: what is shown is as old as it is."""
    views = running.player.views
    desk = SharedDesk(views)
    try:
        page = HedgePage(desk, Login(KEYS[READER], READER, float("inf")))
        ages = {t.name: t.age for t in page.tiles}

        def told(name: str) -> Age:
            page.slow()
            made = ages[name]
            assert made is not None
            return made()

        wait(lambda: min(told("rehedge").seq, told("frontier").seq) >= 0 or None)
        assert "cost against the mid" in (told("rehedge").note or "")
        monkeypatch.setattr("dashboards.shared_hedges.hedge_states", lambda *_: 1 // 0)
        monkeypatch.setattr("qflib.hedging.frontier.hedge_frontier", lambda *_, **__: 1 // 0)
        for name in ("underlyings", "rehedge", "band", "held", "effect", "explain", "frontier"):
            wait(lambda name=name: "(ZeroDivisionError)" in (told(name).note or "") or None)
        was = told("rehedge"), told("frontier")
        wait(lambda: page.report_age().alive_ns > max(a.alive_ns for a in was))
        assert (told("rehedge"), told("frontier")) == was
    finally:
        desk.stop()


def test_a_phone_has_it_all_below_one_another(running: Running, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    page.goto(f"{running.url}/login?ticket={TICKET}")
    page.wait_for_selector('.tile[data-tile="ladder"][data-seq]')
    turn(page, "hedge")
    expect(page.locator("#hedge")).to_be_visible()
    ends = 0.0
    for tile in ("underlyings", "rehedge", "band", "held", "frontier", "explain", "effect"):
        box = page.locator(f'.tile[data-tile="{tile}"]').bounding_box()
        assert box is not None
        assert (box["x"] >= 0, box["x"] + box["width"] <= 390, box["y"] >= ends) == (True, True, True), tile
        ends = box["y"] + box["height"]
    page.context.close()
