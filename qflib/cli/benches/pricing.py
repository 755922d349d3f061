"""Black-Scholes-Merton prices and Greeks, one core; peers: NumPy with SciPy, QuantLib, py_vollib, PyFENG, FinancePy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qflib.cli.bench import Row, timed
from qflib.cli.benches.options import PEER_ROWS, Options, beside, exact_prices, options
from qflib.kernels.lognormal_blocks import black_scholes_batch, greeks_batch

_N, _TILE, _EXACT = 1_000_000, 2_000, 2_000
_GREEKS = 17  # the price and sixteen Greeks


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an option, and the greatest error of a price against 40 digits."""
    o, price = options(_N), np.empty(_N)
    few, part = options(_N).rows(PEER_ROWS), options(_N).rows(_TILE)
    tile, table = np.empty((_GREEKS, _TILE)), np.empty((_GREEKS, _N))

    def each(row: str, work: Callable[[], object], **how: Any) -> Row:
        return timed(row, work, unit="ns", of="option", **how)

    row = each("price", lambda: black_scholes_batch(*o, price), per=_N)
    yield row._replace(peers=_priced(o, few) if peers else {})
    yield each("price_greeks16_tiled", lambda: greeks_batch(*part, tile), per=_TILE, times=100)
    row = each("price_greeks16", lambda: greeks_batch(*o, table), per=_N)
    yield row._replace(peers=_differentiated(few) if peers else {})
    error = _error(o.rows(_EXACT))
    yield Row("price_max_error", error, error, "relative to the underlying")


def _error(o: Options) -> float:
    """The greatest, on a sample."""
    got = np.empty(len(o.sign))
    black_scholes_batch(*o, got)
    exact = exact_prices(o)
    return float(max(float(abs(g - e)) / s for g, e, s in zip(got.tolist(), exact, o.spot.tolist(), strict=True)))


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

    def vollib(library: Any) -> Callable[[], object]:
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
            "py_vollib": ("py_vollib.black_scholes_merton", vollib, len(few.sign)),
            "QuantLib": ("QuantLib", lambda ql: _quantlib(ql, few), len(few.sign)),
        }
    )


def _differentiated(few: Options) -> dict[str, float]:
    """What a price with Greeks costs elsewhere; how many of them is said."""
    return beside({"QuantLib (6 Greeks)": ("QuantLib", lambda ql: _quantlib(ql, few, greeks=True), len(few.sign))})


def _quantlib(ql: Any, few: Options, greeks: bool = False) -> Callable[[], object]:
    """QuantLib's Black formula on forward and deviation, an option a call."""
    discount = np.exp(-few.rate * few.years)
    forward, root = few.spot * np.exp((few.rate - few.dividend_yield) * few.years), few.vol * np.sqrt(few.years)
    kinds = [ql.Option.Call if c > 0 else ql.Option.Put for c in few.sign]
    columns = [c.tolist() for c in (few.strike, forward, root, discount, few.spot, few.years)]
    listed = list(zip(kinds, *columns, strict=True))
    if not greeks:
        return lambda: [ql.blackFormula(kind, k, f, s, d) for kind, k, f, s, d, _, _ in listed]

    def work() -> object:
        total = 0.0
        for kind, k, f, s, d, spot, t in listed:
            b = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, k), f, s, d)
            total += b.value() + b.delta(spot) + b.gamma(spot) + b.vega(t) + b.theta(spot, t) + b.rho(t)
            total += b.dividendRho(t)
        return total

    return work
