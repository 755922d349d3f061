"""Hedging an option with execution costs: the Hamilton-Jacobi-Bellman equation of Guéant and Pu, on a grid.

Prices are Brownian, dS = sigma dW; trading at v a year costs V L(v / V) a year, L(x) = eta |x|^(1 + phi) + psi |x|.
The indifference price theta(t, S, q) of who holds q and owes the option solves

    theta_t + sigma^2 / 2 theta_SS + gamma sigma^2 / 2 (theta_S - q)^2 - V H(theta_q) = 0

with H the Legendre transform of L. Split in time (Strang): without trading exp(gamma (theta - q S)) is a martingale, so
the step in S is an expectation over three nodes (Gauss and Hermite's); the step in q moves to the least of theta and
what trading there costs, along the parabola through the three nodes around it, which is exact for a parabola.

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
def _trade(slope: float, bend: float, time: float, eta: float, phi: float, psi: float, volume: float) -> float:
    """What quantity x makes slope x + bend x^2 / 2 + time V L(x / (time V)) least."""
    pull = abs(slope) - psi
    if pull <= 0.0:
        return 0.0
    span = time * volume
    # marginal: bend x + eta (1 + phi) (x / span)^phi = pull; between nothing and where each term alone would end
    if phi == 1.0:
        x = pull / (bend + 2.0 * eta / span)
    else:
        x = span * (pull / (eta * (1.0 + phi))) ** (1.0 / phi)
        if bend > 0.0:
            low, high = 0.0, min(x, pull / bend)
            x = high
            for _ in range(60):
                more = eta * (1.0 + phi) * (x / span) ** phi
                off = bend * x + more - pull
                if off > 0.0:
                    high = x
                else:
                    low = x
                x -= off / (bend + phi * more / x)
                if not low < x < high:
                    x = 0.5 * (low + high)
                if high - low <= 1e-12 * high or abs(off) <= 1e-13 * pull:
                    break
    return -x if slope > 0.0 else x


@kernel
def step_in_holding(
    theta: Floats, spacing: float, time: float, eta: float, phi: float, psi: float, volume: float, out: Floats,
    speed: Floats,
) -> None:  # fmt: skip
    """Trade for a while at the least cost.

    Parameters
    ----------
    theta, out
        (prices, holdings): at the end and at the beginning.
    spacing
        Between holdings.
    time
        How long, in years.
    eta, phi, psi, volume
        Of the execution cost.
    speed
        (prices, holdings) written: trading a year, positive to buy.

    Notes
    -----
    O(prices * holdings).
    """
    m, n = theta.shape
    for i in range(m):
        for k in range(n):
            c, x, best = min(max(k, 1), n - 2), 0.0, math.inf
            for _ in range(n):  # from node to node, to the parabola around where the trade ends
                bend = max((theta[i, c + 1] - 2.0 * theta[i, c] + theta[i, c - 1]) / (spacing * spacing), 0.0)
                off = (k - c) * spacing
                slope = (theta[i, c + 1] - theta[i, c - 1]) / (2.0 * spacing) + bend * off
                moved = _trade(slope, bend, time, eta, phi, psi, volume)
                r = abs(moved) / (time * volume)
                paid = time * volume * (eta * r ** (1.0 + phi) + psi * r)
                to = off + moved
                told = (
                    theta[i, c] + slope * moved + off * (slope - 0.5 * bend * off) + 0.5 * bend * moved * moved + paid
                )
                way = 1 if to > 0.5 * spacing else (-1 if to < -0.5 * spacing else 0)
                x, best = moved, told
                if way == 0 or not 1 <= c + way <= n - 2:
                    break
                c += way
            out[i, k] = best
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
    spacing, dt = holdings[1] - holdings[0], time / steps
    for k in range(steps - 1, -1, -1):
        step_in_holding(theta, spacing, 0.5 * dt, eta, phi, psi, volume, other, unused)
        step_in_price(other, holdings, width, gamma, theta)
        step_in_holding(theta, spacing, 0.5 * dt, eta, phi, psi, volume, other, speed[k])
        theta, other = other, theta
    return theta
