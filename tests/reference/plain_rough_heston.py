"""Rough Heston by the plainest means: an explicit predictor-corrector for each u at once, and a trapezoid over u."""

import math

import numpy as np


def call(spot, strikes, years, rate, v0, kappa, theta, sigma, rho, hurst, steps=500, most=80.0, places=320):
    a, dt = hurst + 0.5, years / steps
    u = np.linspace(0, most, places + 1)
    z = u - 0.5j

    def flow(h):
        return 0.5 * (-(z**2) - 1j * z) + (1j * z * rho * sigma - kappa) * h + 0.5 * sigma**2 * h**2

    h, f = [np.zeros_like(z)], [flow(np.zeros_like(z))]
    for k in range(steps):
        j = np.arange(k + 1)
        past = np.array(f)
        b = (k + 1.0 - j) ** a - (k - j) ** a
        guess = dt**a / math.gamma(a + 1) * (b[:, None] * past).sum(axis=0)
        w = (k - j + 2.0) ** (a + 1) + np.abs(k - j + 0.0) ** (a + 1) - 2 * (k - j + 1.0) ** (a + 1)
        w[0] = k ** (a + 1) - (k - a) * (k + 1.0) ** a
        h.append(dt**a / math.gamma(a + 2) * ((w[:, None] * past).sum(axis=0) + flow(guess)))
        f.append(flow(h[-1]))
    log = kappa * theta * np.trapezoid(h, dx=dt, axis=0) + v0 * np.trapezoid(f, dx=dt, axis=0)
    out = []
    for strike in strikes:
        k = math.log(spot / strike) + rate * years
        share = np.trapezoid((np.exp((1j * u + 0.5) * k + log) / (u**2 + 0.25)).real, u) / math.pi
        out.append(spot - strike * math.exp(-rate * years) * share)
    return np.array(out)
