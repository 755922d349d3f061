"""Option quotes off a moving surface: Black-76 on SSVI total variance, a spread that grows with vega.

SSVI: Gatheral and Jacquier 2014, "Arbitrage-free SVI volatility surfaces", equation 4.1, with the power-law
phi(theta) = eta / sqrt(theta * (1 + theta)) (equation 4.5) and eta * (1 + |rho|) <= 2: free of butterfly arbitrage
(corollary 4.1); total at-the-money variance rises with time: free of calendar arbitrage.
"""

from __future__ import annotations

import math

from qflib.kernels.jit import kernel

# The skew is gentle enough that a strike's volatility, as the forward slides along it, moves no more than the level.
RHO, ETA = -0.3, 0.8
HALF_SPREAD_VOL = 0.003  # half-spread in volatility, which vega turns into price
_YEAR_NS = 365 * 86_400 * 1e9
_SQRT_HALF = math.sqrt(0.5)
_PER_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@kernel
def total_variance(log_moneyness: float, theta: float) -> float:
    """SSVI total implied variance at log(strike / forward), given that at the money. O(1).

    Examples
    --------
    >>> round(total_variance(0.0, 0.04), 12)
    0.04
    """
    x = ETA / math.sqrt(theta * (1.0 + theta)) * log_moneyness
    return 0.5 * theta * (1.0 + RHO * x + math.sqrt((x + RHO) * (x + RHO) + 1.0 - RHO * RHO))


@kernel
def black76(forward: float, strike: float, variance: float, is_call: bool) -> tuple[float, float]:
    """Undiscounted price and d price / d sqrt(variance) of a European option (Black 1976). O(1).

    Examples
    --------
    >>> price, slope = black76(100.0, 100.0, 0.04, True)
    >>> round(price, 6), round(slope, 6)
    (7.965567, 39.695255)
    """
    s = math.sqrt(variance)
    d1 = math.log(forward / strike) / s + 0.5 * s
    w = 1.0 if is_call else -1.0
    in_1 = 0.5 * math.erfc(-w * d1 * _SQRT_HALF)
    in_2 = 0.5 * math.erfc(-w * (d1 - s) * _SQRT_HALF)
    slope = forward * _PER_SQRT_2PI * math.exp(-0.5 * d1 * d1)
    return w * (forward * in_1 - strike * in_2), slope


@kernel
def quote(
    forward: float, strike: float, is_call: bool, expiry_ns: int, now_ns: int, atm_vol: float, tick: float
) -> tuple[int, int]:
    """Bid and ask in ticks of one option; 1 <= bid < ask. O(1).

    Parameters
    ----------
    forward, strike, tick
        In quote currency.
    atm_vol
        Annual at-the-money implied volatility.
    """
    years = max(expiry_ns - now_ns, 1.0e9) / _YEAR_NS
    variance = total_variance(math.log(strike / forward), atm_vol * atm_vol * years)
    price, slope = black76(forward, strike, variance, is_call)
    half = max(HALF_SPREAD_VOL * slope * math.sqrt(years), 0.5 * tick)
    bid = max(math.floor((price - half) / tick + 1.0e-9), 1)
    return bid, max(math.ceil((price + half) / tick - 1.0e-9), bid + 1)
