"""A burst of ten times the market for 30 s: what the workers' memory does, when it is worked off, and how orders fare.

``python -m tests.load.burst`` (`make burst`) runs it twice and prints a table: once held back, as the simulator and
recordings are, and once with nothing that holds the market back, as a live venue's is not: what is not yet worked off
lies in Kafka. Its exit code is 1 where a worker took a gigabyte, anything was lost, doubled or torn, an order that was
taken is in no report, or fewer than ten orders came through before, in or after the burst. An order that the API did
not take, or of which it could not say so, is sent again under the same id, as a client has to: how many is told.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

import qflib as qf
from qflib import settings
from qflib.broker.clients import Connection
from qflib.broker.reading import read, starts
from qflib.cli.deploying import PORTFOLIO
from qflib.errors import QflibError
from qflib.records.topics import MARKET_RAW
from qflib.stream.drained import Drain
from qflib.stream.stages import STAGES
from tests.load.looking import ROOT, Looked, audit_faults
from tests.load.orders import OrdersSent, Way

BASE, FACTOR, BURST_S, BEFORE_S, AFTER_S = 50_000.0, 10.0, 30.0, 30.0, 120.0
#: Before the end no order is sent any more: so long, or half of what follows the burst.
LAST_S = 30.0
LIMIT_MB = 1_000.0
#: Orders in a report, of each of the three stretches: of fewer no quantile says anything.
LEAST_ORDERS = 10
#: How much faster ingest must have sent in the burst than before.
LEAST_FACTOR = 1.5
_REPORTS_S = 120.0
EVERY_S = 0.5
_WIDE = "100000000"  # records that a stage may be behind


class Sample(NamedTuple):
    """Seconds of the wall, records that ingest has sent, events the exchange took in, records behind, MB by process.

    None stands where nobody answered.
    """

    at: float
    sent: float | None
    taken: float | None
    behind: int | None
    memory: dict[str, float]


class Times(NamedTuple):
    """Seconds before the burst, in it, and after it."""

    before: float
    burst: float
    after: float


class Watched(NamedTuple):
    """Samples of a run, its orders, and the moment of the wall at which ingest's first record was in Kafka."""

    samples: list[Sample]
    orders: OrdersSent
    first: float


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
    for name, default in zip(Times._fields, (BEFORE_S, BURST_S, AFTER_S), strict=True):
        parser.add_argument(f"--{name}", type=float, default=default, metavar="SECONDS")
    parser.add_argument("--state", type=Path, default=ROOT / "runs" / "burst")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "burst.json")
    return parser.parse_args()


def _run(asked: argparse.Namespace, name: str, told: dict[str, str]) -> dict[str, Any]:
    shutil.rmtree(asked.state, ignore_errors=True)
    times = Times(asked.before, asked.burst, asked.after)
    burst = f"{asked.factor:g}x{times.burst:g}s@{times.before:g}s"
    span = f"{sum(times):g}s"
    desk = Looked(asked.state, told, "--rate", str(asked.base), "--burst", burst, "--for", span, "--faces")
    try:
        desk.started()
        watched = _watch(desk, times, name)
        figures = desk.ended()
    finally:
        desk.stop()
    shutil.rmtree(asked.state, ignore_errors=True)
    return _figures(watched, times, figures)


def _watch(desk: Looked, times: Times, name: str) -> Watched:
    kept, running, span = desk.folder.kept(), desk.folder.running(), sum(times)
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
        _await_reports(desk, live)
        first = _first_record(c, kept.partitions)
        orders.start()
        while desk.runs and (at := time.monotonic() - began) < span:
            if at > span - min(LAST_S, times.after / 2):
                orders.cease()
            lag = drain.lag()
            behind = None if lag is None else sum(lag.values())
            memory = {k: t.memory_mb for k, t in desk.taken().items()}
            samples.append(Sample(time.time(), desk.events("ingest-0"), desk.events("exchange-0"), behind, memory))
            bar.update(round(at) - bar.n)
            time.sleep(EVERY_S)
        orders.stop()
    return Watched(samples, orders, first)


def _await_reports(desk: Looked, live: qf.Live) -> None:
    end = time.monotonic() + _REPORTS_S
    while not _reports(live):
        if not desk.runs or time.monotonic() > end:
            raise SystemExit(f"no report on {PORTFOLIO} came within {_REPORTS_S:g} s, or the desk ended")
        time.sleep(0.1)


def _first_record(c: Connection, partitions: int) -> float:
    """When the market's first record was in Kafka: the burst is told by its distance from it."""
    lows = starts(c, [(MARKET_RAW, p) for p in range(partitions)])
    found = [m.timestamp()[1] for (t, p), low in lows.items() for m in read(c, t, p, low, low + 1)]
    return float(min(found)) / 1e3


def _reports(live: qf.Live) -> bool:
    """Whether there is a report on the portfolio."""
    try:
        return len(live.positions(PORTFOLIO)) > 0
    except QflibError:
        return False


def _figures(watched: Watched, times: Times, figures: dict[str, Any]) -> dict[str, Any]:
    samples, orders, _ = watched
    begun = watched.first + times.before
    ended = begun + times.burst
    counted = [s for s in samples if s.sent is not None and s.taken is not None]
    told = [(s.at, s.behind) for s in samples if s.behind is not None]
    before, inside = [s for s in counted if s.at < begun], [s for s in counted if begun <= s.at <= ended]
    if len(before) < 2 or len(inside) < 2 or not any(at > ended for at, _ in told):
        raise SystemExit("too few samples before, in or after the burst: give it longer stretches")
    usual, sent = _rate(before, "sent"), _rate(inside, "sent")
    if sent < LEAST_FACTOR * usual:
        raise SystemExit(f"there was no burst: ingest sent {sent:,.0f} records a second in it, {usual:,.0f} before")
    a_record = figures["events"] / max(s.sent or 0.0 for s in counted)
    waits = max((n for at, n in told if at < begun), default=0)
    after = [at for at, n in told if at > ended and n > waits]
    most = {name: max(s.memory.get(name, 0.0) for s in samples) for name in {n for s in samples for n in s.memory}}
    ways = orders.ways()
    spreads = {
        "before": _spread(w for w in ways if w.sent < begun),
        "burst": _spread(w for w in ways if begun <= w.sent <= ended),
        "after": _spread(w for w in ways if w.sent > ended),
    }
    made = {
        "seconds": times.burst,
        "usual_per_s": usual * a_record,
        "sent_per_s": sent * a_record,
        "taken_per_s": _rate(inside, "taken"),
        "behind": max(n for _, n in told),
        "drained_s": (after[-1] - ended) if after else 0.0,
        "unanswered": len(samples) - len(told),
        "memory_mb": most,
        "orders": {"sent": orders.sent, "reported": len(ways), "again": orders.again},
        "order_to_risk_ms": spreads,
        "audit": audit_faults(figures),
        "events": figures["events"],
    }
    faults = [f"{n} took {mb:,.0f} MB" for n, mb in most.items() if mb > LIMIT_MB]
    if not ((figures["audit"] or {}).get("ok") and figures["drained"]) or figures["sequence_gaps"]:
        faults.append(f"the audit falls short: {made['audit']}, drained {figures['drained']}")
    if len(ways) != orders.sent:
        faults.append(f"{orders.sent - len(ways)} orders are in no report")
    if orders.fault is not None:
        faults.append(f"orders were not read any more: {orders.fault}")
    faults += [f"{v['n']} orders {name}" for name, v in spreads.items() if v["n"] < LEAST_ORDERS]
    return made | {"faults": faults}


def _rate(samples: list[Sample], field: str) -> float:
    a, b = samples[0], samples[-1]
    return float((getattr(b, field) - getattr(a, field)) / max(b.at - a.at, 1e-3))


def _spread(ways: Iterable[Way]) -> dict[str, float]:
    """Milliseconds: median, p99 and greatest from the order's being in Kafka to a report that holds its fill."""
    took = [(w.reported - w.sent) * 1e3 for w in ways]
    if not took:
        return {"n": 0}
    p50, p99 = np.quantile(took, (0.5, 0.99)).tolist()
    return {"n": len(took), "p50": p50, "p99": p99, "max": max(took)}


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
        "looks at what waits that nobody answered": lambda r: str(r["unanswered"]),
        "order to risk before, p50 / p99 / greatest ms (orders)": lambda r: _three(r["order_to_risk_ms"]["before"]),
        "in the burst": lambda r: _three(r["order_to_risk_ms"]["burst"]),
        "after it": lambda r: _three(r["order_to_risk_ms"]["after"]),
        "orders sent, in a report, sent again": lambda r: (
            f"{r['orders']['sent']}, {r['orders']['reported']}, {len(r['orders']['again'])}"),
        "lost, doubled, reordered, torn": lambda r: ", ".join(map(str, r["audit"].values())),
        "falls short": lambda r: "; ".join(r["faults"])[:200] or "nothing",
    }  # fmt: skip
    lines = ["| | " + " | ".join(runs) + " |", "|---|" + "---|" * len(runs)]
    return "\n".join(
        lines + [f"| {name} | " + " | ".join(of(r) for r in runs.values()) + " |" for name, of in rows.items()]
    )


def _three(spread: dict[str, float]) -> str:
    if "p50" not in spread:
        return "no orders"
    return f"{spread['p50']:,.0f} / {spread['p99']:,.0f} / {spread['max']:,.0f} ({spread['n']})"


if __name__ == "__main__":
    sys.exit(main())
