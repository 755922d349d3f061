"""A step on the desk that runs: taken along, its tile in the browser, its figures by the client; orders in shadow."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

import qflib as qf
from qflib.project import STEPS
from qflib.promote.registry import one, text
from tests.browser.conftest import turn
from tests.browser.desk_up import Up, answered, wait


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    flags = ("--rate", "300", "--speed", "6", "--seed", "7", "--steps", "realised_vol")
    with Up(tmp_path_factory.mktemp("promoted") / "runs", *flags) as desk:
        yield desk


def command(up: Up, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "qflib.cli.main", *argv]
    return subprocess.run(asked, env=up.environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def listed(up: Up, cwd: Path | None = None) -> list[dict[str, Any]]:
    made = command(up, "steps", "--json", cwd=cwd)
    assert made.returncode == 0, made.stderr
    return list(json.loads(made.stdout)["steps"])


def states(up: Up) -> dict[str, str]:
    return {s["label"]: s["state"] for s in listed(up)}


def test_a_tile_and_figures_without_more_code(up: Up, client: httpx.Client, browser: Browser) -> None:
    assert states(up) == {"flow_strategy": "not running", "realised_vol": "running"}
    assert all(re.fullmatch(r"(told \d+ s ago|nothing told yet), [\d,]+ behind", s["health"])
               for s in listed(up) if s["name"] == "realised_vol")  # fmt: skip
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    faults: list[str] = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.goto(up.dashboard)
    expect(page.locator("body")).to_have_attribute("data-state", "live", timeout=60_000)
    turn(page, "steps")
    tile = page.locator('[data-tile="step_realised_vol"]')
    expect(tile).to_be_visible(timeout=60_000)
    expect(tile.get_by_text("ACME.F").first).to_be_visible(timeout=60_000)
    expect(tile).to_have_attribute("data-stale", "false", timeout=60_000)
    assert page.locator('[data-tile="step_flow_strategy"]').count() == 0
    assert faults == []
    page.close()


@pytest.mark.faults  # a minute or more
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
    expect(page.locator("body")).to_have_attribute("data-state", "live", timeout=60_000)
    turn(page, "steps")
    expect(page.locator('[data-tile="step_flow_strategy"]')).to_be_visible(timeout=60_000)
    page.close()


@pytest.mark.faults  # a minute or more
def test_a_new_version_runs_beside_the_one_in_force(
    up: Up, client: httpx.Client, browser: Browser, tmp_path: Path
) -> None:
    """The cell of another text that computes the same, promoted in a project of its own."""
    found = one("realised_vol")
    folder = tmp_path / STEPS
    folder.mkdir(parents=True)
    cell = found.source.replace("VERSION = 1", "VERSION = 2") if "VERSION = 1" in found.source else found.source + "\n"
    sha = str(found.told["source"]["cell_sha256"])
    (folder / "realised_vol.py").write_text(text("realised_vol", found.told["source"]["notebook"], cell))
    told = found.path.with_name("realised_vol.lock.toml").read_text()
    (folder / "realised_vol.lock.toml").write_text(told.replace(sha, hashlib.sha256(cell.encode()).hexdigest()))
    made = command(up, "run", "realised_vol", "--beside", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "beside the version in force" in made.stdout

    def minutes() -> list[dict[str, Any]]:
        force, beside = (s for s in listed(up, tmp_path) if s["name"] == "realised_vol")
        assert (force["label"], force["state"]) == ("realised_vol", "running; a newer one is promoted")
        assert (beside["label"], beside["state"]) == ("realised_vol@1", "beside")
        return list(beside["minutes"])

    wait(minutes, 300)
    assert all(m["same"] and m["rows"] > 0 for m in minutes())
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(up.dashboard)
    expect(page.locator("body")).to_have_attribute("data-state", "live", timeout=60_000)
    turn(page, "steps")
    tile = page.locator('[data-tile="beside_realised_vol_1"]')
    expect(tile.get_by_text("the same").first).to_be_visible(timeout=60_000)
    page.close()
    again = command(up, "run", "realised_vol", "--beside")
    assert again.returncode == 2
    assert "this version of realised_vol is in force already" in again.stderr


def test_live_needs_an_admin_key(up: Up, client: httpx.Client) -> None:
    made = command(up, "run", "flow_strategy", "--live")
    assert made.returncode == 2
    assert "--live needs a key of scope admin in QFLIB_API_KEY" in made.stderr
    made = command(up, "run", "realised_vol", "--live")
    assert "the rows of realised_vol are no orders" in made.stderr


@pytest.mark.faults  # a minute or more
def test_the_audit_recomputes_what_promoted_steps_sent(up: Up, client: httpx.Client) -> None:
    assert up.stop() < 10
    told = command(up, "audit", "--replay", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert found["ok"]
    assert found["replay"]["unequal"] == 0
    assert found["replay"]["stages"]["promoted"]["records"] > 0  # of three sets of steps, each by its versions
