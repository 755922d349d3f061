"""European prices from the textbook formula in 60 digits: the oracle of the kernels."""

import mpmath as mp

GREEK_ORDERS = {  # derivative orders in (spot, vol, years, rate, yield, strike), and sign
    "delta": ((1, 0, 0, 0, 0, 0), 1),
    "gamma": ((2, 0, 0, 0, 0, 0), 1),
    "vega": ((0, 1, 0, 0, 0, 0), 1),
    "theta": ((0, 0, 1, 0, 0, 0), -1),
    "rho": ((0, 0, 0, 1, 0, 0), 1),
    "dividend_rho": ((0, 0, 0, 0, 1, 0), 1),
    "vanna": ((1, 1, 0, 0, 0, 0), 1),
    "volga": ((0, 2, 0, 0, 0, 0), 1),
    "charm": ((1, 0, 1, 0, 0, 0), -1),
    "veta": ((0, 1, 1, 0, 0, 0), -1),
    "speed": ((3, 0, 0, 0, 0, 0), 1),
    "zomma": ((2, 1, 0, 0, 0, 0), 1),
    "color": ((2, 0, 1, 0, 0, 0), -1),
    "ultima": ((0, 3, 0, 0, 0, 0), 1),
    "dual_delta": ((0, 0, 0, 0, 0, 1), 1),
    "dual_gamma": ((0, 0, 0, 0, 0, 2), 1),
}


def cdf(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def price(sign, spot, strike, years, rate, dividend_yield, vol):
    s, k, t, r, q, v = (mp.mpf(x) for x in (spot, strike, years, rate, dividend_yield, vol))
    root = v * mp.sqrt(t)
    d1 = (mp.log(s / k) + (r - q) * t) / root + root / 2
    return sign * (s * mp.exp(-q * t) * cdf(sign * d1) - k * mp.exp(-r * t) * cdf(sign * (d1 - root)))


def greek(name, sign, spot, strike, years, rate, dividend_yield, vol):
    """The derivative of the price itself, by central differences in 60 digits."""
    orders, direction = GREEK_ORDERS[name]

    def f(s, v, t, r, q, k):
        return price(sign, s, k, t, r, q, v)

    with mp.workdps(60):
        at = tuple(mp.mpf(x) for x in (spot, vol, years, rate, dividend_yield, strike))
        return direction * mp.diff(f, at, orders, h=mp.mpf(10) ** -15)


def bachelier(sign, forward, strike, years, vol):
    f, k, s = mp.mpf(forward), mp.mpf(strike), mp.mpf(vol) * mp.sqrt(mp.mpf(years))
    d = sign * (f - k) / s
    return s * (d * cdf(d) + mp.npdf(d))
