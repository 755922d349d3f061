"""The live view on consoles of two sizes, and what its snapshots tell."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from qflib.cli import view
from qflib.cli.snapshots import snapshot
from qflib.cli.view import Snapshot, headline, render
from qflib.desk import Desk
from qflib.desk.datasets import load
from qflib.hedging.hedgers import Band

NAMES = ("ACME", "BETA", "GAMA", "DELT")


def busy() -> Snapshot:
    clients = [
        {"instrument": f"ACME-20260220-{k}-C", "book": "client", "qty": -90.0, "avg_price": 7.5, "mark": 7.4,
         "unrealised": 945.0} for k in range(80, 110)
    ]  # fmt: skip
    hedges = [
        {"instrument": f"{n}.F", "book": "hedge", "qty": 1.5, "avg_price": 100.0, "mark": 100.0, "unrealised": 1.0}
        for n in NAMES
    ]
    return {
        "market_time": "2026-01-05 14:34:00.000", "elapsed_s": 9.0, "events": 2_651_809, "events_per_s": 1_234_567.0,
        "tops": [{"instrument": f"{n}.F", "bid": 99.99, "bid_qty": 195.0, "ask": 100.0, "ask_qty": 57.0, "last": 100.0}
                 for n in NAMES],
        "positions": clients + hedges,
        "greeks": [{"underlying": n, "delta": 14.8, "gamma": -923.1, "vega": -225_356.0, "theta": 391_393.0}
                   for n in NAMES],
        "es": {"level": 0.975, "horizon": "1D", "unhedged": 86_117.0, "current": 29_536.0, "target": 29_535.0},
        "hedge": {"orders": 64, "fills": 112, "rejects": 0, "cost": 316.5},
        "trades": [{"time": f"14:33:5{k}.000", "instrument": "DELT.F", "qty": -1.0, "price": 79.82, "fee": 0.0}
                   for k in range(8)],
    }  # type: ignore[typeddict-item]  # fmt: skip


def shown(now: Snapshot, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO(), force_terminal=True)
    console.print(render(now))
    return console.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50), (80, 12), (60, 20)])
def test_the_view_fits_its_console_and_keeps_what_matters(width: int, height: int) -> None:
    lines = shown(busy(), width, height)
    text = "\n".join(lines)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    for said in ("hedges: 64 orders, 112 fills", "expected shortfall 97.5%, 1D", "86,117", "29,536", "29,535"):
        assert said in text
    assert text.index("86,117") < text.index("ACME.F")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_every_table_is_there_and_hedges_are_among_the_positions(width: int, height: int) -> None:
    lines = shown(busy(), width, height)
    text = "\n".join(lines)
    for title in ("books", "Greeks, client and hedges; theta a year, vega a 1.00", "hedge trades", "positions"):
        assert title in text
    below = "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("positions")) :])
    assert "hedge" in below
    assert ("-90-C" in below) == (height == 50)  # the rest of the height is the positions'


def test_whole_lots_have_no_decimals() -> None:
    text = "\n".join(shown(busy(), 160, 50))
    assert "195.00" not in text
    assert "-90.00" not in text
    assert " 1.50 " in text


def test_the_rate_is_that_since_the_snapshot_before() -> None:
    told = view._of_late()
    rates = [told({"elapsed_s": s, "events": n})["events_per_s"] for s, n in ((2.0, 2), (3.0, 1_002), (3.01, 9_999))]
    assert rates == [1.0, 1_000.0, 1_000.0]
    assert headline(told({"elapsed_s": 4.0, "events": 1_502})) == "1,502 events, 500 a second"


def test_a_desk_shows_its_hedges_by_size() -> None:
    seen: list[Snapshot] = []
    desk = Desk(load("sim", seed=5, duration="2s", rate=2_000), hedger=Band())
    desk.run(progress=lambda now: seen.append(snapshot(now)))
    assert any(p["book"] == "hedge" for p in seen[-1]["positions"])
    text = "\n".join(shown(seen[-1], 80, 24))
    assert "target" in text.split("books")[0]
    assert ".F " in text[text.index("positions") :]
