"""Sweeps: every combination in its order, a case that fails named, and the same bits wherever the cases run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

import qflib as qf
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


def backtested(aversion: float, seed: int) -> tuple[str, float]:
    """A desk of two seconds: its digest, and what hedging cost."""
    import qflib as qf

    feed = qf.datasets.load("sim", seed=seed, duration="2s")
    run = qf.Desk(feed, hedger=qf.hedgers.Band(risk_aversion=aversion)).run()
    return run.digest, float(run.risk["es_current"].iloc[-1])


def test_workers_give_the_bits_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def case(**told: Any) -> tuple[str, float]:
        return backtested(**told)

    cases: dict[str, Any] = {"aversion": [1e-4, 1e-6], "seed": [7, 8]}
    alone = qf.sweep(case, workers=1, **cases)
    monkeypatch.setattr(module, "PAYS_S", -1.0)
    spread = qf.sweep(case, workers=2, **cases)
    assert (alone.where, spread.where) == ("this process", "2 processes of this machine")
    assert alone.results == spread.results
    assert len({digest for digest, _ in alone.results}) == 4


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
    with pytest.raises(InputError, match="over no cases"):
        qf.sweep(lambda a: a, a=[])
    with pytest.raises(InputError, match=r"the case a='x' failed \(ValueError"):
        qf.sweep(lambda a: float(a) + 1, a=["1", "x"])
    monkeypatch.setattr(module, "_REACHED_S", "0.5s")
    with pytest.raises(MissingPartError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        qf.sweep(lambda a: a, a=[1], cluster="tcp://127.0.0.1:9")
    monkeypatch.setattr(module, "_has_dask", lambda: False)
    with pytest.raises(MissingPartError, match=r"pip install 'qflib\[dask\]'"):
        qf.sweep(lambda a: a, a=[1], cluster="tcp://127.0.0.1:9")
