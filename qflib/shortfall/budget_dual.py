"""ES budgets of scenarios: the tail whose mean losses give every asset its share, by an interior point method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]

_STEPS = 200
_NEAR = 0.995  # of the way to a bound that a step goes


@dataclass(frozen=True, eq=False, slots=True)
class TailBudget:
    """Unscaled weights (m,), the tail's scenario weights (n,), and the steps taken; not optimal after the last."""

    weights: F8
    tail: F8
    steps: int


def tail_of_budget(loss: F8, budget: F8, cap: float, start: F8, tolerance: float) -> TailBudget:
    """The greatest Σ bⱼ log Lⱼ(q), Lⱼ = Σ qᵢ lossᵢⱼ, over scenario weights 0 ≤ q ≤ cap, Σq = 1.

    It is the dual of the least ES(w) − Σ bⱼ log wⱼ over w > 0 (Roncalli 2013, Introduction to risk parity and
    budgeting, chapter 2), because ES(w) is the greatest Σ wⱼ Lⱼ(q): there w = b / L(q), so that wⱼ Lⱼ = bⱼ, whatever q
    is; q is the tail of w where ES(w) = Σ b = 1, and the steps end when ES(w) exceeds that by no more than the
    tolerance.

    Parameters
    ----------
    loss
        (n, m), positive losses.
    budget
        (m,) above 0, summing to one.
    cap
        1 / (n (1 − level)).
    start
        (n,) weights inside their bounds, with every L above 0.
    tolerance
        Of ES(w) − 1.

    Notes
    -----
    Newton on the perturbed conditions of optimality, primal and dual at once (Wright 1997, Primal-dual interior-point
    methods, chapter 5), 20 to 40 steps of O(n m²): all but m directions of the Hessian are diagonal.
    """
    n = len(start)
    q, nu = start.copy(), 0.0
    # prices of the bounds as great as what they stand against, or steps are short where assets nearly hedge each other
    first = max(1.0, float(np.ptp(loss @ (budget / (loss.T @ q)))))
    low, high = np.full(n, first / n) / q, np.full(n, first / n) / (cap - q)
    for step in range(1, _STEPS + 1):
        mean = loss.T @ q
        weights = budget / mean
        pnl_loss = loss @ weights
        gap = float(q @ low + (cap - q) @ high)
        if gap <= tolerance and _excess(pnl_loss, cap) <= tolerance:
            return TailBudget(weights, q, step)
        mu = 0.1 * gap / (2 * n)
        slope = nu - pnl_loss - mu / q + mu / (cap - q)
        inverse = 1.0 / (low / q + high / (cap - q))
        try:
            toward, even = _solve(loss, inverse, mean * mean / budget, np.column_stack([-slope, np.ones(n)])).T
        except np.linalg.LinAlgError:
            break
        every = float(np.sum(even))
        if not every > 0.0:
            break
        d_nu = float(np.sum(toward)) / every
        move = toward - d_nu * even
        d_low = (mu - low * move) / q - low
        d_high = (mu + high * move) / (cap - q) - high
        d_mean = loss.T @ move
        length = min(1.0, _most(q, move), _most(cap - q, -move), _most(mean, d_mean))
        dual = min(1.0, _most(low, d_low), _most(high, d_high))
        ahead = q + length * move
        # rounding has the last word: no step is left
        if not (np.min(ahead) > 0.0 and np.max(ahead) < cap and np.min(loss.T @ ahead) > 0.0):
            break
        q = ahead
        nu += dual * d_nu
        low, high = low + dual * d_low, high + dual * d_high
    return TailBudget(budget / (loss.T @ q), q, step)


def _solve(loss: F8, inverse: F8, spread: F8, right: F8) -> F8:
    """(D + loss C loss')⁻¹ right, with D⁻¹ = inverse and C⁻¹ = spread, both diagonals (Woodbury)."""
    scaled = loss * inverse[:, None]
    inner = np.linalg.solve(np.diag(spread) + loss.T @ scaled, scaled.T @ right)
    return np.asarray(inverse[:, None] * right - scaled @ inner)


def _most(at: F8, move: F8) -> float:
    """How far a move may go before something positive is no more."""
    falls = move < 0.0
    return _NEAR * float(np.min(at[falls] / -move[falls])) if falls.any() else np.inf


def _excess(pnl_loss: F8, cap: float) -> float:
    """ES of losses under the cap, less one."""
    k = min(int(1.0 / cap) + 1, len(pnl_loss))
    worst = np.sort(np.partition(pnl_loss, len(pnl_loss) - k)[len(pnl_loss) - k :])[::-1]
    whole = min(int(1.0 / cap), len(worst))
    left = 1.0 - whole * cap
    return float(cap * np.sum(worst[:whole]) + (left * worst[whole] if whole < len(worst) else 0.0)) - 1.0
