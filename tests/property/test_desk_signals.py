"""Signals from a file through the desk: target positions, orders, fills, and a portfolio of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import qflib as qf
from qflib.desk.datasets import load
from qflib.steps.strategy import StrategyConfig


def test_a_strategy_follows_a_file_of_signals(tmp_path: Path) -> None:
    feed = load("sim", seed=3, duration="6s", rate=4_000)
    file = tmp_path / "signals.csv"
    rows = [(1.0, "ACME.F", "buy", 1.0, "30s"), (3.0, "ACME.F", "sell", 0.5, "30s"), (2.0, "BETA.F", "buy", 0.3, "1s")]
    pd.DataFrame(
        [(feed.start + pd.Timedelta(t, "s"), i, d, s, h) for t, i, d, s, h in sorted(rows)],
        columns=["time", "instrument", "direction", "strength", "horizon"],
    ).to_csv(file, index=False)
    signals = qf.read(file, venue="signals", instruments=feed.instruments)
    run = qf.Desk(feed, hedger=qf.hedgers.Band(), strategy=StrategyConfig(max_lots=10), signals=signals).run()
    fills = run.executions[(run.executions["exec_type"] == "fill") & (run.executions["account"] == "STRATEGY")]
    signed = fills["qty"].where(fills["side"] == "bid", -fills["qty"])
    by = signed.groupby(fills["instrument"]).apply(list)
    assert sum(by["ACME.F"]) == -5  # long 10, then short half
    assert sum(x for x in by["ACME.F"] if x > 0) == 10
    assert sum(by["BETA.F"]) == 0  # its signal ran out after a second
    assert sum(x for x in by["BETA.F"] if x > 0) == 3
    # a strategy's directional positions are its own: the hedger leaves them alone
    hedges = run.executions[run.executions["hedge_no"] > 0]
    assert set(hedges["portfolio"]) == {"DESK1"}
    assert {"DESK1", "STRATEGY"} == set(run.risk["portfolio"])
    assert run.summary()["dead_letters"] == 0
