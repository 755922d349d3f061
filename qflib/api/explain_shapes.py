"""The P&L explain and the minimum-variance fit of a risk report, as JSON shows them."""

from __future__ import annotations

from msgspec import Struct


class ExplainRow(Struct, frozen=True):
    """P&L of an underlying and book since `from_ns`, by Greek, carry and cost; parts sum to total, below 2^33."""

    underlying: str
    book: str
    from_ns: int
    time_ns: int
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    rho: float | None
    vanna: float | None
    volga: float | None
    charm: float | None
    veta: float | None
    carry: float | None
    fees: float | None
    slippage: float | None
    unexplained: float | None
    total: float | None


class MinVarianceRow(Struct, frozen=True):
    """The minimum-variance delta of an underlying, fitted online; `gain` is one step ahead, null: none yet."""

    underlying: str
    time_ns: int
    n: int
    a: float | None
    b: float | None
    c: float | None
    gain: float | None
    used: bool
    correction: float | None
