"""What a hedge asks of a book; and a book that is only a bid and an ask, as options have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import pandas as pd

from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.orderbook import TradeCost as Walked


class TradeCost(Protocol):
    """What walking a book costs."""

    @property
    def cost(self) -> float:
        """Against the mid, in quote currency, multiplier in; an `OrderBook` of a coin's options tells it in coin."""

    @property
    def avg_price(self) -> float:
        """Paid on average."""

    @property
    def filled(self) -> float:
        """What the book holds of the quantity asked for."""


class HedgeBook(Protocol):
    """A live book of one instrument."""

    @property
    def symbol(self) -> str:
        """Of the instrument."""

    def cost_to_trade(self, side: Literal["buy", "sell"], qty: float) -> TradeCost:
        """Of a market order."""


@dataclass(frozen=True, slots=True)
class QuotedBook:
    """A bid and an ask with their sizes: a book of one level a side.

    Parameters
    ----------
    symbol
        Of the instrument.
    bid, ask
        As the venue quotes. Where one is missing (NaN) there is no mid, and nothing can be traded.
    bid_size, ask_size
        Contracts.
    unit
        What a price change of 1.00 is worth to one contract: the multiplier; of a coin-settled option its multiplier
        times the price of the coin.

    Raises
    ------
    InputError
        If the bid is above the ask, a size is negative, or the unit is not positive.

    Examples
    --------
    >>> from qflib.hedging import QuotedBook
    >>> book = QuotedBook("ACME-C", bid=3.9, ask=4.1, bid_size=20, ask_size=30, unit=100.0)
    >>> told = book.cost_to_trade("buy", 50)
    >>> told.filled, round(told.cost, 6)
    (30.0, 300.0)
    """

    symbol: str
    bid: float
    ask: float
    bid_size: float = math.inf
    ask_size: float = math.inf
    unit: float = 1.0

    def __post_init__(self) -> None:
        if self.bid > self.ask:
            raise InputError(f"bid {self.bid} of {self.symbol!r} is above its ask {self.ask}; give an uncrossed quote")
        if not (self.bid_size >= 0 and self.ask_size >= 0 and math.isfinite(self.unit) and self.unit > 0):
            raise InputError(
                f"sizes {self.bid_size} and {self.ask_size} and unit {self.unit} of {self.symbol!r}: sizes are numbers "
                "from 0, the unit is positive"
            )

    def cost_to_trade(self, side: Literal["buy", "sell"], qty: float) -> Walked:
        """What buying or selling `qty` at once would cost against the mid. O(1).

        Raises
        ------
        InputError
            If the side is not "buy" or "sell", or the quantity is not a positive number.
        """
        from qflib.orderbook import TradeCost as Walked

        if side not in ("buy", "sell") or not (math.isfinite(qty) and qty > 0):
            raise InputError(f"side {side!r}, quantity {qty}: expected 'buy' or 'sell' and a positive number")
        mid = 0.5 * (self.bid + self.ask)
        price, size = (self.ask, self.ask_size) if side == "buy" else (self.bid, self.bid_size)
        filled = min(float(qty), float(size)) if math.isfinite(mid) else 0.0
        if filled == 0.0:
            return Walked(side, float(qty), 0.0, math.nan, mid, math.nan, 0)
        return Walked(side, float(qty), filled, price, mid, abs(price - mid) * filled * self.unit, 1)


def quoted_books(chain: pd.DataFrame) -> list[QuotedBook]:
    """The quotes of a chain (`Feed.chain`) as books, an option each: what `qf.hedge` takes.

    Parameters
    ----------
    chain
        Indexed by symbol; columns bid, ask, bid_qty, ask_qty, multiplier, and forward and inverse where options settle
        in coin.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> import qflib as qf
    >>> from qflib.hedging import quoted_books
    >>> feed = qf.datasets.load("sim", seed=7, duration="2s")
    >>> books = quoted_books(feed.chain("ACME"))
    >>> books[0].unit
    100.0
    """
    needed = ("bid", "ask", "bid_qty", "ask_qty", "multiplier")
    if missing := [c for c in needed if c not in chain]:
        raise InputError(f"chain has no column {missing[0]!r}; expected {', '.join(needed)}, as Feed.chain gives")
    unit = chain["multiplier"].astype(float)
    if "inverse" in chain:
        unit = unit.where(~chain["inverse"].astype(bool), unit * chain["forward"])
    rows = zip(chain.index, *(chain[c].astype(float) for c in needed[:4]), unit, strict=True)
    return [QuotedBook(str(symbol), *figures) for symbol, *figures in rows]
