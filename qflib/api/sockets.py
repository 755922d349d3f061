"""How a WebSocket is opened and refused: accepted first, for a client sees a close code only of an open socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qflib.api.auth import Principal, authenticate
from qflib.api.problems import ProblemError

if TYPE_CHECKING:
    from litestar.connection import WebSocket

    from qflib.api.keys import Scope
    from qflib.api.state import ApiState

#: Why a socket is closed: what was sent is wrong, who it is, what it may, it does not read, it asks too much.
MALFORMED, UNKNOWN, UNSCOPED, SLOW, FLOOD = 4400, 4401, 4403, 4408, 4429
#: The server ends and is started again; it has no such thing now.
RESTARTS, LATER = 1012, 1013
#: What a client may name as subprotocol, beside `bearer.qf_…`.
PROTOCOL = "qflib.v1"


async def opened(socket: WebSocket[Any, Any, Any], state: ApiState, scope: Scope) -> Principal | None:
    """Accept a socket whose key has a scope; None: it was closed, with the reason."""
    await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
    try:
        who = authenticate(socket, state.keys)
    except ProblemError as e:
        peer = (socket.scope.get("client") or ("-",))[0]
        flood = state.failures.take(str(peer)) > 0
        await socket.close(FLOOD if flood else UNKNOWN, "too many wrong keys" if flood else e.code)
        return None
    if scope not in who.scopes:
        await socket.close(UNSCOPED, f"this needs the scope {scope}")
        return None
    return who


def in_force(socket: WebSocket[Any, Any, Any], state: ApiState, scope: Scope) -> bool:
    """Whether the key that opened a socket still has a scope: one may be revoked meanwhile."""
    try:
        return scope in authenticate(socket, state.keys).scopes
    except ProblemError:
        return False
