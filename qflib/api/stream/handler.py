"""The route /v1/stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from litestar.connection import WebSocket
from litestar.handlers import websocket

from qflib.api.sockets import FLOOD, LATER, in_force, opened
from qflib.api.stream.connection import Connection

if TYPE_CHECKING:
    from qflib.api.state import ApiState


@websocket("/v1/stream")
async def stream_handler(socket: WebSocket[Any, Any, Any]) -> None:
    """Books, trades, executions and risk as they change: `qflib.api.stream` says how they are told."""
    state: ApiState = socket.app.state.api
    who = await opened(socket, state, "read")
    if who is None:
        return
    hub = state.hub
    if hub is None:
        await socket.close(LATER, "there is no stream here")
        return
    if hub.count(who.key_id) >= hub.limits.connections:
        await socket.close(FLOOD, f"this key has {hub.limits.connections} connections already")
        return
    await Connection(hub, socket, who.key_id, partial(in_force, socket, state, "read")).run()
