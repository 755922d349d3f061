"""The route /v1/stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.connection import WebSocket
from litestar.handlers import websocket

from qflib.api.auth import authenticate
from qflib.api.problems import ProblemError
from qflib.api.stream.connection import FLOOD, UNKNOWN, UNSCOPED, Connection

if TYPE_CHECKING:
    from qflib.api.state import ApiState

PROTOCOL = "qflib.v1"
_AGAIN_LATER = 1013


@websocket("/v1/stream")
async def stream_handler(socket: WebSocket[Any, Any, Any]) -> None:
    """Books, trades, executions and risk as they change: `qflib.api.stream` says how they are told."""
    state: ApiState = socket.app.state.api
    # accepted before it is refused: a client sees a close code only of an open socket
    await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
    try:
        who = authenticate(socket, state.keys)
    except ProblemError as e:
        peer = (socket.scope.get("client") or ("-",))[0]
        flood = state.failures.take(str(peer)) > 0
        await socket.close(FLOOD if flood else UNKNOWN, "too many wrong keys" if flood else e.code)
        return
    if "read" not in who.scopes:
        await socket.close(UNSCOPED, "this needs the scope read")
        return
    hub = state.hub
    if hub is None:
        await socket.close(_AGAIN_LATER, "there is no stream here")
        return
    if hub.count(who.key_id) >= hub.limits.connections:
        await socket.close(FLOOD, f"this key has {hub.limits.connections} connections already")
        return

    def admitted() -> bool:
        try:
            authenticate(socket, state.keys)
        except ProblemError:
            return False
        return True

    await Connection(hub, socket, who.key_id, admitted).run()
