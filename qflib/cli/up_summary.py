"""What `qflib up` tells a person at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qflib.cli.output import cell, table


def summary(figures: Mapping[str, Any]) -> str:
    """Print a table of the stages; give the lines that stand below it.

    Examples
    --------
    >>> print(summary({"events": 1_000, "seconds": 2.0, "events_per_s": 500.0, "delivery": "exactly-once"}))
    1,000 events in 2.0 s (500 a second), exactly-once
    """
    stages: Mapping[str, Mapping[str, Any]] = figures.get("stages", {})
    if stages:
        names = ("events", "events_per_s", "lag", "dead_letters", "restarts", "memory_mb")
        rows = [(stage, *(told.get(n) for n in names)) for stage, told in stages.items()]
        table("stages", ("stage", *(n.replace("_", " ") for n in names)), rows)
    rate = f"{figures['events_per_s']:,.0f}"
    lines = [f"{figures['events']:,} events in {figures['seconds']:.1f} s ({rate} a second), {figures['delivery']}"]
    for name in ("latency_ms", "staleness_ms"):
        if told := figures.get(name):
            told = {k: told.get(k) for k in ("p50", "p99", "max")}
            lines.append(f"{name.removesuffix('_ms')} ms: " + ", ".join(f"{k} {cell(v)}" for k, v in told.items()))
    es, hedge = figures.get("es") or {}, figures.get("hedge") or {}
    if es.get("level") is not None:
        lines.append(
            f"hedges: {hedge['orders']:,} orders, {hedge['fills']:,} fills, {hedge['rejects']:,} rejects, "
            f"cost {cell(float(hedge['cost']))}"
        )
        lines.append(
            f"expected shortfall {es['level']:.1%}, {es['horizon']}, medians: unhedged {cell(es['unhedged_median'])}, "
            f"current {cell(es['current_median'])}, target {cell(es['target_median'])}"
        )
    if audit := figures.get("audit"):
        faults = {
            topic: {k: v for k, v in told.items() if k in ("lost", "duplicated", "reordered", "torn") and v}
            for topic, told in audit.get("topics", {}).items()
        }
        found = "; ".join(f"{topic} {told}" for topic, told in faults.items() if told)
        clean = "nothing lost, doubled, out of order or torn"
        lines.append("audit: " + (clean if audit["ok"] else found or audit.get("failed") or "falls short"))
    if figures.get("digest"):
        lines.append(f"digest of the books {figures['digest']}")
    return "\n".join(lines)
