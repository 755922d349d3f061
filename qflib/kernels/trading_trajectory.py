"""Holdings along the optimal liquidation of Almgren and Chriss, their expected cost and its variance.

Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3(2), 2000.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel


@kernel
def urgency(risk_aversion: float, volatility: float, eta_tilde: float, tau: float) -> float:
    """Kappa of section 2.2: 2 (cosh(kappa tau) - 1) / tau^2 = lambda sigma^2 / eta tilde. O(1).

    Parameters
    ----------
    risk_aversion, volatility
        lambda and sigma.
    eta_tilde
        eta - gamma tau / 2, above 0.
    tau
        Length of an interval.
    """
    # cosh(x) - 1 = 2 sinh(x / 2)^2: no cancellation as kappa vanishes
    return 2.0 / tau * math.asinh(tau / 2.0 * math.sqrt(risk_aversion * volatility**2 / eta_tilde))


@kernel
def trajectory(total: float, kappa: float, tau: float, out: NDArray[np.float64]) -> None:
    """Write the holdings x_0 to x_N of section 2.2: X sinh(kappa (T - t_j)) / sinh(kappa T). O(N).

    Parameters
    ----------
    total
        X, at the start.
    kappa
        The urgency; 0 sells at a constant rate.
    tau
        Length of an interval.
    out
        (N + 1,).
    """
    last = len(out) - 1
    for j in range(len(out)):
        if kappa * tau * last < 1e-8:
            out[j] = total * (1.0 - j / last)
        else:
            # sinh(a) / sinh(b) without overflow
            a, b = kappa * tau * (last - j), kappa * tau * last
            out[j] = total * math.exp(a - b) * math.expm1(-2.0 * a) / math.expm1(-2.0 * b)


@kernel
def cost_of(
    holdings: NDArray[np.float64],
    tau: float,
    volatility: float,
    gamma: float,
    eta: float,
    epsilon: float,
) -> tuple[float, float]:
    """Expected shortfall against the first price, and its variance: equations 4 and 5 with linear impact. O(N).

    Parameters
    ----------
    holdings
        (N + 1,) x_0 to x_N.
    tau, volatility
        Length of an interval; sigma a square root of time.
    gamma, eta, epsilon
        Permanent impact a unit; temporary impact a unit of rate; fixed cost a unit.
    """
    cost, variance = 0.0, 0.0
    for j in range(1, len(holdings)):
        sold = holdings[j - 1] - holdings[j]
        cost += gamma * sold * holdings[j] + epsilon * abs(sold) + eta / tau * sold * sold
        variance += volatility**2 * tau * holdings[j] ** 2
    return cost, variance
