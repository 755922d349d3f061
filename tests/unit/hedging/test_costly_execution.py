"""Hedging with execution costs: closed forms in their limits, a plain scheme beside it, and simulated utility."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

from qflib.errors import InputError
from qflib.hedging.costly_execution import ExecutionCost, ExecutionHedge, execution_hedge
from qflib.kernels.execution_cost_hedge import solve
from qflib.orderbook import almgren_chriss

SIGMA, GAMMA, ETA, VOLUME, YEARS = 20.0, 1e-3, 0.05, 1_000.0, 0.25


def grid(steps: int, nodes: int, span: float = 50.0) -> tuple[np.ndarray, np.ndarray, float]:
    width = math.sqrt(3 * YEARS / steps) * SIGMA
    far = math.ceil(6 * SIGMA * math.sqrt(YEARS) / width)
    return np.arange(-far, far + 1) * width, np.linspace(-span, span, nodes), width


def solved(owed: Any, steps: int, nodes: int = 41, **cost: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    prices, holdings, width = grid(steps, nodes)
    terminal = np.ascontiguousarray(owed(prices[:, None], holdings[None, :]) + 0.0 * prices[:, None])
    speeds = np.empty((steps, *terminal.shape))
    told = {"eta": ETA, "phi": 1.0, "psi": 0.0, "volume": VOLUME} | cost
    model = (told["eta"], told["phi"], told["psi"], told["volume"])
    theta = solve(terminal, holdings, width, steps, YEARS, GAMMA, *model, speeds)
    return theta, speeds, holdings


def riccati(left: float, end: float) -> float:
    """Of h in theta = h q^2 without an option: Almgren and Chriss with a penalty at the end."""
    steady, kappa = math.sqrt(GAMMA * SIGMA**2 * ETA / (2 * VOLUME)), math.sqrt(GAMMA * SIGMA**2 * VOLUME / (2 * ETA))
    tanh = math.tanh(kappa * left)
    return steady * (end + steady * tanh) / (steady + end * tanh)


@pytest.mark.parametrize("end", [0.001, 0.05, 5.0])
def test_without_an_option_it_is_almgren_and_chriss(end: float) -> None:
    errors = []
    for steps in (100, 200):
        theta, speeds, q = solved(lambda _, q: end * q * q, steps)
        middle = theta.shape[0] // 2
        h = riccati(YEARS, end)
        np.testing.assert_allclose(theta[middle], h * q * q, atol=0.03 * h * 2500)
        errors.append(float(np.abs(theta[middle] - h * q * q).max()))
        np.testing.assert_allclose(speeds[0, middle], -VOLUME / ETA * h * q, atol=0.03 * VOLUME / ETA * h * 50)
    assert errors[1] < 0.3 * errors[0]  # the square of the step


def test_its_holdings_are_almgren_and_chrisss_trajectory() -> None:
    """Their lambda is half the risk aversion, their eta is eta / V; a hard end is a large penalty."""
    steps = 400
    _, speeds, q = solved(lambda _, q: 5.0 * q * q, steps)
    middle, dt, held = speeds.shape[1] // 2, YEARS / steps, [40.0]
    for k in range(steps):
        held.append(held[-1] + dt * float(np.interp(held[-1], q, speeds[k, middle])))
    known = almgren_chriss(40.0, YEARS, SIGMA, ETA / VOLUME, risk_aversion=GAMMA / 2, intervals=steps).holdings
    np.testing.assert_allclose(held, known, atol=0.4)


def test_with_a_constant_gamma_it_is_linear_quadratic() -> None:
    """Almgren and Li's case: theta is a polynomial whose coefficients solve ordinary equations."""
    curve, end = 0.6, 0.02

    def slopes(_: float, y: np.ndarray) -> list[float]:  # in time to expiry; of S^2 / 2, q S, q^2 / 2, and a constant
        b, c, d, _a = y
        pace, risk = VOLUME / (2 * ETA), GAMMA * SIGMA**2
        return [
            risk * b * b - pace * c * c, -risk * (1 - c) * b - pace * c * d, risk * (1 - c) ** 2 - pace * d * d,
            0.5 * SIGMA**2 * b,
        ]  # fmt: skip

    known = solve_ivp(slopes, (0, YEARS), [curve, 0.0, 2 * end, 0.0], rtol=1e-10, atol=1e-12).y[:, -1]
    theta, speeds, q = solved(lambda s, q: 0.5 * curve * s * s + end * q * q, 400, 81)
    prices, _, _ = grid(400, 81)
    inside = np.abs(prices) < 1.5 * SIGMA * math.sqrt(YEARS)
    s, x = prices[inside][:, None], q[None, :]
    b, c, d, a = known
    expected = 0.5 * b * s * s + c * x * s + 0.5 * d * x * x + a
    np.testing.assert_allclose(theta[inside], expected, atol=0.01 * float(np.abs(expected).max()))
    wanted = -VOLUME / (2 * ETA) * (c * s + d * x)
    np.testing.assert_allclose(speeds[0][inside], wanted, atol=0.02 * float(np.abs(wanted).max()))


@pytest.mark.parametrize(("phi", "psi"), [(1.0, 0.0), (0.6, 0.0), (0.75, 0.02)])
def test_a_liquidation_without_a_deadline_is_stationary(phi: float, psi: float) -> None:
    cost = ExecutionCost(ETA, VOLUME, phi, psi)
    owed = cost.liquidation(np.linspace(-50, 50, 81), SIGMA, GAMMA)
    theta, _, _ = solved(lambda _, q: cost.liquidation(q, SIGMA, GAMMA), 400, 81, phi=phi, psi=psi)
    np.testing.assert_allclose(theta[theta.shape[0] // 2], owed, atol=0.01 * owed.max())


DEAL = {"spot": 45.0, "strike": 45.0, "years": 0.25, "vol": 9.5, "risk_aversion": 2e-7}
SHARES = 2e7


@pytest.mark.parametrize("right", ["call", "put"])
def test_as_costs_vanish_it_is_bacheliers(right: str) -> None:
    free = ExecutionCost(eta=1e-7, volume=1e9)
    gaps = []
    for steps in (100, 400):
        made = execution_hedge(SHARES, cost=free, right=right, steps=steps, **DEAL)  # type: ignore[arg-type]
        gaps.append(made.price / SHARES - 9.5 * math.sqrt(0.25 / (2 * math.pi)))
    assert 0 < gaps[1] < 0.3 * gaps[0]  # what steps of time leave unhedged
    target, sign = made.target() / SHARES, 1 if right == "call" else -1
    inside = target[np.abs(target.index - 45) < 8]
    known = sign * norm.cdf(sign * (inside.index.to_numpy() - 45) / (9.5 * 0.5))
    np.testing.assert_allclose(inside, known, atol=0.01)


def test_dearer_execution_and_more_of_it_cost_more_a_share() -> None:
    def a_share(shares: float, eta: float, **more: Any) -> float:
        return (
            execution_hedge(shares, cost=ExecutionCost(eta, 1e9), steps=100, nodes=41, **(DEAL | more)).price / shares
        )

    assert a_share(2e7, 0.05) < a_share(2e7, 0.1) < a_share(2e7, 0.4)
    assert a_share(2e6, 0.1) < a_share(2e7, 0.1)
    assert a_share(2e7, 0.1) < a_share(2e7, 0.1, risk_aversion=6e-7)


def plain(made: ExecutionHedge, cost: ExecutionCost, gamma: float, sigma: float, times: int, nodes: int) -> float:
    """Godunov's explicit scheme in holding, central differences in price: another way to the same equation."""
    span, wide = made.holdings[[0, -1]], made.prices[[0, -1]]
    q, s = np.linspace(*span, nodes), np.linspace(*wide, 61)
    theta = np.array([np.interp(q, made.holdings, row) for row in made.owed])
    theta = np.array([np.interp(s, made.prices, theta[:, k]) for k in range(nodes)]).T.copy()
    dt, dq, ds, power = made.years / times, q[1] - q[0], s[1] - s[0], (1 + cost.phi) / cost.phi

    def legendre(p: np.ndarray) -> np.ndarray:
        pull = np.maximum(np.abs(p) - cost.psi, 0.0)
        return cost.phi * cost.eta * (pull / (cost.eta * (1 + cost.phi))) ** power

    for _ in range(times):
        wings = np.vstack([2 * theta[0] - theta[1], theta, 2 * theta[-1] - theta[-2]])
        first, second = (wings[2:] - wings[:-2]) / (2 * ds), (wings[2:] - 2 * theta + wings[:-2]) / ds**2
        d = np.diff(theta, axis=1) / dq
        back, ahead = np.hstack([d[:, :1], d]), np.hstack([d, d[:, -1:]])
        uphill = np.maximum(legendre(np.maximum(back, 0.0)), legendre(np.minimum(ahead, 0.0)))
        theta = theta + dt * (0.5 * sigma**2 * (second + gamma * (first - q) ** 2) - cost.volume * uphill)
    return float(np.interp(45.0, s, [np.interp(0.0, q, row) for row in theta]))


def test_a_plain_scheme_comes_to_the_same_price() -> None:
    cost = ExecutionCost(0.1, 1e9, 1.0, 0.02)
    made = execution_hedge(SHARES, cost=cost, steps=400, **DEAL)  # type: ignore[arg-type]
    coarse, fine = (plain(made, cost, 2e-7, 9.5, 20_000, n) / SHARES for n in (81, 161))
    extrapolated = 2 * fine - coarse  # its error is of first order in holding
    assert made.price / SHARES == pytest.approx(extrapolated, rel=0.01)


@pytest.mark.parametrize("phi", [0.75, 1.0])
@pytest.mark.parametrize("right", ["call", "put"])
def test_targets_go_from_nothing_to_all(right: str, phi: float) -> None:
    """To the outermost prices; and who holds more sells faster."""
    made = execution_hedge(SHARES, cost=ExecutionCost(0.1, 1e9, phi), steps=100, right=right, **DEAL)  # type: ignore[arg-type]
    for years in (0.0, 0.125, 0.2):  # later the sale at expiry is begun
        target = made.target(years).to_numpy() * (1 if right == "call" else -1)
        order = target if right == "call" else target[::-1]
        assert order[[0, -1]] == pytest.approx([0.0, SHARES], abs=1e-3 * SHARES)
        assert np.diff(order).min() > -1e-6 * SHARES
    assert np.diff(made.speeds, axis=2).max() <= 1e-9 * np.abs(made.speeds).max()


def test_what_lies_far_away_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    cost, prices = ExecutionCost(0.1, 1e9, 0.75), []
    for deviations in (6.0, 9.0):
        monkeypatch.setattr("qflib.hedging.costly_execution._DEVIATIONS", deviations)
        prices.append(execution_hedge(SHARES, cost=cost, steps=100, **DEAL).price)  # type: ignore[arg-type]
    assert prices[0] == pytest.approx(prices[1], rel=1e-9)
    finer = [execution_hedge(SHARES, cost=cost, steps=100, nodes=n, **DEAL).price for n in (81, 161, 321)]  # type: ignore[arg-type]
    assert np.ptp(finer) < 2e-4 * finer[0]


def test_simulated_utility_is_the_price_and_beats_trading_to_delta() -> None:
    cost, gamma = ExecutionCost(0.1, 1e9, 0.75, 0.0), 2e-7
    made = execution_hedge(SHARES, cost=cost, steps=200, **DEAL)  # type: ignore[arg-type]
    rng = np.random.default_rng(12)
    dt = 0.25 / 200
    moves = rng.normal(size=(200, 4_000)) * 9.5 * math.sqrt(dt)
    paths = 45.0 + np.vstack([np.zeros(8_000), np.cumsum(np.hstack([moves, -moves]), axis=0)])
    pnl, held = made.run(paths)

    def certain(x: np.ndarray) -> tuple[float, float]:
        u = np.exp(-gamma * (x - x.mean()))
        return float(x.mean() - np.log(u.mean()) / gamma), float(u.std() / math.sqrt(len(x)) / u.mean() / gamma)

    worth, error = certain(pnl)
    # no policy is worth more than the price; this one, in steps and off the nodes, little less
    assert made.price - 4 * error < -worth < 1.04 * made.price + 4 * error
    # to the delta of Bachelier at every step, from the start
    left = 0.25 - np.arange(200)[:, None] * dt
    delta = SHARES * norm.cdf((paths[:-1] - 45.0) / (9.5 * np.sqrt(left)))
    delta = np.vstack([np.zeros(8_000), delta])  # the first trade takes a step, as every other
    paid = cost.a_year(np.diff(delta, axis=0) / dt).sum(0) * dt
    gains = (delta[1:] * np.diff(paths, axis=0)).sum(0)
    end = SHARES * np.maximum(paths[-1] - 45.0, 0.0) + cost.liquidation(delta[-1], 9.5, gamma)
    naive, naive_error = certain(gains - paid - end)
    assert worth > naive + 4 * (error + naive_error)
    assert np.abs(np.diff(held, axis=0)).max() < np.abs(np.diff(delta, axis=0)).max()


def test_played_in_finer_steps_it_comes_nearer_to_the_price() -> None:
    cost, gamma, gaps = ExecutionCost(0.1, 1e9, 0.75, 0.0), 2e-7, []
    for steps in (100, 400):
        made = execution_hedge(SHARES, cost=cost, steps=steps, **DEAL)  # type: ignore[arg-type]
        moves = np.random.default_rng(12).normal(size=(steps, 4_000)) * 9.5 * math.sqrt(0.25 / steps)
        paths = 45.0 + np.vstack([np.zeros(8_000), np.cumsum(np.hstack([moves, -moves]), axis=0)])
        pnl, _ = made.run(paths)
        asked = np.log(np.exp(-gamma * (pnl - pnl.mean())).mean()) / gamma - pnl.mean()
        gaps.append(float(asked / made.price - 1.0))
    assert 0.03 < gaps[0] < 0.08
    assert abs(gaps[1]) < 0.02


def test_physical_delivery_keeps_the_shares() -> None:
    cost = ExecutionCost(0.4, 1e9)
    cash, physical = (execution_hedge(SHARES, cost=cost, settlement=s, steps=100, **DEAL) for s in ("cash", "physical"))  # type: ignore[arg-type]
    late = 0.99 * 0.25
    high = float(cash.prices[-8])  # far in the money
    assert physical.speed(late, high, SHARES) == pytest.approx(
        0.0, abs=1e-3 * abs(float(cash.speed(late, high, SHARES)))
    )
    assert cash.speed(late, high, SHARES) < 0
    assert physical.price < cash.price


def test_it_shows_itself() -> None:
    made = execution_hedge(SHARES, cost=ExecutionCost(0.1, 1e9), steps=20, nodes=21, **DEAL)  # type: ignore[arg-type]
    assert isinstance(made.to_frame(), pd.DataFrame)
    assert made.to_frame().shape == made.speeds.shape[1:]
    assert "indifference" in repr(made) or "price" in repr(made)
    assert "<table" in made._repr_html_()
    assert made.plot() is not None


def test_bad_input_is_named() -> None:
    cost = ExecutionCost(0.1, 1e9)
    for change, said in (
        ({"years": 0.0}, "years is 0"),
        ({"right": "digital"}, "right 'digital'"),
        ({"holding": 9e7}, "holding"),
        ({"steps": 1}, "steps 1"),
    ):
        with pytest.raises(InputError, match=said):
            execution_hedge(SHARES, cost=cost, **(DEAL | change))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="eta is 0"):
        ExecutionCost(0.0, 1.0)
    with pytest.raises(InputError, match="phi is 2"):
        ExecutionCost(1.0, 1.0, 2.0)
    made = execution_hedge(SHARES, cost=cost, steps=10, nodes=21, **DEAL)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="before expiry"):
        made.speed(0.25, 45.0, 0.0)
    for years in (-0.1, 0.25, math.nan):
        with pytest.raises(InputError, match=r"before expiry in 0\.25"):
            made.target(years)
    with pytest.raises(InputError, match="paths have shape"):
        made.run(np.zeros((3, 2)))
