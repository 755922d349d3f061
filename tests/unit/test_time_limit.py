"""A test that hangs fails, even where an error would be caught."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest


def _limits(request: pytest.FixtureRequest) -> Any:
    [made] = [p for p in request.config.pluginmanager.get_plugins() if hasattr(p, "FUZZ_S")]
    return made


def _hang() -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


def test_a_hang_is_left_and_the_alarm_taken_back(request: pytest.FixtureRequest) -> None:
    limits = _limits(request)
    with pytest.raises(limits.Hung, match=r"not done after 0\.2 s"), limits.time_limit(0.2):
        _hang()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
