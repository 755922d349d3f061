"""Pages of a project's own beside the dashboard's; what is wrong with one is told, and takes no other away."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from structlog.testing import capture_logs

from dashboards.own_pages import own_pages
from dashboards.session import PAGES
from qflib.cli.init import made
from tests.browser.conftest import Visit
from tests.browser.running import Running

WRONG = {
    "breaks": "raise ValueError('no file of a page')",
    "taken": "from dashboards.pages.page import Page\nclass Taken(Page):\n    name = title = 'risk'",
    "nameless": "from dashboards.pages.page import Page\nclass Nameless(Page):\n    title = 'Nameless'",
    "falls": """from dashboards.pages.page import Page
class Falls(Page):
    name = title = 'falls'
    def __init__(self, desk, login):
        raise RuntimeError('of its own')""",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made(tmp_path / "desk")
    for name, text in WRONG.items():
        (tmp_path / "desk" / "dashboards" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path / "desk" / "notebooks")
    return tmp_path / "desk"


def taken() -> list[str]:
    return [p.name for p in PAGES]


def test_what_is_no_page_of_its_own_is_left_out(project: Path) -> None:
    with capture_logs() as said:
        assert [p.name for p in own_pages(taken())] == ["falls", "own_spread"]
    assert [Path(line["file"]).stem for line in said] == ["breaks", "nameless", "taken"]


def test_the_toolkit_has_its_own_pages_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert own_pages(taken()) == ()


def test_a_page_of_ones_own_in_the_browser(
    project: Path, running: Running, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.dashboard.desk, "pages", own_pages(taken()))
    seen = Visit(browser, running.url, "light", None)
    seen.page.get_by_role("button", name="Spread").click()
    expect(seen.page.locator("#own_spread")).to_be_visible()
    expect(seen.tile("own_spreads").get_by_text("nothing yet")).to_be_visible()
    assert seen.page.locator("#falls").count() == 0
    box = seen.tile("own_spreads").bounding_box()
    assert box is not None
    assert box["width"] > 600
    assert box["height"] > 200
    seen.go("risk")
    assert seen.faults == []
    seen.context.close()
