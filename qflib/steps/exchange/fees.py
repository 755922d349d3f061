"""What a fill costs: a rate a contract, less for accounts that trade more."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from qflib.records import Liquidity
from qflib.steps.exchange.config import ExchangeConfig
from qflib.steps.state import State

DAYS = 30  # UTC days whose contracts count, the fill's own among them
VOLUME = np.dtype([("account", "i8"), ("day", "i8"), ("contracts", "f8")])
_DAY_NS = 86_400_000_000_000
_NAME = "orders.volume"


class Fees:
    """Rates by liquidity and tier; volumes are kept where there are tiers.

    Parameters
    ----------
    config
        Its fees and tiers.
    """

    def __init__(self, config: ExchangeConfig) -> None:
        self._from = [volume for volume, _, _ in config.fee_tiers]
        self._maker = [config.maker_fee, *(maker for _, maker, _ in config.fee_tiers)]
        self._taker = [config.taker_fee, *(taker for _, _, taker in config.fee_tiers)]
        self._volume: dict[int, dict[int, float]] = {}

    def of(self, account: int, contracts: float, liquidity: Liquidity, time_ns: int) -> float:
        """The fee of a fill, which counts for the account's next ones. O(1)."""
        tier = 0
        if self._from:
            day = time_ns // _DAY_NS
            days = self._volume.setdefault(account, {})
            for old in [d for d in days if d <= day - DAYS]:
                del days[old]
            tier = bisect_right(self._from, sum(days.values()))
            days[day] = days.get(day, 0.0) + contracts
        return (self._maker if liquidity == Liquidity.MAKER else self._taker)[tier] * contracts

    def state(self) -> State:
        """Volumes by account and day; nothing where there are none."""
        rows = [(a, d, v) for a, days in sorted(self._volume.items()) for d, v in sorted(days.items())]
        return {_NAME: np.array(rows, VOLUME)} if rows else {}

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._volume = {}
        for account, day, contracts in state.get(_NAME, np.zeros(0, VOLUME)).tolist():
            self._volume.setdefault(account, {})[day] = contracts
