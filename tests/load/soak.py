"""A desk at 100,000 events a second for an hour: memory, files, disk and latency have to stay where they are.

``python -m tests.load.soak`` (`make soak`) prints a table and writes runs/soak.json; its exit code is 1 where something
grows, was lost or died. What is compared is the second quarter of the run, when every topic is as long as it may be,
with the last. The history is there to grow: its bytes an event are told.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from qflib.cli.durations import seconds
from tests.load.looking import ROOT, Looked, Taken, audit_faults

EVERY_S = 10.0
#: How much more the last quarter may take than the second: a share, and what is noise beside it.
SHARE, NOISE_MB, NOISE_FILES, NOISE_MS = 1.10, 16.0, 16, 20.0
#: Kafka maps its segments, whose count depends on where each topic is in its own; of p99 a quarter's median is taken.
BROKER_SHARE, LATENCY_SHARE = 1.3, 1.5
_MOST_SHOWN = 400


class Series:
    """Samples of a run, and what a quarter of them says."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Taken]] = []
        self.disk: list[dict[str, float]] = []

    def quarter(self, process: str, n: int, field: str) -> float:
        """A quarter's median of a figure."""
        own = [getattr(s[process], field) for s in _quarter(self.taken, n) if process in s]
        return float(median(own)) if own else float("nan")

    def disk_in(self, n: int, folder: str) -> float:
        """A quarter's greatest, in MB."""
        return max((s.get(folder, 0.0) for s in _quarter(self.disk, n)), default=float("nan"))


def main() -> int:
    """Run it; 0 where all stayed where it was."""
    asked = _arguments()
    shutil.rmtree(asked.state, ignore_errors=True)
    span, series = seconds(asked.span), Series()
    desk = Looked(asked.state, {}, "--rate", str(asked.rate), "--for", asked.span)
    try:
        desk.started()
        _watch(desk, series, span)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        samples = asked.out.with_suffix(".samples.json")  # also where the desk's own figures never come
        samples.write_text(json.dumps({"taken": series.taken, "disk": series.disk}))
        figures = desk.ended()
    finally:
        desk.stop()
    rows, faults = _judged(series, figures)
    told = _table(rows, series, figures, faults, asked.span)
    print(told)
    asked.out.write_text(json.dumps({"rows": rows, "faults": faults, "table": told, "run": figures}, indent=1))
    shutil.rmtree(asked.state, ignore_errors=True)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.soak", description=__doc__)
    parser.add_argument("--for", dest="span", default="1h")
    parser.add_argument("--rate", type=float, default=100_000)
    parser.add_argument("--state", type=Path, default=ROOT / "runs" / "soak")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "soak.json")
    return parser.parse_args()


def _watch(desk: Looked, series: Series, span: float) -> None:
    began = time.monotonic()
    with tqdm(total=round(span), unit="s", desc="soak", mininterval=5) as bar:
        while desk.runs and (at := time.monotonic() - began) < span:
            series.taken.append(desk.taken())
            series.disk.append(desk.disk())
            bar.update(round(at) - bar.n)
            time.sleep(min(EVERY_S, max(0.0, span - at)))


def _judged(series: Series, figures: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row a process with its second and last quarters, and what is not as it should be."""
    rows, faults = [], []
    for process in sorted({name for s in series.taken for name in s}):
        row: dict[str, Any] = {"process": process}
        share = BROKER_SHARE if process == "broker" else SHARE
        for field, noise in (("memory_mb", NOISE_MB), ("files", NOISE_FILES), ("threads", NOISE_FILES)):
            before, after = (series.quarter(process, n, field) for n in (1, 3))
            row |= {f"{field}_second": before, f"{field}_last": after}
            if not after <= before * share + noise:
                faults.append(f"{process}: {field} rose from {before:,.0f} to {after:,.0f}")
        rows.append(row)
    before, after = (series.disk_in(n, "broker") for n in (1, 3))
    if not after <= before * BROKER_SHARE:
        faults.append(f"the broker's disk rose from {before:,.0f} MB to {after:,.0f} MB")
    second, last = (_latency(figures, n, "p99") for n in (1, 3))
    if not last <= second * LATENCY_SHARE + NOISE_MS:
        faults.append(f"p99 of latency rose from {second:.0f} ms to {last:.0f} ms")
    for stage, told in figures["stages"].items():
        faults += [f"{stage}: {told[k]:,} {k}" for k in ("restarts", "dead_letters") if told[k]]
    if not ((figures["audit"] or {}).get("ok") and figures["drained"]) or figures["sequence_gaps"]:
        faults.append(f"the audit falls short: {audit_faults(figures)}, drained {figures['drained']}")
    return rows, faults


def _latency(figures: dict[str, Any], n: int, q: str) -> float:
    return median(w["latency_ms"][q] for w in _quarter(figures["windows"], n))


def _quarter(samples: list[Any], n: int) -> list[Any]:
    return samples[n * len(samples) // 4 : (n + 1) * len(samples) // 4]


def _table(rows: list[dict[str, Any]], s: Series, figures: dict[str, Any], faults: list[str], span: str) -> str:
    lines = ["| process | memory MB, second quarter | last | files | last |", "|---|---|---|---|---|"]
    for r in rows:
        numbers = (r[k] for k in ("memory_mb_second", "memory_mb_last", "files_second", "files_last"))
        lines.append(f"| {r['process']} | " + " | ".join(f"{v:,.0f}" for v in numbers) + " |")
    disks = " → ".join(f"{s.disk_in(n, 'broker'):,.0f}" for n in range(4))
    history = s.disk_in(3, "history") * 2**20 / figures["events"]
    quarters = [tuple(_latency(figures, n, q) for q in ("p50", "p99")) for n in range(4)]
    latency = " → ".join(f"{p50:.0f} / {p99:.0f}" for p50, p99 in quarters)
    found = ", ".join(f"{n} {k}" for k, n in audit_faults(figures).items())
    lines += [
        "",
        f"{span}: {figures['events']:,} events, {figures['events_per_s']:,.0f} a second",
        f"latency p50 / p99 ms by quarter, medians of windows of 15 s: {latency}",
        f"the slowest report {figures['latency_ms']['max']:,.0f} ms",
        f"the broker's disk, MB by quarter: {disks}; history {history:.1f} bytes an event",
        f"audit: {found}; restarts {sum(t['restarts'] for t in figures['stages'].values())}",
        f"{'stays where it is' if not faults else 'falls short: ' + '; '.join(faults)}"[:_MOST_SHOWN],
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
