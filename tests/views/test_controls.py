"""What orders are held to is what the newest controls say."""

from __future__ import annotations

from typing import Any

import pytest

from qflib.records import ALL_INSTRUMENTS, CONTROLS, Batch, ControlKind, Header
from qflib.views import controls as module
from qflib.views.controls import ControlsView


def control(
    kind: ControlKind, name: str, value: float, portfolio: str = "", instrument: int = ALL_INSTRUMENTS
) -> Batch:
    row = CONTROLS.make(control_id=[f"{name}-{portfolio}-{value}"], kind=[int(kind)], portfolio=[portfolio],
                        instrument=[instrument], name=[name], value=[value])  # fmt: skip
    return Batch.of("control", Header("test"), controls=row)


def test_the_tightest_holds_and_each_control_is_seen_at_once() -> None:
    view = ControlsView()
    assert view.hold("P", 1) == (False, float("inf"), float("inf"))
    view.take(control(ControlKind.LIMIT, "max_order_qty", 10.0))
    assert view.hold("P", 1).max_order_qty == 10.0
    view.take(control(ControlKind.LIMIT, "max_order_qty", 5.0, "P"))
    view.take(control(ControlKind.LIMIT, "price_band", 0.1, instrument=1))
    assert view.hold("P", 1) == (False, 5.0, 0.1)
    assert view.hold("Q", 2) == (False, 10.0, float("inf"))
    view.take(control(ControlKind.KILL_SWITCH, "", 1.0, "P", 1))
    assert (view.hold("P", 1).killed, view.hold("P", 2).killed, view.hold("Q", 1).killed) == (True, False, False)
    view.take(control(ControlKind.KILL_SWITCH, "", 0.0, "P", 1))
    assert not view.hold("P", 1).killed


def test_a_control_that_comes_while_bounds_are_read_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    view = ControlsView()
    tightest, kill = view._controls.tightest, control(ControlKind.KILL_SWITCH, "", 1.0)

    def interrupted(*asked: Any) -> float:  # by the thread that reads
        view.take(kill)
        return tightest(*asked)

    monkeypatch.setattr(view._controls, "tightest", interrupted)
    assert not view.hold("P", 1).killed  # asked before it came
    assert view.hold("P", 1).killed


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    view = ControlsView()
    for k in range(10):
        view.hold(str(k), 0)
        assert len(view._held) <= 3
