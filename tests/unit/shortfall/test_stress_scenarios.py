"""Stress: named moves, grids, the worst of a history."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.errors import InputError
from qflib.shortfall import ScenarioSet, scenarios

DAY = 86_400_000_000_000
TABLE: dict[str, Any] = {
    "crash": (-0.2, 0.15),
    "tech": {"ACME": (-0.3, 0.2), "all": (-0.05, 0.02)},
    "one": {"BETA": (0.1, 0)},
}


def history() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=200, tz="UTC")
    rng = np.random.default_rng(1)
    columns = {}
    for u in ("ACME", "BETA"):
        columns[(u, "spot")] = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 200)))
        columns[(u, "atm_vol")] = 0.2 + rng.normal(0, 0.002, 200)
    return pd.DataFrame(columns, days)


def test_names_moves_and_all() -> None:
    s = scenarios.stress(TABLE, ["ACME", "BETA", "EUR/USD"])
    assert list(s.index) == ["crash", "tech", "one"]
    assert s.spot_return.tolist() == [[-0.2, -0.2, 0.0], [-0.3, -0.05, 0.0], [0.0, 0.1, 0.0]]
    assert s.vol_shift.tolist() == [[0.15, 0.15, 0.0], [0.2, 0.02, 0.0], [0.0, 0.0, 0.0]]
    assert (s.horizon_ns, s.n_historical) == (DAY, 0)
    assert scenarios.stress({"euro": {"EUR/USD": (-0.1, 0)}}).underlyings == ("EUR/USD",)


def test_a_frame_gives_the_same_set_back() -> None:
    s = scenarios.stress(TABLE, ["ACME", "BETA"], "10D")
    again = scenarios.stress(s.to_frame(), horizon="10D")
    assert again == s
    assert again.names == s.names
    assert "crash" in s.to_frame().index


def test_names_are_no_part_of_the_content() -> None:
    s = scenarios.stress(TABLE, ["ACME", "BETA"])
    plain = ScenarioSet(s.underlyings, s.spot_return, s.vol_shift, s.horizon_ns)
    assert s.set_id == plain.set_id
    assert ScenarioSet.from_tables(s.to_tables()).names is None
    assert s.with_fx({"EUR": 0.0}).names == s.names


def test_a_grid_is_every_move_by_every_other() -> None:
    s = scenarios.grid(["ACME", "BETA"], [-0.1, 0, 0.1], [-0.05, 0.0])
    assert s.n == 6
    assert s.index[0] == "spot -10%, vol -5%"
    assert s.spot_return[:, 1].tolist() == [-0.1, -0.1, 0, 0, 0.1, 0.1]
    assert s.vol_shift[:, 0].tolist() == [-0.05, 0.0] * 3
    with pytest.raises(InputError, match="some of them alike"):
        scenarios.grid(["ACME"], [0.1, 0.1])


def test_the_worst_of_a_history() -> None:
    h = history()
    past = scenarios.historical(h, n=None)
    s = scenarios.worst(h, 5, by="BETA")
    order = np.argsort(past.shocks("BETA")[0])[:5]
    np.testing.assert_array_equal(s.spot_return, past.spot_return[order])
    assert list(s.index) == [f"{t:%Y-%m-%d}" for t in h.index[1:][order]]
    assert s.n_historical == 5
    mean = scenarios.worst(h, 3).spot_return.mean(axis=1)
    np.testing.assert_array_equal(mean, np.sort(past.spot_return.mean(axis=1))[:3])
    pnl = np.arange(199.0)
    assert scenarios.worst(h, 2, by=-pnl).index.tolist() == [f"{t:%Y-%m-%d}" for t in h.index[[-1, -2]]]
    hourly = h.set_index(pd.date_range("2024-01-01", periods=200, freq="h", tz="UTC"))
    assert scenarios.worst(hourly, 1, "1h").index[0].endswith("+00:00")


@pytest.mark.parametrize(
    ("table", "underlyings", "words"),
    [
        ({}, ["ACME"], "no scenarios"),
        ({"a": {"GAMMA": (0, 0)}}, ["ACME"], "'GAMMA', which is none of ACME"),
        ({"a": (0.1,)}, ["ACME"], r"the shock \(0\.1,\); expected \(spot_return, vol_shift\)"),
        ({"a": 0.1}, ["ACME"], "the shock 0.1"),
        ({"a": (0, 0)}, None, "underlyings are None"),
        ({"a": (0, 0)}, "ACME", "underlyings are 'ACME'"),
        ({"a": (-1, 0)}, ["ACME"], "-1 or less"),
        (pd.DataFrame({"x": [1.0]}), None, "no columns"),
        (pd.DataFrame({("ACME", "spot"): [1.0]}), None, "expected 'spot_return' and 'vol_shift'"),
    ],
)
def test_bad_tables(table: Any, underlyings: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scenarios.stress(table, underlyings)


def test_other_bad_arguments() -> None:
    h = history()
    for n, words in ((0, "n is 0; expected a whole"), (2.5, r"n is 2\.5"), (200, "n is 200 and the history gives 199")):
        with pytest.raises(InputError, match=words):
            scenarios.worst(h, n)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="by is 'GAMMA'"):
        scenarios.worst(h, by="GAMMA")
    with pytest.raises(InputError, match="199 finite values"):
        scenarios.worst(h, by=np.zeros(5))
    with pytest.raises(InputError, match="underlyings are 'AB'"):
        ScenarioSet("AB", [[0.0, 0.1]], [[0.0, 0.0]], DAY)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected distinct ones, one each"):
        ScenarioSet(("A",), [[0.0], [0.0]], [[0.0], [0.0]], DAY, 0, ("x", "x"))
