"""Plain twin of the valuation of positions: one at a time, SciPy's normal distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.reference.scenario_pnl import black

YEAR_NS = 365 * 86_400 * 10**9


def years_left(expiry_ns: int, time_ns: int) -> float:
    return max(expiry_ns - time_ns, 0) / YEAR_NS


def figures(
    terms: Any, at: int, entry: Any, mid: list[float], vol: float, forward: float, now: int, rate: float
) -> dict[str, float] | None:
    """A position's figures; None where nothing quoted prices it."""
    option = terms.right[at] != 0
    years = years_left(int(terms.expiry_ns[at]), now)
    if math.isnan(terms.fx[at]) or terms.unpriced[at] or (option and years > 0 and math.isnan(vol)):
        return None
    carrier = int(terms.carrier[at])
    own = mid[carrier] if option and carrier >= 0 and math.isfinite(mid[carrier]) else forward
    if option:
        undiscounted = black(own, terms.strike[at], years, np.array(0.0 if math.isnan(vol) else vol), terms.right[at])
        price = float(undiscounted) * math.exp(-rate * years)
    else:
        price = own = mid[at] if math.isfinite(mid[at]) else forward
    units, qty = float(terms.units[at]), float(entry["qty"])
    coin = bool(terms.inverse[at])
    fx = terms.fx[at] * (forward if coin else 1.0)
    if terms.inverse_future[at]:
        lot_value, in_underlying = -units / price, units / own
    else:
        lot_value, in_underlying = units * (price / own if option and coin else price), units
    gained = qty * (lot_value - entry["avg_value"]) * fx
    return {
        "own_forward": own,
        "price": price,
        "fx": fx,
        "mark": price / own if option and coin else price,
        "avg_price": 0.0
        if qty == 0
        else -units / entry["avg_value"]
        if terms.inverse_future[at]
        else entry["avg_value"] / units,
        "lot_value": lot_value,
        "unrealised": gained,
        "value": qty * lot_value * fx if terms.valued[at] else gained,
        "realised": entry["realised"] * fx,
        "fees": entry["fees"] * fx,
        "cash_qty": qty * terms.fx[at] * in_underlying,
    }


def pnl(terms: Any, at: int, f: dict[str, float], vol: float, now: int, rate: float, shock: Any, floor: float) -> Any:
    """Scenario P&L of a position; `shock` is (horizon, spot returns, volatility shifts)."""
    horizon, moves, shifts = shock
    if terms.right[at] == 0:
        return f["cash_qty"] * f["own_forward"] * moves
    years = years_left(int(terms.expiry_ns[at]) - horizon, now)
    after = [
        float(
            black(f["own_forward"] * (1 + m), terms.strike[at], years, np.array(max(vol + s, floor)), terms.right[at])
        )
        for m, s in zip(moves, shifts, strict=True)
    ]
    made = f["cash_qty"] * (np.array(after) * math.exp(-rate * years) - f["price"])
    return made - f["cash_qty"] * f["price"] * moves if terms.inverse[at] else made
