"""American options by plain trees: Leisen and Reimer's, and with dividends on the escrowed spot."""

import numpy as np


def _inverted(z, n):
    return 0.5 + np.sign(z) * 0.5 * np.sqrt(1 - np.exp(-((z / (n + 1 / 3 + 0.1 / (n + 1))) ** 2) * (n + 1 / 6)))


def _walk(sign, base, strike, years, rate, q, vol, n, added):
    """Backward induction; `added(t)` is what the spot has beside its lognormal part."""
    dt = years / n
    d1 = (np.log(base / strike) + (rate - q + vol**2 / 2) * years) / (vol * np.sqrt(years))
    p = _inverted(d1 - vol * np.sqrt(years), n)
    up = np.exp((rate - q) * dt) * _inverted(d1, n) / p
    down = (np.exp((rate - q) * dt) - p * up) / (1 - p)
    j = np.arange(n + 1)
    value = np.maximum(sign * (base * up**j * down ** (n - j) + added(years) - strike), 0)
    for i in range(n - 1, -1, -1):
        j = np.arange(i + 1)
        value = np.exp(-rate * dt) * (p * value[1:] + (1 - p) * value[:-1])
        value = np.maximum(value, sign * (base * up**j * down ** (i - j) + added(i * dt) - strike))
    return float(value[0])


def leisen_reimer(sign, spot, strike, years, rate, q, vol, n):
    return _walk(sign, spot, strike, years, rate, q, vol, n, lambda t: 0.0)


def escrowed(sign, spot, strike, years, rate, vol, dividends, n):
    def worth(t):
        return sum(x * np.exp(-rate * (at - t)) for at, x in dividends if t < at <= years)

    return _walk(sign, spot - worth(0.0), strike, years, rate, 0.0, vol, n, worth)
