"""The hedger of one portfolio: what it has sent, and what it sends next.

It sizes on position + working + sent but not yet reflected, and has at most one order alive an instrument: without
that a loop of some milliseconds sends the same hedge many times over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qflib.hedging.hedgers import Band, band_halfwidth
from qflib.records import Batch, Book, Instruments, OrderAction, OrderType, Side, TimeInForce

RETRY_NS = 1_000_000_000  # market time between a hedge that was not filled whole and the next

_SENT = np.dtype(
    [
        ("instrument", "i8"),
        ("next_no", "i8"),
        ("alive_no", "i8"),  # 0: none
        ("alive_qty", "i8"),
        ("alive_cost", "f8"),
        ("position", "i8"),  # hedge lots held when it was sent
        ("ended_as_of_ns", "i8"),  # the market it ended in: the next order needs a newer one
        ("not_before_ns", "i8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Hedge:
    """A hedge order decided on, or one alive: signed lots, expected price and cost in reporting currency."""

    instrument: int
    qty: int
    price: float
    limit_ticks: int
    cost: float
    hedge_no: int
    net_delta: float
    band: float
    cash_delta: float  # reporting currency a 1.00 of relative move, of the whole quantity
    new: bool


class Hedger:
    """Counts what it has sent; decides by a no-trade band around neutral delta."""

    def __init__(self, instruments: Instruments, band: Band) -> None:
        self._instruments = instruments
        self._band = band
        self._sent: dict[int, Any] = {}

    def decide(self, part: Batch, send: bool, killed: set[int]) -> list[Hedge]:
        """The order alive and the order to send now, of one underlying's exposure.

        Parameters
        ----------
        part
            The latest exposure.
        send
            False with hedging off or the kill switch on: nothing new is decided.
        killed
            Instruments under a kill switch of their own.
        """
        h = part.hedge_instruments
        if not len(h.instrument):
            return []
        instrument = int(h.instrument[0])
        sent = self._record(instrument)
        self._reflect(sent, part)
        unit = float(h.unit_delta[0])
        forward = float(part.exposure.forward[0])
        net = float(part.greeks.delta.sum())
        if self._band.min_variance:  # 0 where the fit gains nothing
            net += float(part.min_variance.correction.sum())
        if sent["alive_no"]:
            qty = int(sent["alive_qty"])
            cash = qty * unit * forward
            return [
                Hedge(
                    instrument, qty, 0.0, 0, float(sent["alive_cost"]), int(sent["alive_no"]), net, 0.0, cash, new=False
                )
            ]
        if not send or instrument in killed or int(h.working[0]) or self._waits(sent, part):
            return []
        return self._new(part, sent, net, unit, forward)

    def _waits(self, sent: Any, part: Batch) -> bool:
        """One order an instant of the market; after one that was refused or not filled whole, a while longer."""
        e = part.exposure
        return int(e.time_ns[0]) < int(sent["not_before_ns"]) or int(e.as_of_ns[0]) <= int(sent["ended_as_of_ns"])

    def orders(self, hedges: list[Hedge], portfolio: str, account: str) -> list[dict[str, Any]]:
        """Rows of Orders for the new ones: immediate-or-cancel at the worst price the cost counts on."""
        rows = []
        for h in hedges:
            if not h.new:
                continue
            symbol = self._instruments.rows[h.instrument].symbol
            rows.append(
                {
                    "action": OrderAction.NEW,
                    "ord_type": OrderType.LIMIT,
                    "time_in_force": TimeInForce.IOC,
                    "price_ticks": h.limit_ticks,
                    "book": Book.HEDGE,
                    "instrument": h.instrument,
                    "side": Side.BID if h.qty > 0 else Side.ASK,
                    "qty": abs(h.qty),
                    "account": account,
                    "portfolio": portfolio,
                    "client_order_id": f"{portfolio}/{symbol}/{h.hedge_no}",
                    "hedge_no": h.hedge_no,
                }
            )
        return rows

    def state(self) -> Any:
        """Rows of what has been sent."""
        return np.array([self._sent[i][0] for i in sorted(self._sent)], _SENT)

    def load(self, rows: Any) -> None:
        """Go on from a state."""
        self._sent = {int(r["instrument"]): np.array([r], _SENT) for r in rows}

    def _record(self, instrument: int) -> Any:
        if instrument not in self._sent:
            self._sent[instrument] = np.zeros(1, _SENT)
            self._sent[instrument]["instrument"] = instrument
            self._sent[instrument]["next_no"] = 1
        return self._sent[instrument][0]

    def _reflect(self, sent: Any, part: Batch) -> None:
        """Forget the order alive once an exposure shows its end."""
        h = part.hedge_instruments
        no = int(sent["alive_no"])
        if not no or int(h.last_hedge_no[0]) < no or int(h.working[0]):
            return
        whole = int(h.position[0]) == int(sent["position"]) + int(sent["alive_qty"])
        now = int(part.exposure.time_ns[0])
        sent["ended_as_of_ns"] = part.exposure.as_of_ns[0]
        sent["not_before_ns"] = now + 1 if whole else now + RETRY_NS
        sent["alive_no"] = sent["alive_qty"] = 0
        sent["alive_cost"] = 0.0

    def _new(self, part: Batch, sent: Any, net: float, unit: float, forward: float) -> list[Hedge]:
        h = part.hedge_instruments
        instrument = int(h.instrument[0])
        bid_qty, ask_qty = int(h.bid_qty[0]), int(h.ask_qty[0])
        if not (bid_qty and ask_qty and unit):
            return []
        bid, ask = self._instruments.to_price(instrument, np.array([h.bid_ticks[0], h.ask_ticks[0]])).tolist()
        gamma = float(part.greeks.gamma.sum())
        mid, half_spread = 0.5 * (bid + ask), 0.5 * (ask - bid)
        qty = self._band.decide(
            net_delta=net,
            gamma=gamma,
            mid=mid,
            half_spread=half_spread,
            unit_delta=unit,
            position=int(h.position[0]),
            working=0,  # one order alive an instrument, and it has ended
        )
        if qty == 0:
            return []
        band = band_halfwidth(gamma / unit, mid, half_spread, self._band.risk_aversion) * unit
        price, limit, cost, filled = walk(part.depth, instrument, qty, mid, float(h.unit_cash[0]), self._instruments)
        if filled == 0:
            return []
        no = int(sent["next_no"])
        sent["next_no"], sent["position"] = no + 1, h.position[0]
        sent["alive_no"], sent["alive_qty"], sent["alive_cost"] = no, filled, cost
        return [Hedge(instrument, filled, price, limit, cost, no, net, band, filled * unit * forward, new=True)]


def walk(
    depth: Any, instrument: int, qty: int, mid: float, tick_value: float, instruments: Instruments
) -> tuple[float, int, float, int]:
    """Average price, worst price in ticks, cost against mid, and signed lots of taking `qty` off the levels shown.

    Only what the levels show is asked for: the rest follows with the next exposure.
    """
    side = Side.ASK if qty > 0 else Side.BID
    levels = np.flatnonzero((depth.instrument == instrument) & (depth.side == side))
    left, paid, worst, taken = abs(qty), 0.0, 0, 0
    for at in levels[np.argsort(depth.level[levels], kind="stable")].tolist():
        lots = min(left, int(depth.qty[at]))
        worst = int(depth.price_ticks[at])
        paid += lots * instruments.to_price(instrument, worst)
        taken += lots
        left -= lots
        if not left:
            break
    if not taken:
        return 0.0, 0, 0.0, 0
    sign = 1 if qty > 0 else -1
    tick = instruments.to_price(instrument, 1)
    return paid / taken, worst, abs(paid - taken * mid) / tick * tick_value, sign * taken
