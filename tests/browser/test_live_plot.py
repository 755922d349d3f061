"""`live.plot` in a real browser: what it shows goes on with the desk, and its figures are the desk's."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import panel as pn
import pytest
from playwright.sync_api import Browser, expect

import qflib as qf
from qflib.broker.data_folder import free_port
from tests.api.stream.playing import Playing, playing
from tests.browser.desk_up import wait

KINDS = ["book", "risk", "trades"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    with playing(tmp_path_factory.mktemp("api"), n=600) as made:
        made.play(until=lambda _: made.views.risk.latest("DESK1") is not None)
        yield made


@pytest.fixture(scope="module")
def url(desk: Playing) -> Iterator[str]:
    """A Panel server, as a person has it who writes `live.plot("book").servable()`."""
    port = free_port()
    live = qf.connect(desk.url, key=desk.key)
    pages = {kind: (lambda kind=kind: live.plot(kind)) for kind in KINDS}
    server = pn.serve(
        pages, port=port, threaded=True, show=False, verbose=False,
        unused_session_lifetime_milliseconds=5_000, check_unused_sessions_milliseconds=500,
    )  # fmt: skip
    yield f"http://localhost:{port}"
    server.stop()
    live.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_follows_the_desk(browser: Browser, url: str, desk: Playing, kind: str) -> None:
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.goto(f"{url}/{kind}")
    expect(page.locator(".bk-Figure")).to_be_visible()
    status = page.locator(".qf-live")
    for _ in range(2):
        before = status.get_attribute("data-seq")
        seen = {"book": lambda: desk.views.books.latest("ACME.F"), "risk": lambda: desk.views.risk.latest("DESK1")}
        newest = seen.get(kind, seen["book"])
        held = newest()
        desk.play(n=150)
        if desk.played < len(desk.told.seen):
            desk.play(until=lambda _, held=held, newest=newest: newest() is not held)
        expect(status).not_to_have_attribute("data-seq", before or "")
        if kind != "trades":
            now = newest()
            assert now is not None
            expect(status).to_have_attribute("data-seq", str(now.stamp.seq))
    expect(status).to_have_text(re.compile(r"· #\d+"))
    assert faults == []
    page.close()


def test_a_page_that_was_left_is_followed_no_more(browser: Browser, url: str) -> None:
    def readers() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name.startswith("plot book ")]

    page = browser.new_page()
    page.goto(f"{url}/book")
    wait(lambda: readers() or None)
    page.close()
    wait(lambda: not readers() or None)  # a quiet desk: its heartbeats alone are left
