"""Hedges: where they stand in their bands, what re-hedging costs now, and ES against cost for every size."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Response

from qflib.api.hedge import FrontierForm, HedgeForm, frontier_form, hedge_form
from qflib.api.problems import ProblemError
from qflib.api.requests import NAME
from qflib.api.routes.portfolios import PortfolioId, report_of
from qflib.api.routes.route import State, json, route
from qflib.api.state import ApiState
from qflib.errors import DataError, UnknownInstrumentError

Underlying = Annotated[str, QueryParameter(min_length=1, max_length=64, pattern=NAME, description="whose hedge")]


@get("/v1/portfolios/{portfolio:str}/hedge", **route("read", "portfolios"))
async def hedge(state_of: State, portfolio: PortfolioId) -> Response[HedgeForm]:
    """Each underlying's hedge in its no-trade band, the cost of re-hedging now, and effectiveness so far."""
    report = report_of(state_of, portfolio)
    return json(await state_of.encoded(hedge_form, state_of.views, report, state_of.now_ns()))


@get("/v1/portfolios/{portfolio:str}/hedge/frontier", **route("read", "portfolios"))
async def frontier(state_of: State, portfolio: PortfolioId, underlying: Underlying) -> Response[FrontierForm]:
    """ES against cost for hedges of every size, of the live scenarios and the live book; anew once a second at most."""
    report_of(state_of, portfolio)
    return json(await state_of.encoded(_drawn, state_of, portfolio, underlying))


def _drawn(state: ApiState, portfolio: str, underlying: str) -> FrontierForm:
    try:
        return frontier_form(state.frontiers, portfolio, underlying, state.now_ns())
    except UnknownInstrumentError as e:
        raise ProblemError(404, "unknown_underlying", str(e)) from None
    except DataError as e:
        raise ProblemError(503, "no_frontier", str(e), headers={"retry-after": "1"}) from None
