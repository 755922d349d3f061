"""The simulated market: seeded, realistic, for demos, tests and benchmarks."""

from qflib.market.instruments import simulated_instruments
from qflib.market.simulator import SimulatedMarket

__all__ = ["SimulatedMarket", "simulated_instruments"]
