"""A state from before P&L was explained, grids kept and moves learnt: taken over, its scenario set with it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from qflib.records import EXECUTIONS, SCENARIO_SETS, SHOCKS, Batch, ExecType
from qflib.steps.exposures import Exposures, ExposuresConfig
from qflib.steps.state import pack, unpack
from tests.unit.steps.exposures.test_grids import DAY, Market, S, opened, stream, table

ONE_BY_ONE = 10**9
LATER = r"quotes\.(own|implied_ns)|(explained|grids|min_variance)\..*"


def older(state: dict[str, Any]) -> dict[str, Any]:
    """Without what came later, and with the names that the sets had."""
    made = {}
    for name, a in state.items():
        if re.fullmatch(LATER, name):
            continue
        was = re.sub(r"^sets\.(\d+)\.(id|horizon)$", r"underlying.\1.shocks.\2", name)
        made[re.sub(r"^sets\.(\d+)\.shocks$", r"underlying.\1.shocks", was)] = a
    return made


@pytest.mark.parametrize("grid_from", [ONE_BY_ONE, 1_000_000])
def test_an_older_state_is_taken_over(grid_from: int) -> None:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    halves = [
        {
            "scenario_set": SCENARIO_SETS.make(
                set_id=["t"], n_scenarios=[4], horizon_ns=[DAY], underlying=["A"], chunks=[2], first=[first]
            ),
            "shocks": SHOCKS.make(spot_return=spot, vol_shift=[0.0, 0.1]),
        }
        for first, spot in ((0, [0.1, -0.1]), (2, [0.2, -0.2]))
    ]
    step, new = opened(instruments, market, grid_from), Exposures(instruments, ExposuresConfig(grid_from=grid_from))
    for batch in stream(market, instruments, 20):
        step.feed(batch)
    step.feed(market.marks([0], **halves[0]))
    state = older(dict(step.state()))
    assert len(state) < len(step.state())
    new.load(unpack(pack(state)))
    told = 0
    for batch in stream(market, instruments, 10):
        for a, b in zip(step.feed(batch), new.feed(batch), strict=True):
            told += 1
            assert b.exposure.set_id[0] == b"s"
            for x, y in ((a.greeks, b.greeks), (a.positions, b.positions)):
                assert all(p.tobytes() == q.tobytes() for p, q in zip(x, y, strict=True))
            if grid_from == ONE_BY_ONE:
                assert a.vectors.client.tobytes() == b.vectors.client.tobytes()
            else:
                np.testing.assert_allclose(a.vectors.client, b.vectors.client, atol=1e-4 * np.ptp(a.vectors.client))
    assert told > 8
    (last,) = new.feed(market.marks([0], **halves[1]))
    assert (last.exposure.set_id[0], len(last.vectors.client)) == (b"t", 4)


def test_a_first_trade_after_it_explains_no_pnl_from_before() -> None:
    instruments = table(inverse=False)
    market = Market(instruments, inverse=False)
    step, new = opened(instruments, market), Exposures(instruments)
    state = older(dict(step.state()))
    new.load(state)
    again = Exposures(instruments)
    again.load(unpack(pack(new.state())))  # before anything was valued
    market.now += S
    fill = EXECUTIONS.make(
        exec_type=[int(ExecType.FILL)], instrument=[2], qty=[2], side=[1], price_ticks=[90_000], portfolio=["P"],
        book=[1],
    )  # fmt: skip
    for one in (new, again):
        (made,) = one.feed(Batch.of("execution", key="A", executions=fill))
        assert abs(float(made.greeks.unrealised[0])) > 1.0
        assert made.explain.total[0] == made.explain.slippage[0] == 0.0
    assert pack(new.state()) == pack(again.state())
