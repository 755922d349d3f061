"""Implied vols, checked, fallbacks in, one core; peers: py_vollib and kin, QuantLib, PyFENG, FinancePy, SciPy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.cli.bench import Row, timed
from qflib.cli.benches.options import PEER_ROWS, Options, beside, exact_prices, financepy_kinds, options, wide_options
from qflib.errors import DataError
from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.kernels.implied_vol import OK, lognormal_implied_vol
from qflib.kernels.implied_vol_blocks import lognormal_implied_vol_batch
from qflib.kernels.jit import kernel
from qflib.kernels.lognormal_blocks import black_scholes_batch, greeks_batch

F = NDArray[np.float64]
_N, _EXACT = 1_000_000, 2_000
_SLOW = 200  # rows of libraries that take some 100 us a vol
_EPS = float(np.finfo(np.float64).eps)


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an option on the mix of `options` with two hundredths of `wide_options`; errors; a row by itself.

    The error is that of the vol against the one a 40-digit price was made with, in units of epsilon times the condition
    number: the sum of |x d vol / d x| / vol over price, spot, strike, years, rate and yield, at least 1.
    """
    o = _mixed(options(_N), wide_options(_N // 50))
    price = _priced(o)
    vol, status = np.empty(len(price)), np.empty(len(price), np.int8)
    row = timed(
        "checked", lambda: lognormal_implied_vol_batch(price, *o[:6], vol, status), per=len(price), unit="ns",
        of="option",
    )  # fmt: skip
    if np.isnan(vol[status == OK]).any():
        raise DataError("a vol is NaN and says ok")
    note = "written to given arrays of vols and statuses: 50 of 51 rows within 3 deviations, the others wide"
    yield row._replace(peers=_peers(options(_N)) if peers else {}, note=note)
    error = max(_error(options(_EXACT)), _error(wide_options(_EXACT)))
    note = f"2 x {_EXACT} rows against vols of 40-digit prices"
    yield Row("max_error_eps_cond", error, error, "epsilon x condition number", note=note)
    hard = _fallbacks(wide_options(_N // 10))
    rest = _priced(hard)
    out = np.empty(len(rest))
    row = timed("fallback", lambda: _one_by_one(rest, *hard[:6], out), per=len(rest), unit="ns", of="option")
    yield row._replace(note="rows that the blocks hand over, one by one, written to a given array")


def _mixed(a: Options, b: Options) -> Options:
    """Both, shuffled."""
    order = np.random.default_rng(1).permutation(len(a.sign) + len(b.sign))
    columns = [np.concatenate(pair)[order] for pair in zip(a, b, strict=True)]
    for c in columns:
        c.flags.writeable = False
    return Options(*columns)


def _priced(o: Options) -> F:
    out = np.empty(len(o.sign))
    black_scholes_batch(*o, out)
    out.flags.writeable = False
    return out


def _fallbacks(o: Options) -> Options:
    """The rows with a vol that are done by themselves."""
    price, one, code = _priced(o), np.empty(1), np.empty(1, np.int8)
    alone = []
    for i in range(len(price)):
        p, c, s, k, t, r, q, _ = (a[i : i + 1] for a in (price, *o))
        if lognormal_implied_vol_batch(p, c, s, k, t, r, q, one, code) and code[0] == OK:
            alone.append(i)
    columns = [c[alone].copy() for c in o]
    for c in columns:
        c.flags.writeable = False
    return Options(*columns)


@kernel
def _one_by_one(price: F, sign: F, spot: F, strike: F, years: F, rate: F, dividend_yield: F, out: F) -> None:
    for i in range(out.size):
        out[i], _ = lognormal_implied_vol(price[i], sign[i], spot[i], strike[i], years[i], rate[i], dividend_yield[i])


def _error(o: Options) -> float:
    """The greatest on a sample, of those that have a vol."""
    price = np.array([float(p) for p in exact_prices(o)])
    price.flags.writeable = False
    vol, status = np.empty(len(price)), np.empty(len(price), np.int8)
    lognormal_implied_vol_batch(price, *o[:6], vol, status)
    table = np.empty((len(GREEKS), len(price)))
    greeks_batch(*o, table)
    g = dict(zip(GREEKS, table, strict=True))
    moved = np.abs(g["price"]) + np.abs(o.years * g["theta"])
    for value, name in (
        (o.spot, "delta"),
        (o.strike, "dual_delta"),
        (o.rate, "rho"),
        (o.dividend_yield, "dividend_rho"),
    ):
        moved = moved + np.abs(value * g[name])
    found = (status == OK) & (g["vega"] > 0.0)
    condition = np.maximum(moved[found] / (g["vega"] * o.vol)[found], 1.0)
    return float(np.max(np.abs(vol[found] / o.vol[found] - 1) / (_EPS * condition)))


def _peers(o: Options) -> dict[str, float]:
    """What a vol costs elsewhere."""
    price, few = _priced(o), o.rows(PEER_ROWS)
    some = _priced(few)

    def vectorized(library: Any) -> Callable[[], object]:
        flag = np.where(o.sign > 0, "c", "p")
        return lambda: library.vectorized_implied_volatility(
            price, o.spot, o.strike, o.years, o.rate, flag, q=o.dividend_yield, model="black_scholes_merton",
            return_as="numpy", on_error="ignore",
        )  # fmt: skip

    def vollib(library: Any) -> Callable[[], object]:
        library = importlib.reload(library)  # its vectorised kin puts its own functions in its place
        flags = ["c" if c > 0 else "p" for c in few.sign]
        columns = (some, few.spot, few.strike, few.years, few.rate, few.dividend_yield)
        listed = list(zip(*(c.tolist() for c in columns), flags, strict=True))
        return lambda: [library.implied_volatility(*row) for row in listed]

    def quantlib(ql: Any) -> Callable[[], object]:
        listed = []
        for c, s, k, t, r, q, p in zip(*(x.tolist() for x in few[:6]), some.tolist(), strict=True):
            forward, discount = s * np.exp((r - q) * t), float(np.exp(-r * t))
            listed.append((ql.Option.Call if c > 0 else ql.Option.Put, k, float(forward), p, discount))
        return lambda: [
            ql.blackFormulaImpliedStdDev(kind, k, f, p, d, 0.0, 0.2, 1e-14, 200) for kind, k, f, p, d in listed
        ]

    def fast(library: Any) -> Callable[[], object]:
        flag = np.where(o.sign > 0, "c", "p")
        return lambda: library.fast_implied_volatility(
            price, o.spot, o.strike, o.years, o.rate, flag, q=o.dividend_yield, model="black_scholes_merton",
            return_as="numpy", on_error="ignore", backend="numpy",
        )  # fmt: skip

    def pyfeng(library: Any) -> Callable[[], object]:
        ten = o.rows(_N // 10)
        model = library.Bsm(sigma=0.2, intr=ten.rate, divr=ten.dividend_yield)
        return lambda: model.impvol(price[: _N // 10], ten.strike, ten.spot, ten.years, cp=ten.sign)

    def financepy(library: Any) -> Callable[[], object]:
        columns = (few.spot, few.years, few.strike, few.rate, few.dividend_yield, some, financepy_kinds(few.sign))
        listed = list(zip(*(c.tolist() for c in columns), strict=True))[:_SLOW]
        return lambda: [library.implied_volatility(*row) for row in listed]

    def scipy(optimize: Any) -> Callable[[], object]:
        from scipy.special import ndtr

        listed = list(zip(*(c.tolist() for c in few[:6]), some.tolist(), strict=True))[:_SLOW]

        def one(c: float, s: float, k: float, t: float, r: float, q: float, p: float) -> float:
            asset, cash, x = s * np.exp(-q * t), k * np.exp(-r * t), np.log(s / k) + (r - q) * t

            def miss(v: float) -> float:
                root = v * np.sqrt(t)
                d1 = x / root + 0.5 * root
                return float(c * (asset * ndtr(c * d1) - cash * ndtr(c * (d1 - root))) - p)

            return float(optimize.brentq(miss, 1e-4, 5.0, xtol=1e-14, rtol=1e-13))

        return lambda: [one(*row) for row in listed]

    return beside(
        {
            "fast-vollib": ("fast_vollib", fast, len(price)),
            "PyFENG": ("pyfeng", pyfeng, _N // 10),
            "FinancePy": ("financepy.models.black_scholes_analytic", financepy, _SLOW),
            "SciPy brentq": ("scipy.optimize", scipy, _SLOW),
            "py_vollib_vectorized": ("py_vollib_vectorized", vectorized, len(price)),
            "py_vollib": ("py_vollib.black_scholes_merton.implied_volatility", vollib, len(some)),
            "QuantLib": ("QuantLib", quantlib, len(some)),
        }
    )
