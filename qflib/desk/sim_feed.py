"""The simulated market as a feed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qflib.desk.cuts import PERIOD_NS
from qflib.desk.feed import Feed
from qflib.market.simulator import SimulatedMarket
from qflib.records import Batch


class SimFeed(Feed):
    """A seeded simulated market with the methods of every feed.

    Parameters
    ----------
    market
        The simulator.

    Examples
    --------
    >>> from qflib.desk.sim_feed import SimFeed
    >>> from qflib.market.simulator import SimulatedMarket
    >>> SimFeed(SimulatedMarket(seed=7, duration="2s")).to_frame(3)["symbol"].iloc[0]
    'ACME.F'
    """

    def __init__(self, market: SimulatedMarket) -> None:
        self.simulated = market
        self.instruments = market.instruments
        self.start, self.end = market.start, market.end
        self.history, self.positions = market.history, market.positions

    def raw(self, period_ns: int = PERIOD_NS) -> Iterator[Batch]:
        """Raw and clock batches of every simulated source."""
        return self.simulated.raw(period_ns)

    def events(self) -> Iterator[Any]:
        """As `Feed.events`, straight from the simulator: the same rows."""
        return self.simulated.events()

    def __repr__(self) -> str:
        return f"SimFeed({self.simulated!r})"
