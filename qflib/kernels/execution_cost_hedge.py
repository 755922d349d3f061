"""Hedging an option with execution costs: the Hamilton-Jacobi-Bellman equation of Guéant and Pu, on a grid.

Prices are Brownian, dS = sigma dW; trading at v a year costs V L(v / V) a year, L(x) = eta |x|^(1 + phi) + psi |x|.
The indifference price theta(t, S, q) of who holds q and owes the option solves

    theta_t + sigma^2 / 2 theta_SS + gamma sigma^2 / 2 (theta_S - q)^2 - V H(theta_q) = 0

with H the Legendre transform of L. Split in time (Strang): without trading exp(gamma (theta - q S)) is a martingale, so
the step in S is an expectation over three nodes (Gauss and Hermite's); the step in q goes to where theta and what
trading there costs are least, along characteristics.

Guéant and Pu 2017, "Option pricing and hedging with execution costs and market impact", Mathematical Finance 27(3),
section 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import inlined, kernel

Floats = NDArray[np.float64]


@inlined
def _mean(down: float, middle: float, up: float, gamma: float) -> float:
    """The certain equivalent log E exp(gamma x) / gamma over nodes of weights 1/6, 2/3, 1/6."""
    a, b = gamma * (down - middle), gamma * (up - middle)
    if max(abs(a), abs(b)) < 1e-5:  # to second order: exp and log would lose what matters
        first = (down + up - 2.0 * middle) / 6.0
        second = ((down - middle) * (down - middle) + (up - middle) * (up - middle)) / 6.0
        return middle + first + 0.5 * gamma * (second - first * first)
    top = max(a, b, 0.0)
    return middle + (top + math.log((math.exp(a - top) + 4.0 * math.exp(-top) + math.exp(b - top)) / 6.0)) / gamma


@kernel
def step_in_price(theta: Floats, holdings: Floats, width: float, gamma: float, out: Floats) -> None:
    """The expectation over one step of time whose deviation is width / sqrt(3); beyond the grid theta is linear.

    Parameters
    ----------
    theta, out
        (prices, holdings): at the end and at the beginning of the step.
    holdings
        (holdings,) evenly spaced, rising.
    width
        Between prices.
    gamma
        Risk aversion; 0: a mean.

    Notes
    -----
    O(prices * holdings).
    """
    m, n = theta.shape
    for i in range(m):
        for k in range(n):
            middle = theta[i, k]
            up = theta[i + 1, k] if i + 1 < m else 2.0 * middle - theta[i - 1, k]
            down = theta[i - 1, k] if i > 0 else 2.0 * middle - theta[i + 1, k]
            cash = holdings[k] * width
            out[i, k] = _mean(down + cash, middle, up - cash, gamma)


@inlined
def _trade(slope: float, span: float, eta: float, phi: float, psi: float) -> float:
    """What is traded where theta rises by `slope` a share: marginal cost is minus that."""
    pull = abs(slope) - psi
    if pull <= 0.0:
        return 0.0
    x = span * (pull / (eta * (1.0 + phi))) ** (1.0 / phi)
    return float(-x if slope > 0.0 else x)


@inlined
def _paid(x: float, span: float, eta: float, phi: float, psi: float) -> float:
    r = abs(x) / span
    return float(span * (eta * r ** (1.0 + phi) + psi * r))


@kernel
def step_in_holding(
    theta: Floats, holdings: Floats, time: float, eta: float, phi: float, psi: float, volume: float, out: Floats,
    speed: Floats,
) -> None:  # fmt: skip
    """Trade for a while at the least cost.

    Theta is convex in the holding, and so is the cost: who ends at a node, where theta rises by p a share, came from
    where trading at a marginal cost of -p leads to it. Values and slopes there are carried to the nodes by cubics. Who
    would trade beyond the grid ends at its edge.

    Parameters
    ----------
    theta, out
        (prices, holdings): at the end and at the beginning.
    holdings
        (holdings,) evenly spaced, rising, three at least.
    time
        How long, in years.
    eta, phi, psi, volume
        Of the execution cost.
    speed
        (prices, holdings) written: trading a year, positive to buy.

    Notes
    -----
    O(prices * holdings). Exact where theta is a parabola and phi is 1.
    """
    m, n = theta.shape
    h, span, last = holdings[1] - holdings[0], time * volume, n - 1
    slope, came, value = np.empty(n), np.empty(n), np.empty(n)
    for i in range(m):
        for k in range(n):
            if k == 0:
                slope[k] = (-3.0 * theta[i, 0] + 4.0 * theta[i, 1] - theta[i, 2]) / (2.0 * h)
            elif k == last:
                slope[k] = (3.0 * theta[i, last] - 4.0 * theta[i, last - 1] + theta[i, last - 2]) / (2.0 * h)
            else:
                slope[k] = (theta[i, k + 1] - theta[i, k - 1]) / (2.0 * h)
            if k > 0:
                slope[k] = max(slope[k], slope[k - 1])  # convex, but for rounding
            x = _trade(slope[k], span, eta, phi, psi)
            came[k], value[k] = holdings[k] - x, theta[i, k] + _paid(x, span, eta, phi, psi)
        at = 0
        for k in range(n):
            q = holdings[k]
            if q <= came[0] or q >= came[last]:
                end = 0 if q <= came[0] else last
                x = holdings[end] - q
                out[i, k] = theta[i, end] + _paid(x, span, eta, phi, psi)
            else:
                while came[at + 1] < q:
                    at += 1
                wide = came[at + 1] - came[at]
                t = (q - came[at]) / wide
                p0, p1, rise = slope[at], slope[at + 1], (value[at + 1] - value[at]) / wide
                # the cubic of these values and slopes, and how it rises at q
                bend = p0 + p1 - 2.0 * rise
                out[i, k] = value[at] + wide * t * (p0 + t * (rise - p0 + (t - 1.0) * bend))
                p = p0 + 2.0 * t * (rise - p0) + (3.0 * t * t - 2.0 * t) * bend
                x = _trade(min(max(p, p0), p1), span, eta, phi, psi)
            speed[i, k] = x / time


@kernel
def solve(
    terminal: Floats, holdings: Floats, width: float, steps: int, time: float, gamma: float,
    eta: float, phi: float, psi: float, volume: float, speed: Floats,
) -> Floats:  # fmt: skip
    """Backwards from expiry: theta today; speeds at the beginning of every step.

    Parameters
    ----------
    terminal
        (prices, holdings): what is owed at expiry, the liquidation of the holding in.
    holdings
        (holdings,) evenly spaced, three at least.
    width
        Between prices: sqrt(3 time / steps) sigma.
    steps, time
        Of equal length, in all `time` years.
    gamma, eta, phi, psi, volume
        Of the model.
    speed
        (steps, prices, holdings): written.

    Returns
    -------
    ndarray
        (prices, holdings): theta.

    Notes
    -----
    O(steps * prices * holdings).
    """
    theta, other = terminal.copy(), np.empty_like(terminal)
    unused = np.empty_like(terminal)
    dt = time / steps
    for k in range(steps - 1, -1, -1):
        step_in_holding(theta, holdings, 0.5 * dt, eta, phi, psi, volume, other, unused)
        step_in_price(other, holdings, width, gamma, theta)
        step_in_holding(theta, holdings, 0.5 * dt, eta, phi, psi, volume, other, speed[k])
        theta, other = other, theta
    return theta
