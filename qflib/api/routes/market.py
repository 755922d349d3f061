"""Instruments and books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from litestar import Request, get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Response
from msgspec import Struct

from qflib.api.cursors import cursor_text
from qflib.api.problems import ProblemError
from qflib.api.routes.route import Filter, Limit, PageCursor, State, before, json, named, route
from qflib.api.shapes import BookForm, rfc3339
from qflib.api.short_way import Answer, header
from qflib.records import Instrument, Instruments
from qflib.records.decimals import decimal_text

if TYPE_CHECKING:
    from qflib.api.entry import OrderEntry
    from qflib.api.state import ApiState

_LEVELS = 20


class InstrumentForm(Struct, frozen=True):
    """A row of the instrument table."""

    symbol: str
    kind: str
    underlying: str
    right: str | None
    style: str | None
    strike: str | None
    expiry: str | None
    multiplier: float
    contract_value: float
    inverse: bool
    quote_currency: str
    settlement_currency: str
    settlement_type: str | None
    tick_schedule: list[tuple[str, str]]
    lot: str
    calendar: str
    day_count: str
    venue: str
    venue_symbol: str


class InstrumentList(Struct, frozen=True):
    """A page of instruments."""

    items: list[InstrumentForm]
    next: str | None


@get("/v1/instruments", **route("read", "market"))
async def instruments(
    state_of: State,
    underlying: Filter = None,
    kind: FromQuery[Literal["any", "spot", "future", "perpetual", "option"]] = "any",
    cursor: PageCursor = None,
    limit: Limit = 500,
) -> Response[InstrumentList]:
    """The instrument table, in its order."""
    table = state_of.views.instruments
    at = before(cursor)
    first = 0 if at is None else at[2]
    rows = [
        (i, r)
        for i, r in enumerate(table.rows)
        if i >= first and underlying in (None, r.underlying) and kind in ("any", r.kind)
    ]
    more = cursor_text((0, 0, rows[limit][0], 0)) if len(rows) > limit else None
    return json(InstrumentList([instrument_form(r) for _, r in rows[:limit]], more))


async def _short(state: ApiState, entry: OrderEntry, scope: Any, rest: str, body: bytes) -> Answer:
    return _book(state, rest, header(scope, b"if-none-match"), _LEVELS)


@get("/v1/books/{instrument:path}", **route("read", "market", same=True, short=_short))
async def book(
    state_of: State,
    request: Request[Any, Any, Any],
    instrument: FromPath[str],
    levels: Annotated[int, QueryParameter(ge=1, le=_LEVELS, description="levels a side")] = _LEVELS,
) -> Response[BookForm]:
    """A book as it stands. Its ETag is its sequence: with If-None-Match the answer is 304 while it stands still."""
    made = _book(state_of, instrument, request.headers.get("if-none-match"), levels)
    body: Any = made.body or None
    return Response(body, status_code=made.status, media_type="application/json", headers=dict(made.headers))


def _book(state: ApiState, path: str, had: str | None, levels: int) -> Answer:
    table, symbol = state.views.instruments, named(path)
    if symbol not in table:
        raise unknown(symbol, table)
    told = state.views.books.latest(symbol)
    if told is None:
        raise ProblemError(404, "no_book_yet", f"nothing has been told of the book of {symbol} yet; ask again")
    tag = f'"{told.stamp.seq}-{told.stamp.append_ns // 1_000_000}-{levels}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if matches(had, tag):
        return Answer(304, b"", headers)
    return Answer(200, state.books.of(told, levels, state.now_ns()), headers)


def instrument_form(r: Instrument) -> InstrumentForm:
    """An instrument as JSON shows it."""
    return InstrumentForm(
        r.symbol, r.kind, r.underlying, r.right or None, r.style or None,
        decimal_text(r.strike) if r.kind == "option" else None,
        None if r.expiry is None else rfc3339(r.expiry.as_unit("ns").value), r.multiplier, r.contract_value, r.inverse,
        r.quote_currency, r.settlement_currency, r.settlement_type or None, list(r.tick_schedule), r.lot, r.calendar,
        r.day_count, r.venue, r.venue_symbol,
    )  # fmt: skip


def unknown(symbol: str, table: Instruments) -> ProblemError:
    """404: no such instrument."""
    return ProblemError(
        404, "unknown_instrument", f"instrument {symbol[:64]!r} is not among the {len(table)} of /v1/instruments"
    )


def matches(told: str | None, tag: str) -> bool:
    """Whether If-None-Match names a tag.

    Examples
    --------
    >>> matches('W/"1", "2"', '"2"'), matches("*", '"2"'), matches(None, '"2"')
    (True, True, False)
    """
    return told is not None and any(t.strip().removeprefix("W/") in (tag, "*") for t in told.split(","))
