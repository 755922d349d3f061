"""One dashboard and one browser for all tests of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

from tests.browser.desk_up import Up, answered
from tests.browser.running import READER, TICKET, TRADER, Running

expect.set_options(timeout=30_000)  # a machine may stand still for seconds

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NONE = "there is no browser; install Chromium by the system's packages, or with `playwright install chromium`"


@pytest.fixture(scope="session")
def _served() -> Iterator[Running]:
    made = Running()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def running(_served: Running) -> Iterator[Running]:
    """The dashboard, over a recorded desk that is played on while a file's tests look at it."""
    _served.player.pause(False)
    yield _served
    _served.player.pause()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium or Chrome, else Playwright's own; its event loop must not outlive these tests."""
    with sync_playwright() as playwright:
        try:
            made = chromium(playwright)
        except Error:
            if os.environ.get("CI") == "true":
                pytest.fail(_NONE)
            pytest.skip(_NONE)
        yield made
        made.close()


def chromium(playwright: Playwright) -> Browser:
    """A browser without a window."""
    found = next((p for n in _NAMES if (p := shutil.which(n))), None)
    return playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])


def turn(page: Page, name: str) -> None:
    """Turn to a page of the dashboard by its keys."""
    order = page.evaluate("[...document.querySelectorAll('nav button')].map((b) => b.dataset.page)")
    page.keyboard.press(f"Alt+{order.index(name) + 1}")
    expect(page.locator(f"#{name}")).to_be_visible()


@pytest.fixture
def client(up: Up) -> Iterator[httpx.Client]:
    """HTTP to a module's running desk, once it is ready."""
    with up.client() as made:
        answered(made, "/readyz", lambda r: True, 120)
        yield made


class Visit:
    """A page with a login, and what went wrong on it."""

    def __init__(self, browser: Browser, url: str, scheme: Any, key: str | None) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda e: self.faults.append(f"page error: {e}"))
        self.page.on("console", lambda m: self.faults.append(f"console: {m.text}") if m.type == "error" else None)
        if key is None:
            self.page.goto(f"{url}/login?ticket={TICKET}")
        else:
            self.page.goto(url)
            self.page.get_by_label("API key").fill(key)
            self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_selector('.tile[data-tile="ladder"][data-seq]')

    def go(self, name: str) -> None:
        """Turn to a page by its keys."""
        turn(self.page, name)

    def tile(self, name: str) -> Any:
        return self.page.locator(f'.tile[data-tile="{name}"]')


@pytest.fixture(scope="module")
def visit(running: Running, browser: Browser) -> Iterator[Visit]:
    """A trader's page, dark."""
    made = Visit(browser, running.url, "dark", None)
    yield made
    made.context.close()


@pytest.fixture
def light(running: Running, browser: Browser) -> Iterator[Visit]:
    """A trader's page, light."""
    made = Visit(browser, running.url, "light", TRADER)
    yield made
    made.context.close()


@pytest.fixture
def reader(running: Running, browser: Browser) -> Iterator[Visit]:
    """The page of a key that may only read."""
    made = Visit(browser, running.url, "dark", READER)
    yield made
    made.context.close()
