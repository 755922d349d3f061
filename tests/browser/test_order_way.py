"""An order's whole way on the real desk: REST, book, WebSocket, executions, positions, hedge, the Orders page."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import httpx
import nbformat
import pandas as pd
import psutil
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Browser, Page
from traitlets.config import Config
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import qflib as qf
from qflib.records import EVIDENCE
from tests.browser.conftest import turn
from tests.browser.desk_up import Up, answered, positions, wait

SIZE = 40


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("desk") / "runs", "--rate", "2000", "--seed", "7", "--strategy") as desk:
        yield desk


@pytest.fixture
def stream(up: Up, client: httpx.Client) -> Iterator[Stream]:
    made = Stream(up)
    yield made
    made.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


class Stream(Thread):
    """Reads the WebSocket and keeps what it says, with the time, until the desk ends."""

    def __init__(self, up: Up) -> None:
        super().__init__(daemon=True)
        self.messages: list[tuple[float, dict]] = []
        self._ws: ClientConnection | None = None
        self._url = up.api.replace("http", "ws") + "/v1/stream"
        self._headers = {"Authorization": f"Bearer {up.key}"}
        self.start()

    def run(self) -> None:
        with suppress(ConnectionClosed), connect(self._url, additional_headers=self._headers) as ws:
            self._ws = ws
            for channel, subject in (("executions", "ACME"), ("risk", "DESK1"), ("book", "ACME.F")):
                ws.send(json.dumps({"op": "subscribe", "channel": channel, "subject": subject}))
            for text in ws:
                self.messages.append((time.monotonic(), json.loads(text)))

    def close(self) -> None:
        wait(lambda: self._ws).close()
        self.join()

    def first(self, channel: str, where) -> float | None:
        for at, m in list(self.messages):
            if m.get("channel") == channel and where(m):
                return at
        return None


def test_an_orders_way(
    up: Up, client: httpx.Client, stream: Stream, page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    before = answered(client, "/v1/portfolios/DESK1/positions", lambda r: r, 120)
    held = positions(before, "ACME.F", "client")
    wait(lambda: stream.first("book", lambda m: m["seq"] >= 0))
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(up.dashboard)
    page.wait_for_selector('.tile[data-tile="ladder"][data-stale="false"]', timeout=60_000)
    turn(page, "orders")

    book = client.get("/v1/books/ACME.F").json()
    price = book["asks"][4][0]  # five levels deep: filled at once
    body = {
        "client_order_id": "way-1", "account": "DESK1", "portfolio": "DESK1", "instrument": "ACME.F", "side": "buy",
        "ord_type": "limit", "time_in_force": "ioc", "price": price, "qty": str(SIZE),
    }  # fmt: skip
    hops, sent = {}, time.monotonic()
    first = client.post("/v1/orders", json=body)
    hops["REST 202"] = time.monotonic() - sent
    assert first.status_code == 202, first.text
    assert client.post("/v1/orders", json=body).json() == first.json(), "the same body: the first reply"
    other = client.post("/v1/orders", json=body | {"qty": "1"})
    assert (other.status_code, other.json()["code"]) == (409, "duplicate_client_order_id")

    def ours(m: dict) -> bool:
        rows = m["data"] if isinstance(m["data"], list) else m["data"].get("items", [])
        return any(x["client_order_id"] == "way-1" and x["exec_type"] == "fill" for x in rows)

    hops["WebSocket fill"] = wait(lambda: stream.first("executions", ours)) - sent
    path = "/v1/executions?client_order_id=way-1"
    fills = answered(client, path, lambda r: [x for x in r["items"] if x["exec_type"] == "fill"])
    hops["GET executions"] = time.monotonic() - sent
    filled = sum(float(x["qty"]) for x in fills)
    assert 0 < filled <= SIZE
    answered(
        client, "/v1/portfolios/DESK1/positions", lambda r: positions(r, "ACME.F", "client") == held + filled or None
    )
    hops["position"] = time.monotonic() - sent
    page.locator("#orders").get_by_text("way-1").first.wait_for(timeout=20_000)
    hops["Orders page"] = time.monotonic() - sent
    # what was bought moves the delta out of the band: the hedger sells
    answered(
        client, "/v1/executions?portfolio=DESK1&limit=100",
        lambda r: [x for x in r["items"] if x["hedge"] and x["exec_type"] == "fill" and x["time"] > fills[0]["time"]],
    )  # fmt: skip
    hops["hedge fill"] = time.monotonic() - sent
    assert not errors
    with capsys.disabled():
        print("\norder's way, ms: " + ", ".join(f"{name} {1e3 * s:.0f}" for name, s in hops.items()))


def test_readme_examples_on_the_running_desk(up: Up, client: httpx.Client) -> None:
    """The lines of the README's four ways that ask a desk."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    answered(client, "/v1/portfolios/DESK1/risk", lambda r: r, 120)
    curls = re.findall(r"^curl .*?(?<!\\)$", readme, re.MULTILINE | re.DOTALL)
    assert len(curls) == 2
    price = client.get("/v1/books/ACME.F").json()["bids"][5][0]
    for line in curls:
        asked = line.replace("http://127.0.0.1:8000", up.api).replace("99.5", price)
        told = subprocess.run(
            ["bash", "-c", asked], env=up.environment | {"KEY": up.key}, capture_output=True, check=True
        )
        assert json.loads(told.stdout)["instrument"] == "ACME.F", told.stdout
    blocks = [b for b in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "live." in b]
    assert len(blocks) == 1
    code = "import qflib as qf\n" + blocks[0]
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], env=up.environment, check=True)


def test_a_signal_is_followed(up: Up, client: httpx.Client) -> None:
    """Sent by WebSocket, it goes through normalize to the strategy, whose order the exchange fills."""
    headers = {"Authorization": f"Bearer {up.key}"}
    with connect(up.api.replace("http", "ws") + "/v1/signals", additional_headers=headers) as ws:
        ws.send(json.dumps({"instrument": "ACME.F", "direction": "buy", "signal_id": "mine-1", "horizon": "5min"}))
        assert json.loads(ws.recv(10)) | {"time_ns": 0} == {
            "type": "accepted", "signal_id": "mine-1", "instrument": "ACME.F", "time_ns": 0
        }  # fmt: skip
    path = "/v1/executions?account=STRATEGY"
    fills = answered(client, path, lambda r: [x for x in r["items"] if x["exec_type"] == "fill"])
    assert {(x["instrument"], x["side"]) for x in fills} == {("ACME.F", "buy")}


def test_the_notebooks_last_cells_attach(up: Up, client: httpx.Client) -> None:
    answered(client, "/v1/portfolios/DESK1/risk", lambda r: r, 120)
    book = nbformat.read(Path(__file__).parents[2] / "notebooks/00_quickstart.ipynb", as_version=4)
    book.cells = [c for c in book.cells if "live" in c.metadata.get("tags", [])]
    book.cells.insert(0, nbformat.v4.new_code_cell("import qflib as qf"))
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    NotebookClient(book, kernel_name="python3", timeout=120, config=config).execute(env=up.environment)
    for cell in book.cells[1:]:
        assert any("text/html" in o.data for o in cell.outputs if o.output_type == "execute_result"), cell.source


def test_a_second_up_leaves_the_first_alone(up: Up, client: httpx.Client) -> None:
    """It found the first one's broker by its pid file, and stopped it."""
    before = {p.pid for p in psutil.Process(up.process.pid).children(recursive=True)}
    command = [sys.executable, "-m", "qflib.cli.main", "up", "--source", "sim", "--no-faces"]
    second = subprocess.run(command, env=up.environment, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 2
    assert re.fullmatch(r"qflib: a desk runs in .* already \(process \d+\); stop it.*\n", second.stderr)
    assert before <= {p.pid for p in psutil.Process(up.process.pid).children(recursive=True)}
    answered(client, "/readyz", lambda r: True)


def test_an_audit_beside_the_running_desk(up: Up, client: httpx.Client) -> None:
    command = [sys.executable, "-m", "qflib.cli.main", "audit", "--json"]
    told = subprocess.run(command, env=up.environment, capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["ok"]


@pytest.mark.faults
def test_what_the_archive_keeps_is_asked_by_the_client(up: Up, client: httpx.Client) -> None:
    """Behind the views lies the history: it has what it stored some seconds ago."""
    answered(client, "/v1/portfolios/DESK1/risk", lambda r: r["time_ns"], 120)  # what is recent is before a report
    with qf.connect(up.api, key=up.key) as live:
        reports = _filled(lambda: live.risk("DESK1", last="10min"))
        assert reports["es_current"].notna().all()
        assert reports.index.is_monotonic_increasing
        assert str(reports.index.tz) == "UTC"
        hedges = _filled(lambda: live.hedges(last="10min"))
        assert {"instrument", "qty"} <= set(hedges.columns)
        forecasts = _filled(lambda: live.forecasts(last="10min"))
        outcomes = live.outcomes(last="10min")
        assert set(forecasts["time"]) <= set(outcomes.index)
        assert set(forecasts["var"]) <= set(outcomes["forecast_var"])
        caused = live.components(last="10min").query("portfolio == 'DESK1'").groupby(["time", "by"])
        assert len(caused) >= 4
        assert caused["contribution"].agg(math.fsum).to_dict() == caused["es"].first().to_dict()
        assert set(caused["es"].first()) <= set(live.risk("DESK1", last="10min")["es_current"])
        evidence = live.evidence(last="10min")
        assert evidence.columns.tolist() == EVIDENCE_COLUMNS
        assert set(evidence.index) <= set(outcomes.index)
        assert set(evidence["measure"]) == {"es", "var"}
        trades = _filled(lambda: live.history("orders.executed", instrument="ACME.F", limit=100))
        assert len(trades) <= 100


EVIDENCE_COLUMNS = [c.name for c in EVIDENCE.columns if c.name != "time_ns"]


def _filled(ask: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Ask until there are rows: the first outcome is told after two minutes of market time."""
    return wait(lambda: [made] if len(made := ask()) else None, 240)[0]


@pytest.mark.faults
def test_the_brokers_death_shows_and_heals(
    up: Up, client: httpx.Client, page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    page.goto(up.dashboard)
    page.wait_for_selector('#market .tile[data-stale="false"]', timeout=60_000)
    java = [p for p in psutil.process_iter(["cmdline"]) if str(up.state) in " ".join(p.info["cmdline"] or [])
            and "kafka.Kafka" in " ".join(p.info["cmdline"] or [])]  # fmt: skip
    assert len(java) == 1
    seen, began = {}, time.monotonic()
    java[0].kill()
    wait(lambda: client.get("/readyz").status_code == 503)
    seen["/readyz 503"] = time.monotonic() - began
    old = client.get("/v1/books/ACME.F")
    assert old.status_code == 200
    assert old.json()["age_ms"] >= 0
    page.wait_for_selector('#market .tile[data-stale="true"]', timeout=20_000)
    seen["page grey"] = time.monotonic() - began

    def ready() -> bool:
        assert up.process.poll() is None, up.said
        return client.get("/readyz").status_code == 200

    wait(ready, 90)
    seen["ready again"] = time.monotonic() - began
    fresh = client.get("/v1/books/ACME.F").json()["seq"]
    answered(client, "/v1/books/ACME.F", lambda b: b["seq"] > fresh or None)
    seen["book moves"] = time.monotonic() - began
    grey = """document.querySelectorAll('#market .tile[data-stale="true"]').length"""
    page.wait_for_function(f"{grey} === 0", timeout=60_000)
    seen["page right"] = time.monotonic() - began
    with capsys.disabled():
        print("\nbroker killed, s: " + ", ".join(f"{name} {s:.1f}" for name, s in seen.items()))
    assert up.stop() < 8, "Ctrl-C ends all of it"
