"""qflib: order books, derivative hedging and expected shortfall, from a notebook idea to production.

``import qflib as qf`` is light: names load their part of the library at first use.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the names are, for type checkers and editors
    from qflib.api.client import ApiError, AsyncLive, Gap, GapError, Live, connect, connect_async
    from qflib.desk import Desk, DeskConfig, Run, datasets
    from qflib.desk.feed import Feed
    from qflib.desk.read import read
    from qflib.desk.sweep import Sweep, sweep
    from qflib.desk.trial import step
    from qflib.hedging import HedgePlan, Portfolio, hedge, hedgers
    from qflib.orderbook import MatchingEngine, OrderBook
    from qflib.pricing import (
        Market,
        american,
        american_greeks,
        american_implied_vol,
        bachelier,
        black76,
        black_scholes,
        exercise_boundary,
        fit_surface,
        greeks,
        implied_vol,
    )
    from qflib.records import Instrument, Instruments
    from qflib.shortfall import (
        ESResult,
        ScenarioSet,
        backtest,
        component_es,
        expected_shortfall,
        scenarios,
    )

__version__ = "0.1.0"

#: public name -> (module, attribute; empty: the module itself)
_NAMES: dict[str, tuple[str, str]] = {
    "ApiError": ("qflib.api.client", "ApiError"),
    "AsyncLive": ("qflib.api.client", "AsyncLive"),
    "Desk": ("qflib.desk", "Desk"),
    "DeskConfig": ("qflib.desk", "DeskConfig"),
    "ESResult": ("qflib.shortfall", "ESResult"),
    "Feed": ("qflib.desk.feed", "Feed"),
    "Gap": ("qflib.api.client", "Gap"),
    "GapError": ("qflib.api.client", "GapError"),
    "HedgePlan": ("qflib.hedging", "HedgePlan"),
    "Instrument": ("qflib.records", "Instrument"),
    "Instruments": ("qflib.records", "Instruments"),
    "Live": ("qflib.api.client", "Live"),
    "Market": ("qflib.pricing", "Market"),
    "MatchingEngine": ("qflib.orderbook", "MatchingEngine"),
    "OrderBook": ("qflib.orderbook", "OrderBook"),
    "Portfolio": ("qflib.hedging", "Portfolio"),
    "Run": ("qflib.desk", "Run"),
    "ScenarioSet": ("qflib.shortfall", "ScenarioSet"),
    "backtest": ("qflib.shortfall", "backtest"),
    "american": ("qflib.pricing", "american"),
    "american_greeks": ("qflib.pricing", "american_greeks"),
    "american_implied_vol": ("qflib.pricing", "american_implied_vol"),
    "bachelier": ("qflib.pricing", "bachelier"),
    "black76": ("qflib.pricing", "black76"),
    "black_scholes": ("qflib.pricing", "black_scholes"),
    "component_es": ("qflib.shortfall", "component_es"),
    "connect": ("qflib.api.client", "connect"),
    "connect_async": ("qflib.api.client", "connect_async"),
    "datasets": ("qflib.desk.datasets", ""),
    "exercise_boundary": ("qflib.pricing", "exercise_boundary"),
    "expected_shortfall": ("qflib.shortfall", "expected_shortfall"),
    "fit_surface": ("qflib.pricing", "fit_surface"),
    "greeks": ("qflib.pricing", "greeks"),
    "hedge": ("qflib.hedging", "hedge"),
    "hedgers": ("qflib.hedging.hedgers", ""),
    "implied_vol": ("qflib.pricing", "implied_vol"),
    "read": ("qflib.desk.read", "read"),
    "scenarios": ("qflib.shortfall.scenarios", ""),
    "step": ("qflib.desk.trial", "step"),
    "Sweep": ("qflib.desk.sweep", "Sweep"),
    "sweep": ("qflib.desk.sweep", "sweep"),
}

__all__ = [
    "ApiError",
    "AsyncLive",
    "Desk",
    "DeskConfig",
    "ESResult",
    "Feed",
    "Gap",
    "GapError",
    "HedgePlan",
    "Instrument",
    "Instruments",
    "Live",
    "Market",
    "MatchingEngine",
    "OrderBook",
    "Portfolio",
    "Run",
    "ScenarioSet",
    "Sweep",
    "__version__",
    "american",
    "american_greeks",
    "american_implied_vol",
    "bachelier",
    "backtest",
    "black76",
    "black_scholes",
    "component_es",
    "connect",
    "connect_async",
    "datasets",
    "exercise_boundary",
    "expected_shortfall",
    "fit_surface",
    "greeks",
    "hedge",
    "hedgers",
    "implied_vol",
    "read",
    "scenarios",
    "step",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"qflib has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    _register_accessor()
    module, attribute = _NAMES[name]
    loaded = importlib.import_module(module)
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


_COMPILING = ("named.py", "running.py")  # promoted steps


def _place_kernel_cache() -> None:
    """Keep compiled kernels under a hash of all their sources, and of what compiles promoted steps.

    Numba's own cache looks at one file, so a kernel that calls a changed kernel of another file would go on running
    the old code. A folder that a parent process was given here is not taken over: the sources may have changed since.
    """
    base = os.environ.get("QFLIB_KERNEL_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "qflib"
    )
    told = os.environ.get("NUMBA_CACHE_DIR")
    if told is not None and Path(told).parent != Path(base, "kernels"):
        return  # somebody's own
    source, here = hashlib.sha256(), Path(__file__).parent
    for f in (*sorted(here.glob("kernels/*.py")), *(here / "steps" / "promoted" / f for f in _COMPILING)):
        source.update(f.name.encode() + f.read_bytes())
    place = str(Path(base, "kernels", source.hexdigest()[:16]))
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = place
    else:
        os.environ["NUMBA_CACHE_DIR"] = place


_place_kernel_cache()


def _register_accessor() -> None:
    """Give DataFrames their `.qf`."""
    importlib.import_module("qflib.accessor")


if "pandas" in sys.modules:
    _register_accessor()
