"""The application: routes, door, problems, OpenAPI."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.middleware import DefineMiddleware

from qflib.api.auth import Door
from qflib.api.entry import OrderEntry
from qflib.api.front import Front
from qflib.api.openapi import complete, config
from qflib.api.problems import reply
from qflib.api.request_id import HEADER, request_id_of
from qflib.api.routes import (
    computing,
    controls,
    health,
    hedging,
    history,
    jobs,
    market,
    orders,
    portfolios,
    signals,
    vols,
)
from qflib.api.state import ApiState
from qflib.api.stream import stream_handler

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import Message, Scope

HANDLERS: list[Any] = [
    health.healthz, health.readyz, health.metrics,
    market.instruments, market.book, vols.vols,
    orders.enter, orders.listed, orders.one, orders.cancel, orders.executions,
    signals.send, signals.signals_handler,
    portfolios.listed, portfolios.risk, portfolios.positions, portfolios.book, portfolios.what_if,
    hedging.hedge, hedging.frontier,
    controls.limits, controls.set_limit, controls.switches, controls.set_switch,
    computing.pricing, computing.shortfall,
    history.history,
    jobs.listed, jobs.past, jobs.report, jobs.approve,
]  # fmt: skip


def create_app(state: ApiState, more: list[Any] | None = None) -> Front:
    """The ASGI application.

    Parameters
    ----------
    state
        What the routes ask; its views and sender are started and stopped with the application.
    more
        Further route handlers.
    """
    entry = OrderEntry(state)

    def provide_state() -> ApiState:
        return state

    def provide_entry() -> OrderEntry:
        return entry

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.api = state
        state.sender.start()
        if state.owns_views:
            state.views.start()
        if state.hub is not None:
            await state.hub.start()
        try:
            yield
        finally:
            if state.hub is not None:
                await state.hub.stop()
            await state.sender.stop()
            if state.owns_views:
                await asyncio.to_thread(state.views.stop)

    app = Front(
        state,
        entry,
        [*HANDLERS, stream_handler, *(more or [])],
        dependencies={
            "state_of": Provide(provide_state, sync_to_thread=False, use_cache=True),
            "entry": Provide(provide_entry, sync_to_thread=False, use_cache=True),
        },
        middleware=[DefineMiddleware(Door, state=state)],
        exception_handlers={Exception: reply},
        before_send=[_finisher(state)],
        lifespan=[lifespan],
        request_max_body_size=state.settings.body_bytes,
        openapi_config=config(),
        debug=False,
        logging_config=None,
    )
    app.state.api = state
    complete(app.openapi_schema)
    return app


def _finisher(state: ApiState) -> Any:
    """Every reply carries its request's id and is counted."""

    async def finish(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
            return
        message["headers"] = [*message["headers"], (HEADER, request_id_of(scope).encode())]
        began = scope.get("state", {}).get("began")
        template = scope.get("path_template") or "unknown"
        state.metrics.request(
            f"{scope['method'] if began else '?'} {template}",
            message["status"],
            0.0 if began is None else time.perf_counter() - began,
        )

    return finish
