"""The gate that holds ingest back."""

import threading
import time

import pytest

from qflib.stream.ingest import lag
from qflib.stream.ingest.lag import Follower, Gate
from qflib.stream.process import Stop


def test_leaving_it_does_not_wait_for_a_look_that_gets_no_answer() -> None:
    looking, answer, left = threading.Event(), threading.Event(), threading.Event()

    def look() -> dict[str, int]:
        looking.set()
        answer.wait(30)
        return {"a": 0}

    def work() -> None:
        with Gate([Follower("a", (), 1)], look):
            looking.wait(10)
        left.set()

    threading.Thread(target=work, daemon=True).start()
    assert left.wait(10)
    answer.set()


def test_a_look_that_fails_for_good_is_told_to_whom_it_holds_back() -> None:
    def look() -> dict[str, int]:
        raise RuntimeError("broken")

    with Gate([Follower("a", (), 1)], look) as gate, pytest.raises(RuntimeError, match="broken"):
        gate.wait(Stop())


def test_it_looks_often_only_while_there_is_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "EVERY_S", 0.01)
    monkeypatch.setattr(lag, "SELDOM_S", 60.0)
    looks: list[float] = []

    def look() -> dict[str, int]:
        looks.append(time.monotonic())
        return {"a": 0}

    stop, end = Stop(), time.monotonic() + 10
    with Gate([Follower("a", (), 100)], look) as gate:
        for _ in range(50):
            gate.wait(stop)
        time.sleep(0.2)  # half of the room is left: twenty looks' time passes without one
        assert len(looks) == 1
        gate.wait(stop)
        while len(looks) < 2 and time.monotonic() < end:
            time.sleep(0.005)
    assert len(looks) >= 2


def test_a_wait_that_does_not_end_is_told_of() -> None:
    stop, told = Stop(), list[float]()

    def waited(seconds: float) -> None:
        told.append(seconds)
        if len(told) == 2:
            stop.ask()

    began = time.monotonic()
    with Gate([Follower("a", (), 1)], lambda: {"a": 5}) as gate:
        gate.wait(stop, waited)
    assert len(told) == 2
    assert 0 < sum(told) <= time.monotonic() - began
