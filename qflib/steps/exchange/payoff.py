"""What contracts pay, and what they deliver: pure functions of the instrument table."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import NamedTuple

from qflib.records import Instrument, Instruments


class Payoff(NamedTuple):
    """Of one contract at a settlement price."""

    price: float  # in the contract's own quotation: quote currency, or coin for an inverse option
    cash: float  # settlement currency a contract held long


def option_payoff(option: Instrument, spot: float) -> Payoff:
    """Intrinsic value; that of an inverse option is paid in coin: intrinsic / spot.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.records import Instrument
    >>> call = Instrument("C", kind="option", right="call", style="european", strike=100.0, multiplier=100.0,
    ...                   expiry=pd.Timestamp("2026-03-20T21:00Z"))
    >>> option_payoff(call, 103.5)
    Payoff(price=3.5, cash=350.0)
    """
    intrinsic = max(spot - option.strike, 0.0) if option.right == "call" else max(option.strike - spot, 0.0)
    price = (intrinsic / spot if spot > 0 else 0.0) if option.inverse else intrinsic
    return Payoff(price, price * option.multiplier)


def future_gain(future: Instrument, before: float, after: float) -> float:
    """Cash a contract held long receives as its price moves; for an inverse one contract value (1/before - 1/after)."""
    if future.inverse:
        return future.contract_value * (1 / before - 1 / after) if before > 0 and after > 0 else 0.0
    return (after - before) * future.multiplier


def deliverables(instruments: Instruments) -> list[int]:
    """What each option or physical future delivers, and what an option's settlement is read from; -1: nothing.

    For an option the future of its underlying that expires first, not before the option; else the spot; else the
    perpetual. For a future the spot. O(n log n) of n instruments.
    """
    futures, others = defaultdict[str, list[tuple[int, int]]](list), defaultdict[tuple[str, str], list[int]](list)
    expiry = instruments.expiry_ns.tolist()
    for i, r in enumerate(instruments):
        if r.kind == "future" and r.expiry is not None:
            futures[r.underlying].append((expiry[i], i))
        else:
            others[r.underlying, r.kind].append(i)
    for of in futures.values():
        of.sort()

    def delivers(k: int, own: Instrument) -> int:
        kinds = ["spot"]
        if own.kind == "option":
            later = futures.get(own.underlying, [])
            at = bisect_left(later, (expiry[k], -1))
            if own.expiry is not None and at < len(later):
                return later[at][1]
            kinds.append("perpetual")
        return next((i for kind in kinds for i in others.get((own.underlying, kind), ()) if i != k), -1)

    return [delivers(k, own) for k, own in enumerate(instruments)]


def delivered_lots(instruments: Instruments, k: int, delivers: int, lots: int) -> int:
    """Lots of the deliverable that a quantity of the contract turns into; 0 where they do not come out whole."""
    units = float(instruments.to_qty(k, lots)) * instruments[k].multiplier
    per_lot = float(instruments.to_qty(delivers, 1)) * instruments[delivers].multiplier
    whole = round(units / per_lot)
    return whole if abs(whole * per_lot - units) <= 1e-9 * abs(units) else 0
