"""Costs of the stages, fitted to runs of `qflib bench scaling --json`, and held against its other runs.

A process's CPU time is taken to be `start + resting * seconds + ns * events + ms * revaluations`, of which a stage has
three: it works by events, or by revaluations. Three runs find them, two at 100,000 events a second, of which one is
longer, and the default desk flat out. The rest, by more workers and at another pace, are what the costs are tried on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

#: The rows of the bench that the costs come from.
FILE = Path(__file__).parent / "scaling.json"
BY_EVENTS, BY_REVALUATIONS = ("ingest", "normalize", "exchange", "archive", "broker"), ("exposures", "portfolio")
BUILT = (*BY_EVENTS, *BY_REVALUATIONS)
#: Runs by their names in the bench: what they were, and workers of exchange and exposures.
FITTED = {"default": "flat out", "paced_short": "100,000 a second", "paced_long": "100,000 a second, longer"}
HELD = {
    "1_workers": "flat out, 4 partitions, 1 worker",
    "2_workers": "flat out, 4 partitions, 2 workers",
    "4_workers": "flat out, 4 partitions, 4 workers",
    "paced_fifth": "20,000 a second",
}
_SCALED = ("exchange", "exposures")


class Cost(NamedTuple):
    """What a stage's process takes."""

    start: float  # CPU seconds, once
    resting: float  # cores, whatever comes: commits, heartbeats, the clock
    ns: float  # of CPU an event
    ms: float  # of CPU a revaluation of an underlying, or an exposure taken in and its part of a report
    memory_mb: float  # at most, flat out


@dataclass(frozen=True)
class Run:
    """One run of the bench."""

    name: str
    events: float
    revaluations: float
    seconds: float
    cores: float
    all_cpu: float  # seconds, of the process that starts the others too
    cpu: Mapping[str, float]  # seconds by stage
    memory_mb: Mapping[str, float]

    @property
    def events_per_s(self) -> float:
        """Those that the cores are told of."""
        return self.cores * self.events / self.all_cpu

    def workers(self, stage: str) -> int:
        """Of a stage, in this run."""
        count, _, kind = self.name.partition("_")
        return int(count) if kind == "workers" and stage in _SCALED else 1


def runs(bench: Mapping[str, Any]) -> dict[str, Run]:
    """Those of the bench's document, by name; a missing row is a KeyError that names it."""
    told = {r["row"]: float(r["value"]) for r in bench["rows"]}

    def by_stage(figure: str, name: str) -> dict[str, float]:
        return {s: told[f"{figure}_{s}_{name}"] for s in BUILT}

    made = {}
    for name in (*FITTED, *HELD):
        figures = (told[f"{f}_{name}"] for f in ("events", "revaluations", "seconds", "cores"))
        all_cpu = sum(v for row, v in told.items() if row.startswith("cpu_") and row.endswith(f"_{name}"))
        made[name] = Run(name, *figures, all_cpu, by_stage("cpu", name), by_stage("memory", name))
    return made


def kept() -> dict[str, Run]:
    """The runs that are kept beside this file."""
    return runs(json.loads(FILE.read_text(encoding="utf-8")))


def costs(of: Mapping[str, Run]) -> dict[str, Cost]:
    """By stage: least squares of relative errors over the fitted runs, none of a cost's parts below 0."""
    made = {}
    for stage in BUILT:
        by_events = stage in BY_EVENTS
        seen = [of[name] for name in FITTED]
        drivers = [[1.0, r.seconds, r.events / 1e9 if by_events else r.revaluations / 1e3] for r in seen]
        spent = np.array([r.cpu[stage] for r in seen])
        (start, resting, each), _ = nnls(np.array(drivers) / spent[:, None], np.ones(len(spent)))
        made[stage] = Cost(
            float(start),
            float(resting),
            float(each) if by_events else 0.0,
            0.0 if by_events else float(each),
            of["default"].memory_mb[stage],
        )
    return made


def spent(by: Mapping[str, Cost], run: Run) -> dict[str, float]:
    """CPU seconds by stage that the costs give for a run."""
    return {
        s: run.workers(s) * (c.start + c.resting * run.seconds)
        + c.ns * run.events / 1e9
        + c.ms * run.revaluations / 1e3
        for s, c in by.items()
    }


def errors_table(of: Mapping[str, Run]) -> str:
    """Markdown: each run as seen and as the costs give it; those that the costs were fitted to last."""
    by = costs(of)
    head = ["run", "events/s", "cores that it had", "memory of exchange, MB", "CPU s", "by the model", "error",
            "worst stage"]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for name, told in (HELD | {k: f"{v} (fitted)" for k, v in FITTED.items()}).items():
        run, model = of[name], spent(by, of[name])
        seen = {s: run.cpu[s] for s in BUILT}
        off = {s: model[s] / seen[s] - 1 for s in BUILT}
        worst = max(off, key=lambda s: abs(off[s]) * seen[s])
        whole = sum(model.values()) / sum(seen.values()) - 1
        lines.append([told, f"{run.events_per_s:,.0f}", f"{run.cores:.2f}", f"{run.memory_mb['exchange']:,.0f}",
                      f"{sum(seen.values()):.1f}", f"{sum(model.values()):.1f}", f"{round(100 * whole) + 0:+d}%",
                      f"{worst} {round(100 * off[worst]):+d}%"])  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def costs_table(of: Mapping[str, Run]) -> str:
    """Markdown: the costs."""
    head = ["stage", "start, CPU s", "at rest, cores", "ns an event", "ms a revaluation", "memory, MB"]
    lines = [head, ["---"] * len(head)]
    for stage, c in costs(of).items():
        each = [f"{c.ns:,.0f}", ""] if stage in BY_EVENTS else ["", f"{c.ms:.2f}"]
        lines.append([stage, f"{c.start:.1f}", f"{c.resting:.3f}", *each, f"{c.memory_mb:,.0f}"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def trimmed(bench: Mapping[str, Any]) -> str:
    """What of the bench's document is kept: the machine, and a value a row."""
    rows = [{"row": r["row"], "value": r["value"], "unit": r["unit"]} for r in bench["rows"] if r["bench"] == "scaling"]
    runs(bench)  # all of them are there
    return json.dumps({"machine": bench["machine"], "rows": rows}, indent=1) + "\n"
