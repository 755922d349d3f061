"""A step on the desk that runs: taken along, its tile in the browser, its figures by the client; orders in shadow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

import qflib as qf
from tests.browser.desk_up import Up, answered, wait


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    desk = Up(tmp_path_factory.mktemp("promoted") / "runs", "--rate", "2000", "--seed", "7", "--steps", "realised_vol")
    yield desk
    if desk.process.poll() is None:
        desk.stop()


@pytest.fixture
def client(up: Up) -> Iterator[httpx.Client]:
    with up.client() as made:
        answered(made, "/readyz", lambda r: True, 120)
        yield made


def command(up: Up, *argv: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "qflib.cli.main", *argv]
    return subprocess.run(asked, env=up.environment, capture_output=True, text=True, timeout=300, check=False)


def states(up: Up) -> dict[str, str]:
    return {s["name"]: s["state"] for s in json.loads(command(up, "steps", "--json").stdout)["steps"]}


def test_a_tile_and_figures_without_more_code(up: Up, client: httpx.Client, browser: Browser) -> None:
    assert states(up) == {"flow_strategy": "not running", "realised_vol": "running"}
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    faults: list[str] = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.goto(up.dashboard)
    page.keyboard.press("9")
    tile = page.locator('[data-tile="step_realised_vol"]')
    expect(tile).to_be_visible(timeout=60_000)
    expect(tile.get_by_text("ACME.F").first).to_be_visible(timeout=60_000)
    expect(tile).to_have_attribute("data-stale", "false", timeout=60_000)
    assert page.locator('[data-tile="step_flow_strategy"]').count() == 0
    assert faults == []
    page.close()


def test_another_step_is_taken_along_and_the_first_goes_on(up: Up, client: httpx.Client, browser: Browser) -> None:
    answered(client, "/v1/portfolios/DESK1/risk", lambda r: r["time_ns"], 120)  # what is recent is before a report
    with qf.connect(up.api, key=up.key) as live:

        def told(step: str) -> pd.DataFrame:
            made = live.figures(last="10min")
            return made[made["step"] == step]

        before = wait(lambda: (told("realised_vol"),) if len(told("realised_vol")) else None, 120)[0]
        made = command(up, "run", "flow_strategy")
        assert made.returncode == 0, made.stderr
        assert "flow_strategy version 1 is taken along, in shadow" in made.stdout
        assert states(up) == {"flow_strategy": "shadow", "realised_vol": "running"}
        later = before.index.max() + pd.Timedelta("5s")
        wait(lambda: told("realised_vol").index.max() > later, 120)
        after = told("realised_vol")
        kept = after[after.index <= before.index.max()]
        assert kept["vol"].iloc[-len(before) :].tolist() == before["vol"].tolist()
        wait(lambda: len(told("flow_strategy")), 240)
        orders = live.history("orders.incoming", table="orders", limit=10_000)
        assert "FLOW_STRATEGY" not in set(orders["account"])  # in shadow nobody is sent anything
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(up.dashboard)
    page.keyboard.press("9")
    expect(page.locator('[data-tile="step_flow_strategy"]')).to_be_visible(timeout=60_000)
    page.close()


def test_live_needs_an_admin_key(up: Up, client: httpx.Client) -> None:
    made = command(up, "run", "flow_strategy", "--live")
    assert made.returncode == 2
    assert "--live needs a key of scope admin in QFLIB_API_KEY" in made.stderr
    made = command(up, "run", "realised_vol", "--live")
    assert "the rows of realised_vol are no orders" in made.stderr


def test_the_audit_recomputes_what_promoted_steps_sent(up: Up, client: httpx.Client) -> None:
    assert up.stop() < 10
    told = command(up, "audit", "--replay", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert found["ok"]
    assert found["replay"]["unequal"] == 0
