"""Portfolios: their risk, their positions, bookings and transfers, and what trades would change."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, PathParameter
from litestar.response import Response
from msgspec import Struct

from qflib.api.bookings import booking_batches
from qflib.api.problems import ProblemError
from qflib.api.requests import NAME, NewBookings, WhatIfBody
from qflib.api.routes.route import State, json, route
from qflib.api.shapes import BOOKS, BookName, RiskForm, age_ms, report_form, rfc3339
from qflib.api.state import ApiState
from qflib.api.what_if import WhatIfForm, weigh
from qflib.records.decimals import decimal_text
from qflib.views.report import Report

PortfolioId = Annotated[str, PathParameter(max_length=64, pattern=NAME, description="a portfolio's name")]


class PortfolioRow(Struct, frozen=True):
    """A portfolio that was reported on."""

    portfolio: str
    hedged: bool
    seq: int
    time: str
    time_ns: int
    age_ms: int
    pnl: float | None
    es_current: float | None


class PortfolioList(Struct, frozen=True):
    """All portfolios."""

    items: list[PortfolioRow]
    next: str | None


class PositionRow(Struct, frozen=True):
    """A position of an instrument and book; Greeks a year and per 1.00, in the reporting currency.

    `avg_price` is exact to ten places.
    """

    instrument: str
    underlying: str
    kind: str
    book: BookName | None
    qty: str
    avg_price: str | None
    mark: str | None
    implied_vol: float | None
    value: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    unrealised: float | None
    realised: float | None
    fees: float | None


class Positions(Struct, frozen=True):
    """The positions of the last report."""

    portfolio: str
    seq: int
    time: str
    time_ns: int
    age_ms: int
    items: list[PositionRow]


class BookingsAccepted(Struct, frozen=True):
    """Bookings that Kafka has; the executions tell what became of each."""

    portfolio: str
    booking_ids: list[str]


@get("/v1/portfolios", **route("read", "portfolios"))
async def listed(state_of: State) -> Response[PortfolioList]:
    """The portfolios that are reported on."""
    risk, now = state_of.views.risk, state_of.now_ns()
    reports = [r for name in risk.portfolios() if (r := risk.latest(name)) is not None]
    desk = state_of.views.deployment
    rows = [
        PortfolioRow(
            r.portfolio, desk.hedger is not None and r.portfolio == desk.portfolio, r.stamp.seq,
            rfc3339(r.stamp.time_ns), r.stamp.time_ns, age_ms(r.stamp.append_ns, now), r.pnl, r.figure("es_current"),
        )
        for r in reports
    ]  # fmt: skip
    return json(PortfolioList(rows, None))


@get("/v1/portfolios/{portfolio:str}/risk", **route("read", "portfolios"))
async def risk(state_of: State, portfolio: PortfolioId) -> Response[RiskForm]:
    """The last report: VaR and ES (unhedged, current, target), Greeks, limits, hedges."""
    report = report_of(state_of, portfolio)
    return json(report_form(report, state_of.views.risk, state_of.now_ns()))


@get("/v1/portfolios/{portfolio:str}/positions", **route("read", "portfolios"))
async def positions(state_of: State, portfolio: PortfolioId) -> Response[Positions]:
    """The positions of the last report, an instrument and book each."""
    report, table = report_of(state_of, portfolio), state_of.views.instruments
    p = report.batch.positions
    names = PositionRow.__struct_fields__[5:]
    columns = [getattr(p, n).tolist() for n in names]
    rows = []
    for i, b, q, paid, mark, *figures in zip(
        p.instrument.tolist(), p.book.tolist(), p.qty.tolist(), *columns, strict=True
    ):
        r, qty = table[i], table.decimals.qty(i, q)
        told = (r.symbol, r.underlying, r.kind, BOOKS.get(b), qty, _price(paid), _price(mark), *figures)
        rows.append(PositionRow(*told))
    s = report.stamp
    age = age_ms(s.append_ns, state_of.now_ns())
    return json(Positions(portfolio, s.seq, rfc3339(s.time_ns), s.time_ns, age, rows))


@post("/v1/portfolios/{portfolio:str}/positions", status_code=202, **route("admin", "portfolios", NewBookings))
async def book(data: JSONBody[NewBookings], state_of: State, portfolio: PortfolioId) -> Response[BookingsAccepted]:
    """Book positions, or transfer them to another portfolio: in one transaction, each id once. 202: Kafka has them."""
    batches = booking_batches(data.bookings, portfolio, state_of.views.instruments)
    state_of.accepts()
    await state_of.sender.publish(batches)
    return json(BookingsAccepted(portfolio, [b.booking_id for b in data.bookings]), 202)


@post("/v1/portfolios/{portfolio:str}/what-if", status_code=200, **route("read", "portfolios", WhatIfBody))
async def what_if(data: JSONBody[WhatIfBody], state_of: State, portfolio: PortfolioId) -> Response[WhatIfForm]:
    """Greeks, ES and component ES before and after trades, at the market and scenarios of now."""
    report = report_of(state_of, portfolio)
    return json(await state_of.encoded(weigh, state_of.views, report, data))


def _price(value: float) -> str | None:
    return decimal_text(value) if isfinite(value) else None


def report_of(state: ApiState, portfolio: str) -> Report:
    """The last report on a portfolio.

    Raises
    ------
    ProblemError
        404, if there is none.
    """
    report = state.views.risk.latest(portfolio)
    if report is None:
        known = ", ".join(state.views.risk.portfolios()[:5]) or "none yet"
        raise ProblemError(404, "unknown_portfolio", f"no report on portfolio {portfolio[:64]!r}; there are {known}")
    return report
