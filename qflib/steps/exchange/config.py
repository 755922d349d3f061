"""What an exchange can be told: its grid, ages, fees and standing limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from qflib.errors import InputError


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """Settings of the exchange step.

    Parameters
    ----------
    period_ns
        Marks and analytics are published when market time reaches a multiple of this.
    stale_ns
        An order is refused where its instrument's newest event is older than this.
    maker_fee, taker_fee
        Settlement currency a contract; negative is a rebate.
    fee_tiers
        (contracts, maker_fee, taker_fee), rising: the fees of an account that has traded so many in the last 30 UTC
        days of market time, today among them, before the fill.
    max_order_qty
        Lots an order may have; 0: no bound. Controls named ``max_order_qty`` bound it further.
    price_band
        Greatest distance of a limit price from the mid (the last trade where a side is empty), as a fraction of it.
        Controls named ``price_band`` bound it further.
    settlement_window_ns
        A settlement price told this long before expiry, or later, is final.
    settlement_wait_ns
        How long after expiry the last trade or mid takes the place of a final settlement price.

    Examples
    --------
    >>> from qflib.steps.exchange import ExchangeConfig
    >>> ExchangeConfig(taker_fee=0.5).period_ns
    100000000
    """

    period_ns: int = 100_000_000
    stale_ns: int = 10_000_000_000
    maker_fee: float = 0.0
    taker_fee: float = 0.0
    fee_tiers: tuple[tuple[float, float, float], ...] = ()
    max_order_qty: int = 0
    price_band: float = math.inf
    settlement_window_ns: int = 3_600_000_000_000
    settlement_wait_ns: int = 0

    def __post_init__(self) -> None:
        if self.period_ns <= 0:
            raise InputError(f"period_ns {self.period_ns} must be positive; give nanoseconds, as 100_000_000")
        for name in ("stale_ns", "max_order_qty", "settlement_window_ns", "settlement_wait_ns"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} {getattr(self, name)} is negative; give 0 or more")
        if not (math.isfinite(self.maker_fee) and math.isfinite(self.taker_fee)):
            raise InputError(f"fees {self.maker_fee} and {self.taker_fee} must be finite numbers")
        volumes = [t[0] if all(map(math.isfinite, t)) else math.nan for t in self.fee_tiers]
        if not all(a < b for a, b in pairwise([0.0, *volumes])):
            raise InputError(
                f"fee_tiers {self.fee_tiers} must be (contracts, maker_fee, taker_fee), all finite, contracts rising "
                "from above 0"
            )
        if not self.price_band > 0:
            raise InputError(f"price_band {self.price_band} must be a positive fraction, as 0.1 for 10 %")
