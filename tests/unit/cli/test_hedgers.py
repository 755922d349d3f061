"""The settings choose how the hedger trades."""

from __future__ import annotations

from typing import Any

import pytest

from qflib.cli.hedgers import hedger_of
from qflib.hedging.hedgers import Band, LimitMarket
from qflib.settings import load


@pytest.mark.parametrize(("execution", "kind"), [("band", Band), ("limit_market", LimitMarket)])
def test_the_settings_choose_the_hedger(execution: str, kind: type[Band], monkeypatch: Any) -> None:
    monkeypatch.setenv("QFLIB_DESK__EXECUTION", execution)
    monkeypatch.setenv("QFLIB_DESK__MIN_VARIANCE", "true")
    monkeypatch.setenv("QFLIB_LIMITS__ORDER_QTY", "7")
    made = hedger_of(load())
    assert type(made) is kind
    assert (made.max_order, made.min_variance) == (7, True)
