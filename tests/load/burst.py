"""A burst of ten times the market for 30 s: what the workers' memory does, when it is worked off, and how orders fare.

``python -m tests.load.burst`` (`make burst`) runs it twice and prints a table: once held back, as the simulator and
recordings are, and once with nothing that holds the market back, as a live venue's is not: what is not yet worked off
lies in Kafka. Its exit code is 1 where a worker took a gigabyte, or anything was lost, doubled, torn or refused.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import httpx
from tqdm import tqdm

import qflib as qf
from qflib import settings
from qflib.broker.clients import Connection
from qflib.cli.deploying import PORTFOLIO
from qflib.errors import QflibError
from qflib.stream.drained import Drain
from qflib.stream.stages import STAGES
from tests.load.looking import ROOT, Looked, audit_faults
from tests.load.orders import OrdersSent

BASE, FACTOR, BURST_S, BEFORE_S, AFTER_S = 50_000.0, 10.0, 30.0, 30.0, 120.0
#: Before the end no order is sent any more.
LAST_S = 30.0
LIMIT_MB = 1_000.0
EVERY_S = 0.5
_WIDE = "100000000"  # records that a stage may be behind


class Sample(NamedTuple):
    """Seconds of the wall, records that ingest has sent, events the exchange took in, records behind, MB by process."""

    at: float
    sent: float
    taken: float
    behind: int
    memory: dict[str, float]


def main() -> int:
    """Run both; 0 where nothing was lost and no worker took too much."""
    asked = _arguments()
    ways = {"held back": {}, "not held back": {"STREAM__MAX_LAG_BATCHES": _WIDE}}
    runs = {name: _run(asked, name, told) for name, told in ways.items()}
    told = _table(runs)
    print(told)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"runs": runs, "table": told}, indent=1))
    return 1 if any(r["faults"] for r in runs.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.burst", description=__doc__)
    parser.add_argument("--base", type=float, default=BASE, help="events a second before and after")
    parser.add_argument("--factor", type=float, default=FACTOR)
    parser.add_argument("--state", type=Path, default=ROOT / "runs" / "burst")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "burst.json")
    return parser.parse_args()


def _run(asked: argparse.Namespace, name: str, told: dict[str, str]) -> dict[str, Any]:
    shutil.rmtree(asked.state, ignore_errors=True)
    span = BEFORE_S + BURST_S + AFTER_S
    burst = f"{asked.factor:g}x{BURST_S:g}s@{BEFORE_S:g}s"
    desk = Looked(asked.state, told, "--rate", str(asked.base), "--burst", burst, "--for", f"{span:g}s", "--faces")
    try:
        desk.started()
        samples, orders = _watch(desk, span, name)
        figures = desk.ended()
    finally:
        desk.stop()
    shutil.rmtree(asked.state, ignore_errors=True)
    return _figures(samples, orders, figures)


def _watch(desk: Looked, span: float, name: str) -> tuple[list[Sample], OrdersSent]:
    kept, running = desk.folder.kept(), desk.folder.running()
    assert kept is not None
    assert running is not None
    c = Connection(running["bootstrap"])
    drain = Drain(c, {STAGES[s].group: STAGES[s].inputs for s in kept.stages}, kept.partitions)
    os.environ |= {k: v for k, v in desk.environment.items() if k.startswith("QFLIB_")}
    settings.load()
    symbol = next(r.symbol for r in kept.instruments if r.kind == "future")
    samples, began = list[Sample](), time.monotonic()
    with qf.connect() as live, tqdm(total=round(span), unit="s", desc=name, mininterval=5) as bar:
        orders = OrdersSent(live, c, kept.partitions, [r.symbol for r in kept.instruments], symbol)
        while not _reports(live):
            time.sleep(0.1)
        orders.start()
        while desk.runs and (at := time.monotonic() - began) < span:
            if at > span - LAST_S:
                orders.cease()
            behind = sum((drain.lag() or {}).values())
            memory = {k: t.memory_mb for k, t in desk.taken().items()}
            samples.append(Sample(time.time(), _events(desk, "ingest-0"), _events(desk, "exchange-0"), behind, memory))
            bar.update(round(at) - bar.n)
            time.sleep(EVERY_S)
        orders.stop()
    return samples, orders


def _reports(live: qf.Live) -> bool:
    """Whether there is a report on the portfolio."""
    try:
        return len(live.positions(PORTFOLIO)) > 0
    except QflibError:
        return False


def _events(desk: Looked, process: str) -> float:
    """What a process has counted; 0 where it gives no answer."""
    try:
        told = httpx.get(f"http://127.0.0.1:{desk.port(process)}/metrics", timeout=2.0).text
    except httpx.TransportError:
        return 0.0
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith("qflib_events_total{"))


def _figures(samples: list[Sample], orders: OrdersSent, figures: dict[str, Any]) -> dict[str, Any]:
    rates = [_rate(a, b, "sent") for a, b in pairwise(samples)]
    usual = median(rates)  # the burst is a fifth of the run
    fast = [b for b, rate in zip(samples[1:], rates, strict=True) if rate > 1.5 * usual]
    if not fast:
        raise SystemExit("there was no burst: ingest never sent faster than before")
    a_record = figures["events"] / max(s.sent for s in samples)
    begun, ended = fast[0].at, fast[-1].at
    waits = max(s.behind for s in samples if s.at < begun)
    after = [s.at for s in samples if s.at > ended and s.behind > waits]
    inside = [s for s in samples if begun <= s.at <= ended]
    most = {name: max(s.memory.get(name, 0.0) for s in samples) for name in samples[-1].memory}
    ways = orders.ways()
    made = {
        "seconds": ended - begun,
        "usual_per_s": usual * a_record,
        "sent_per_s": _rate(inside[0], inside[-1], "sent") * a_record,
        "taken_per_s": _rate(inside[0], inside[-1], "taken"),
        "behind": max(s.behind for s in samples),
        "drained_s": (after[-1] - ended) if after else 0.0,
        "memory_mb": most,
        "orders": {"sent": orders.sent, "reported": len(ways), "again": orders.again},
        "order_to_risk_ms": {
            "before": _spread(w for w in ways if w.sent < begun),
            "burst": _spread(w for w in ways if begun <= w.sent <= ended),
            "after": _spread(w for w in ways if w.sent > ended),
        },
        "audit": audit_faults(figures),
        "events": figures["events"],
    }
    grown = [f"{n} took {mb:,.0f} MB" for n, mb in most.items() if mb > LIMIT_MB]
    ok = (figures["audit"] or {}).get("ok") and figures["drained"] and not figures["sequence_gaps"]
    lost = [] if ok else [f"the audit falls short: {made['audit']}, drained {figures['drained']}"]
    short = [] if len(ways) == orders.sent else [f"{orders.sent - len(ways)} orders are in no report"]
    return made | {"faults": grown + lost + short}


def _rate(a: Sample, b: Sample, field: str) -> float:
    return float((getattr(b, field) - getattr(a, field)) / max(b.at - a.at, 1e-3))


def _spread(ways: Any) -> dict[str, float]:
    """Milliseconds: median, p99 and greatest from the order's being in Kafka to a report that holds its fill."""
    took = [(w.reported - w.sent) * 1e3 for w in ways]
    if len(took) < 2:
        return {"n": len(took)}
    return {"n": len(took), "p50": median(took), "p99": quantiles(took, n=100)[-1], "max": max(took)}


def _table(runs: dict[str, dict[str, Any]]) -> str:
    rows = {
        "events a second before and after": lambda r: f"{r['usual_per_s']:,.0f}",
        "events a second that ingest sent in the burst": lambda r: f"{r['sent_per_s']:,.0f}",
        "events a second that the exchange took in": lambda r: f"{r['taken_per_s']:,.0f}",
        "records behind, greatest": lambda r: f"{r['behind']:,}",
        "worked off after the burst, s": lambda r: f"{r['drained_s']:.1f}",
        "greatest memory of a worker, MB": lambda r: "{1} {0:,.0f}".format(*max(
            (mb, n) for n, mb in r["memory_mb"].items() if n != "broker")),
        "the broker's, MB": lambda r: f"{r['memory_mb'].get('broker', 0):,.0f}",
        "order to risk before, p50 / p99 ms": lambda r: _pair(r["order_to_risk_ms"]["before"]),
        "in the burst": lambda r: _pair(r["order_to_risk_ms"]["burst"]),
        "after it": lambda r: _pair(r["order_to_risk_ms"]["after"]),
        "orders sent, in a report, sent again": lambda r: (
            f"{r['orders']['sent']}, {r['orders']['reported']}, {len(r['orders']['again'])}"),
        "lost, doubled, reordered, torn": lambda r: ", ".join(map(str, r["audit"].values())),
        "falls short": lambda r: "; ".join(r["faults"])[:200] or "nothing",
    }  # fmt: skip
    lines = ["| | " + " | ".join(runs) + " |", "|---|" + "---|" * len(runs)]
    return "\n".join(
        lines + [f"| {name} | " + " | ".join(of(r) for r in runs.values()) + " |" for name, of in rows.items()]
    )


def _pair(spread: dict[str, float]) -> str:
    return (
        f"{spread['p50']:,.0f} / {spread['p99']:,.0f} ({spread['n']})" if "p50" in spread else f"{spread['n']} orders"
    )


if __name__ == "__main__":
    sys.exit(main())
