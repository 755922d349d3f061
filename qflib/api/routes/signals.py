"""Trading signals, one a request or many a WebSocket."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from litestar import post
from litestar.connection import WebSocket
from litestar.handlers import websocket
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Struct

from qflib.api.instants import duration, nanoseconds
from qflib.api.problems import ProblemError
from qflib.api.requests import NewSignal
from qflib.api.routes.route import State, json, route
from qflib.api.signal_socket import SOCKETS, SignalSocket
from qflib.api.sockets import FLOOD, in_force, opened

if TYPE_CHECKING:
    from qflib.api.state import ApiState


class SignalAccepted(Struct, frozen=True):
    """A signal that Kafka has."""

    signal_id: str
    instrument: str
    time_ns: int


@post("/v1/signals", status_code=202, **route("trade", "signals", NewSignal))
async def send(data: JSONBody[NewSignal], state_of: State) -> Response[SignalAccepted]:
    """Send a signal. 202: Kafka has it. It is received at the market's time, as its validity counts from there."""
    return json(await _sent(state_of, data), 202)


@websocket("/v1/signals")
async def signals_handler(socket: WebSocket[Any, Any, Any]) -> None:
    """Signals, a frame each, as the body of POST /v1/signals; each is answered, in order."""
    state: ApiState = socket.app.state.api
    who = await opened(socket, state, "trade")
    if who is None:
        return
    if state.signalling[who.key_id] >= SOCKETS:
        await socket.close(FLOOD, f"this key has {SOCKETS} connections already")
        return
    admitted, send_on = partial(in_force, socket, state, "trade"), partial(_sent, state)
    state.signalling[who.key_id] += 1
    try:
        await SignalSocket(socket, state, who.key_id, admitted, send_on).run()
    finally:
        state.signalling[who.key_id] -= 1


async def _sent(state: ApiState, signal: NewSignal) -> SignalAccepted:
    if signal.instrument not in state.views.instruments:
        raise ProblemError(422, "unknown_instrument", f"instrument {signal.instrument!r} is not in the table")
    state.accepts()
    signal_id = signal.signal_id or uuid4().hex
    told = {
        "signal_id": signal_id, "strategy": signal.strategy, "instrument": signal.instrument,
        "direction": signal.direction, "strength": signal.strength, "horizon_ns": duration(signal.horizon),
    }  # fmt: skip
    if (until := nanoseconds("valid_until", signal.valid_until)) is not None:
        told["valid_until_ns"] = until
    now = state.views.books.market_time_ns()
    await state.sender.signal(msgspec.json.encode(told), now)
    return SignalAccepted(signal_id, signal.instrument, now)
