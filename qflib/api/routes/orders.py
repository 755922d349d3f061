"""Orders and executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Response
from msgspec import Struct

from qflib.api.body import decoded
from qflib.api.cursors import cursor_text
from qflib.api.problems import ProblemError
from qflib.api.requests import ID, NAME, NewOrder
from qflib.api.routes.market import unknown
from qflib.api.routes.route import Entry, Filter, Limit, PageCursor, State, before, json, named, route
from qflib.api.shapes import ExecutionForm, OrderForm, encode, execution_form, order_form
from qflib.api.short_way import Answer
from qflib.api.state import ApiState
from qflib.records import ExecType, OrderStatus
from qflib.views.executions import Execution
from qflib.views.order_state import OrderState

if TYPE_CHECKING:
    from qflib.api.entry import OrderEntry

Account = Annotated[str, QueryParameter(min_length=1, max_length=64, pattern=NAME)]
CancelId = Annotated[str | None, QueryParameter(max_length=64, pattern=ID)]
Status = Literal[
    "any", "pending_new", "new", "partially_filled", "filled", "cancelled", "replaced", "rejected", "expired"
]
Kind = Literal["any", "new", "fill", "cancelled", "replaced", "rejected", "expired", "booking", "transfer",
               "settlement", "exercise", "assignment", "variation_margin", "bust", "delivery"]  # fmt: skip


class OrderList(Struct, frozen=True):
    """A page of orders, newest first."""

    items: list[OrderForm]
    next: str | None


class ExecutionList(Struct, frozen=True):
    """A page of executions, newest first."""

    items: list[ExecutionForm]
    next: str | None


async def _short(state: ApiState, entry: OrderEntry, scope: Any, rest: str, body: bytes) -> Answer:
    return Answer(202, encode(await entry.enter(decoded(body, NewOrder))))


@post("/v1/orders", status_code=202, **route("trade", "orders", NewOrder, (409,), short=_short))
async def enter(data: JSONBody[NewOrder], entry: Entry) -> Response[OrderForm]:
    """Send an order. 202: Kafka has it. The same request again gets the same reply."""
    return json(await entry.enter(data), 202)


@get("/v1/orders", **route("read", "orders"))
async def listed(
    state_of: State,
    account: Filter = None,
    portfolio: Filter = None,
    instrument: Filter = None,
    ord_status: FromQuery[Status] = "any",
    live: Annotated[Literal["any", "true", "false"], QueryParameter(description="that may still trade")] = "any",
    cursor: PageCursor = None,
    limit: Limit = 100,
) -> Response[OrderList]:
    """Orders, newest first."""
    table, start = state_of.views.instruments, before(cursor)
    row = _row(state_of, instrument)
    status = None if ord_status in ("any", "pending_new") else int(OrderStatus[ord_status.upper()])

    def wanted(o: OrderState) -> bool:
        return (
            account in (None, o.account)
            and portfolio in (None, o.portfolio)
            and row in (None, o.instrument)
            and (ord_status == "any" or o.ord_status == status)
            and live in ("any", str(o.live).lower())
        )

    filtered = any((account, portfolio, instrument, ord_status != "any", live != "any"))
    found = await _looked_up(state_of, state_of.views.orders.orders, wanted if filtered else None, start, limit)
    now = state_of.now_ns()
    more = cursor_text(found[-1].cursor) if len(found) == limit else None
    return json(OrderList([order_form(o, table, now) for o in found], more))


@get("/v1/orders/{client_order_id:path}", **route("read", "orders"))
async def one(state_of: State, entry: Entry, client_order_id: FromPath[str], account: Account) -> Response[OrderForm]:
    """An order of an account as it stands."""
    name = named(client_order_id)
    order = entry.known((account, name))
    if order is None:
        raise ProblemError(404, "unknown_order", f"account {account!r} has no order {name[:64]!r}")
    return json(order_form(order, state_of.views.instruments, state_of.now_ns()))


@delete("/v1/orders/{client_order_id:path}", status_code=202, **route("trade", "orders", more=(409,)))
async def cancel(
    entry: Entry, client_order_id: FromPath[str], account: Account, cancel_id: CancelId = None
) -> Response[OrderForm]:
    """Ask for an order to be cancelled. 202: Kafka has the request; the order itself tells what became of it."""
    return json(await entry.cancel(account, named(client_order_id), cancel_id), 202)


@get("/v1/executions", **route("read", "orders"))
async def executions(
    state_of: State,
    account: Filter = None,
    portfolio: Filter = None,
    instrument: Filter = None,
    client_order_id: Filter = None,
    exec_type: FromQuery[Kind] = "any",
    cursor: PageCursor = None,
    limit: Limit = 100,
) -> Response[ExecutionList]:
    """Executions, newest first: what the exchange told of orders and positions."""
    table, start = state_of.views.instruments, before(cursor)
    row = _row(state_of, instrument)
    kind = None if exec_type == "any" else int(ExecType[exec_type.upper()])

    def wanted(x: Execution) -> bool:
        return (
            account in (None, x.account)
            and portfolio in (None, x.portfolio)
            and row in (None, x.instrument)
            and client_order_id in (None, x.client_order_id)
            and kind in (None, x.exec_type)
        )

    filtered = any((account, portfolio, instrument, client_order_id, exec_type != "any"))
    found = await _looked_up(state_of, state_of.views.orders.executions, wanted if filtered else None, start, limit)
    more = cursor_text(found[-1].cursor) if len(found) == limit else None
    return json(ExecutionList([execution_form(x, table) for x in found], more))


async def _looked_up(state: ApiState, find: Any, wanted: Any, start: Any, limit: int) -> Any:
    """A page; through all that is kept in a thread, where few rows are wanted."""
    if wanted is None:
        return find(before=start, limit=limit)
    return await state.compute(lambda: find(where=wanted, before=start, limit=limit))


def _row(state: ApiState, instrument: str | None) -> int | None:
    if instrument is None:
        return None
    table = state.views.instruments
    if instrument not in table:
        raise unknown(instrument, table)
    return table.id(instrument)
