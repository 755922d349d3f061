"""Exact expected shortfall of a sliding window; peers: pandas, NumPy, sortedcontainers, skfolio, empyrical."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.cli.bench import RUNS, Row, timed
from qflib.kernels.rolling_es import es_roll, es_state, es_update
from qflib.shortfall import RollingES, RollingESPanel, expected_shortfall

F = NDArray[np.float64]
_N, _LEVEL = 1_000_000, 0.975
_STREAMS, _UPDATES = 2_000, 500
_PEER_UPDATES = 300

ROWS = (
    ("random", 250), ("random", 1_000), ("random", 10_000), ("trend", 1_000), ("sawtooth", 1_000), ("constant", 1_000),
    ("clustered", 1_000), ("trend", 10_000), ("triangle", 10_000), ("two_values", 10_000),
)  # fmt: skip


def series(name: str, n: int = _N, seed: int = 0) -> F:
    """P&L of a kind, read-only: random, or made to wear a sorted tail out."""
    rng, i = np.random.default_rng(seed), np.arange(n)
    made: dict[str, Callable[[], Any]] = {
        "random": lambda: rng.standard_t(4, n) * 0.01,
        "trend": lambda: i * 1e-6 + rng.standard_normal(n) * 1e-4,
        "sawtooth": lambda: (i % 1_000) * 1e-4 + rng.standard_normal(n) * 1e-9,
        "triangle": lambda: np.abs((i % 20_000) - 10_000) * 1e-4 + rng.standard_normal(n) * 1e-9,
        "constant": lambda: np.zeros(n),
        "two_values": lambda: (rng.random(n) < 0.5).astype(np.float64),
        "clustered": lambda: rng.standard_normal(n) * 0.01 * np.repeat(np.exp(rng.standard_normal(n // 1_000)), 1_000),
    }
    x = np.asarray(made[name](), np.float64)
    x.flags.writeable = False
    return x


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an update; the longest single update; a call from Python; an update of each of 2,000 streams."""
    es, var = np.empty(_N), np.empty(_N)
    for name, window in ROWS:
        x = series(name)

        def roll(x: F = x, window: int = window) -> None:
            es_roll(es_state(window, _LEVEL), x, es, var)

        row = timed(f"{name}_{window}", roll, per=_N, unit="ns", of="update")
        yield row._replace(peers=_peers(x, window) if peers and name == "random" else {})
    worst = max(_worst(series(name, 40_000), 10_000) for name in ("trend", "triangle", "two_values", "random"))
    yield Row("worst_update_10000", worst, worst, "ns")
    rolling, values = RollingES(1_000, _LEVEL), series("random", 10_000).tolist()
    yield timed("python_call", lambda: [rolling.update(v) for v in values], per=len(values), unit="ns", of="call")
    panel = RollingESPanel(_STREAMS, 250, _LEVEL)
    steps = series("random", _STREAMS * _UPDATES).reshape(_UPDATES, _STREAMS)

    def stream() -> None:
        for step in steps:
            panel.update(step)

    yield timed("streams_2000", stream, per=steps.size, unit="ns", of="update")


def _worst(x: F, window: int) -> float:
    """The longest single update, the same one in each run and its least time: other work on the machine is not it."""
    least = np.full(len(x), np.inf)
    values = x.tolist()
    for _ in range(RUNS):
        state, took = es_state(window, _LEVEL), []
        for v in values:
            begun = time.perf_counter_ns()
            es_update(state, v)
            took.append(time.perf_counter_ns() - begun)
        least = np.minimum(least, took)
    return float(least.max())


def _peers(x: F, window: int) -> dict[str, float]:
    """Nanoseconds an update of other ways: each window by itself, but for sortedcontainers."""
    k = window * (1.0 - _LEVEL)
    part = x[: window + _PEER_UPDATES]

    def each(one: Callable[[F], Any]) -> float:
        def work() -> None:
            for i in range(_PEER_UPDATES):
                one(part[i : i + window])

        return timed("", work, per=_PEER_UPDATES, unit="ns").value

    def partition(w: F) -> float:
        return float(-np.partition(w, int(k))[: int(k)].mean())

    found = {
        "numpy partition": each(partition),
        "qflib a window": each(lambda w: expected_shortfall(w, level=_LEVEL, kind="pnl")),
        "pandas rolling.apply": timed(
            "", lambda: pd.Series(part).rolling(window).apply(partition, raw=True), per=_PEER_UPDATES, unit="ns"
        ).value,
    }
    others: dict[str, tuple[str, Callable[[Any], Callable[[F], Any]]]] = {
        "skfolio": ("skfolio.measures", lambda m: lambda w: m.cvar(w, beta=_LEVEL)),
        "empyrical": ("empyrical", lambda m: lambda w: m.conditional_value_at_risk(w, 1 - _LEVEL)),
        "quantstats": ("quantstats.stats", lambda m: lambda w: m.cvar(pd.Series(w), confidence=_LEVEL)),
    }
    for name, (module, make) in others.items():
        try:
            found[name] = each(make(importlib.import_module(module)))
        except ImportError:
            print(f"qflib: peer {name} is left out: pip install {name}", file=sys.stderr)
    try:
        from sortedcontainers import SortedList
    except ImportError:
        return found

    def kept() -> None:
        held = SortedList(part[:window].tolist())
        for i in range(window, window + _PEER_UPDATES):
            held.remove(part[i - window])
            held.add(part[i])
            -sum(held[: int(k)]) / k

    return found | {"sortedcontainers": timed("", kept, per=_PEER_UPDATES, unit="ns").value}
