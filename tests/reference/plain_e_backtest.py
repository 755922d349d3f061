"""The e-backtest written out: every bet by SciPy's maximiser over all that was seen."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize


def e_values(loss: np.ndarray, var: float, es: float, alpha: float, measure: str) -> np.ndarray:
    """E-values of losses under one forecast."""
    if measure == "var":
        return (loss > var) / alpha
    return np.maximum(loss - var, 0.0) / (alpha * (es - var))


def best(e: np.ndarray, cap: float) -> float:
    """The bet that would have gained most on e-values."""
    if not len(e):
        return 0.0

    def lost(bet: float) -> float:
        return -float(np.sum(np.log(1.0 - bet + bet * e)))

    found = optimize.minimize_scalar(lost, bounds=(0.0, cap), method="bounded", options={"xatol": 1e-12})
    return float(min((0.0, float(found.x), cap), key=lost))


def process(
    pnl: np.ndarray, var: np.ndarray, es: np.ndarray, level: float, measure: str, betting: str,
    *, bet: float = 0.025, cap: float = 0.5, window: int = 10**9,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Bets, and M after each outcome."""
    if betting == "grem":
        a, b = (process(pnl, var, es, level, measure, k, bet=bet, cap=cap, window=window)[1] for k in ("gree", "grel"))
        return np.full(len(pnl), math.nan), (a + b) / 2.0
    alpha, money, bets, seen = 1.0 - level, [1.0], [], []
    for t, (x, z, r) in enumerate(zip(-pnl, var, es, strict=True)):
        now = float(e_values(np.array([x]), z, r, alpha, measure)[0])
        former = slice(max(0, t - window), t)
        if betting == "constant":
            stake = bet
        elif betting == "gree":
            stake = best(np.array(seen[former]), cap)
        else:
            stake = best(e_values(-pnl[former], z, r, alpha, measure), cap)
        bets.append(stake)
        seen.append(now)
        money.append(money[-1] * (1.0 - stake + stake * now))
    return np.array(bets), np.array(money[1:])
