"""A market waits until its desk has opened: on the clock of a test, no Kafka."""

from __future__ import annotations

import pytest

from qflib.errors import BrokerError
from qflib.stream.ingest import opened
from qflib.stream.ingest.opened import Quiet, UntilOpened
from qflib.stream.ingest.pace import Pace
from qflib.stream.process import Stop

PART = 500


class Desk:
    """Says in turn what it is told to say."""

    def __init__(self, *answers: bool) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.answers.pop(0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "_ASK_S", 0.001)


def test_each_part_waits_for_quiet_and_the_rest_goes_at_the_market_s_pace() -> None:
    desk, told, stop = Desk(True, False, True, False, False, True), [], Stop()
    until = UntilOpened(Pace(None), PART, desk, lambda: told.append("opened"))
    asked = []
    for time_ns in (1_000, 1_400, 1_500, 1_501, 1_900, 2_000, 2_001, 2_400, 2_600, 9_000):
        assert until.wait(time_ns, stop)
        asked.append((desk.asked, len(told)))
    # parts end at 1500, 2000 and 2500: nothing is asked inside one, nor once the desk has opened
    assert asked == [(0, 0)] * 3 + [(1, 0)] * 3 + [(3, 0)] * 2 + [(6, 1)] * 2


def test_a_market_without_anything_in_its_first_parts_opens_all_the_same() -> None:
    desk, told = Desk(True, True, True), []
    until = UntilOpened(Pace(None), PART, desk, lambda: told.append("opened"))
    assert until.wait(1_000, Stop())
    assert until.wait(1_000_000, Stop())
    assert (desk.asked, told) == (3, ["opened"])


def test_a_stop_ends_the_wait() -> None:
    stop = Stop()

    def never() -> bool:
        stop.ask()
        return False

    until = UntilOpened(Pace(None), PART, never)
    assert until.wait(1_000, stop)
    assert not until.wait(2_000, stop)


def test_a_desk_that_never_opens_does_not_hold_its_market_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "_PATIENCE_S", 0.02)
    told: list[str] = []
    until = UntilOpened(Pace(None), PART, lambda: False, lambda: told.append("opened"))
    assert until.wait(1_000, Stop())
    assert until.wait(9_000, Stop())
    assert told == ["opened"]


def test_quiet_is_what_two_looks_in_a_row_say(monkeypatch: pytest.MonkeyPatch) -> None:
    lags = iter([{"a": 0}, {"a": 3}, {"a": 0}, {"a": 0}, {"a": 0}])
    written = {"orders.incoming": 5, "risk.metrics": 0}

    def ends(_: object, places: list[tuple[str, int]], timeout_s: float) -> dict[tuple[str, int], int]:
        if written["risk.metrics"] < 0:
            raise BrokerError("away")
        return {(t, p): written[t] if p == 1 else 0 for t, p in places}

    monkeypatch.setattr(opened, "ends", ends)
    quiet = Quiet(None, 2, lambda: next(lags))  # type: ignore[arg-type]
    assert not quiet()  # no report yet: lags are not even looked at
    written["risk.metrics"] = 7
    assert [quiet() for _ in range(3)] == [False, False, False]
    written["risk.metrics"] = -1
    assert not quiet()
    written["risk.metrics"] = 7
    assert [quiet(), quiet()] == [False, True]
