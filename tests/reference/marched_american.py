"""American options from the smooth-pasting integral equation, marched through time: no collocation, no fixed point.

The boundary at each time of a graded mesh makes delta -1 given the boundaries before it (a Volterra equation). Between
nodes ln(strike / boundary)^2 is cubic in the root of time. It shares nothing with the library's solver but the
representation of the price (Kim 1990; Carr, Jarrow and Myneni 1992).
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

_X, _W = np.polynomial.legendre.leggauss(8)
_X, _W = 0.5 * _X + 0.5, 0.5 * _W


def _density(x):
    return np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)


class _Put:
    def __init__(self, strike, years, rate, dividend_yield, vol, nodes):
        self.terms = strike, rate, dividend_yield, vol
        self.z = np.sqrt(years) * (np.arange(nodes + 1) / nodes) ** 1.5
        start = strike * min(1.0, rate / dividend_yield) if dividend_yield > 0.0 else strike
        self.y = np.full(nodes + 1, np.log(strike / start) ** 2)

    def rule(self, i):
        """Places and masses in u = time to expiry less time, and the cubic's weights of the boundary there."""
        z, last = self.z, self.z[i]
        from_, to = z[:i], z[1 : i + 1]
        late = np.arange(i) >= i // 2  # there the integrand has its root at u = 0, before at u = time to expiry
        high = np.where(late, np.sqrt(np.maximum(last**2 - from_**2, 0.0)), to)
        low = np.where(late, np.sqrt(np.maximum(last**2 - to**2, 0.0)), from_)
        place = low[:, None] + (high - low)[:, None] * _X
        u = np.where(late[:, None], place**2, last**2 - place**2)
        at = np.where(late[:, None], np.sqrt(np.maximum(last**2 - place**2, 0.0)), place)
        mass = 2.0 * place * (high - low)[:, None] * _W
        degree = min(3, i)
        first = np.clip(np.arange(i) - 1, 0, i - degree)
        used = first[:, None] + np.arange(degree + 1)
        weights = np.ones((i, _X.size, degree + 1))
        for a in range(degree + 1):
            for b in range(degree + 1):
                if a != b:
                    over = (z[used[:, a]] - z[used[:, b]])[:, None]
                    weights[:, :, a] *= (at - z[used[:, b]][:, None]) / over
        return u, mass, weights, used

    def delta_and_value(self, spot, i, rule):
        strike, rate, q, vol = self.terms
        u, mass, weights, used = rule
        years = self.z[i] ** 2
        s = vol * np.sqrt(years)
        d = (np.log(spot / strike) + (rate - q) * years) / s + 0.5 * s
        asset, cash = np.exp(-q * years), strike * np.exp(-rate * years)
        delta, value = -asset * ndtr(-d), cash * ndtr(s - d) - spot * asset * ndtr(-d)
        square = np.maximum(np.einsum("ikd,id->ik", weights, self.y[used]), 0.0)
        boundary = strike * np.exp(-np.sqrt(square))
        s = vol * np.sqrt(u)
        d = (np.log(spot / boundary) + (rate - q) * u) / s + 0.5 * s
        paid, lost = rate * strike * np.exp(-rate * u), q * np.exp(-q * u)
        delta += np.sum(mass * (-paid * _density(d - s) / (spot * s) - lost * (ndtr(-d) - _density(d) / s)))
        value += np.sum(mass * (paid * ndtr(s - d) - spot * lost * ndtr(-d)))
        return delta, value

    def march(self):
        strike = self.terms[0]
        for i in range(1, self.z.size):
            rule = self.rule(i)

            def miss(x, i=i, rule=rule):
                self.y[i] = x * x
                return self.delta_and_value(strike * np.exp(-x), i, rule)[0] + 1.0

            guess, width = self.guess(i), 1e-4
            while miss(guess * (1.0 - width)) * miss(guess * (1.0 + width)) > 0.0 and width < 0.9:
                width *= 2.0
            low, high = guess * (1.0 - width), guess * (1.0 + width)
            self.y[i] = brentq(miss, low, high, xtol=1e-300, rtol=1e-14) ** 2

    def guess(self, i):
        """Of ln(strike / boundary): near expiry after Evans, Kuske and Keller 2002, then straight on."""
        _, rate, q, vol = self.terms
        if i > 2:
            past = self.y[i - 2 : i]
            slope = (past[1] - past[0]) / (self.z[i - 1] - self.z[i - 2])
            return np.sqrt(past[1] + slope * (self.z[i] - self.z[i - 1]))
        years = self.z[i] ** 2
        root = vol * np.sqrt(years)
        if rate < q:
            return np.sqrt(self.y[0]) + 0.451723 * np.sqrt(2.0) * root
        within = 8.0 * np.pi * years * ((rate - q) / vol) ** 2 if rate > q else 4.0 * np.sqrt(np.pi) * rate * years
        return root * np.sqrt(max((1.0 if rate > q else 2.0) * -np.log(within), 0.1))


def price(right, spot, strike, years, rate, dividend_yield, vol, nodes=150):
    """Price for positive rates (a put's) or yields (a call's); error about 1e-9 of the strike with 150 nodes."""
    if right == "call":  # a call is a put with price and strike, rate and yield exchanged
        spot, strike, rate, dividend_yield = strike, spot, dividend_yield, rate
    put = _Put(strike, years, rate, dividend_yield, vol, nodes)
    put.march()
    n = put.z.size - 1
    if spot <= strike * np.exp(-np.sqrt(put.y[n])):
        return strike - spot
    return float(put.delta_and_value(spot, n, put.rule(n))[1])
