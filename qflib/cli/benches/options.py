"""The options that prices and vols are timed on, and what they cost in other libraries."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.cli.bench import timed

F = NDArray[np.float64]
PEER_ROWS = 2_000  # of libraries that take one option a call


class Options(NamedTuple):
    """Columns of one length, read-only."""

    sign: F
    spot: F
    strike: F
    years: F
    rate: F
    dividend_yield: F
    vol: F

    def rows(self, n: int) -> Options:
        """The first `n`."""
        return _frozen(*(c[:n].copy() for c in self))


def options(n: int, seed: int = 7) -> Options:
    """Calls and puts on 100 with a week to two years, vols of 5 to 80 %, strikes within three standard deviations."""
    rng = np.random.default_rng(seed)
    spot, years, vol = np.full(n, 100.0), rng.uniform(0.02, 2.0, n), rng.uniform(0.05, 0.8, n)
    rate, dividend = rng.uniform(-0.01, 0.06, n), rng.uniform(0.0, 0.03, n)
    strike = spot * np.exp((rate - dividend) * years - rng.uniform(-3, 3, n) * vol * np.sqrt(years))
    return _frozen(np.where(rng.random(n) < 0.5, 1.0, -1.0), spot, strike, years, rate, dividend, vol)


def wide_options(n: int, seed: int = 3) -> Options:
    """A minute to thirty years, vols of 0.1 to 500 %, out of the money up to six standard deviations."""
    rng = np.random.default_rng(seed)
    spot, years = np.full(n, 100.0), np.exp(rng.uniform(np.log(1 / 525_600), np.log(30), n))
    vol, rate = np.exp(rng.uniform(np.log(0.001), np.log(5), n)), rng.uniform(-0.02, 0.1, n)
    dividend, x = rng.uniform(0.0, 0.05, n), rng.uniform(-6, 6, n) * vol * np.sqrt(years)
    strike = spot * np.exp((rate - dividend) * years - x)
    return _frozen(np.where(x > 0, -1.0, 1.0), spot, strike, years, rate, dividend, vol)


def exact_prices(o: Options) -> list[Any]:
    """Prices to 40 digits, as `mpmath` numbers: the textbook's formula, row by row."""
    import mpmath as mp  # type: ignore[import-untyped]

    made = []
    with mp.workdps(40):
        for row in zip(*o, strict=True):
            c, s, k, t, r, q, v = (mp.mpf(float(x)) for x in row)
            root = v * mp.sqrt(t)
            d1 = (mp.log(s / k) + (r - q) * t) / root + root / 2
            asset, cash = s * mp.exp(-q * t), k * mp.exp(-r * t)
            made.append(c * (asset * mp.ncdf(c * d1) - cash * mp.ncdf(c * (d1 - root))))
    return made


#: orders of derivative in spot, vol, years, rate, yield and strike, and the sign
_ORDERS = {
    "delta": ((1, 0, 0, 0, 0, 0), 1), "gamma": ((2, 0, 0, 0, 0, 0), 1), "vega": ((0, 1, 0, 0, 0, 0), 1),
    "theta": ((0, 0, 1, 0, 0, 0), -1), "rho": ((0, 0, 0, 1, 0, 0), 1), "dividend_rho": ((0, 0, 0, 0, 1, 0), 1),
    "vanna": ((1, 1, 0, 0, 0, 0), 1), "volga": ((0, 2, 0, 0, 0, 0), 1), "charm": ((1, 0, 1, 0, 0, 0), -1),
    "veta": ((0, 1, 1, 0, 0, 0), -1), "speed": ((3, 0, 0, 0, 0, 0), 1), "zomma": ((2, 1, 0, 0, 0, 0), 1),
    "color": ((2, 0, 1, 0, 0, 0), -1), "ultima": ((0, 3, 0, 0, 0, 0), 1), "dual_delta": ((0, 0, 0, 0, 0, 1), 1),
    "dual_gamma": ((0, 0, 0, 0, 0, 2), 1),
}  # fmt: skip


def exact_greeks(o: Options) -> dict[str, F]:
    """Greeks by name: differences of the textbook's price in 40 digits."""
    import mpmath as mp

    found: dict[str, list[float]] = {name: [] for name in _ORDERS}
    with mp.workdps(40):
        for row in zip(*o, strict=True):
            c, s, k, t, r, q, v = (mp.mpf(float(x)) for x in row)

            def price(s: Any, v: Any, t: Any, r: Any, q: Any, k: Any, c: Any = c) -> Any:
                root = v * mp.sqrt(t)
                d1 = (mp.log(s / k) + (r - q) * t) / root + root / 2
                asset, cash = s * mp.exp(-q * t), k * mp.exp(-r * t)
                return c * (asset * mp.ncdf(c * d1) - cash * mp.ncdf(c * (d1 - root)))

            for name, (orders, sign) in _ORDERS.items():
                step = mp.mpf(10) ** -9
                found[name].append(float(sign * mp.diff(price, (s, v, t, r, q, k), orders, h=step)))
    return {name: np.array(column) for name, column in found.items()}


def beside(peers: dict[str, tuple[str, Callable[[Any], Callable[[], object]], int]]) -> dict[str, float]:
    """Nanoseconds an option of what is installed.

    Parameters
    ----------
    peers
        By name: its module, what makes one call of it, and options a call.
    """
    found = {}
    for name, (module, made, per) in peers.items():
        try:
            with redirect_stdout(sys.stderr):  # some greet whoever imports them
                library = importlib.import_module(module)
        except ImportError as e:
            print(f"qflib: peer {name} is left out ({e}): pip install {module.split('.')[0]}", file=sys.stderr)
            continue
        try:
            with redirect_stdout(sys.stderr), np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                found[name] = timed("", made(library), per=per, unit="ns").value
        except Exception as e:  # a peer that fails is told, and ends nothing
            print(f"qflib: peer {name} fails: {type(e).__name__}: {e}", file=sys.stderr)
    return found


def financepy_kinds(sign: F) -> NDArray[np.int64]:
    """FinancePy's numbers of calls and puts."""
    kinds = importlib.import_module("financepy.utils.global_types").OptionTypes
    return np.asarray(np.where(sign > 0, kinds.EUROPEAN_CALL.value, kinds.EUROPEAN_PUT.value), np.int64)


def _frozen(*columns: F) -> Options:
    for c in columns:
        c.flags.writeable = False
    return Options(*columns)
