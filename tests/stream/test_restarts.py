"""When a process that died is started again."""

import signal

from qflib.stream.restarts import Restarts


def test_crashes_far_apart_are_no_loop():
    deaths = Restarts()
    waits = [deaths.wait(1, now=40.0 * k, lived=35.0) for k in range(20)]
    assert waits == [0.0] * 20
    assert deaths.count == 20


def test_back_off_grows_to_a_bound_while_lives_are_short():
    deaths = Restarts()
    waits = [deaths.wait(1, now=10.0 * k, lived=8.0) for k in range(8)]
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_five_crashes_within_thirty_seconds_are_a_loop():
    deaths = Restarts()
    assert [deaths.wait(1, now=7.0 * k, lived=5.0) is None for k in range(5)] == [False] * 4 + [True]


def test_kills_from_outside_are_no_loop_and_not_held_up():
    deaths = Restarts()
    waits = [deaths.wait(-signal.SIGKILL, now=5.5 * k, lived=5.5) for k in range(20)]
    assert waits == [0.0] * 20


def test_kills_right_after_the_start_back_off():
    deaths = Restarts()
    waits = [deaths.wait(-signal.SIGKILL, now=0.1 * k, lived=0.1) for k in range(7)]
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
