"""Every page in a real browser, over live data."""

from __future__ import annotations

import math
import re
import time
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from dashboards.pages.risk_evidence import _money, alarms_of
from dashboards.pages.risk_pictures import Pictures
from qflib.kernels.e_backtest import BETTINGS
from qflib.records import ExecType
from qflib.records.topics import RISK_METRICS
from tests.browser.conftest import Visit, turn
from tests.browser.running import Running

PAGES = {
    "market": ("strip", "heat", "ladder", "price", "chain"),
    "risk": (
        "bullet",
        "es",
        "outcomes",
        "pnl",
        "ladder2",
        "greeks",
        "hedges",
        "by_position",
        "by_greek",
        "evidence",
        "measured",
        "proof",
    ),
    "vol": ("vol_choice", "smile", "term", "vol_quotes", "vol_flags"),
    "hedge": ("underlyings", "rehedge", "effect", "band", "frontier", "explain", "held"),
    "orders": ("ticket", "blotter", "fills"),
    "what_if": ("trades", "result"),
    "system": ("flow", "stages", "letters", "delay"),
    "jobs": ("job_list", "job_runs"),
    "steps": ("no_steps",),
}
SHOWN = {  # what a page has to say
    "market": ("spread", "100.0", "call bid"),
    "risk": (
        "limit 40,000",
        "of ES 97.5 % alone",
        "cash gamma",
        "GAMA.F",
        "vol \\ spot",
        "higher order",
        "alarms",
        "1 bet against",
        "VaR 99 %",
        "scenarios'",
    ),
    "vol": ("bid to ask", "SVI slice", "call bid", "butterfly", "20 Feb 26"),
    "hedge": ("to neutral", "DELT.F", "1 − SSE ratio, ACME", "least ES + cost", "unexplained", "hedge held, contracts"),
    "orders": ("desk-2", "HEDGER", "filled"),
    "what_if": ("instrument, qty, price",),
    "system": ("exposures-0", "bad checksum", "41 ms"),
    "jobs": ("daily_risk", "America/New_York", "never run"),
    "steps": ("none runs", "qflib promote NOTEBOOK"),
}


@pytest.mark.parametrize(("number", "name"), list(enumerate(PAGES, 1)))
def test_a_page_shows_live_data(visit: Visit, number: int, name: str) -> None:
    visit.page.keyboard.press(str(number))
    expect(visit.page.locator(f"#{name}")).to_be_visible()
    for text in SHOWN[name]:
        expect(visit.page.locator(f"#{name}").get_by_text(text).first).to_be_visible()
    for tile in PAGES[name]:
        expect(visit.tile(tile)).to_have_attribute("data-stale", "false")
        if tile != "result":  # nothing has been computed yet
            expect(visit.tile(tile).locator(".stamp")).to_have_text(re.compile(r"^#\d+ · \d"))
        box = visit.tile(tile).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1280
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert visit.faults == []


def test_what_is_shown_is_the_servers(visit: Visit, running: Running) -> None:
    visit.page.keyboard.press("Alt+1")
    running.player.pause()
    book, report = running.player.views.books.latest("ACME.F"), running.player.views.risk.latest("DESK1")
    assert book is not None
    assert report is not None
    for tile in ("heat", "ladder"):
        expect(visit.tile(tile)).to_have_attribute("data-seq", str(book.stamp.seq))
    for picture in (".heat", ".ladder"):  # what is drawn, not only what is told
        expect(visit.page.locator(picture)).to_have_attribute("data-seq", str(book.stamp.seq))
    visit.page.keyboard.press("Alt+2")
    expect(visit.tile("bullet")).to_have_attribute("data-seq", str(report.stamp.seq))
    running.player.pause(False)


def test_an_instrument_is_chosen(visit: Visit, running: Running) -> None:
    visit.page.keyboard.press("Alt+1")
    visit.page.get_by_role("button", name=re.compile("^BETA.F")).click()
    expect(visit.tile("heat").locator(".note")).to_have_text("BETA.F")
    expect(visit.tile("chain").locator(".note")).to_have_text("BETA")
    expect(visit.page.locator(".ladder .px", has_text=re.compile(r"^50\.")).first).to_be_visible()
    visit.page.get_by_role("button", name=re.compile("^ACME.F")).click()
    expect(visit.tile("heat").locator(".note")).to_have_text("ACME.F")
    assert visit.faults == []


def test_the_cross_hair_is_linked(visit: Visit) -> None:
    visit.page.keyboard.press("Alt+1")
    price = visit.tile("price").locator(".chart")
    visit.page.locator(".heat").hover(position={"x": 300, "y": 120})
    expect(price).to_have_attribute("data-cross", re.compile(r"^\d"))
    expect(price.locator(".v")).to_be_visible()
    expect(visit.page.locator(".heat .tip")).to_be_visible()
    heat, line = (visit.page.locator(f"{e} > .v, {e} .plot > .v").bounding_box() for e in (".heat", ".chart:visible"))
    assert heat is not None
    assert line is not None
    assert abs(heat["x"] - line["x"]) <= 2, "the same moment stands at the same place"
    price.hover(position={"x": 200, "y": 40})
    expect(visit.page.locator(".heat .v")).to_be_visible()
    expect(visit.page.locator(".heat .tip")).to_be_hidden()
    start, end = (float(price.get_attribute(f"data-{k}") or "nan") for k in ("start", "end"))
    assert 19e3 <= end - start <= 121e3


def test_what_was_painted_in_parts_is_what_is_painted_at_once(visit: Visit, running: Running) -> None:
    page = visit.page
    page.keyboard.press("Alt+1")
    page.mouse.move(2, 2)
    page.get_by_role("button", name="30 s").click()
    chart = visit.tile("price").locator(".chart").element_handle()
    further = [chart, float(chart.get_attribute("data-end") or "nan") + 12e3]  # than its canvas reaches
    page.wait_for_function("([chart, end]) => +chart.dataset.end > end", arg=further, timeout=60_000)
    running.player.pause()
    page.wait_for_function("""() => { const e = window.__qf_heat; return Date.now() - e.at > 1500; }""")

    def picture(tile: str) -> Any:
        return np.asarray(Image.open(BytesIO(visit.tile(tile).locator(".body").screenshot())).convert("L"), int)

    plain = page.add_style_tag(
        content=".tile .body { filter: none !important; opacity: 1 !important }"
    )  # as it grows stale
    parts = {tile: picture(tile) for tile in ("heat", "price")}
    page.keyboard.press("t")  # the other colours and back: all of it is painted anew
    page.keyboard.press("t")
    for tile, before in parts.items():
        after = picture(tile)
        assert (abs(after - before) > 24).mean() < 2e-3, tile
        assert before.std() > 3, "something is painted"
    plain.evaluate("(e) => e.remove()")
    running.player.pause(False)
    page.get_by_role("button", name="2 min").click()


def test_risks_pictures_show_one_time_and_one_cross_hair(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Alt+2")
    charts = {tile: visit.tile(tile).locator(".chart") for tile in ("es", "outcomes", "pnl", "evidence", "measured")}
    for chart in charts.values():
        expect(chart).to_have_attribute("data-end", re.compile(r"^\d"))
    expect(charts["es"]).to_have_attribute("data-low", "0")
    handles = [c.element_handle() for c in charts.values()]
    same = "([made, ks]) => ks.every((k) => new Set(made.map((e) => e.dataset[k])).size === 1)"
    for tile, pointed in charts.items():
        visit.tile(tile).hover(position={"x": 150, "y": 100})
        for chart in charts.values():
            expect(chart).to_have_attribute("data-cross", re.compile(r"^\d"))
            expect(chart.locator(".v")).to_be_visible()
        page.wait_for_function(same, arg=[handles, ["cross", "start", "end"]])
        expect(pointed.locator(".tip")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))
        page.mouse.move(2, 2)
        for chart in charts.values():
            expect(chart).to_have_attribute("data-cross", "")
            expect(chart.locator(".v")).to_be_hidden()
    assert visit.faults == []


def test_silence_greys_out_and_heals(visit: Visit, running: Running) -> None:
    visit.page.keyboard.press("Alt+1")
    running.player.pause()
    expect(visit.tile("ladder")).to_have_attribute("data-stale", "true", timeout=8_000)
    running.player.pause(False)
    expect(visit.tile("ladder")).to_have_attribute("data-stale", "false")


def test_a_broker_that_is_away_is_told(visit: Visit, running: Running) -> None:
    running.player.pause()
    running.player.away()
    expect(visit.page.locator(".banner")).to_contain_text("broker is away")
    expect(visit.tile("heat")).to_have_attribute("data-stale", "true")
    running.player.pause(False)
    expect(visit.page.locator(".banner")).to_be_hidden()
    expect(visit.tile("heat")).to_have_attribute("data-stale", "false")


def test_a_dead_portfolio_stage_greys_out_what_rests_on_it(visit: Visit, running: Running) -> None:
    page, views = visit.page, running.player.views
    turn(page, "what_if")
    page.get_by_label("Trades").fill("ACME.F; 25")
    page.get_by_label("Trades").press("Control+Enter")
    expect(visit.tile("result").get_by_text("ES 97.5 %")).to_be_visible(timeout=30_000)
    running.player.mute(RISK_METRICS)
    expect(visit.tile("result")).to_have_attribute("data-stale", "true", timeout=8_000)
    page.keyboard.press("Alt+2")
    for tile in PAGES["risk"]:
        expect(visit.tile(tile)).to_have_attribute("data-stale", "true")
    page.keyboard.press("Alt+1")
    expect(visit.tile("heat")).to_have_attribute("data-stale", "false")  # the exchange lives
    report = views.risk.latest("DESK1")
    assert report is not None
    page.keyboard.press("Alt+2")
    expect(visit.tile("ladder2")).to_have_attribute("data-seq", str(report.stamp.seq), timeout=30_000)
    running.player.mute()
    expect(visit.tile("ladder2")).to_have_attribute("data-stale", "false")


def test_hedges_are_as_old_as_the_last_fill(visit: Visit, running: Running) -> None:
    """No fill has come since the desk was read in, though reports come all the time."""
    last = running.player.views.orders.executions(where=lambda x: x.exec_type == ExecType.FILL and x.hedge_no > 0)[0]
    visit.page.keyboard.press("Alt+2")
    expect(visit.tile("hedges")).to_have_attribute("data-seq", str(last.cursor[2]))
    shown = float(visit.tile("hedges").get_attribute("data-age") or "nan")
    assert abs(time.time() - last.cursor[0] / 1e3 - shown) < 2.0


def test_evidence_is_told_as_the_views_have_it(visit: Visit, running: Running) -> None:
    """The alarm in the heading, a row a level and measure, and an e-process that reaches the last outcome's."""
    visit.page.keyboard.press("Alt+2")
    running.player.pause()
    shortfall = running.player.views.shortfall
    newest = shortfall.evidence("DESK1", periods=1)
    assert len(newest) == 16
    expect(visit.tile("proof").locator(".note")).to_have_text(alarms_of(newest))
    expect(visit.tile("evidence").locator(".note")).to_have_text(
        re.compile(r"^(no alarm|alarm (2|5|10)); log of 1 bet$")
    )
    rows = visit.tile("proof").locator("tbody tr")
    expect(rows).to_have_count(4)
    one = newest[(newest["level"] == 0.975) & (newest["measure"] == "es")].set_index("betting")
    first = rows.first.locator("td")
    expect(first.nth(0)).to_have_text("ES 97.5 %")
    for k, betting in enumerate(BETTINGS, 1):
        expect(first.nth(k)).to_have_text(_money(one.loc[betting, "log_e"]))
    expect(first.nth(5)).to_have_text(re.compile(r"^(no alarm|(2|5|10) at \d\d:\d\d:\d\d)$"))
    chart = visit.tile("evidence").locator(".chart")
    expect(chart).to_have_attribute("data-high", re.compile(r"^\d"))
    assert float(chart.get_attribute("data-high") or "nan") >= math.log(10)
    assert float(chart.get_attribute("data-low") or "nan") <= one["log_e"].min()
    running.player.pause(False)
    assert visit.faults == []


def test_outcomes_are_as_old_as_their_period(running: Running) -> None:
    views = running.player.views
    pictures = Pictures(views.risk, views.shortfall, "DESK1")
    ended, last = 0, -1
    while ended != last:  # the desk is played on: no outcome may come between two looks
        last = views.shortfall.outcomes("DESK1").index[-1].value
        pictures.extend()
        seq, append_ns = pictures.outcome
        rows = views.risk.series("DESK1")
        ended = views.shortfall.outcomes("DESK1").index[-1].value
    at = rows[rows["seq"] == seq]
    assert len(at) == 1
    assert int(at["append_ns"][0]) == append_ns > 0
    before = rows[rows["seq"] < seq]
    assert before["time_ns"][-1] < ended
    assert at["time_ns"][0] >= ended or seq == rows["seq"][-1]


@pytest.mark.parametrize(("bound", "drawn"), [(125_000.0, 125_000.0), (1e9, float("nan")), (None, float("nan"))])
def test_the_scale_makes_room_for_the_limit(running: Running, bound: float | None, drawn: float) -> None:
    """The simulated desk's limit lies above all it has lost: a line out of the picture would be none."""
    views = running.player.views
    limits = pd.DataFrame({"bound": [] if bound is None else [bound]}, index=[] if bound is None else ["max_es"])
    risk: Any = SimpleNamespace(series=views.risk.series, latest=lambda _: SimpleNamespace(limits=limits))
    pictures = Pictures(risk, views.shortfall, "DESK1")
    told: list[Any] = []
    pictures.es.is_ready, pictures.es.send = True, told.append  # type: ignore[method-assign]
    pictures.extend()
    columns = np.frombuffer(told[0]["blob"]).reshape(len(pictures.es.columns), told[0]["n"])
    assert np.array_equal(np.unique(columns[pictures.es.columns.index("limit")]), [drawn], equal_nan=True)
    assert "limit" in [s["k"] for s in pictures.es.series], "whatever is drawn, the scale reaches"


def test_light_is_light_and_remembered(light: Visit) -> None:
    root = light.page.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    for number, name in enumerate(PAGES, 1):
        light.page.keyboard.press(str(number))
        expect(light.page.locator(f"#{name}")).to_be_visible()
        assert light.page.evaluate("document.documentElement.scrollWidth") <= 1280
    light.page.locator("#theme").click()
    expect(root).to_have_attribute("data-theme", "dark")
    light.page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    expect(light.page.locator(f"#{name}")).to_be_visible(timeout=15_000)  # the address remembers the page
    assert light.faults == []


def test_trades_are_tried_out(visit: Visit) -> None:
    visit.go("what_if")
    area = visit.page.get_by_label("Trades")
    area.fill("ACME.F; 25; 100.10\nACME.X; 1\nBETA.F; many")
    area.press("Control+Enter")
    said = visit.page.locator(".paste .said")
    expect(said).to_contain_text("row 2: instrument 'ACME.X' is not in the table; did you mean ACME.F?")
    expect(said).to_contain_text("row 3: qty 'many' is not a number")
    area.fill("instrument\tqty\nACME.F\t25")
    area.press("Control+Enter")
    expect(visit.tile("result").get_by_text("ES 97.5 %")).to_be_visible(timeout=30_000)
    assert visit.faults == []
