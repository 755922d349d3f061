"""How an instrument of the matching engine trades."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from qflib.errors import InputError
from qflib.kernels import engine_codes as c
from qflib.records import Instruments

#: Columns of the kernels' RULES that `Rules` sets; the others are the engine's state.
SET_BY_RULES = ("algorithm", "least_share", "top_order", "max_qty", "collar", "lowest", "highest")


@dataclass(frozen=True, slots=True)
class Rules:
    """Matching, bounds and fees of an instrument.

    Parameters
    ----------
    algorithm
        "fifo": by price and time; "pro_rata": by price, then in proportion to what is shown, rounded down, the rest by
        time.
    least_share
        Pro rata: a smaller share is none; in the instrument's quantity.
    top_order
        Pro rata: the order that made the best price is filled first, up to this quantity.
    band
        (lowest, highest) price a limit order may have.
    collar
        How far past the best price an order at market may trade; what is left of it is cancelled.
    max_qty
        Of an order.
    maker_fee, taker_fee
        Quote currency a contract; a rebate is negative. In an auction both sides are makers.

    Raises
    ------
    InputError
        If a value is not a finite number or out of its range.

    Examples
    --------
    >>> from qflib.orderbook import Rules
    >>> Rules("pro_rata", least_share=2, top_order=100).algorithm
    'pro_rata'
    """

    algorithm: Literal["fifo", "pro_rata"] = "fifo"
    least_share: float = 0.0
    top_order: float = 0.0
    band: tuple[float, float] | None = None
    collar: float | None = None
    max_qty: float | None = None
    maker_fee: float = 0.0
    taker_fee: float = 0.0

    def __post_init__(self) -> None:
        if self.algorithm not in ("fifo", "pro_rata"):
            raise InputError(f"algorithm {self.algorithm!r} is unknown; give 'fifo' or 'pro_rata'")
        for name in ("least_share", "top_order", "collar", "max_qty"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} {value} must be a finite number from 0 on")
        for name in ("maker_fee", "taker_fee"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"{name} {getattr(self, name)} must be a finite number")
        if self.band is not None and not (self.band[0] <= self.band[1] and all(map(math.isfinite, self.band))):
            raise InputError(f"band {self.band} must be the lowest and the highest price, both finite")

    def write(self, row: Any, instruments: Instruments, k: int) -> None:
        """Into a row of the kernels' RULES, in ticks and lots."""
        row["algorithm"] = c.PRO_RATA if self.algorithm == "pro_rata" else c.FIFO
        row["least_share"] = instruments.to_lots(k, self.least_share)
        row["top_order"] = instruments.to_lots(k, self.top_order)
        row["max_qty"] = instruments.to_lots(k, self.max_qty or 0.0)
        row["collar"] = instruments.to_ticks(k, self.collar or 0.0)
        row["lowest"], row["highest"] = (instruments.to_ticks(k, p) for p in self.band or (0.0, 0.0))
