"""A desk at 100,000 events a second for an hour: memory, files, disk and latency have to stay where they are.

``python -m tests.load.soak`` (`make soak`) prints a table and writes runs/soak.json; each look, every 10 s, goes to
runs/soak.samples.jsonl at once, so that a run which does not come to its end has told what it saw. Its exit code is 1
where something grows, was lost or died, or the desk was slower than the market that was asked for. What is compared is
the second quarter of the run, when every topic is as long as it may be, with the last. The history is there to grow:
its bytes an event are told.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from qflib.cli.durations import seconds
from tests.load.looking import ROOT, Looked, Taken, audit_faults

EVERY_S = 10.0
#: How much more the last quarter may take than the second: a share, and what is noise beside it.
SHARE, NOISE_MB, NOISE_FILES, NOISE_MS = 1.10, 16.0, 16, 20.0
#: Kafka maps its segments, whose count depends on where each topic is in its own; of p99 a quarter's median is taken.
BROKER_SHARE, LATENCY_SHARE = 1.3, 1.5
#: Of the rate that was asked for.
LEAST_RATE = 0.98
_E2E = "qflib_e2e_latency_seconds_bucket"
_MOST_SHOWN = 400


class Series:
    """Looks at a run, each written down at once, and what a quarter of them says.

    Parameters
    ----------
    out
        Takes a line of JSON a look.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self.at: list[float] = []
        self.taken: list[dict[str, Taken]] = []
        self.disk: list[dict[str, float]] = []
        self.delays: list[dict[float, float]] = []  # reports by the bound of latency in s below which they are, so far

    def look(self, desk: Looked, at: float) -> None:
        """Look at all of it."""
        told = desk.scraped("up-0") or {}
        bounds = {k.split('le="')[1].split('"')[0]: v for k, v in told.items() if k.startswith(_E2E)}
        self.at.append(at)
        self.taken.append(desk.taken())
        self.disk.append(desk.disk())
        self.delays.append({float(k): v for k, v in bounds.items()})
        line = {
            "at": round(at, 1),
            "taken": {name: t._asdict() for name, t in self.taken[-1].items()},
            "disk_mb": self.disk[-1],
            "events": desk.events("exchange-0"),
            "latency": bounds,
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    def of(self, process: str, field: str) -> tuple[list[float], list[float]]:
        """Seconds and a figure, where the process was there."""
        own = [(at, getattr(s[process], field)) for at, s in zip(self.at, self.taken, strict=True) if process in s]
        return [at for at, _ in own], [value for _, value in own]

    def quarter(self, process: str, n: int, field: str) -> float:
        """A quarter's median of a figure."""
        own = [getattr(s[process], field) for s in _quarter(self.taken, n) if process in s]
        return float(median(own)) if own else float("nan")

    def disk_in(self, n: int, folder: str) -> float:
        """A quarter's greatest, in MB."""
        return max((s.get(folder, 0.0) for s in _quarter(self.disk, n)), default=float("nan"))

    def latency_in(self, n: int, q: float) -> float:
        """A quarter's quantile of latency in ms, as exactly as the buckets tell."""
        told = [d for d in _quarter(self.delays, n) if d]
        return _quantile(told[0], told[-1], q) * 1e3 if told else float("nan")


def main() -> int:
    """Run it; 0 where all stayed where it was."""
    asked = _arguments()
    shutil.rmtree(asked.state, ignore_errors=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    span, figures, why = seconds(asked.span), dict[str, Any](), ""
    with asked.out.with_suffix(".samples.jsonl").open("w", encoding="utf-8") as out:
        series = Series(out)
        desk = Looked(asked.state, {}, "--rate", str(asked.rate), "--for", asked.span)
        try:
            desk.started()
            _watch(desk, series, span)
            _tell(asked, series, {}, ["its end was not reached"])  # until it is
            figures = desk.ended()
        except SystemExit as e:
            why = str(e)
        finally:
            desk.stop()
    faults = _tell(asked, series, figures, [why] if why else [])
    print(json.loads(asked.out.read_text(encoding="utf-8"))["table"])
    shutil.rmtree(asked.state, ignore_errors=True)
    return 1 if faults else 0


def _tell(asked: argparse.Namespace, series: Series, figures: dict[str, Any], faults: list[str]) -> list[str]:
    """Write down what there is; what is not as it should be."""
    rows, found = _rows(series)
    faults = faults + found + (_judged(figures, asked.rate) if figures else [])
    told = _table(rows, series, figures, faults, asked)
    asked.out.write_text(json.dumps({"rows": rows, "faults": faults, "table": told, "run": figures}, indent=1))
    return faults


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
            series.look(desk, at)
            bar.update(round(at) - bar.n)
            time.sleep(min(EVERY_S, max(0.0, span - at)))


def _rows(series: Series) -> tuple[list[dict[str, Any]], list[str]]:
    """A row a process, and what of the machine grows."""
    rows, faults = [], []
    for process in sorted({name for s in series.taken for name in s}):
        at, memory = series.of(process, "memory_mb")
        row: dict[str, Any] = {
            "process": process,
            "start": memory[0],
            "quarters": [series.quarter(process, n, "memory_mb") for n in range(4)],
            "end": memory[-1],
            "slope_mb_per_h": _slope(at, memory),
        }
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
    return rows, faults


def _slope(at: list[float], values: list[float]) -> float:
    """Least squares, an hour, from the second quarter on."""
    late = [(t, v) for t, v in zip(at, values, strict=True) if t >= at[-1] / 4]
    if len(late) < 3:
        return float("nan")
    t, v = np.array(late).T
    t = t - t.mean()
    return float((t * (v - v.mean())).sum() / (t * t).sum() * 3_600)


def _judged(figures: dict[str, Any], rate: float) -> list[str]:
    """What the desk's own figures say that should not be."""
    faults = []
    if not figures["events_per_s"] >= LEAST_RATE * rate:
        faults.append(f"{figures['events_per_s']:,.0f} events a second, of {rate:,.0f} that were asked for")
    second, last = (_latency(figures, n, "p99") for n in (1, 3))
    if not last <= second * LATENCY_SHARE + NOISE_MS:
        faults.append(f"p99 of latency rose from {second:.0f} ms to {last:.0f} ms")
    for stage, told in figures["stages"].items():
        faults += [f"{stage}: {told[k]:,} {k}" for k in ("restarts", "dead_letters") if told[k]]
    if not ((figures["audit"] or {}).get("ok") and figures["drained"]) or figures["sequence_gaps"]:
        faults.append(f"the audit falls short: {audit_faults(figures)}, drained {figures['drained']}")
    return faults


def _latency(figures: dict[str, Any], n: int, q: str) -> float:
    own = [w["latency_ms"][q] for w in _quarter(figures["windows"], n) if w["latency_ms"][q] is not None]
    return float(median(own)) if own else float("nan")


def _quantile(before: Mapping[float, float], after: Mapping[float, float], q: float) -> float:
    """Of what came between two looks at a histogram, in s: as Prometheus does it, straight within a bucket."""
    bounds = sorted(after)
    counts = [after[b] - before.get(b, 0.0) for b in bounds]
    if not counts or not counts[-1]:
        return float("nan")
    wanted, low, below = q * counts[-1], 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / max(count - below, 1.0)
        low, below = bound, count
    return low


def _quarter(samples: list[Any], n: int) -> list[Any]:
    return samples[n * len(samples) // 4 : (n + 1) * len(samples) // 4]


def _table(
    rows: list[dict[str, Any]], s: Series, figures: dict[str, Any], faults: list[str], asked: argparse.Namespace
) -> str:
    lines = [
        "| process | memory MB, start | by quarter | end | MB an hour, late | files, second | last |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        quarters = " / ".join(f"{v:,.0f}" for v in r["quarters"])
        lines.append(
            f"| {r['process']} | {r['start']:,.0f} | {quarters} | {r['end']:,.0f} | {r['slope_mb_per_h']:+,.0f} | "
            f"{r['files_second']:,.0f} | {r['files_last']:,.0f} |"
        )
    disks = " → ".join(f"{s.disk_in(n, 'broker'):,.0f}" for n in range(4))
    seen = " → ".join(f"{s.latency_in(n, 0.5):.0f} / {s.latency_in(n, 0.99):.0f}" for n in range(4))
    lines += [
        "",
        f"the broker's disk, MB by quarter: {disks}",
        f"latency p50 / p99 ms by quarter, by the histogram that is scraped: {seen}",
    ]
    if figures:
        history = s.disk_in(3, "history") * 2**20 / max(figures["events"], 1)
        quarters = [tuple(_latency(figures, n, q) for q in ("p50", "p99")) for n in range(4)]
        latency = " → ".join(f"{p50:.0f} / {p99:.0f}" for p50, p99 in quarters)
        found = ", ".join(f"{n} {k}" for k, n in audit_faults(figures).items())
        lines += [
            f"by the desk's own windows of {figures['window_s']:g} s, their medians: {latency}",
            f"{asked.span}: {figures['events']:,} events, {figures['events_per_s']:,.0f} a second of {asked.rate:,.0f}",
            f"the slowest report {figures['latency_ms']['max'] or 0:,.0f} ms; history {history:.1f} bytes an event",
            f"audit: {found}; restarts {sum(t['restarts'] for t in figures['stages'].values())}",
        ]
    lines.append(f"{'stays where it is' if not faults else 'falls short: ' + '; '.join(faults)}"[:_MOST_SHOWN])
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
