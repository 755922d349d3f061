"""The whole chain of steps in one process, hedging on: market events a second, and each step's share."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import qflib as qf
from qflib.cli.bench import Row

_RUNS = 5
_DURATION = "20s"


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an event of the chain and of each step; there is no peer that does the same."""
    runs = []
    for seed in range(_RUNS + 1):
        feed = qf.datasets.load("sim", seed=seed, duration=_DURATION)
        runs.append(qf.Desk(feed, hedger=qf.hedgers.Band(risk_aversion=1.0)).run())
    runs = runs[1:]  # the first one loads the kernels
    whole = [r.seconds / r.events * 1e9 for r in runs]
    yield Row("chain", median(whole), min(whole), "ns/event")
    rates = [r.events / r.seconds for r in runs]
    yield Row("flat_out", median(rates), min(rates), "events/s")
    for name in runs[0].steps:
        cost = [r.steps[name]["seconds"] / r.events * 1e9 for r in runs]
        yield Row(f"step_{name}", median(cost), min(cost), "ns/event")
