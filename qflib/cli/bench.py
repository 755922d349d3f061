"""`qflib bench`: what things cost on this machine, beside a fixed piece of work timed in the same run."""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer

from qflib.cli.output import emit, table
from qflib.errors import InputError

EXAMPLE = "Example: qflib bench codec import --json"

#: name -> module whose `rows(peers)` yields what was measured
BENCHES: dict[str, str] = {
    "american": "qflib.cli.benches.american",
    "anomalies": "qflib.cli.benches.anomalies",
    "backtests": "qflib.cli.benches.backtests",
    "codec": "qflib.cli.benches.codec",
    "desk": "qflib.cli.benches.desk",
    "faces": "qflib.cli.benches.faces",
    "hedge-latency": "qflib.cli.benches.hedge_latency",
    "hedging": "qflib.cli.benches.hedging",
    "implied-vol": "qflib.cli.benches.implied_vol",
    "import": "qflib.cli.benches.importing",
    "matching": "qflib.cli.benches.matching",
    "orderbook": "qflib.cli.benches.orderbook",
    "partitions": "qflib.cli.benches.partitions",
    "pipeline": "qflib.cli.benches.pipeline",
    "pricing": "qflib.cli.benches.pricing",
    "rolling-es": "qflib.cli.benches.rolling_es",
    "scenario-es": "qflib.cli.benches.scenario_es",
    "scaling": "qflib.cli.benches.scaling",
    "shortfall": "qflib.cli.benches.shortfall",
    "store": "qflib.cli.benches.store",
    "surface": "qflib.cli.benches.surface",
    "sweep": "qflib.cli.benches.sweep",
    "traces": "qflib.cli.benches.traces",
}
#: run only where named: up to twelve minutes, some gigabytes of disk, or what an extra of the package has
SLOW = frozenset({"hedging", "partitions", "scaling", "store", "sweep", "traces"})
#: those to which a flag says how much
SIZED = {"store": "rows", "partitions": "events"}
RUNS = 7  # at least five: the median of fewer jumps about

_NAMES = f"Any of {', '.join(BENCHES)}; none: all but {', '.join(sorted(SLOW))}."
_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
_REFERENCE_STEPS = 1_000_000


class Row(NamedTuple):
    """One figure: median and least of the runs, in its unit; peers by name in the same unit; what it holds for."""

    row: str
    value: float
    min: float
    unit: str
    peers: Mapping[str, float] = MappingProxyType({})
    note: str = ""


def command(
    names: Annotated[list[str] | None, typer.Argument(help=_NAMES)] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Also time other libraries, where installed.")] = False,
    size: Annotated[int | None, typer.Option("--rows", help="Rows of the bench store's history.")] = None,
    events: Annotated[int | None, typer.Option(help="Events of each setup of the bench partitions.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Time parts of the library: median and least of at least five runs."""
    chosen = names or [n for n in BENCHES if n not in SLOW]
    if unknown := [n for n in chosen if n not in BENCHES]:
        raise InputError(f"bench {unknown[0]!r} is unknown; expected one of {', '.join(BENCHES)}")
    sizes = {flag: value for flag, value in (("rows", size), ("events", events)) if value is not None}
    for flag, value in sizes.items():
        _check_size(flag, value, chosen)
    reference = reference_ns()
    rows: list[dict[str, Any]] = []
    for name in chosen:
        sized = {flag: value for flag, value in sizes.items() if SIZED.get(name) == flag}
        measured: Iterator[Row] = importlib.import_module(BENCHES[name]).rows(peers, **sized)
        rows += [{"bench": name, **r._asdict(), "over_reference": _over(r, reference)} for r in measured]
    facts = machine(reference)
    if json:
        emit({"machine": facts, "rows": rows})
        return
    head = ("bench", "row", "value", "min", "unit", "over_reference", "peers")
    shown = [[", ".join(f"{k} {v:.4g}" for k, v in r[h].items()) if h == "peers" else r[h] for h in head] for r in rows]
    table(f"{facts['cpu']}, load {facts['load']}", [h.replace("_", " ") for h in head], shown)


def _check_size(flag: str, value: int, chosen: list[str]) -> None:
    of = [n for n, takes in SIZED.items() if takes == flag]
    if other := [n for n in chosen if n not in of]:
        raise InputError(f"--{flag} {value} is of no use to bench {other[0]!r}; name only {', '.join(of)}")


def timed(row: str, work: Callable[[], object], *, times: int = 1, per: int = 1, unit: str = "us", of: str = "") -> Row:
    """A row: `work` called `times` a run, after one call to warm up, over `RUNS` runs.

    Parameters
    ----------
    per
        Pieces one call works on; the figure is for one.
    of
        What a piece is: the unit becomes ``us/call``.
    """
    work()
    figures = []
    for _ in range(RUNS):
        start = time.perf_counter_ns()
        for _ in range(times):
            work()
        figures.append((time.perf_counter_ns() - start) / times / per / _NS[unit])
    return Row(row, median(figures), min(figures), f"{unit}/{of}" if of else unit)


def reference_ns() -> float:
    """Nanoseconds a step of the fixed piece of work, now."""
    from qflib.kernels.reference_work import lehmer_steps

    return timed("reference", lambda: lehmer_steps(_REFERENCE_STEPS), per=_REFERENCE_STEPS, unit="ns").value


def machine(reference: float) -> dict[str, Any]:
    """What the figures were taken on."""
    import llvmlite.binding as llvm
    import numba
    import numpy as np

    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "vector": _vector_width(str(llvm.get_host_cpu_features().flatten())),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "reference_ns": reference,
        "runs": RUNS,
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    except OSError:
        return platform.processor() or platform.machine()


def _vector_width(features: str) -> int:
    """Bits of a vector register."""
    return 512 if "+avx512f" in features else 256 if "+avx2" in features else 128


def _over(r: Row, reference: float) -> float | None:
    """The figure as a multiple of a step of the fixed work; None where it is no time."""
    scale = _NS.get(r.unit.split("/", maxsplit=1)[0])
    return None if scale is None else r.value * scale / reference
