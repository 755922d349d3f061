"""Research on two processes beside one: backtests by their grid, simulated critical values, full revaluation of days.

Each is timed once in this process and once on a Dask cluster of this machine, its start within; the results have to
have the same bits. The processes import and compile what they need, as a person's first sweep of a session does.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from qflib.cli.bench import Row
from qflib.errors import DataError

_WORKERS = 2
_DAYS, _SCENARIOS = 30, 100_000
_SIMULATIONS = 3_000_000


def rows(peers: bool) -> Iterator[Row]:
    """Seconds, once each."""
    grids: dict[str, tuple[Callable[..., Any], Mapping[str, Sequence[Any]]]] = {
        "backtests": (backtested, {"risk_aversion": [1e-3, 1e-4, 1e-5, 1e-6], "seed": [7, 8, 9]}),
        "critical_values": (
            critical_values,
            {"df": [3.0, 4.0, 5.0, 6.0, 8.0, 10.0], "seed": [7, 8], "sims": [_SIMULATIONS]},
        ),
        "days_revalued": (revalued, {"back": range(_DAYS), "scenarios": [_SCENARIOS]}),
    }
    for name, (function, each) in grids.items():
        alone, alone_s = _timed(function, 1, each)
        spread, spread_s = _timed(function, _WORKERS, each)
        if alone.results != spread.results:
            raise DataError(f"{name} has other results on {spread.where} than in one process")
        note = f"{len(alone.cases)} cases"
        yield Row(f"{name}_one_process", alone_s, alone_s, "s", note=note)
        yield Row(f"{name}_{_WORKERS}_processes", spread_s, spread_s, "s", note=note)


def _timed(function: Callable[..., Any], workers: int, each: Mapping[str, Any]) -> tuple[Any, float]:
    import qflib as qf

    began = time.perf_counter()
    made = qf.sweep(function, workers=workers, **each)
    return made, time.perf_counter() - began


def backtested(risk_aversion: float, seed: int, duration: str = "20s") -> tuple[str, float]:
    """A desk hedged on a simulated market: its digest, and the shortfall at the end."""
    import qflib as qf

    feed = qf.datasets.load("sim", seed=seed, duration=duration)
    run = qf.Desk(feed, hedger=qf.hedgers.Band(risk_aversion=risk_aversion)).run()
    return run.digest, float(run.risk["es_current"].iloc[-1])


def critical_values(df: float, seed: int, sims: int) -> tuple[float, ...]:
    """5 % and 1 % critical values of the tests of ES where outcomes have Student's law."""
    from qflib.shortfall.critical import z_critical

    made = z_critical(250, dist="student_t", df=df, sims=sims, seed=seed)
    return made.z1_5pct, made.z2_5pct, made.z2_1pct, made.min_biased_rel_5pct


def revalued(back: int, scenarios: int) -> tuple[float, str]:
    """The book on a day so many before the last: its ES by scenarios drawn from the history until then, and all P&L."""
    import qflib as qf

    history, market, portfolio = _book()
    until = history.iloc[: len(history) - back]
    forwards = {u: f * until[u, "spot"].iloc[-1] / history[u, "spot"].iloc[-1] for u, f in market.forwards.items()}
    of_day = qf.Market(market.at, market.instruments, forwards, market.marks, market.vols)
    drawn = qf.scenarios.simulated(until, n=scenarios, seed=back)
    pnl = portfolio.scenario_pnl(of_day, drawn)
    es = qf.expected_shortfall(pnl, level=0.975, kind="pnl").es
    return float(es), hashlib.sha256(np.ascontiguousarray(pnl).tobytes()).hexdigest()


@cache
def _book() -> tuple[Any, Any, Any]:
    """Made once a process."""
    import pandas as pd

    import qflib as qf

    feed = qf.datasets.load("sim", seed=7, duration="2s")
    held = pd.read_csv(qf.datasets.path("positions.csv"))
    return feed.history, feed.market(at=feed.end), qf.Portfolio.from_frame(held, name="DESK1", currency="USD")
