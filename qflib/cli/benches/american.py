"""American options in a batch, with Greeks: microseconds an option, the largest error; peers: QuantLib, FinancePy.

The box: S = 100, strikes 70 to 130, a month to a year, rates 2 to 10 %, yields of 0, 4, 8, 12 % and of the rate
itself, vols 10 to 60 %, calls and puts; drawn at random, so that no two options share a boundary.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from qflib.cli.bench import RUNS, Row, timed
from qflib.cli.benches.options import Options, beside
from qflib.kernels.american_values import VALUES, Grids, american_batch
from qflib.kernels.exercise_grid import grid_pair
from qflib.pricing.american_options import values
from qflib.pricing.inputs import Arguments, arguments

_OPTIONS = 20_000
_CHECKED = 4_000
_PEER_OPTIONS = 300


def box(n: int, seed: int = 1) -> Arguments:
    """Options of the box.

    Parameters
    ----------
    n
        How many.
    seed
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.02, 0.10, n)
    dividend_yield = rng.choice([0.0, 0.04, 0.08, 0.12, np.nan], n)
    return arguments(
        np.where(rng.random(n) < 0.5, "call", "put").astype(object),
        spot=100.0,
        strike=rng.uniform(70.0, 130.0, n),
        years=rng.integers(30, 366, n) / 365.0,  # whole days, which QuantLib's dates need
        rate=rate,
        dividend_yield=np.where(np.isnan(dividend_yield), rate, dividend_yield),
        vol=rng.uniform(0.10, 0.60, n),
    )


def rows(peers: bool) -> Iterator[Row]:
    """Time on all cores, then the error against 40 nodes of 48 angles, which QdFp with 128 nodes agrees with."""
    options = box(_OPTIONS)
    row = timed("batch_with_greeks", lambda: values(options, slopes=True), per=_OPTIONS, unit="us", of="option")
    note = f"{_OPTIONS} options with delta, gamma, vega, theta, rho, dividend_rho, to a fresh array; peers: price alone"
    yield row._replace(peers=_peers(options) if peers else {}, note=note)
    row = timed("batch_price", lambda: values(options, slopes=False), per=_OPTIONS, unit="us", of="option")
    yield row._replace(note="to a fresh array")
    few = Arguments(tuple(x[:_CHECKED] for x in options.values), (_CHECKED,), None)
    error = float(np.abs(values(few, slopes=False)[0] - _converged(few)).max())
    yield Row(
        "max_error", error, error, "price", note=f"{_CHECKED} options against 40 nodes of 48 angles, strikes of 100"
    )


def _converged(a: Arguments) -> Any:
    fine = grid_pair(40, 48, 128)
    out = np.empty((len(VALUES), a.size))
    sign, spot, strike, years, rate, dividend_yield, vol = a.values
    american_batch(sign, spot, strike, years, rate, dividend_yield, vol, Grids(fine, fine, fine, fine), False, out)
    return out[0]


def _peers(a: Arguments) -> dict[str, float]:
    """Microseconds an option of QuantLib's engines on one core, price alone."""
    few = Options(*(x[:_PEER_OPTIONS] for x in a.values))

    def whaley(library: Any) -> Callable[[], object]:
        columns = (few.spot, few.years, few.strike, few.rate, few.dividend_yield, few.vol, few.sign.astype(int))
        listed = list(zip(*(c.tolist() for c in columns), strict=True))
        return lambda: [library.baw_value(*row) for row in listed]

    module = "financepy.models.black_scholes_analytic"
    found = {name: x / 1e3 for name, x in beside({"FinancePy BAW": (module, whaley, _PEER_OPTIONS)}).items()}
    try:
        import QuantLib as ql
    except ImportError:
        print("qflib: peer QuantLib is left out: pip install quantlib", file=sys.stderr)
        return found
    schemes = {
        "QuantLib QdFp fast": ql.QdFpAmericanEngine.fastScheme(),
        "QuantLib QdFp accurate": ql.QdFpAmericanEngine.accurateScheme(),
    }
    return found | {name: _timed_peer(ql, scheme, a) for name, scheme in schemes.items()}


def _timed_peer(ql: Any, scheme: Any, a: Arguments) -> float:
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    priced: list[Callable[[], float]] = []
    for sign, spot, strike, years, rate, dividend_yield, vol in zip(
        *(x[:_PEER_OPTIONS] for x in a.values), strict=True
    ):
        flat = [ql.YieldTermStructureHandle(ql.FlatForward(today, float(r), count)) for r in (dividend_yield, rate)]
        sigma = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), float(vol), count))
        process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(float(spot))), *flat, sigma)
        kind = ql.Option.Call if sign > 0.0 else ql.Option.Put
        exercise = ql.AmericanExercise(today, today + round(years * 365))
        option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, float(strike)), exercise)
        option.setPricingEngine(ql.QdFpAmericanEngine(process, scheme))
        option.NPV()
        option.recalculate()
        priced.append(option.recalculate)
    figures = []
    for _ in range(RUNS):
        begun = time.perf_counter_ns()
        for price in priced:
            price()
        figures.append((time.perf_counter_ns() - begun) / len(priced) / 1e3)
    return median(figures)
