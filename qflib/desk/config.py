"""Settings of a desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Settings of every step of a desk.

    Parameters
    ----------
    period_ns
        Market time between publications: marks, exposures, reports. A fill or control is published at once.
    order_latency_ns
        Market time an order of the desk's own takes to the exchange: a constant, or recorded ones to draw from
        (``feed.latencies()``). Orders arrive at the next clock; clocks come as often as the shortest latency, but not
        closer than a millisecond. In one process only: on Kafka an order takes the time it takes.
    report_latency_ns
        The same on the way back: until the desk hears of acknowledgements and fills of its orders. Market data and
        marks do not wait for them.
    maker_fee, taker_fee
        Settlement currency a contract; negative is a rebate.
    fee_tiers
        (contracts, maker_fee, taker_fee), rising: the fees of an account that has traded so many in the last 30 UTC
        days, today among them.
    rate
        Continuously compounded interest rate a year.
    fx
        Reporting currency a unit of quote currency; positions in one not named are left out and counted.
    currency
        The reporting currency.
    levels
        Confidences of VaR and ES.
    outcome_ns
        Horizon that a forecast and its outcome share.
    limits
        By name: ``max_es``, ``max_abs_delta`` (reported), ``max_order_qty``, ``price_band`` (enforced by the
        exchange), ``max_position`` (enforced by exchange and strategy).
    stale_ns
        An order that reaches a book whose newest event is older than this is refused.

    Examples
    --------
    >>> import qflib as qf
    >>> qf.DeskConfig(limits={"max_es": 1e6}).levels
    (0.975, 0.99)
    """

    period_ns: int = 250_000_000
    order_latency_ns: int | Sequence[int] = 0
    report_latency_ns: int | Sequence[int] = 0
    maker_fee: float = 0.0
    taker_fee: float = 0.0
    fee_tiers: tuple[tuple[float, float, float], ...] = ()
    rate: float = 0.0
    fx: Mapping[str, float] = field(default_factory=dict)
    currency: str = "USD"
    levels: tuple[float, ...] = (0.975, 0.99)
    outcome_ns: int = 60_000_000_000
    limits: Mapping[str, float] = field(default_factory=dict)
    stale_ns: int = 10_000_000_000
