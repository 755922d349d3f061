"""What exposures sends when markets end, quotes are missing, and sets come in chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError
from qflib.records import (
    CONTROLS,
    EXECUTIONS,
    SCENARIO_SETS,
    SHOCKS,
    TICK,
    TOPS,
    Batch,
    ControlKind,
    ExecType,
    Instrument,
    Instruments,
)
from qflib.steps.exposures import Exposures
from qflib.steps.portfolio.sums import Sums

NOW = pd.Timestamp("2026-01-05T14:30Z").value
S = 10**9
SOON, LATER = pd.Timestamp("2026-01-05T14:31Z"), pd.Timestamp("2026-12-18T16:00Z")
TABLE = Instruments(
    (
        Instrument("A.F", kind="future", underlying="A", expiry=SOON, multiplier=100),
        Instrument("A-C", kind="option", right="call", style="european", strike=100.0, underlying="A", expiry=LATER),
        Instrument("A.G", kind="future", underlying="A", expiry=LATER, multiplier=100),
    )
)


def marks(time_ns: int, tops: Any = None, **tables: Any) -> Batch:
    more = {} if tops is None else {"tops": tops}
    return Batch.of("marks", key="A", tick=TICK.make(time_ns=[time_ns]), **more, **tables)


def quoted(instrument: int, mid: float, time_ns: int) -> Any:
    ticks = round(mid * 100)
    return TOPS.make(
        instrument=[instrument],
        bid_ticks=[ticks - 1],
        bid_qty=[9],
        ask_ticks=[ticks + 1],
        ask_qty=[9],
        time_ns=[time_ns],
    )


def booked(*rows: tuple[int, int], kind: ExecType = ExecType.BOOKING, price: float = 100.0, fee: float = 0.0) -> Batch:
    n = len(rows)
    return Batch.of(
        "execution",
        key="A",
        executions=EXECUTIONS.make(
            exec_type=[int(kind)] * n, instrument=[i for i, _ in rows], qty=[q for _, q in rows], price=[price] * n,
            portfolio=["P"] * n, book=[1] * n, fee=[fee] * n,
        ),
    )  # fmt: skip


def shocks(n: int = 4, first: int = 0, total: int = 4, spot: float = 0.01) -> dict[str, Any]:
    head = SCENARIO_SETS.make(
        set_id=["s"], n_scenarios=[total], horizon_ns=[86_400 * S], underlying=["A"], first=[first], chunks=[1]
    )
    return {"scenario_set": head, "shocks": SHOCKS.make(spot_return=np.full(n, spot), vol_shift=np.zeros(n))}


def started(*held: tuple[int, int]) -> Exposures:
    step = Exposures(TABLE)
    step.feed(marks(NOW, quoted(0, 100.0, NOW), **shocks()))
    step.feed(booked(*held))
    return step


def test_a_flat_expired_underlying_goes_on_and_weighs_nothing() -> None:
    step = started((0, 5))
    after = SOON.value + S
    step.feed(booked((0, -5), kind=ExecType.SETTLEMENT, price=101.0))
    made = step.feed(marks(after))
    assert [int(b.exposure.time_ns[0]) for b in made] == [after]
    last = step.feed(marks(after + S, quoted(0, 101.0, after)))[0]
    assert last.vectors.client.tolist() == [0.0] * 4
    assert last.exposure.actual_pnl[0] == 500.0


def test_pnl_is_told_less_fees_and_positions_keep_them_apart() -> None:
    step = started((0, 5))
    step.feed(booked((0, -2), price=101.0, fee=7.5))
    made = step.feed(marks(NOW + S, quoted(0, 102.0, NOW + S)))[0]
    p = made.positions
    assert (p.realised.sum(), p.unrealised.sum(), p.fees.sum()) == (200.0, 600.0, 7.5)
    sums = Sums(("A",))
    sums.put(made)
    assert sums.actual_pnl() == made.exposure.actual_pnl[0] == 792.5
    assert made.greeks.realised.sum() + made.greeks.unrealised.sum() == 792.5


def test_a_position_that_nothing_quoted_prices_is_counted_and_the_rest_goes_on() -> None:
    step = started((0, 5), (1, 3))
    made = step.feed(marks(NOW + S, quoted(0, 101.0, NOW + S)))[0]
    assert made.exposure.unpriced[0] == 1
    np.testing.assert_allclose(made.vectors.client, 5 * 100 * 101.0 * 0.01)
    priced = step.feed(marks(NOW + 2 * S, quoted(1, 6.0, NOW + 2 * S)))[0]
    assert priced.exposure.unpriced[0] == 0


def test_controls_pass_while_a_position_has_no_price() -> None:
    step = started((0, 5), (1, 3))
    kill = CONTROLS.make(control_id=["k"], kind=[int(ControlKind.KILL_SWITCH)], value=[1.0])
    made = step.feed(marks(NOW + S, controls=kill))
    assert [b.controls.control_id.tolist() for b in made] == [[b"k"]]


def test_an_option_is_priced_off_its_own_expirys_future() -> None:
    step = started((1, 1))
    step.feed(marks(NOW + S, quoted(2, 110.0, NOW + S)))
    made = step.feed(marks(NOW + 2 * S, quoted(1, 14.0, NOW + 2 * S)))[0]
    from qflib.pricing import black76

    years = (LATER.value - NOW - 2 * S) / (365 * 86_400 * S)
    vol = float(made.positions.implied_vol[0])
    assert float(black76("call", 110.0, 100.0, years, vol)) == pytest.approx(14.0, abs=1e-9)


def test_bookings_give_the_same_bytes_together_or_one_by_one() -> None:
    from qflib.records.codec import encode

    one, two = started((0, 1)), started((0, 1))
    together = one.feed(booked((0, 5), (1, 0)))
    apart = [b for row in ((0, 5), (1, 0)) for b in two.feed(booked(row))]
    assert [encode(b) for b in together] == [encode(b) for b in apart]


def test_a_chunk_told_twice_counts_once_and_a_wrong_shock_is_refused() -> None:
    step = Exposures(TABLE)
    step.feed(booked((0, 5)))
    for first in (0, 0):
        assert step.feed(marks(NOW, quoted(0, 100.0, NOW), **shocks(2, first))) == []
    assert len(step.feed(marks(NOW, **shocks(2, 2)))) == 1
    with pytest.raises(DataError, match="not finite or at or below -1"):
        step.feed(marks(NOW, **shocks(2, 0, spot=-1.5)))
