"""How many futures hedge another asset, or a portfolio's exposure to an index."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from qflib.errors import InputError


def cross_hedge_contracts(
    ratio: float,
    exposure: float,
    contract_size: float,
    *,
    spot: float | None = None,
    futures: float | None = None,
) -> float:
    """Contracts that hedge an exposure at a hedge ratio: ratio * exposure / contract_size.

    Parameters
    ----------
    ratio
        `min_variance_ratio` of changes; of relative changes where prices are given (tailing the hedge).
    exposure
        Units held, signed.
    contract_size
        Units a contract delivers.
    spot, futures
        Prices of a unit: given both, values are hedged in place of units, as daily settlement asks for.

    Returns
    -------
    float
        To sell (negative: to buy), not rounded.

    Raises
    ------
    InputError
        If a figure is out of range, or one price is given alone.

    Notes
    -----
    Source: Hull, "Options, Futures, and Other Derivatives", sections 3.4 (optimal number) and 3.5 (tailing).

    Examples
    --------
    >>> round(cross_hedge_contracts(0.78, 2_000_000, 42_000), 2)
    37.14
    >>> round(cross_hedge_contracts(0.78, 2_000_000, 42_000, spot=1.94, futures=1.99), 2)
    36.21
    """
    if (spot is None) != (futures is None):
        raise InputError(f"spot is {spot}, futures {futures}; give both prices, or neither")
    prices = 1.0 if spot is None or futures is None else spot / futures
    if not (math.isfinite(ratio * exposure) and contract_size > 0 and math.isfinite(prices) and prices > 0):
        raise InputError(
            f"ratio {ratio}, exposure {exposure}, contract size {contract_size}, prices {spot} and {futures}: expected "
            "finite numbers, the size and prices positive"
        )
    return ratio * exposure / contract_size * prices


def beta_hedge_contracts(
    value: ArrayLike, beta: ArrayLike, contract_value: float, *, target_beta: float = 0.0
) -> float:
    """Index futures to sell so that a portfolio's beta becomes `target_beta`: (beta - target_beta) V / contract_value.

    Parameters
    ----------
    value, beta
        Of the portfolio; or of each position, signed: the portfolio's beta is their mean weighted by value.
    contract_value
        Futures price times multiplier.
    target_beta
        What beta to keep: of the sum of values.

    Returns
    -------
    float
        To sell (negative: to buy), not rounded.

    Raises
    ------
    InputError
        If shapes differ, a figure is not finite, or the contract's value is not positive.

    Notes
    -----
    Source: Hull, "Options, Futures, and Other Derivatives", section 3.5.

    Examples
    --------
    >>> beta_hedge_contracts(5_050_000, 1.5, 1_010 * 250)
    30.0
    >>> beta_hedge_contracts(5_050_000, 1.5, 1_010 * 250, target_beta=0.75)
    15.0
    >>> beta_hedge_contracts([3e6, 2.05e6], [2.0, 1.0], 1_010 * 250, target_beta=2.0)
    -8.118811881188119
    """
    v, b = np.atleast_1d(np.asarray(value, np.float64)), np.atleast_1d(np.asarray(beta, np.float64))
    if v.shape != b.shape or v.ndim != 1:
        raise InputError(f"value has shape {v.shape}, beta {b.shape}; give one beta a value")
    whole = float(np.sum(v * b)) - target_beta * float(np.sum(v))
    if not (math.isfinite(whole) and math.isfinite(contract_value) and contract_value > 0):
        raise InputError(f"contract value is {contract_value}, betas {b.tolist()[:5]}; expected finite numbers above 0")
    return whole / contract_value


def beta_of(returns: ArrayLike, index_returns: ArrayLike) -> tuple[float, float]:
    """Beta of returns to an index, and its standard error: least squares with a constant. O(n).

    Raises
    ------
    InputError
        If lengths differ, there are fewer than three, a figure is not finite, or the index never moves.

    Notes
    -----
    Source: Hull, "Options, Futures, and Other Derivatives", ch. 3.

    Examples
    --------
    >>> beta, error = beta_of([0.011, -0.019, 0.031], [0.01, -0.02, 0.03])
    >>> round(beta, 6), error < 1e-9
    (1.0, True)
    """
    y, x = np.asarray(returns, np.float64), np.asarray(index_returns, np.float64)
    if y.ndim != 1 or y.shape != x.shape or len(y) < 3 or not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise InputError(
            f"returns have shape {y.shape}, the index's {x.shape}; give finite ones of one length, 3 or more"
        )
    dx, dy = x - x.mean(), y - y.mean()
    if not np.ptp(x) > 0.0:
        raise InputError("the index never moves; give returns that do")
    beta = float(np.sum(dx * dy) / np.sum(dx * dx))
    rest = dy - beta * dx
    return beta, math.sqrt(float(np.sum(rest * rest)) / (len(y) - 2) / float(np.sum(dx * dx)))
