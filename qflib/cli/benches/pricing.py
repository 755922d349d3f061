"""Black-Scholes-Merton prices and Greeks, one core; peers: SciPy, QuantLib, py_vollib and kin, PyFENG, FinancePy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qflib.cli.bench import Row, timed
from qflib.cli.benches.greek_peers import differentiated, quantlib
from qflib.cli.benches.options import PEER_ROWS, Options, beside, exact_greeks, exact_prices, financepy_kinds, options
from qflib.kernels.black_scholes_greeks import GREEKS
from qflib.kernels.lognormal_blocks import black_scholes_batch, greeks_batch

_N, _TILE, _EXACT, _DIFFERENTIATED = 1_000_000, 2_000, 2_000, 60
_GREEKS = 17  # the price and sixteen Greeks


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an option, and the greatest error of a price against 40 digits."""
    o, price = options(_N), np.empty(_N)
    few, part = options(_N).rows(PEER_ROWS), options(_N).rows(_TILE)
    tile, table = np.empty((_GREEKS, _TILE)), np.empty((_GREEKS, _N))

    def each(row: str, work: Callable[[], object], **how: Any) -> Row:
        return timed(row, work, unit="ns", of="option", **how)

    row = each("price", lambda: black_scholes_batch(*o, price), per=_N)
    yield row._replace(peers=_priced(o, few) if peers else {}, note="written to a given array")
    row = each("price_greeks16_tiled", lambda: greeks_batch(*part, tile), per=_TILE, times=100)
    yield row._replace(note=f"{_TILE} rows in cache, written to the same (17, {_TILE}) array again")
    row = each("price_greeks16", lambda: greeks_batch(*o, table), per=_N)
    peers_found = differentiated(o.rows(_N // 10), few) if peers else {}
    yield row._replace(peers=peers_found, note="written to a given (17, 1,000,000) array; peers allocate their own")
    error = _error(o.rows(_EXACT))
    yield Row("price_max_error", error, error, "relative to the underlying", note=f"{_EXACT} rows against 40 digits")
    error = _greeks_error(o.rows(_DIFFERENTIATED))
    note = f"{_DIFFERENTIATED} rows against derivatives of the price in 40 digits"
    yield Row("greeks16_max_error", error, error, "relative to the greatest of its kind", note=note)


def _error(o: Options) -> float:
    """The greatest, on a sample."""
    got = np.empty(len(o.sign))
    black_scholes_batch(*o, got)
    exact = exact_prices(o)
    return float(max(float(abs(g - e)) / s for g, e, s in zip(got.tolist(), exact, o.spot.tolist(), strict=True)))


def _greeks_error(o: Options) -> float:
    """The greatest of all Greeks, each over the greatest of its kind on the sample."""
    got = np.empty((_GREEKS, len(o.sign)))
    greeks_batch(*o, got)
    exact = exact_greeks(o)
    rows = [i for i, name in enumerate(GREEKS) if name in exact]
    return max(float(np.max(np.abs(got[i] - exact[GREEKS[i]])) / np.max(np.abs(exact[GREEKS[i]]))) for i in rows)


def _priced(o: Options, few: Options) -> dict[str, float]:
    """What a price costs elsewhere."""

    def scipy(special: Any) -> Callable[[], object]:
        def work() -> object:
            root = o.vol * np.sqrt(o.years)
            d1 = (np.log(o.spot / o.strike) + (o.rate - o.dividend_yield) * o.years) / root + 0.5 * root
            asset, cash = o.spot * np.exp(-o.dividend_yield * o.years), o.strike * np.exp(-o.rate * o.years)
            return o.sign * (asset * special.ndtr(o.sign * d1) - cash * special.ndtr(o.sign * (d1 - root)))

        return work

    def pyfeng(library: Any) -> Callable[[], object]:
        model = library.Bsm(sigma=o.vol, intr=o.rate, divr=o.dividend_yield)
        return lambda: model.price(o.strike, o.spot, o.years, cp=o.sign)

    def vectorized(library: Any) -> Callable[[], object]:
        flag = np.where(o.sign > 0, "c", "p")
        return lambda: library.vectorized_black_scholes_merton(
            flag, o.spot, o.strike, o.years, o.rate, o.vol, o.dividend_yield, return_as="numpy"
        )

    def fast(library: Any) -> Callable[[], object]:
        flag = np.where(o.sign > 0, "c", "p")
        return lambda: library.fast_black_scholes_merton(
            flag, o.spot, o.strike, o.years, o.rate, o.vol, o.dividend_yield, return_as="numpy", backend="numpy"
        )

    def financepy(library: Any) -> Callable[[], object]:
        kinds = financepy_kinds(o.sign)
        return lambda: library.value(o.spot, o.years, o.strike, o.rate, o.dividend_yield, o.vol, kinds)

    def vollib(library: Any) -> Callable[[], object]:
        library = importlib.reload(library)  # its vectorised kin puts its own functions in its place
        columns = (
            ["c" if c > 0 else "p" for c in few.sign],
            *(c.tolist() for c in (few.spot, few.strike, few.years, few.rate, few.vol, few.dividend_yield)),
        )
        return lambda: [library.black_scholes_merton(*row) for row in zip(*columns, strict=True)]

    return beside(
        {
            "numpy + scipy ndtr": ("scipy.special", scipy, len(o.sign)),
            "PyFENG": ("pyfeng", pyfeng, len(o.sign)),
            "py_vollib_vectorized": ("py_vollib_vectorized", vectorized, len(o.sign)),
            "fast-vollib": ("fast_vollib", fast, len(o.sign)),
            "FinancePy": ("financepy.models.black_scholes_analytic", financepy, len(o.sign)),
            "py_vollib": ("py_vollib.black_scholes_merton", vollib, len(few.sign)),
            "QuantLib": ("QuantLib", lambda ql: quantlib(ql, few), len(few.sign)),
        }
    )
