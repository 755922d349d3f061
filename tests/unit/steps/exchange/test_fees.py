"""Fees by tiers: the contracts an account traded in 30 days of market time decide the next fill's rate."""

from __future__ import annotations

import pytest

from qflib.errors import InputError
from qflib.records import ExecType, Liquidity
from qflib.steps.exchange import Exchange, ExchangeConfig
from qflib.steps.exchange.fees import Fees
from qflib.steps.state import pack, unpack
from tests.unit.steps.exchange.conftest import Scene, same_bytes, table

DAY = 86_400_000_000_000
TIERS = {"maker_fee": 0.5, "taker_fee": 1.0, "fee_tiers": ((10.0, 0.25, 0.75), (100.0, -0.1, 0.5))}


def test_a_fill_counts_for_the_next_one() -> None:
    fees = Fees(ExchangeConfig(**TIERS))
    taken = [fees.of(1, n, Liquidity.TAKER, 0) for n in (9, 1, 90, 1)]
    assert taken == [9 * 1.0, 1 * 1.0, 90 * 0.75, 1 * 0.5]
    assert fees.of(1, 2, Liquidity.MAKER, 0) == pytest.approx(-0.2)
    assert fees.of(2, 2, Liquidity.MAKER, 0) == 1.0  # another account


def test_what_was_traded_thirty_days_ago_counts_no_more() -> None:
    fees = Fees(ExchangeConfig(**TIERS))
    fees.of(1, 10, Liquidity.TAKER, 5 * DAY + 7)
    assert fees.of(1, 1, Liquidity.TAKER, 34 * DAY + 3) == 0.75  # the thirtieth day, the fill's own among them
    fees = Fees(ExchangeConfig(**TIERS))
    fees.of(1, 10, Liquidity.TAKER, 5 * DAY + 7)
    assert fees.of(1, 1, Liquidity.TAKER, 35 * DAY) == 1.0


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


@pytest.mark.parametrize(
    "tiers",
    [((0.0, 0.1, 0.1),), ((5.0, 0.1, 0.1), (5.0, 0.0, 0.0)), ((1.0, float("nan"), 0.1),), ((9.0, 0, 0), (3.0, 0, 0))],
)
def test_tiers_that_do_not_rise_are_refused(tiers: tuple[tuple[float, float, float], ...]) -> None:
    with pytest.raises(InputError, match="fee_tiers"):
        ExchangeConfig(fee_tiers=tiers)
