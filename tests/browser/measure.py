"""What the dashboard costs: `python -m tests.browser.measure [minutes [sessions]]` prints frames, lag, heap, CPU.

Server and browser are processes of their own; books come twenty times a second.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import chromium, turn
from tests.browser.many import Reading

_SPEED = 5.0  # market seconds a second: twenty books
_FRAMES = """(ms) => new Promise((done) => {
  const at = []; const begin = performance.now();
  const f = (t) => { at.push(t); t - begin < ms ? requestAnimationFrame(f) : done(at); };
  requestAnimationFrame(f); })"""
_LAGS = """(ms) => new Promise((done) => {
  const out = []; let n = window.__qf_heat?.n; const begin = performance.now();
  const f = () => { const h = window.__qf_heat;
    if (h && h.n !== n) { n = h.n; out.push(h.at - h.sent); }
    performance.now() - begin < ms ? setTimeout(f, 1) : done(out); };
  f(); })"""


def main(minutes: float = 1.0, sessions: int = 20) -> None:
    """Measure and print."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.browser.running", str(_SPEED)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        process = psutil.Process(server.pid)
        try:
            if sessions:
                many(url, process, sessions)
            if minutes:
                with sync_playwright() as playwright:
                    browser = chromium(playwright)
                    one(browser, url, process, minutes)
                    browser.close()
        finally:
            server.kill()


def opened(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(url)
    page.wait_for_selector('.tile[data-tile="ladder"][data-seq]', timeout=120_000)
    return page


def one(browser: Browser, url: str, process: psutil.Process, minutes: float) -> None:
    idle = cpu(process, 5.0)
    begun = time.monotonic()
    page = opened(browser, url)
    print(f"first picture after {time.monotonic() - begun:.1f} s")
    page.wait_for_timeout(3_000)
    for name in ("market", "risk", "vol", "hedge", "orders", "system"):
        turn(page, name)
        page.wait_for_timeout(1_000)
        at = np.diff(page.evaluate(_FRAMES, 5_000))
        print(f"{name}: {1e3 * len(at) / at.sum():.0f} frames a second, worst frame {at.max():.0f} ms")
    page.keyboard.press("Alt+1")
    page.wait_for_timeout(1_000)
    lags = np.array(page.evaluate(_LAGS, 10_000))
    p50, p99 = np.quantile(lags, (0.5, 0.99))
    print(f"lag server to browser: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(lags) / 10:.0f} a second")
    with_one = cpu(process, 5.0)
    print(f"server: {100 * with_one:.0f} % of a processor with one session, {100 * idle:.0f} % with none (the player)")
    heap = [used(page)]
    for _ in range(max(1, round(minutes * 2))):
        page.wait_for_timeout(30_000)
        heap.append(used(page))
    print("heap, MB each 30 s: " + " ".join(f"{h:.0f}" for h in heap))


def many(url: str, process: psutil.Process, n: int) -> None:
    idle = cpu(process, 5.0)
    with urllib.request.urlopen(url, timeout=10) as reply:
        cookie = reply.headers["Set-Cookie"].split(";")[0]
    sessions = [Reading(url.partition("login")[0], cookie) for _ in range(n)]
    time.sleep(5)
    frames, size = sum(s.frames for s in sessions), sum(s.size for s in sessions)
    used_by_server = cpu(process, 10.0)
    told = (sum(s.frames for s in sessions) - frames) / 10 / n
    kb = (sum(s.size for s in sessions) - size) / 10_000 / n
    print(
        f"server with {n} sessions on Market: {100 * used_by_server:.0f} % of a processor, {100 * idle:.0f} % with none"
    )
    print(
        f"a session is told {told:.0f} frames, {kb:.0f} kB a second; memory {process.memory_info().rss / 2**20:.0f} MB"
    )


def cpu(process: psutil.Process, seconds: float) -> float:
    """Processors used, of 1."""
    before, at = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.monotonic() - at)


def used(page: Page) -> float:
    """Heap in MB, after a collection."""
    session: Any = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    told = session.send("Runtime.getHeapUsage")
    session.detach()
    return float(told["usedSize"]) / 2**20


if __name__ == "__main__":
    main(*(float(a) if k == 0 else int(a) for k, a in enumerate(sys.argv[1:])))
