"""The Vol page in a real browser: it shows the view's smiles, raises flags, says why a fit failed, and greys out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboards.access import Login
from dashboards.desk import SharedDesk
from dashboards.pages.vol import VolPage
from qflib.records.topics import ANALYTICS_RESULTS
from qflib.views import Views
from qflib.views.vols import VolState
from tests.browser.conftest import Visit
from tests.browser.desk_up import wait
from tests.browser.player import Player, run_of
from tests.browser.running import KEYS, READER, Running

TILES = ("vol_choice", "smile", "term", "vol_quotes", "vol_flags")
NEAR, FAR = "16 Jan 26", "20 Feb 26"


@pytest.fixture
def still(running: Running) -> Iterator[Player]:
    """The books stand still: what is said of them is what is shown."""
    running.player.mute(ANALYTICS_RESULTS)
    yield running.player
    running.player.mute()


def state_of(running: Running, underlying: str = "ACME") -> VolState:
    state = running.player.views.vols.latest(underlying)
    assert state is not None
    return state


def quote(player: Player, symbol: str) -> tuple[int, int]:
    book = player.views.books.latest(symbol)
    assert book is not None
    return int(book.bids[0, 0]), int(book.asks[0, 0])


def shown(visit: Visit, running: Running, underlying: str = "ACME") -> VolState:
    """The last smiles, once the page has drawn them."""
    newest = max(b.stamp.seq for b in running.player.views.books.every() if b.symbol.startswith(underlying))
    wait(lambda: (s := running.player.views.vols.latest(underlying)) is not None and s.stamp.seq >= newest)
    state = state_of(running, underlying)
    for tile in ("smile", "term"):
        expect(visit.tile(tile).locator(".curves")).to_have_attribute("data-seq", str(state.stamp.seq))
    expect(visit.tile("smile")).to_have_attribute("data-seq", str(state.stamp.seq))
    return state


def test_what_is_shown_is_the_views(visit: Visit, running: Running, still: Player) -> None:
    visit.go("vol")
    state = shown(visit, running)
    near = state.smiles.expiries.index[0]
    q = state.smiles.quotes
    row = q[(q["expiry"] == near) & (q["strike"] == 95.0)].set_index("right")
    told = visit.tile("vol_quotes").locator('tr[data-id="95"] td')
    percents = [f"{100 * v:.2f}%" for v in (row["bid_iv"]["call"], row["ask_iv"]["call"])]
    expect(told.nth(0)).to_have_text(percents[0])
    expect(told.nth(1)).to_have_text(percents[1])
    expect(told.nth(5)).to_have_text(f"{100 * row['svi']['put']:.2f}%")
    atm = state.smiles.expiries["atm_vol"].iloc[0]
    expect(visit.tile("vol_flags").locator(f'tr[data-id="{NEAR}"]')).to_contain_text(f"{100 * atm:.2f}%")
    expect(visit.page.get_by_role("button", name=re.compile(NEAR))).to_contain_text(f"{100 * atm:.2f} %")
    expect(visit.tile("vol_flags").locator(".note")).to_have_text("none in the slices, none in the quotes")
    expect(visit.tile("smile").locator(".note")).to_contain_text(
        f"rmse {100 * state.smiles.expiries['svi_rmse'].iloc[0]:.3f}"
    )
    age = float(visit.tile("smile").get_attribute("data-age") or "nan")
    assert 0 <= age < 60
    assert visit.faults == []


def test_expiry_and_underlying_are_chosen(visit: Visit, running: Running) -> None:
    visit.go("vol")
    page = visit.page
    far = page.get_by_role("button", name=re.compile(FAR))
    far.click()
    expect(far).to_have_attribute("aria-pressed", "true")
    expect(visit.tile("vol_flags").locator("tr.at")).to_have_attribute("data-id", FAR)
    far.press("ArrowLeft")
    expect(page.get_by_role("button", name=re.compile(NEAR))).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="BETA", exact=True).click()
    expect(visit.tile("smile").locator(".note")).to_contain_text("BETA · SVI")
    expect(visit.tile("vol_quotes").locator('tr[data-id="50"]')).to_be_visible()
    page.get_by_role("button", name="ACME", exact=True).click()
    expect(visit.tile("smile").locator(".note")).to_contain_text("ACME · SVI")
    assert visit.faults == []


def test_the_mouse_reads_a_strike(visit: Visit) -> None:
    visit.go("vol")
    tip = visit.tile("smile").locator(".tip")
    expect(visit.tile("smile").locator(".curves")).to_have_attribute("data-points", re.compile(r"^[1-9]\d+"))
    box = visit.tile("smile").locator(".plot").bounding_box()
    assert box is not None
    visit.page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 60)
    expect(tip).to_contain_text(re.compile(r"(call|put)\nask +\d+\.\d\d %\nmid"))
    visit.page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_flags_and_statuses_are_raised(visit: Visit, running: Running, still: Player) -> None:
    """A call so dear that the butterfly around it is paid for; one below its intrinsic value; one without a bid."""
    visit.go("vol")
    shown(visit, running)
    calls = {k: quote(still, f"ACME-20260116-{k}-C") for k in (90, 100, 110)}
    still.say(
        ("ACME-20260116-100-C", calls[100][0] + 900, calls[100][1] + 900),
        ("ACME-20260116-90-C", calls[90][0] - 600, calls[90][1] - 600),
        ("ACME-20260116-110-C", 0, calls[110][1]),
    )
    state = shown(visit, running)
    assert state.smiles.expiries["butterflies"].tolist() == [1, 0]
    flags, quotes = visit.tile("vol_flags"), visit.tile("vol_quotes")
    expect(flags.locator(".note")).to_have_text("butterfly arbitrage")
    raised = {name: flags.locator(f'tr[data-id="{name}"] td.bad', has_text="1 quoted") for name in (NEAR, FAR)}
    expect(raised[NEAR]).to_have_count(1)
    expect(raised[FAR]).to_have_count(0)
    expect(quotes.locator('tr[data-id="90"]')).to_contain_text("call below_intrinsic")
    expect(quotes.locator('tr[data-id="110"]')).to_contain_text("call nan_input")
    expect(quotes.locator(".note")).to_contain_text("1 below_intrinsic, 1 nan_input")
    assert visit.faults == []


def test_a_fit_that_fails_says_why_and_heals(visit: Visit, running: Running, still: Player) -> None:
    """Neither the future has a bid nor a call: nothing tells a forward."""
    visit.go("vol")
    table = running.player.views.instruments
    none = [r.symbol for r in table if r.underlying == "ACME" and (r.kind == "future" or r.right == "call")]
    still.say(*((symbol, 0, 1) for symbol in none))
    why = "ACME has no forward; its future, perpetual or spot needs a bid and an ask"
    for tile in ("smile", "term"):
        expect(visit.tile(tile).locator(".empty")).to_have_text(why)
    expect(visit.tile("vol_flags").locator(".note")).to_have_text("no fit")
    expect(visit.tile("vol_quotes").locator('tr[data-id="100"]')).to_contain_text("call nan_input · put nan_input")
    still.mute()
    expect(visit.tile("smile").locator(".empty")).to_be_hidden()
    expect(visit.tile("smile").locator(".note")).to_contain_text("ACME · SVI")
    assert visit.faults == []


def test_quotes_that_stand_still_grey_out(visit: Visit, running: Running, still: Player) -> None:
    """The exchange says nothing while the portfolio reports: Vol is stale, Risk is not."""
    visit.go("vol")
    for tile in TILES:
        expect(visit.tile(tile)).to_have_attribute("data-stale", "true", timeout=8_000)
    visit.go("risk")
    expect(visit.tile("bullet")).to_have_attribute("data-stale", "false")
    visit.go("vol")
    still.mute()
    for tile in TILES:
        expect(visit.tile(tile)).to_have_attribute("data-stale", "false")


def test_a_fit_that_hangs_greys_out(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes come, and no new fit does: what is shown is as old as its fit."""
    views = running.player.views
    desk = SharedDesk(views)
    try:
        page = VolPage(desk, Login(KEYS[READER], READER, float("inf")))
        views.vols.fit("ACME")
        page.slow()
        seq, fitted_ns, alive_ns, _ = page.tiles[1].age()  # type: ignore[misc]
        assert alive_ns <= fitted_ns
        monkeypatch.setattr(views.vols, "fit", lambda _: None)
        wait(lambda: views.vols.quoted("ACME").append_ns > fitted_ns)
        page.slow()
        assert page.tiles[1].age() == (seq, fitted_ns, fitted_ns, page._smile_note())  # type: ignore[misc]
    finally:
        desk.stop()


def test_one_fit_serves_all_sessions_and_nobody_asks_for_none(running: Running) -> None:
    views = Views(run_of()[0])
    for seen in run_of()[1]:
        views.take(seen)
    desk = SharedDesk(views)
    try:
        pages = [VolPage(desk, Login(KEYS[READER], READER, float("inf"))) for _ in range(3)]
        assert views.vols.latest("ACME") is None
        for page in pages:
            page.slow()
        wait(lambda: views.vols.latest("ACME"))
        for page in pages:
            page.slow()
        assert len({id(page._state) for page in pages}) == 1
        assert [views.vols.latest(u) for u in views.vols.underlyings[1:]] == [None] * 3
    finally:
        desk.stop()


def test_on_a_narrow_screen_tiles_stand_one_below_another(visit: Visit) -> None:
    visit.go("vol")
    page = visit.page
    try:
        page.set_viewport_size({"width": 390, "height": 844})
        expect(visit.tile("smile").locator("canvas")).to_have_css("width", re.compile(r"^3\d\d"))
        boxes = [visit.tile(t).bounding_box() for t in ("vol_choice", "smile", "term", "vol_flags", "vol_quotes")]
        assert all(b is not None and b["x"] >= 0 and b["x"] + b["width"] <= 390 for b in boxes)
        tops = np.array([b["y"] for b in boxes if b is not None])
        assert (np.diff(tops) > 0).all()
        for name in (NEAR, FAR):
            box = page.get_by_role("button", name=re.compile(name)).bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 390
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})
