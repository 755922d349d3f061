"""Bare Starlette with msgspec: the same answers, without keys, rates, problems, or the exchange's questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qflib.api.requests import NewOrder
from qflib.api.shapes import book_form, encode, order_form
from qflib.records import Side
from qflib.views.orders import OrderState
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from qflib.cli.benches.faces.server import AtOnce
    from qflib.views import Views


def bare(views: Views, sender: AtOnce) -> Any:
    """The application."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    table = views.instruments
    decoder = msgspec.json.Decoder(NewOrder)

    async def book(request: Request) -> Response:
        told = views.books.latest(request.path_params["instrument"])
        assert told is not None
        return Response(encode(book_form(told, table)), media_type="application/json")

    async def order(request: Request) -> Response:
        body = decoder.decode(await request.body())
        i = table.id(body.instrument)
        ticks = 0 if body.price is None else table.decimals.ticks(i, body.price)
        lots = table.decimals.lots(i, body.qty)
        side = int(Side.BID if body.side == "buy" else Side.ASK)
        ack = await sender.order(table[i].underlying, (i, side, ticks, lots, body.account, body.client_order_id))
        stamp = Stamp(ack.offset, -1, 0, ack.append_ms * 1_000_000)
        state = OrderState(
            body.account, body.client_order_id, ack, stamp, instrument=i, portfolio=body.portfolio, side=side,
            price_ticks=ticks, qty=lots, known=True, leaves_qty=lots,
        )  # fmt: skip
        return Response(encode(order_form(state, table)), 202, media_type="application/json")

    return Starlette(routes=[Route("/v1/books/{instrument:path}", book), Route("/v1/orders", order, methods=["POST"])])
