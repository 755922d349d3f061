"""Expected shortfall of 10,000 scenarios, and of an unbounded stream; peers: NumPy, Apache DataSketches."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qflib as qf
from qflib.cli.bench import Row, timed
from qflib.shortfall import TailSketch

_SCENARIOS = 10_000
_LEVEL = 0.975
_STREAM = 1_000_000
_STREAMS = 2_000
_DEEP = (0.975, 0.99, 0.999)


def rows(peers: bool) -> Iterator[Row]:
    """Microseconds a call; of sketches nanoseconds a value, and the worst relative error of ES at three levels."""
    pnl = np.random.default_rng(1).standard_t(4, _SCENARIOS)
    tail = round(_SCENARIOS * (1 - _LEVEL))
    row = timed(f"es_{_SCENARIOS}", lambda: qf.expected_shortfall(pnl, level=_LEVEL, kind="pnl"), times=20, of="call")
    if peers:
        beside = {
            "numpy sort": timed("", lambda: -np.sort(pnl)[:tail].mean(), times=20).value,
            "numpy partition": timed("", lambda: -np.partition(pnl, tail)[:tail].mean(), times=20).value,
        }
        row = row._replace(peers=beside)
    yield row
    yield from _sketches(peers)


def _sketches(peers: bool) -> Iterator[Row]:
    pnl = np.random.default_rng(0).standard_t(3, _STREAM)
    true = np.array([qf.expected_shortfall(pnl, level=c, kind="pnl").es for c in _DEEP])
    one, many = TailSketch(), TailSketch(_STREAMS)
    one.update(pnl)
    error = float(np.max(np.abs(one.es(_DEEP) / true - 1.0)))
    others = _datasketches(pnl, true) if peers else {}
    speed = timed(f"sketch_{_STREAM}", lambda: one.update(pnl), per=_STREAM, unit="ns", of="value")
    yield speed._replace(peers={name: ns for name, (ns, _) in others.items()})
    yield Row("sketch_error", error, error, "relative", {name: e for name, (_, e) in others.items()})
    grid = pnl.reshape(-1, _STREAMS)
    yield timed(f"sketch_streams_{_STREAMS}", lambda: many.update(grid), per=_STREAM, unit="ns", of="value")


def _datasketches(pnl: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    """Nanoseconds a value, and worst error, of sketches of the Apache library."""
    try:
        library: Any = importlib.import_module("datasketches")
    except ImportError:
        print("qflib: peer datasketches is left out: pip install datasketches", file=sys.stderr)
        return {}
    loss = -pnl

    def digest() -> Any:
        made = library.tdigest_double(200)
        made.update(loss)
        return made

    def quantiles() -> Any:
        made = library.req_floats_sketch(50, True)  # accurate at high ranks
        made.update(loss)
        return made

    def tail_mean(kept: Any, level: float) -> float:
        value, weight = np.array(sorted(kept, reverse=True), np.float64).T
        mass = _STREAM * (1.0 - level)
        return float(np.clip(mass - np.cumsum(weight) + weight, 0.0, weight) @ value / mass)

    def mean_quantile(made: Any, level: float) -> float:
        ranks = level + (1.0 - level) * (np.arange(2_000) + 0.5) / 2_000
        return float(np.mean([made.get_quantile(rank) for rank in ranks.tolist()]))

    ways: dict[str, tuple[Callable[[], Any], Callable[[Any, float], float]]] = {
        "datasketches t-digest": (digest, mean_quantile),
        "datasketches REQ": (quantiles, tail_mean),
    }
    return {
        name: (
            timed("", make, per=_STREAM, unit="ns").value,
            max(abs(es(make(), c) / e - 1.0) for c, e in zip(_DEEP, true.tolist(), strict=True)),
        )
        for name, (make, es) in ways.items()
    }
