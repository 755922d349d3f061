"""The hedger of one portfolio: what it has sent, and what it sends next.

It sizes on position + working + sent but not yet reflected, and has at most one order alive an instrument: without
that a loop of some milliseconds sends the same hedge many times over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from qflib.hedging.hedgers import Band, LimitMarket, band_halfwidth
from qflib.records import Batch, Book, Instruments, OrderAction, OrderOption, OrderType, Side, TimeInForce
from qflib.records.schema import TEXT_BYTES

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
        ("resting_ticks", "i8"),  # limit of a passive order; 0: the one alive takes
        ("leaving", "i8"),  # 1: its cancel was sent
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
    rests: bool = False
    leaves: bool = False  # it rests no longer: its cancel goes out


class Hedger:
    """Counts what it has sent; decides by a no-trade band around neutral delta, in which a limit order may rest."""

    def __init__(self, instruments: Instruments, band: Band) -> None:
        self._instruments = instruments
        self._band = band
        self._sent: dict[int, Any] = {}

    def decide(self, part: Batch, send: bool, killed: set[int], acts: bool = True) -> list[Hedge]:
        """The order alive and the order to send now, of one underlying's exposure.

        Parameters
        ----------
        part
            The latest exposure.
        send
            False with hedging off or the kill switch on: nothing new is decided.
        killed
            Instruments under a kill switch of their own.
        acts
            What `acts` said when the report began; False: nothing is noted or decided.
        """
        h = part.hedge_instruments
        rolled = self._rolled(part) if acts else []
        if not len(h.instrument):
            return rolled
        return rolled + self._decide(part, send and int(h.instrument[0]) not in killed, acts)

    def _decide(self, part: Batch, send: bool, acts: bool) -> list[Hedge]:
        h = part.hedge_instruments
        instrument = int(h.instrument[0])
        sent = self._record(instrument)
        if acts:
            self._reflect(sent, part)
        unit = float(h.unit_delta[0])
        forward = float(part.exposure.forward[0])
        net = float(part.greeks.delta.sum())
        if self._band.min_variance:  # 0 where the fit gains nothing
            net += float(part.min_variance.correction.sum())
        if sent["alive_no"]:
            if sent["resting_ticks"]:
                return [self._resting(part, sent, net, unit, forward, acts, send)]
            qty = int(sent["alive_qty"])
            cash = qty * unit * forward
            return [
                Hedge(
                    instrument, qty, 0.0, 0, float(sent["alive_cost"]), int(sent["alive_no"]), net, 0.0, cash, new=False
                )
            ]
        if not acts or not send or int(h.working[0]) or self._waits(sent, part):
            return []
        return self._new(part, sent, net, unit, forward)

    def acts(self, due: bool) -> bool:
        """Whether to decide in a report that comes by time (`due`), or at once after an event.

        What rests is filled at any time, and its fills are told with the next slice of the market: while an order rests
        only time decides, so that slices do not matter.
        """
        return due or not any(r["resting_ticks"][0] for r in self._sent.values())

    def _waits(self, sent: Any, part: Batch) -> bool:
        """One order an instant of the market; after one that was refused or not filled whole, a while longer."""
        e = part.exposure
        return int(e.time_ns[0]) < int(sent["not_before_ns"]) or int(e.as_of_ns[0]) <= int(sent["ended_as_of_ns"])

    def orders(self, hedges: list[Hedge], portfolio: str, account: str) -> list[dict[str, Any]]:
        """Rows of Orders: of the new ones, and cancels of those that rest no longer.

        One that takes is immediate-or-cancel at the worst price the cost counts on; one that rests is post-only.
        """
        rows = []
        for h in hedges:
            if not (h.new or h.leaves):
                continue
            symbol = self._instruments.rows[h.instrument].symbol
            own = f"{portfolio}/{symbol}/{h.hedge_no}"
            row = {
                "ord_type": OrderType.LIMIT,
                "book": Book.HEDGE,
                "instrument": h.instrument,
                "side": Side.BID if h.qty > 0 else Side.ASK,
                "account": account,
                "portfolio": portfolio,
            }
            if h.leaves:  # a refused cancel has no number: what became of the order its own executions say
                row |= {"action": OrderAction.CANCEL, "client_order_id": _cancel_id(own), "orig_client_order_id": own}
            else:
                row |= {
                    "action": OrderAction.NEW,
                    "time_in_force": TimeInForce.DAY if h.rests else TimeInForce.IOC,
                    "price_ticks": h.limit_ticks,
                    "qty": abs(h.qty),
                    "client_order_id": own,
                    "hedge_no": h.hedge_no,
                }
                if h.rests:
                    row["options"] = OrderOption.POST_ONLY
            rows.append(row)
        return rows

    def state(self) -> Any:
        """Rows of what has been sent."""
        return np.array([self._sent[i][0] for i in sorted(self._sent)], _SENT)

    def load(self, rows: Any) -> None:
        """Go on from a state."""
        self._sent = {}
        for r in rows:
            own = self._record(int(r["instrument"]))
            for name in r.dtype.names:  # of a state from before orders rested there are fewer
                own[name] = r[name]

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
        if sent["resting_ticks"]:  # only a refusal is waited after: that it was not filled whole is in its nature
            whole = int(h.last_rejected[0]) < no
        now = int(part.exposure.time_ns[0])
        sent["ended_as_of_ns"] = part.exposure.as_of_ns[0]
        sent["not_before_ns"] = now + 1 if whole else now + RETRY_NS
        _forget(sent)

    def _rolled(self, part: Batch) -> list[Hedge]:
        """Cancels of what rests in instruments that are hedged with no longer: no exposure will show its end."""
        h, underlying = part.hedge_instruments, part.exposure.underlying[0].decode()
        now = int(h.instrument[0]) if len(h.instrument) else -1
        out = []
        for i in sorted(self._sent):
            sent = self._sent[i][0]
            if i == now or not sent["alive_no"] or self._instruments.rows[i].underlying != underlying:
                continue
            if sent["resting_ticks"] and not sent["leaving"]:
                no, qty, cost = int(sent["alive_no"]), int(sent["alive_qty"]), float(sent["alive_cost"])
                net = float(part.greeks.delta.sum())
                out.append(Hedge(i, qty, 0.0, 0, cost, no, net, 0.0, 0.0, new=False, rests=True, leaves=True))
            _forget(sent)
        return out

    def _new(self, part: Batch, sent: Any, net: float, unit: float, forward: float) -> list[Hedge]:
        h = part.hedge_instruments
        instrument = int(h.instrument[0])
        bid_qty, ask_qty = int(h.bid_qty[0]), int(h.ask_qty[0])
        if not (bid_qty and ask_qty and unit) or h.bid_ticks[0] >= h.ask_ticks[0]:  # crossed: no side can be believed
            return []
        bid, ask = self._instruments.to_price(instrument, np.array([h.bid_ticks[0], h.ask_ticks[0]])).tolist()
        gamma = float(part.greeks.gamma.sum())
        mid, half_spread = 0.5 * (bid + ask), 0.5 * (ask - bid)
        market = {
            "net_delta": net, "gamma": gamma, "mid": mid, "half_spread": half_spread, "unit_delta": unit,
            "position": int(h.position[0]),
        }  # fmt: skip
        qty = self._band.decide(**market, working=0)  # one order alive an instrument, and it has ended
        band = band_halfwidth(gamma / unit, mid, half_spread, self._band.risk_aversion) * unit
        if qty == 0 and isinstance(self._band, LimitMarket):
            return self._quoted(part, sent, market, band, forward)
        if qty == 0:
            return []
        price, limit, cost, filled = walk(part.depth, instrument, qty, mid, float(h.unit_cash[0]), self._instruments)
        if filled == 0:
            return []
        no = int(sent["next_no"])
        sent["next_no"], sent["position"] = no + 1, h.position[0]
        sent["alive_no"], sent["alive_qty"], sent["alive_cost"] = no, filled, cost
        return [Hedge(instrument, filled, price, limit, cost, no, net, band, filled * unit * forward, new=True)]

    def _quoted(self, part: Batch, sent: Any, market: dict[str, Any], band: float, forward: float) -> list[Hedge]:
        """The order to rest inside the band: its cost is what it earns beside the mid, a negative one."""
        assert isinstance(self._band, LimitMarket)
        h = part.hedge_instruments
        instrument, net, unit = int(h.instrument[0]), market["net_delta"], market["unit_delta"]
        one_tick = len(self._instruments.rows[instrument].tick_schedule) == 1
        ahead = int(h.bid_qty[0] if net < 0 else h.ask_qty[0]) if one_tick else 0
        touch = {"bid_ticks": int(h.bid_ticks[0]), "ask_ticks": int(h.ask_ticks[0])}
        quoted = self._band.quote(**market, **touch, ahead=ahead)
        if quoted is None:
            return []
        qty, ticks = quoted
        price = float(self._instruments.to_price(instrument, ticks))
        tick = float(self._instruments.to_price(instrument, 1))
        cost = qty * (price - market["mid"]) / tick * float(h.unit_cash[0])
        no = int(sent["next_no"])
        sent["next_no"], sent["position"] = no + 1, h.position[0]
        sent["alive_no"], sent["alive_qty"], sent["alive_cost"], sent["resting_ticks"] = no, qty, cost, ticks
        return [Hedge(instrument, qty, price, ticks, cost, no, net, band, qty * unit * forward, new=True, rests=True)]

    def _resting(
        self, part: Batch, sent: Any, net: float, unit: float, forward: float, acts: bool, send: bool
    ) -> Hedge:
        """The order that rests, and whether it goes."""
        assert isinstance(self._band, LimitMarket)
        h = part.hedge_instruments
        instrument, no, whole = int(h.instrument[0]), int(sent["alive_no"]), int(sent["alive_qty"])
        seen = int(h.last_hedge_no[0]) >= no
        open_lots = int(h.working[0]) if seen else whole
        goes = acts and seen and not sent["leaving"] and not (send and self._stays(part, sent, net, unit))
        if goes:
            sent["leaving"] = 1
        cost, cash = float(sent["alive_cost"]) * open_lots / whole, open_lots * unit * forward
        return Hedge(instrument, open_lots, 0.0, 0, cost, no, net, 0.0, cash, new=False, rests=True, leaves=goes)

    def _stays(self, part: Batch, sent: Any, net: float, unit: float) -> bool:
        assert isinstance(self._band, LimitMarket)
        h = part.hedge_instruments
        bid_ticks, ask_ticks = int(h.bid_ticks[0]), int(h.ask_ticks[0])
        if not (int(h.bid_qty[0]) and int(h.ask_qty[0]) and unit) or bid_ticks >= ask_ticks:
            return True  # without a market nothing is known against it
        bid, ask = self._instruments.to_price(int(h.instrument[0]), np.array([bid_ticks, ask_ticks])).tolist()
        return self._band.stays(
            leaves=int(h.working[0]),
            price_ticks=int(sent["resting_ticks"]),
            net_delta=net,
            gamma=float(part.greeks.gamma.sum()),
            mid=0.5 * (bid + ask),
            half_spread=0.5 * (ask - bid),
            unit_delta=unit,
            position=int(h.position[0]),
            bid_ticks=bid_ticks,
            ask_ticks=ask_ticks,
        )


def _cancel_id(own: str) -> str:
    """Of an order's cancel; where that of the order leaves no room for more, by its hash."""
    made = f"{own}/x"
    return made if len(made.encode()) <= TEXT_BYTES else f"{hashlib.sha256(own.encode()).hexdigest()[:32]}/x"


def _forget(sent: Any) -> None:
    sent["alive_no"] = sent["alive_qty"] = sent["resting_ticks"] = sent["leaving"] = 0
    sent["alive_cost"] = 0.0


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
