"""What a fill costs: a rate a contract, less for accounts that trade more."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from qflib.records import Liquidity
from qflib.steps.exchange.config import ExchangeConfig
from qflib.steps.state import State

DAYS = 30  # UTC days whose contracts count, the fill's own among them
VOLUME = np.dtype([("account", "i8"), ("day", "i8"), ("contracts", "f8")])
#: From which execution on fills were of a day: ids rise with time.
SINCE = np.dtype([("day", "i8"), ("exec_id", "i8")])
_DAY_NS = 86_400_000_000_000
_NAME = "orders.volume"
_SINCE = "orders.fee_days"


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
        self._since: list[tuple[int, int]] = []  # SINCE, of the days that count

    def of(self, account: int, contracts: float, liquidity: Liquidity, time_ns: int, exec_id: int) -> float:
        """The fee of a fill, which counts for the account's next ones. O(1).

        Parameters
        ----------
        account, contracts, liquidity
            Whose, how much, which side of the match.
        time_ns, exec_id
            Of the fill; neither falls from one to the next.
        """
        tier = 0
        if self._from:
            day = time_ns // _DAY_NS
            if not self._since or self._since[-1][0] != day:
                self._since = [(d, e) for d, e in self._since if d > day - DAYS] + [(day, exec_id)]
            days = self._volume.setdefault(account, {})
            for old in [d for d in days if d <= day - DAYS]:
                del days[old]
            tier = bisect_right(self._from, sum(days.values()))
            days[day] = days.get(day, 0.0) + contracts
        return (self._maker if liquidity == Liquidity.MAKER else self._taker)[tier] * contracts

    def take_back(self, account: int, contracts: float, exec_id: int) -> None:
        """A fill counts no more for the account's next ones; fees already charged stay. O(1)."""
        at = bisect_right(self._since, exec_id, key=lambda since: since[1]) - 1
        days = self._volume.get(account, {})
        if at < 0 or (day := self._since[at][0]) not in days:
            return  # its day counts no more, or there are no tiers
        days[day] = max(0.0, days[day] - contracts)

    def state(self) -> State:
        """Volumes by account and day, and where days began; nothing where there are none."""
        rows = [(a, d, v) for a, days in sorted(self._volume.items()) for d, v in sorted(days.items())]
        return {_NAME: np.array(rows, VOLUME), _SINCE: np.array(self._since, SINCE)} if rows else {}

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._volume = {}
        for account, day, contracts in state.get(_NAME, np.zeros(0, VOLUME)).tolist():
            self._volume.setdefault(account, {})[day] = contracts
        self._since = [(day, exec_id) for day, exec_id in state.get(_SINCE, np.zeros(0, SINCE)).tolist()]
