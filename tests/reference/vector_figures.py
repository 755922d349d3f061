"""Figures for vectors of pricing and hedging by formulas of their own, most of them in 40 digits."""

import mpmath as mp
import numpy as np
from scipy.special import ndtr

from tests.reference import black_scholes_mpmath as exact


def european(sign, spot, strike, years, rate, q, vol):
    s, k = mp.mpf(spot) * mp.exp(-mp.mpf(q) * years), mp.mpf(strike) * mp.exp(-mp.mpf(rate) * years)
    if years == 0 or vol == 0:
        return max(sign * (s - k), mp.mpf(0))
    return exact.price(sign, spot, strike, years, rate, q, vol)


def implied_vol(price, sign, forward, strike, years, df):
    """By bisection in total vol."""
    low, high = mp.mpf(10) ** -12, mp.mpf(60)
    root = mp.sqrt(years)
    for _ in range(170):
        mid = (low + high) / 2
        below = df * exact.price(sign, forward, strike, years, 0, 0, mid / root) < price
        low, high = (mid, high) if below else (low, mid)
    return low / root


def digital(kind, sign, spot, strike, years, rate, q, vol, paid):
    root = mp.mpf(vol) * mp.sqrt(years)
    d1 = (mp.log(mp.mpf(spot) / strike) + (mp.mpf(rate) - q) * years) / root + root / 2
    asset = mp.mpf(spot) * mp.exp(-mp.mpf(q) * years) * exact.cdf(sign * d1)
    cash = mp.mpf(paid) * mp.exp(-mp.mpf(rate) * years) * exact.cdf(sign * (d1 - root))
    return {"cash_or_nothing": cash, "asset_or_nothing": asset, "gap": sign * (asset - cash)}[kind]


def barrier(kind, sign, spot, strike, level, rebate, years, rate, q, vol):
    """Parts A to F of Reiner and Rubinstein as in Haug 2007, section 4.17; at rates well below 0 lam is imaginary."""
    s, k, h, x, t, r, q, v = (mp.mpf(y) for y in (spot, strike, level, rebate, years, rate, q, vol))
    root, eta, n = v * mp.sqrt(t), 1 if kind.startswith("Down") else -1, exact.cdf
    mu, lam = (r - q) / v**2 - mp.mpf(1) / 2, mp.sqrt(((r - q) / v**2 - mp.mpf(1) / 2) ** 2 + 2 * r / v**2)
    asset, cash, up = s * mp.exp(-q * t), k * mp.exp(-r * t), h / s

    def leg(tail, z, power, phi=sign):
        z = z + (1 + mu) * root
        return phi * (
            asset * up ** (2 * mu + 2 if power else 0) * n(tail * z)
            - cash * up ** (2 * mu if power else 0) * n(tail * (z - root))
        )

    a, b = leg(sign, mp.log(s / k) / root, False), leg(sign, mp.log(s / h) / root, False)
    c, d = leg(eta, mp.log(h * h / (s * k)) / root, True), leg(eta, mp.log(h / s) / root, True)
    out, back = mp.log(s / h) / root + mu * root, mp.log(h / s) / root + mu * root
    e = x * mp.exp(-r * t) * (n(eta * out) - up ** (2 * mu) * n(eta * back))
    z = mp.log(h / s) / root + lam * root
    f = x * mp.re(up ** (mu + lam) * n(eta * z) + up ** (mu - lam) * n(eta * (z - 2 * lam * root)))
    beyond = sign * (k - h) > 0
    if (sign > 0) == (eta > 0):
        return {True: (c if beyond else a - b + d) + e, False: (a - c if beyond else b - d) + f}[kind.endswith("In")]
    return {True: (a if beyond else b - c + d) + e, False: (0 if beyond else a - b + c - d) + f}[kind.endswith("In")]


def asian(average, sign, spot, strike, times, rate, q, vol):
    """Two moments by double sums over the fixings: exact for the geometric average."""
    t, b, v = [mp.mpf(x) for x in times], mp.mpf(rate) - mp.mpf(q), mp.mpf(vol)
    n = len(t)
    if average == "geometric":
        mean = mp.log(spot) + (b - v * v / 2) * mp.fsum(t) / n
        total = v * v * mp.fsum(min(x, y) for x in t for y in t) / n**2
        forward = mp.exp(mean + total / 2)
    else:
        forward = spot * mp.fsum(mp.exp(b * x) for x in t) / n
        second = mp.fsum(mp.exp(b * (x + y) + v * v * min(x, y)) for x in t for y in t) * mp.mpf(spot) ** 2 / n**2
        total = mp.log(second / forward**2)
    return mp.exp(-mp.mpf(rate) * t[-1]) * exact.price(sign, forward, strike, 1, 0, 0, mp.sqrt(total))


def asian_continuous(average, sign, spot, strike, years, rate, q, vol):
    t, b, v = mp.mpf(years), mp.mpf(rate) - mp.mpf(q), mp.mpf(vol)
    if average == "geometric":
        total = v * v * t / 3
        forward = spot * mp.exp((b - v * v / 2) * t / 2 + total / 2)
    else:
        forward = spot * mp.quad(lambda x: mp.exp(b * x), [0, t]) / t
        # the earlier time within the later one
        inner = lambda x: mp.exp(b * x) * (mp.exp((b + v * v) * x) - 1) / (b + v * v)  # noqa: E731
        total = mp.log(2 * spot**2 * mp.quad(inner, [0, t]) / t**2 / forward**2)
    return mp.exp(-mp.mpf(rate) * t) * exact.price(sign, forward, strike, 1, 0, 0, mp.sqrt(total))


def heston(sign, spot, strike, years, rate, q, v0, kappa, theta, sigma, rho):
    """Lewis' integral, in the variable sinh(x) so that slow and fast decay are both met."""
    k = mp.log(mp.mpf(spot) / strike) + (mp.mpf(rate) - q) * years

    def integrand(x):
        u = mp.sinh(x)
        z = mp.mpc(u, -0.5)
        xi = kappa - rho * sigma * 1j * z
        d = mp.sqrt(xi**2 + mp.mpf(sigma) ** 2 * (1j * z + z * z))
        g, e = (xi - d) / (xi + d), mp.exp(-d * years)
        power = (xi - d) / mp.mpf(sigma) ** 2 * (1 - e) / (1 - g * e)
        shift = kappa * theta / mp.mpf(sigma) ** 2 * ((xi - d) * years - 2 * mp.log((1 - g * e) / (1 - g)))
        return mp.cosh(x) * mp.re(mp.exp(1j * z * k + shift + power * v0)) / (u * u + 0.25)

    asset, cash = spot * mp.exp(-mp.mpf(q) * years), strike * mp.exp(-mp.mpf(rate) * years)
    call = asset - cash / mp.pi * mp.quad(integrand, mp.linspace(0, 10, 21))
    return call if sign > 0 else call - asset + cash


def sabr(forward, strike, years, alpha, beta, rho, nu):
    """Equation 2.17 of Hagan et al. 2002 as it is printed."""
    f, k, t, a, b, r, n = (mp.mpf(x) for x in (forward, strike, years, alpha, beta, rho, nu))
    log, mean = mp.log(f / k), (f * k) ** ((1 - b) / 2)
    grown = 1 + t * ((1 - b) ** 2 / 24 * a**2 / mean**2 + r * b * n * a / (4 * mean) + (2 - 3 * r**2) / 24 * n**2)
    z = n / a * mean * log
    over = 1 if z == 0 else z / mp.log((mp.sqrt(1 - 2 * r * z + z * z) + z - r) / (1 - r))
    return a / (mean * (1 + ((1 - b) * log) ** 2 / 24 + ((1 - b) * log) ** 4 / 1920)) * over * grown


def svi(k, a, b, rho, m, sigma):
    def w(x):
        return a + b * (rho * (x - m) + mp.sqrt((x - m) ** 2 + mp.mpf(sigma) ** 2))

    here, slope, bend = w(mp.mpf(k)), mp.diff(w, k), mp.diff(w, k, 2)
    return {
        "w": here,
        "durrleman_g": (1 - k * slope / (2 * here)) ** 2 - slope**2 / 4 * (1 / here + mp.mpf(1) / 4) + bend / 2,
    }


def hedged(rule, sign, spot, strike, years, rate, drift, vol, cost, steps, paths, seed):
    """Present values of P&L and costs of one option sold and hedged; `rule` gives the next holding."""
    rng, dt = np.random.default_rng(seed), years / steps
    z = rng.standard_normal((steps, paths // 2))
    z = np.concatenate([z, -z], axis=1)
    s, held = np.full(paths, float(spot)), np.zeros(paths)
    cash, paid = float(european(sign, spot, strike, years, rate, 0, vol)) + np.zeros(paths), np.zeros(paths)
    for i in range(steps):
        wanted = rule(s, years - i * dt, held)
        fee = cost * np.abs(wanted - held) * s
        cash, paid, held = cash - (wanted - held) * s - fee, paid + fee * np.exp(-rate * i * dt), wanted
        s, cash = s * np.exp((drift - vol * vol / 2) * dt + vol * np.sqrt(dt) * z[i]), cash * np.exp(rate * dt)
    fee = cost * np.abs(held) * s
    end = cash + held * s - fee - np.maximum(sign * (s - strike), 0.0)
    return end * np.exp(-rate * years), paid + fee * np.exp(-rate * years)


def delta_and_gamma(sign, s, strike, left, rate, vol):
    root = vol * np.sqrt(left)
    d1 = (np.log(s / strike) + rate * left) / root + root / 2
    return sign * ndtr(sign * d1), np.exp(-0.5 * d1 * d1) / np.sqrt(2 * np.pi) / (s * root)
