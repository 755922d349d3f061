"""Prices, Greeks, implied vols and shortfall, computed on request: arrays at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from litestar import post
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Struct

from qflib.api.problems import ProblemError
from qflib.api.requests import PricingBody, ShortfallBody
from qflib.api.routes.route import State, json, route

_ARRAYS = ("right", "strike", "years", "spot", "forward", "vol", "price", "rate", "dividend_yield")


class PricingForm(Struct, frozen=True, omit_defaults=True):
    """A figure an option, in the request's order; null where there is none."""

    n: int
    price: list[float | None] = []
    greeks: dict[str, list[float | None]] = {}
    iv: list[float | None] = []
    iv_status: list[str] = []


class LevelES(Struct, frozen=True):
    """ES and VaR at a level: positive losses, in the unit of the values."""

    level: float
    es: float | None
    var: float | None
    n_tail: int
    se: float | None
    low: float | None
    high: float | None
    var_se: float | None = None
    var_low: float | None = None
    var_high: float | None = None


class ShortfallForm(Struct, frozen=True):
    """What the sample tells."""

    n: int
    convention: str
    confidence: float
    levels: list[LevelES]
    method: str = "historical"
    parameters: dict[str, float] = {}


@post("/v1/pricing", status_code=200, **route("read", "computing", PricingBody))
async def pricing(data: JSONBody[PricingBody], state_of: State) -> Response[PricingForm]:
    """European options: prices and Greeks of vols, or implied vols of prices."""
    most = state_of.settings.array
    lengths = {len(v) for name in _ARRAYS if isinstance(v := getattr(data, name), list)}
    if lengths and (len(lengths) > 1 or not 0 < max(lengths) <= most):
        raise ProblemError(422, "bad_input", f"arrays have {sorted(lengths)[:5]} numbers; give one length, 1 to {most}")
    if (data.vol is None) == (data.price is None):
        raise ProblemError(422, "bad_input", "give vol for prices, or price for implied vols, and not both")
    wanted, other = ("spot", "forward") if data.model == "black_scholes" else ("forward", "spot")
    if getattr(data, wanted) is None or getattr(data, other) is not None:
        raise ProblemError(422, "bad_input", f"{data.model} is on the {wanted}; give {wanted} and no {other}")
    return json(await state_of.encoded(_priced, data, max(lengths, default=1)))


@post("/v1/shortfall", status_code=200, **route("read", "computing", ShortfallBody))
async def shortfall(data: JSONBody[ShortfallBody], state_of: State) -> Response[ShortfallForm]:
    """Expected shortfall and value at risk of a sample."""
    if len(data.values) > state_of.settings.array:
        detail = f"the sample has {len(data.values)} values; give {state_of.settings.array} at most"
        raise ProblemError(422, "bad_input", detail)
    return json(await state_of.encoded(_measured, data))


def _priced(b: PricingBody, n: int) -> PricingForm:
    from qflib.pricing import bachelier, black76, black_scholes, greeks, implied_vol

    right: Any = b.right if isinstance(b.right, list) else [b.right] * n
    on: Any = {"spot": b.spot} if b.model == "black_scholes" else {"forward": b.forward}
    forward: Any = b.forward  # there, where the model is on it
    rates: Any = {"rate": b.rate}
    if b.model == "black_scholes":
        rates["dividend_yield"] = b.dividend_yield
    # extreme numbers overflow on the way to an answer that is null
    with np.errstate(all="ignore"):
        if b.price is not None:
            model: Any = "normal" if b.model == "bachelier" else "lognormal"
            iv, status = implied_vol(b.price, right, b.strike, b.years, model=model, **on, **rates)
            return PricingForm(n, iv=iv.tolist(), iv_status=status.tolist())
        assert b.vol is not None
        if b.model == "bachelier":
            return PricingForm(n, bachelier(right, forward, b.strike, b.years, b.vol, b.rate).tolist())
        price = (
            black_scholes(right, b.spot, b.strike, b.years, b.rate, b.dividend_yield, b.vol)  # type: ignore[arg-type]
            if b.model == "black_scholes"
            else black76(right, forward, b.strike, b.years, b.vol, b.rate)
        )
        frame = greeks(right, b.strike, b.years, b.vol, units=b.units, **on, **rates)
    return PricingForm(n, price.tolist(), {c: frame[c].tolist() for c in frame.columns if c != "price"})


def _measured(b: ShortfallBody) -> ShortfallForm:
    from qflib.shortfall import expected_shortfall

    levels = b.level if isinstance(b.level, list) else [b.level]
    with np.errstate(all="ignore"):
        es = expected_shortfall(
            b.values, levels, kind=b.kind, method=b.method, convention=b.convention, decay=b.decay,
            threshold=b.threshold, model=b.model, dist=b.dist,
            horizon=None if b.horizon is None else int(b.horizon), confidence=b.confidence,
        )  # fmt: skip
    columns = (es.level, es.es, es.var, es.n_tail, es.se, es.low, es.high, es.var_se, es.var_low, es.var_high)
    rows = zip(*(np.atleast_1d(c).tolist() for c in columns), strict=True)
    forms = [LevelES(*row) for row in rows]
    return ShortfallForm(es.n, es.convention, b.confidence, forms, es.method, dict(es.parameters))
