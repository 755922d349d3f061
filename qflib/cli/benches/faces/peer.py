"""Bare Starlette with msgspec: the same answers, without keys, rates, problems, or the exchange's questions.

A book is encoded anew at each GET, or, under /v1/kept, its bytes are kept while it stands, as ours are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from qflib.api.book_bytes import BookBytes
from qflib.api.requests import NewOrder
from qflib.api.shapes import book_form, encode, order_form
from qflib.records import Side
from qflib.views.order_state import OrderState
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from qflib.cli.benches.faces.server import AtOnce
    from qflib.views import Views
    from qflib.views.books import BookState

LEVELS = 20  # a side


def ways(views: Views) -> tuple[Callable[[str], bytes], Callable[[str], bytes]]:
    """A book's bytes by its symbol: encoded at each call, and kept while the book stands."""
    held = BookBytes(views.instruments)

    def latest(symbol: str) -> BookState:
        told = views.books.latest(symbol)
        assert told is not None
        return told

    def anew(symbol: str) -> bytes:
        return encode(book_form(latest(symbol), views.instruments, LEVELS))

    def kept(symbol: str) -> bytes:
        return held.of(latest(symbol), LEVELS, time.time_ns())

    return anew, kept


def bare(views: Views, sender: AtOnce) -> Any:
    """The application."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    table = views.instruments
    anew, kept = ways(views)
    decoder = msgspec.json.Decoder(NewOrder)

    async def book(request: Request) -> Response:
        return Response(anew(request.path_params["instrument"]), media_type="application/json")

    async def kept_book(request: Request) -> Response:
        return Response(kept(request.path_params["instrument"]), media_type="application/json")

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

    return Starlette(
        routes=[
            Route("/v1/books/{instrument:path}", book),
            Route("/v1/kept/{instrument:path}", kept_book),
            Route("/v1/orders", order, methods=["POST"]),
        ]
    )
