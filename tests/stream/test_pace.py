"""When a record is due, on a wall that goes by what is waited; by a slow twin that goes through it by milliseconds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from qflib.stream.ingest.pace import Burst, Pace

MS = 1_000_000


class Wall:
    """Goes on by what is waited, and by what a record takes."""

    asked = False

    def __init__(self) -> None:
        self.now = 7_000 * MS

    def wait(self, seconds: float) -> bool:
        self.now += round(seconds * 1e9)
        return False


def sent(pace: Pace, wall: Wall, every: int, n: int, takes: int = 0) -> list[int]:
    """Milliseconds of the wall, from the first record on, at which each is sent."""
    first, made = wall.now, []
    for k in range(n):
        assert pace.wait(k * every * MS, wall)
        made.append(round((wall.now - first) / MS))
        wall.now += takes * MS
    return made


def due(speed: float, burst: Burst | None, every: int, n: int) -> list[int]:
    market, made = 0.0, []
    for ms in range(1_000_000):
        while len(made) < n and market >= len(made) * every - 1e-6:
            made.append(ms)
        if len(made) == n:
            break
        inside = burst is not None and burst.after_s * 1e3 <= ms < (burst.after_s + burst.for_s) * 1e3
        market += speed * (burst.factor if inside and burst is not None else 1.0)
    return made


@pytest.mark.parametrize("burst", [None, Burst(10.0, 3.0, 2.0), Burst(2.5, 1.0, 0.0), Burst(0.5, 4.0, 1.0)])
@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_records_are_sent_when_the_market_s_time_has_come(speed: float, burst: Burst | None) -> None:
    wall = Wall()
    got, expected = sent(Pace(speed, burst, lambda: wall.now), wall, 100, 400), due(speed, burst, 100, 400)
    assert max(abs(a - b) for a, b in zip(got, expected, strict=True)) <= 1


def test_a_burst_that_cannot_be_sent_in_time_ends_when_it_should_and_is_not_caught_up() -> None:
    """Sending takes 40 ms, and a record has 10 in the burst: a quarter of it is sent, then the pace is as before."""
    wall = Wall()
    got = sent(Pace(1.0, Burst(10.0, 8.0, 2.0), lambda: wall.now), wall, 100, 400, takes=40)
    gaps = [b - a for a, b in pairwise(got)]
    inside = [g for at, g in zip(got, gaps, strict=False) if 2_000 <= at < 9_900]
    assert set(inside) == {40}
    late = [g for at, g in zip(got, gaps, strict=False) if at > 12_000]
    assert len(late) > 100
    assert set(late) == {100}
    caught_up = [g for at, g in zip(got, gaps, strict=False) if 10_100 <= at <= 12_000 and g < 100]
    assert len(caught_up) <= 17  # a second late at the most: 40 ms each until it is made good


def test_as_fast_as_it_goes_waits_for_nothing() -> None:
    wall = Wall()
    assert sent(Pace(None, Burst(10.0, 3.0, 2.0), lambda: wall.now), wall, 100, 50) == [0] * 50
