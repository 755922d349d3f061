"""What Greeks cost in other libraries; how many of them they give is in the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qflib.cli.benches.options import Options, beside, financepy_kinds


def differentiated(o: Options, few: Options) -> dict[str, float]:
    """Nanoseconds an option of a price with Greeks: `o` for those that take arrays, `few` for one a call."""
    flag = np.where(o.sign > 0, "c", "p")

    def vectorized(library: Any) -> Callable[[], object]:
        return lambda: library.get_all_greeks(
            flag, o.spot, o.strike, o.years, o.rate, o.vol, o.dividend_yield, model="black_scholes_merton",
            return_as="dict",
        )  # fmt: skip

    def pyfeng(library: Any) -> Callable[[], object]:
        model = library.Bsm(sigma=o.vol, intr=o.rate, divr=o.dividend_yield)
        terms = (o.strike, o.spot, o.years, o.sign)
        return lambda: [f(*terms) for f in (model.price, model.delta, model.gamma, model.vega, model.theta)]

    def financepy(library: Any) -> Callable[[], object]:
        terms = (o.spot, o.years, o.strike, o.rate, o.dividend_yield, o.vol, financepy_kinds(o.sign))
        names = ("value", "delta", "gamma", "vega", "theta", "rho", "vanna")
        return lambda: [getattr(library, name)(*terms) for name in names]

    return beside(
        {
            "PyFENG (4 Greeks)": ("pyfeng", pyfeng, len(o.sign)),
            "py_vollib_vectorized (5 Greeks, no price)": ("py_vollib_vectorized", vectorized, len(o.sign)),
            "fast-vollib (5 Greeks, no price)": ("fast_vollib", vectorized, len(o.sign)),
            "FinancePy (6 Greeks)": ("financepy.models.black_scholes_analytic", financepy, len(o.sign)),
            "QuantLib (6 Greeks)": ("QuantLib", lambda ql: quantlib(ql, few, greeks=True), len(few.sign)),
        }
    )


def quantlib(ql: Any, few: Options, greeks: bool = False) -> Callable[[], object]:
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
