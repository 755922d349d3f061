"""Sweeps: every combination in its order, a case that fails named, and the same bits wherever the cases run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

import qflib as qf
from qflib.cli.benches.sweep import backtested, critical_values, revalued
from qflib.desk import sweep as module
from qflib.errors import InputError, MissingPartError


def test_every_combination_in_its_order() -> None:
    made = qf.sweep(lambda a, b: {"sum": a + b, "a_first": a}, a=[1, 2], b=[10, 20, 30])
    assert made.where == "this process"
    frame = made.to_frame()
    assert list(frame.columns) == ["a", "b", "sum", "a_first"]
    assert frame["sum"].tolist() == [11, 21, 31, 12, 22, 32]
    assert "6 cases on this process" in made._repr_html_()
    assert qf.sweep(lambda a: a, [{"a": 3}, {"a": 1}]).results == (3, 1)


GRIDS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "backtests": (backtested, {"risk_aversion": [1e-4, 1e-6], "seed": [7, 8], "duration": ["2s"]}),
    "critical values": (critical_values, {"df": [3.0, 5.0], "seed": [7, 8], "sims": [20_000]}),
    "days revalued": (revalued, {"back": [0, 1, 250], "scenarios": [2_000]}),
}


def test_workers_give_the_bits_of_one_process() -> None:
    alone = {research: qf.sweep(function, workers=1, **each) for research, (function, each) in GRIDS.items()}
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as made:
        where = made.scheduler_address
        spread = {research: qf.sweep(f, cluster=where, **each) for research, (f, each) in GRIDS.items()}
    for research, one in alone.items():
        assert (one.where, spread[research].where) == ("this process", f"the cluster {where}")
        assert one.results == spread[research].results
        assert len(set(one.results)) == len(one.results)


def test_workers_that_are_told_are_started_however_quick_the_cases() -> None:
    told = qf.sweep(lambda a: (a, os.getpid()), a=range(4), workers=2)
    assert told.where == "2 processes of this machine"
    assert [a for a, _ in told.results] == [0, 1, 2, 3]
    assert os.getpid() not in {pid for _, pid in told.results}


def test_workers_are_started_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processors", lambda: 2)
    assert qf.sweep(lambda a: a, a=[1, 2, 3]).where == "this process"
    monkeypatch.setattr(module, "PAYS_S", -1.0)
    spread = qf.sweep(lambda a: a, a=[1, 2, 3])
    assert (spread.where, spread.results) == ("2 processes of this machine", (1, 2, 3))


def test_a_cluster_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=None) as cluster:
        monkeypatch.setenv("QFLIB_RESEARCH__CLUSTER", cluster.scheduler_address)

        def simulated(seed: int) -> bytes:
            return np.random.default_rng(seed).standard_normal(1_000).tobytes()

        made = qf.sweep(simulated, seed=range(20))
        assert made.where == f"the cluster {cluster.scheduler_address}"
        assert made.results == tuple(simulated(s) for s in range(20))
        with pytest.raises(InputError, match=r"the case a=0 failed \(ZeroDivisionError: .*\); run it alone"):
            qf.sweep(lambda a: 1 / a, a=[2, 0, 1])


def test_what_cannot_be_swept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="give one of them"):
        qf.sweep(lambda: 0)
    for told in ({"workers": 0}, {"workers": 2, "cluster": "tcp://127.0.0.1:9"}):
        with pytest.raises(InputError, match="expected one of them, workers 1 or more"):
            qf.sweep(lambda a: a, a=[1], **told)
    with pytest.raises(InputError, match="over no cases"):
        qf.sweep(lambda a: a, a=[])
    with pytest.raises(InputError, match=r"the case a='x' failed \(ValueError"):
        qf.sweep(lambda a: float(a) + 1, a=["1", "x"])
    monkeypatch.setattr(module, "_REACHED_S", "0.5s")
    with pytest.raises(MissingPartError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        qf.sweep(lambda a: a, a=[1], cluster="tcp://127.0.0.1:9")
    monkeypatch.setattr(module, "_has_dask", lambda: False)
    for told in ({"cluster": "tcp://127.0.0.1:9"}, {"workers": 2}):
        with pytest.raises(MissingPartError, match=r"pip install 'qflib\[dask\]'"):
            qf.sweep(lambda a: a, a=[1], **told)
