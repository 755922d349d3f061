"""A desk opened by a process of its own opens with what `qflib up` opens it with."""

from __future__ import annotations

from pathlib import Path

import pytest

from qflib import settings
from qflib.cli import deploying
from qflib.cli.opening import opening_of
from qflib.records.codec import encode
from qflib.stream.opening import opening


def test_it_is_what_up_opens_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_STATE", str(tmp_path))
    monkeypatch.setenv("QFLIB_DESK__N_HISTORICAL", "50")
    monkeypatch.setenv("QFLIB_DESK__N_SIMULATED", "100")
    wanted = deploying.Wanted("sim")
    chosen = settings.load(desk={"seed": 3, "rate": 1_000.0})
    market = deploying.market(wanted, chosen)
    desk = deploying.deployment(wanted, chosen, market, 2)
    made = opening(desk, market.positions, deploying.scenario_set(market, chosen))
    assert [encode(b) for b in opening_of(desk)] == [encode(b) for b in made]
    assert made
