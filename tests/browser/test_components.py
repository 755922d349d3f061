"""Who causes the shortfall, on the Risk page: bars around zero and a waterfall, of the report's own figures."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

from dashboards.access import Login
from dashboards.components.waterfall import Waterfall
from dashboards.desk import SharedDesk
from dashboards.pages.risk import RiskPage
from dashboards.pages.risk_components import greek_rows, position_rows
from qflib.records import COMPONENTS, Instruments
from qflib.records.frames import to_frame
from qflib.views import Views
from qflib.views.components import ComponentsView
from tests.browser.conftest import Visit, turn
from tests.browser.desk_up import wait
from tests.browser.running import KEYS, READER, TICKET, Running

_BARS = "(e) => e.map((d) => [d.dataset.name, +d.dataset.value, d.className])"
_PLACES = """(e) => e.map((d) => {
  const [zero, bar] = [...d.querySelectorAll('i')].map((i) => i.getBoundingClientRect());
  return [zero.left, bar.left, bar.right, bar.width];
})"""


def frame(contributions: list[float], by: str = "position") -> pd.DataFrame:
    """Positions A, B, ... of these contributions, the second one a hedge, and a rest of 0.5."""
    table, n, es = Instruments(()), len(contributions), sum(contributions) + 0.5
    rows = COMPONENTS.make(
        by=[by] * (n + 1), instrument=[0xFFFF_FFFF] * (n + 1), book=[*[1, 2, *[1] * n][:n], 0],
        name=[""] * n + ["rest"], contribution=[*contributions, 0.5], es=es,
    )  # fmt: skip
    made = to_frame(rows, COMPONENTS, table)
    return made.assign(instrument=[*"ABCDEFGHIJKLMNOP"[:n], "*"])


def test_the_largest_have_bars_and_the_others_one() -> None:
    rows = position_rows(frame([5.0, -1.0, 9.0, 1.0, 2.0, 3.0, -7.0, 0.0, 4.0]))
    assert [n for n, _, _ in rows] == ["C", "A", "I", "F", "B hedge", "G", "3 others", "ES"]
    assert [v for _, v, _ in rows] == [9.0, 5.0, 4.0, 3.0, -1.0, -7.0, 3.5, 16.5]
    assert [k for _, _, k in rows] == ["part"] * 6 + ["rest", "total"]
    assert position_rows(frame([2.0])) == [["A", 2.0, "part"], ["rest", 0.5, "rest"], ["ES", 2.5, "total"]]
    none = ComponentsView(Instruments(())).latest("DESK1")
    assert position_rows(none) == greek_rows(none) == []


def test_the_bars_are_the_views_and_sum(visit: Visit, running: Running) -> None:
    turn(visit.page, "risk")
    view = running.player.views.components
    expect(visit.tile("by_position").locator(".rows > div").first).to_be_visible()
    running.player.pause()
    bars = {"by_position": position_rows, "by_greek": greek_rows}

    def shown(tile: str) -> list[Any]:
        made: list[Any] = visit.tile(tile).locator(".rows > div").evaluate_all(_BARS)
        return made

    def drawn() -> bool:
        """Asked again and again: a record may have been on its way."""
        told = view.latest("DESK1")
        return all([x[:2] for x in shown(tile)] == [x[:2] for x in rows(told)] for tile, rows in bars.items())

    wait(lambda: drawn() or None)
    for tile in bars:
        made = shown(tile)
        assert len(made) >= 8
        assert sum(v for _, v, _ in made[:-1]) == pytest.approx(made[-1][1], abs=1e-6)
        for name, value, dressed in made:
            tone = "nil" if abs(value) < 0.5 else "loss" if value > 0 else "gain"
            assert dressed.endswith(tone), name
    assert made[-1][1] == view.latest("DESK1")["es"].iloc[0]
    for zero, left, right, width in visit.tile("by_position").locator(".rows > div").evaluate_all(_PLACES):
        assert min(abs(left - zero), abs(right - zero)) <= 2.5  # around zero
        assert width >= 1
    places = visit.tile("by_greek").locator(".rows > div").evaluate_all(_PLACES)
    for before, after in pairwise(places[:-1]):  # each begins where the one before ended
        assert min(abs(a - b) for a in before[1:3] for b in after[1:3]) <= 2.5
    expect(visit.tile("by_position").locator(".note")).to_have_text("positive adds to it; every 1 s")
    running.player.pause(False)
    assert visit.faults == []


def test_before_any_report_the_page_says_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(Waterfall, "send", lambda _, message: sent.append(message))
    desk = SharedDesk(Views(running.player.views.deployment))
    try:
        page = RiskPage(desk, Login(KEYS[READER], READER, float("inf")))
        page.by_position.is_ready = page.by_greek.is_ready = True
        page.slow()
        page.slow()
        assert [(m["rows"], m["text"]) for m in sent] == [([], "No report has told yet who causes it.")] * 2
        ages = [t.age() for t in page.tiles if t.name in ("by_position", "by_greek") and t.age is not None]
        assert [a[:2] for a in ages] == [(-1, 0)] * 2
    finally:
        desk.stop()


def test_light_has_it_too(light: Visit) -> None:
    turn(light.page, "risk")
    for tile, last in (("by_position", "ES"), ("by_greek", "ES")):
        bar = light.tile(tile).locator(".rows > div").last
        expect(bar).to_have_attribute("data-name", last)
        expect(bar.locator("b")).to_have_text(re.compile(r"^\+\d"))
    assert light.faults == []


def test_a_phone_has_them_below_the_shortfall(running: Running, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    page.goto(f"{running.url}/login?ticket={TICKET}")
    page.wait_for_selector('.tile[data-tile="ladder"][data-seq]')
    turn(page, "risk")
    ends = 0.0
    for tile in ("bullet", "es", "by_position", "by_greek", "outcomes", "pnl", "ladder2", "greeks", "hedges"):
        box = page.locator(f'#risk .tile[data-tile="{tile}"]').bounding_box()
        assert box is not None
        assert (box["x"] >= 0, box["x"] + box["width"] <= 390, box["y"] >= ends) == (True, True, True), tile
        ends = box["y"] + box["height"]
    numbers = page.locator('#risk .tile[data-tile="by_position"] .rows b')
    expect(numbers.last).to_have_text(re.compile(r"^\+\d"))
    rights = numbers.evaluate_all("(e) => e.map((b) => b.getBoundingClientRect().right)")
    assert max(rights) <= 390
    page.context.close()
