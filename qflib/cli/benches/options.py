"""The options that prices and vols are timed on, and what they cost in other libraries."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
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
            library = importlib.import_module(module)
        except ImportError:
            print(f"qflib: peer {name} is left out: pip install {module}", file=sys.stderr)
            continue
        found[name] = timed("", made(library), per=per, unit="ns").value
    return found


def _frozen(*columns: F) -> Options:
    for c in columns:
        c.flags.writeable = False
    return Options(*columns)
