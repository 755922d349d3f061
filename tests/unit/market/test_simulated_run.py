"""A simulated market that is left and taken up gives what it would have given."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings

from qflib.market.simulator import SimulatedMarket
from qflib.records.codec import decode, encode

_PERIOD = 50_000_000


@settings(deadline=None, max_examples=12)
@given(stops=st.lists(st.integers(0, 25), max_size=4), rate=st.sampled_from([300.0, 20_000.0, 400_000.0]))
def test_left_after_any_periods_it_goes_on_alike(stops: list[int], rate: float) -> None:
    market = SimulatedMarket(seed=3, duration="1100ms", rate=rate, underlyings=2)
    whole = [encode(b) for b in market.raw(_PERIOD)]
    got: list[bytes] = []
    run = market.run(_PERIOD)
    for stop in stops:
        periods = run.periods()
        for _ in range(min(stop, 22 - _closed(got))):
            got += [encode(b) for b in next(periods)]
        run = SimulatedMarket(seed=3, duration="1100ms", rate=rate, underlyings=2).run(_PERIOD, run.left())
    got += [encode(b) for batches in run.periods() for b in batches]
    assert got == whole


def _closed(got: list[bytes]) -> int:
    """Periods taken: each ends with the clock of the second source."""
    return sum(b.kind == "clock" and b.header.source.endswith("BETA") for b in map(decode, got))
