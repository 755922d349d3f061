"""Fees by tiers: the contracts an account traded in 30 days of market time decide the next fill's rate."""

from __future__ import annotations

import numpy as np
import pytest

from qflib.errors import InputError
from qflib.records import ExecType, Liquidity
from qflib.steps.exchange import Exchange, ExchangeConfig
from qflib.steps.exchange.fees import VOLUME, Fees
from qflib.steps.state import pack, unpack
from tests.unit.steps.exchange.conftest import Scene, same_bytes, table

DAY = 86_400_000_000_000
TIERS = {"maker_fee": 0.5, "taker_fee": 1.0, "fee_tiers": ((10.0, 0.25, 0.75), (100.0, -0.1, 0.5))}


def test_a_fill_counts_for_the_next_one() -> None:
    fees = Fees(ExchangeConfig(**TIERS))
    taken = [fees.of(1, n, Liquidity.TAKER, 0, i) for i, n in enumerate((9, 1, 90, 1))]
    assert taken == [9 * 1.0, 1 * 1.0, 90 * 0.75, 1 * 0.5]
    assert fees.of(1, 2, Liquidity.MAKER, 0, 4) == pytest.approx(-0.2)
    assert fees.of(2, 2, Liquidity.MAKER, 0, 5) == 1.0  # another account


def test_what_was_traded_thirty_days_ago_counts_no_more() -> None:
    fees = Fees(ExchangeConfig(**TIERS))
    fees.of(1, 10, Liquidity.TAKER, 5 * DAY + 7, 1)
    assert fees.of(1, 1, Liquidity.TAKER, 34 * DAY + 3, 2) == 0.75  # the thirtieth day, the fill's own among them
    fees = Fees(ExchangeConfig(**TIERS))
    fees.of(1, 10, Liquidity.TAKER, 5 * DAY + 7, 1)
    assert fees.of(1, 1, Liquidity.TAKER, 35 * DAY, 2) == 1.0


def test_an_exchange_goes_on_with_its_volumes() -> None:
    scene, other = Scene(**TIERS), Scene(**TIERS)
    for s in (scene, other):
        s.market((1, 0, 2, 1, 10010, 50))
        rows, _ = s.order(price=10010, qty=10, tif=3)
        assert [r.fee for r in rows if r.exec_type == ExecType.FILL] == [10.0]
    other.step = Exchange(table(), ExchangeConfig(**TIERS))
    other.step.load(unpack(pack(scene.step.state())))
    (rows, batches), (_, again) = (s.order(price=10010, qty=2, tif=3) for s in (scene, other))
    assert [r.fee for r in rows if r.exec_type == ExecType.FILL] == [1.5]
    assert same_bytes(batches, again)


def test_a_fill_taken_back_counts_no_more() -> None:
    fees = Fees(ExchangeConfig(**TIERS))
    for exec_id, day, contracts in ((1, 3, 9), (2, 3, 6), (5, 4, 2)):
        fees.of(1, contracts, Liquidity.TAKER, day * DAY, exec_id)
    fees.take_back(1, 6, 2)
    fees.take_back(1, 2, 5)
    assert fees.state()["orders.volume"].tolist() == [(1, 3, 9.0), (1, 4, 0.0)]
    again = Fees(ExchangeConfig(**TIERS))
    again.load(fees.state())
    for f in (fees, again):
        assert [f.of(1, 1, Liquidity.TAKER, 32 * DAY, e) for e in (7, 8)] == [1.0, 0.75]
        f.take_back(3, 1, 8)  # of an account that never traded
        f.of(1, 1, Liquidity.TAKER, 34 * DAY, 9)
        f.take_back(1, 6, 2)  # its day counts no more
        assert f.state()["orders.volume"].tolist() == [(1, 32, 2.0), (1, 34, 1.0)]
        assert f.state()["orders.fee_days"].tolist() == [(32, 7), (34, 9)]


def test_a_state_that_does_not_tell_its_days_keeps_their_volume() -> None:
    """As it was saved before days were told: what came before the load is not taken back, what comes after is."""
    fees = Fees(ExchangeConfig(**TIERS))
    fees.load({"orders.volume": np.array([(1, 3, 9.0)], VOLUME)})
    fees.take_back(1, 9, 4)
    fees.of(1, 2, Liquidity.TAKER, 3 * DAY, 5)
    fees.take_back(1, 9, 4)
    fees.take_back(1, 2, 5)
    assert fees.state()["orders.volume"].tolist() == [(1, 3, 9.0)]


def test_a_busted_fill_counts_no_more_also_after_a_restore() -> None:
    """Nine contracts and six of which the six are busted, then one: ten would be the next tier, nine are not."""
    scene, other = Scene(**TIERS), Scene(**TIERS)
    for s in (scene, other):
        s.market((1, 0, 2, 1, 10010, 50))
        s.order(price=10010, qty=9, tif=3)
        s.clock(s.now + DAY // 4)  # market time goes on, the contract ends in ten hours
        s.market((1, 0, 2, 2, 10010, 50))
        rows, _ = s.order(price=10010, qty=6, tif=3)
        (fill,) = [r for r in rows if r.exec_type == ExecType.FILL]
    other.step = Exchange(table(), ExchangeConfig(**TIERS))
    other.step.load(unpack(pack(scene.step.state())))
    for s in (scene, other):
        rows, _ = s.booking(0, 0, action=3, exec_id=fill.exec_id)
        assert [(r.exec_type, r.fee) for r in rows] == [(ExecType.BUST, -6.0)]
        fees = []
        for _ in range(2):
            rows, _ = s.order(price=10010, qty=1, tif=3)
            fees += [r.fee for r in rows if r.exec_type == ExecType.FILL]
        assert fees == [1.0, 0.75]
    assert pack(scene.step.state()) == pack(other.step.state())


@pytest.mark.parametrize(
    "tiers",
    [((0.0, 0.1, 0.1),), ((5.0, 0.1, 0.1), (5.0, 0.0, 0.0)), ((1.0, float("nan"), 0.1),), ((9.0, 0, 0), (3.0, 0, 0))],
)
def test_tiers_that_do_not_rise_are_refused(tiers: tuple[tuple[float, float, float], ...]) -> None:
    with pytest.raises(InputError, match="fee_tiers"):
        ExchangeConfig(fee_tiers=tiers)
