"""Hedgers that decide on every report: the no-trade band in delta, its width from the live half-spread.

Whalley and Wilmott (1997), An asymptotic analysis of an optimal hedging model for option pricing with transaction
costs, Mathematical Finance 7(3), 307-324: under small proportional costs the best hedge of exponential utility leaves
delta alone inside a band and, at its edge, trades just enough to stay inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qflib.errors import InputError


@dataclass(frozen=True, slots=True)
class Band:
    """Parameters of the no-trade band.

    Parameters
    ----------
    risk_aversion
        Absolute risk aversion, an inverse of P&L per lot: 1.0 trades off one price unit of cost of a lot against one of
        variance. Higher is narrower.
    max_order
        Most lots an order; None: no bound.
    max_position
        Most lots of the hedge instrument held, either side; None: no bound.
    min_variance
        Whether the step hedges the minimum-variance delta where the one that it fits online gains one step ahead; else
        the Black–Scholes delta.

    Raises
    ------
    InputError
        If risk_aversion is not a positive number or a bound is negative.

    Notes
    -----
    Source: Whalley and Wilmott 1997, Mathematical Finance 7(3).

    Examples
    --------
    >>> from qflib.hedging import hedgers
    >>> band = hedgers.Band(risk_aversion=1.0)
    >>> book = dict(mid=100.0, half_spread=0.005, unit_delta=100.0)
    >>> band.decide(net_delta=25_000.0, gamma=500.0, position=0, working=0, **book)
    -250
    """

    risk_aversion: float = 1.0
    max_order: int | None = None
    max_position: int | None = None
    min_variance: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.risk_aversion) and self.risk_aversion > 0):
            raise InputError(f"risk_aversion is {self.risk_aversion}; expected a positive number")
        for name in ("max_order", "max_position"):
            bound = getattr(self, name)
            if bound is not None and bound < 0:
                raise InputError(f"{name} is {bound}; expected a number of lots from 0, or None")

    def decide(
        self,
        *,
        net_delta: float,
        gamma: float,
        mid: float,
        half_spread: float,
        unit_delta: float,
        position: int,
        working: int,
    ) -> int:
        """Signed lots to send now: `decide` of this module with the band's parameters."""
        return decide(
            net_delta=net_delta,
            gamma=gamma,
            mid=mid,
            half_spread=half_spread,
            unit_delta=unit_delta,
            position=position,
            working=working,
            risk_aversion=self.risk_aversion,
            max_order=self.max_order,
            max_position=self.max_position,
        )


@dataclass(frozen=True, slots=True)
class LimitMarket(Band):
    """The band with passive limit orders inside it and aggressive ones at its edge.

    Between `rest_from` of the half-width and the edge a limit order of the whole delta rests at the touch: filled, it
    earns half the spread that the band is there to save. Beyond the edge it goes, and what takes delta back to the
    edge is bought or sold at once. An order is left where it stands, for its place in the queue, until the touch has
    moved away from it, the edge is crossed, or its fill would turn delta round.

    Parameters
    ----------
    risk_aversion, max_order, max_position
        As in `Band`.
    rest_from
        Share of the half-width from which an order rests, 0 to 1.
    behind
        Ticks that the touch may move away before the order follows it, and loses its place.
    max_ahead
        Where more lots than this stand at the touch, the order rests a tick inside the spread if it is wide enough;
        None: always at the touch.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Notes
    -----
    Source: Ellersgaard and Tegnér 2017, "Optimal hedge tracking portfolios in a limit order book", Market
    Microstructure and Liquidity 3(2), 1850003: limit orders in a region around the delta, market orders at its edge.
    There the regions come from a quasi-variational inequality; here from the live spread, after Whalley and Wilmott.

    Examples
    --------
    >>> from qflib.hedging import hedgers
    >>> policy = hedgers.LimitMarket(risk_aversion=1.0)
    >>> book = dict(mid=100.0, half_spread=0.01, unit_delta=100.0, gamma=50_000.0, position=0)
    >>> policy.quote(net_delta=1_000.0, bid_ticks=9_999, ask_ticks=10_001, **book)  # 10 lots long, the edge at 15.5
    (-10, 10001)
    >>> policy.decide(net_delta=8_000.0, working=0, **book)
    -65
    """

    rest_from: float = 0.25
    behind: int = 0
    max_ahead: int | None = None

    def __post_init__(self) -> None:
        Band.__post_init__(self)
        if not 0 <= self.rest_from <= 1:
            raise InputError(f"rest_from is {self.rest_from}; expected a share of the half-width from 0 to 1")
        if self.behind < 0 or (self.max_ahead is not None and self.max_ahead < 0):
            raise InputError(f"behind is {self.behind}, max_ahead {self.max_ahead}; expected numbers from 0")

    def quote(
        self,
        *,
        net_delta: float,
        gamma: float,
        mid: float,
        half_spread: float,
        unit_delta: float,
        position: int,
        bid_ticks: int,
        ask_ticks: int,
        ahead: int = 0,
        tick: int = 1,
    ) -> tuple[int, int] | None:
        """The order to rest now, where none does and `decide` sends nothing.

        Parameters
        ----------
        net_delta, gamma, mid, half_spread, unit_delta, position
            As in `decide`.
        bid_ticks, ask_ticks
            The touch.
        ahead
            Lots that stand at the touch on the side to rest at.
        tick
            Of the price schedule there, in ticks.

        Returns
        -------
        tuple of int, or None
            Signed lots and limit price in ticks; None: nothing is to rest. O(1).

        Raises
        ------
        InputError
            As `decide`.
        """
        if not (math.isfinite(mid) and math.isfinite(half_spread) and mid > 0 and half_spread > 0):
            return None
        exposure = net_delta / unit_delta
        size = abs(exposure)
        start = self.rest_from * band_halfwidth(gamma / unit_delta, mid, half_spread, self.risk_aversion)
        if size <= max(start, 1.0):
            return None
        sign = -1 if exposure > 0 else 1
        lots = math.floor(size)  # never so much that delta turns round
        if self.max_order is not None:
            lots = min(lots, self.max_order)
        if self.max_position is not None:
            lots = max(min(lots, self.max_position - sign * position), 0)
        inside = self.max_ahead is not None and ahead > self.max_ahead and ask_ticks - bid_ticks > tick
        price = (bid_ticks if sign > 0 else ask_ticks) + (sign * tick if inside else 0)
        return (sign * lots, price) if lots else None

    def stays(
        self,
        *,
        leaves: int,
        price_ticks: int,
        net_delta: float,
        gamma: float,
        mid: float,
        half_spread: float,
        unit_delta: float,
        position: int,
        bid_ticks: int,
        ask_ticks: int,
    ) -> bool:
        """Whether an order that rests is left where it stands.

        Parameters
        ----------
        leaves, price_ticks
            Its open lots, signed, and its price.
        net_delta, gamma, mid, half_spread, unit_delta, position, bid_ticks, ask_ticks
            As in `quote`.

        Raises
        ------
        InputError
            As `decide`.
        """
        exposure = net_delta / unit_delta
        if leaves * exposure > 0 or abs(leaves) > abs(exposure):  # its fill would take delta away from 0, or beyond it
            return False
        off = bid_ticks - price_ticks if leaves > 0 else price_ticks - ask_ticks
        if off > self.behind:
            return False
        return not self.decide(
            net_delta=net_delta,
            gamma=gamma,
            mid=mid,
            half_spread=half_spread,
            unit_delta=unit_delta,
            position=position,
            working=0,
        )


def band_halfwidth(gamma: float, mid: float, half_spread: float, risk_aversion: float, discount: float = 1.0) -> float:
    """Half the width of the no-trade band around delta neutrality.

    (3/2 · discount · λ · mid · gamma² / risk_aversion)^(1/3), λ = half_spread / mid the proportional cost of a trade.

    Parameters
    ----------
    gamma
        Change of the position's delta per 1.00 of the price, in units of the hedge instrument.
    mid, half_spread
        Of the hedge instrument's book, in quote currency.
    risk_aversion
        Absolute risk aversion, per quote currency gained on one unit.
    discount
        Discount factor to the option's expiry.

    Returns
    -------
    float
        In units of the hedge instrument. O(1).

    Raises
    ------
    InputError
        If mid or risk_aversion is not positive, half_spread negative, or one is not finite.

    Notes
    -----
    Source: Whalley and Wilmott 1997, Mathematical Finance 7(3), equation 4.10, with λ for the cost that they call k.

    Examples
    --------
    >>> from qflib.hedging.hedgers import band_halfwidth
    >>> round(band_halfwidth(gamma=0.0223317238384143, mid=100.0, half_spread=0.2, risk_aversion=1.0, discount=0.99), 6)
    0.052909
    """
    if not (math.isfinite(mid) and mid > 0 and math.isfinite(half_spread) and half_spread >= 0):
        raise InputError(f"mid is {mid} and half_spread {half_spread}; expected a positive price and a spread from 0")
    if not (math.isfinite(risk_aversion) and risk_aversion > 0 and math.isfinite(gamma)):
        raise InputError(f"risk_aversion is {risk_aversion} and gamma {gamma}; expected a positive and a finite number")
    cost = half_spread / mid
    return (1.5 * discount * cost * mid * gamma * gamma / risk_aversion) ** (1.0 / 3.0)  # type: ignore[no-any-return]


def decide(
    *,
    net_delta: float,
    gamma: float,
    mid: float,
    half_spread: float,
    unit_delta: float,
    position: int,
    working: int,
    risk_aversion: float,
    max_order: int | None = None,
    max_position: int | None = None,
) -> int:
    """Signed lots that take delta to the nearer **edge** of the band; 0 inside it.

    The edge, not the centre: costs are proportional, so each lot traded beyond the edge costs as much as it would
    later and may never be needed (Whalley and Wilmott 1997; the centre is right for fixed costs). Lots are
    whole: the edge is rounded inward; where the band is narrower than a lot, to the lots that leave the least delta.
    A delta of a lot or less is left alone.

    Parameters
    ----------
    net_delta
        P&L in reporting currency per 1.00 of the underlying's price: clients' positions and the hedges held.
    gamma
        Change of net_delta per 1.00 of the price.
    mid, half_spread
        Of the hedge instrument's live book. Without both sides (NaN) the decision is 0: nothing to trade on.
    unit_delta
        P&L in reporting currency of one lot of the hedge instrument per 1.00 of the price, above 0.
    position
        Lots of the hedge instrument held, signed; in net_delta already. Counts against `max_position`.
    working
        Signed lots sent and not yet in net_delta, alive or on their way: they count as done.
    risk_aversion, max_order, max_position
        As in `Band`.

    Returns
    -------
    int
        Positive: buy. O(1).

    Raises
    ------
    InputError
        If unit_delta is not positive, or net_delta or gamma is not finite.

    Notes
    -----
    Sources: Whalley and Wilmott 1997, Mathematical Finance 7(3); Davis, Panas and Zariphopoulou 1993, SIAM J. Control
    and Optimization 31 (trading to the edge).

    Examples
    --------
    >>> from qflib.hedging.hedgers import decide
    >>> calm = dict(gamma=500.0, mid=100.0, unit_delta=100.0, position=0, working=0, risk_aversion=1.0)
    >>> decide(net_delta=25_000.0, half_spread=0.5, **calm), decide(net_delta=25_000.0, half_spread=0.005, **calm)
    (-248, -250)
    """
    if not (math.isfinite(unit_delta) and unit_delta > 0):
        raise InputError(f"unit_delta is {unit_delta}; expected the positive delta of one lot in reporting currency")
    if not (math.isfinite(net_delta) and math.isfinite(gamma)):
        raise InputError(f"net_delta is {net_delta} and gamma {gamma}; expected finite numbers")
    if not (math.isfinite(mid) and math.isfinite(half_spread) and mid > 0 and half_spread >= 0):
        return 0
    exposure = net_delta / unit_delta + working
    halfwidth = band_halfwidth(gamma / unit_delta, mid, half_spread, risk_aversion)
    size = abs(exposure)
    if size <= 1.0:  # a lot or less: rounding to whole lots would trade back and forth
        return 0
    lots = max(math.ceil(size - halfwidth), 0)
    if lots and lots - size > halfwidth and lots - size >= size - (lots - 1):  # a band narrower than a lot
        lots -= 1
    if max_order is not None:
        lots = min(lots, max_order)
    sign = -1 if exposure > 0 else 1
    if max_position is not None:
        lots = max(min(lots, max_position - sign * (position + working)), 0)
    return sign * lots
