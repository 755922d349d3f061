"""Jobs on their page, and reports behind the door: pages of nobody's origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from qflib.jobs.outputs import Outputs
from tests.browser.conftest import Visit
from tests.browser.running import TICKET, Running
from tests.browser.test_door import ask

ID, OTHER = "0123456789abcdef", "f" * 16
PAGE = """<!DOCTYPE html><title>a report</title><p id="seen">nothing</p><script>
let told = "drawn"; try { told += " " + document.cookie; } catch (e) { told += " no cookies"; }
document.getElementById("seen").textContent = told;</script>"""


@pytest.fixture(scope="module")
def kept(running: Running) -> Iterator[Path]:
    folder = running.kept / "jobs" / "daily_risk" / "2026-01-05"
    out = Outputs(folder, ID)
    made = out.begin()
    (made / "n").write_text("notebook")
    (made / "h").write_text(PAGE)
    out.publish(made / "n", made / "h", {"status": "done", "started": "2026-01-05T21:30:00+00:00", "seconds": 2.5})
    failed = Outputs(folder, OTHER)
    told = {"started": "2026-01-05T22:00:00+00:00", "reason": "cell 4 raised ValueError: <b>no</b>", "seconds": 1.0}
    failed.keep_failed(failed.begin() / "none", told)
    yield folder
    for file in folder.iterdir():
        file.unlink()


def test_runs_and_a_report(light: Visit, kept: Path) -> None:
    light.go("jobs")
    runs = light.page.locator('[data-tile="job_runs"]')
    expect(runs.get_by_text("cell 4 raised ValueError: <b>no</b>")).to_be_visible()
    link = runs.get_by_role("link", name="open")
    expect(link).to_have_count(1)
    with light.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator("#seen")).to_have_text("drawn no cookies")  # its scripts run, and reach nothing of ours
    assert light.faults == []


def test_no_report_without_a_login_and_no_other_file(running: Running, kept: Path) -> None:
    place = f"{running.url}/reports/daily_risk/"
    assert ask(place + ID)[0] == 401
    _, _, headers = ask(running.url + "/login?ticket=" + TICKET)
    cookie = headers["Set-Cookie"].split(";")[0]
    code, text, headers = ask(place + ID, Cookie=cookie)
    assert (code, text) == (200, PAGE)
    assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")
    for other in (OTHER, "1" * 16, f"{ID}.json", "..%2f..%2fkeys.json", "", f"{ID}/..", "../../daily_risk/" + ID):
        assert ask(place + other, Cookie=cookie)[0] == 404
