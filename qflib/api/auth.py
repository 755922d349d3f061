"""The door: every request shows its key, has the scope that its route needs, and keeps to its rate."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from litestar.enums import ScopeType
from litestar.params import QueryParameter

from qflib.api.keys import KeyStore
from qflib.api.problems import ProblemError
from qflib.api.rates import retry_after
from qflib.api.short_way import header

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.types import ASGIApp, Receive, Scope, Send

    from qflib.api.state import ApiState

#: What answers without a key: whether the process lives and serves, and what its routes are.
PUBLIC = ("/healthz", "/readyz", "/schema")
#: Before a key among a WebSocket's subprotocols: a browser cannot set headers.
BEARER = "bearer."
_JSON = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    key_id: str
    name: str
    scopes: frozenset[str]


def authenticate(connection: ASGIConnection[Any, Any, Any, Any], keys: KeyStore) -> Principal:
    """Who asks, by the key that the connection shows.

    Parameters
    ----------
    connection
        A request with `Authorization: Bearer qf_…`, or a WebSocket with it or with the subprotocol `bearer.qf_…`.
    keys
        The keys there are.

    Raises
    ------
    ProblemError
        401, if there is no key or it is not in force.
    """
    return principal_of(connection.scope, keys)


def principal_of(scope: Any, keys: KeyStore) -> Principal:
    """As `authenticate`, of an ASGI scope."""
    told = _shown(scope)
    if told is None:
        raise ProblemError(401, "unauthorised", "no key was shown; send it as `Authorization: Bearer qf_…`")
    key = keys.verify(told)
    if key is None:
        raise ProblemError(401, "unauthorised", "the key is not in force; `qflib keys create` makes one")
    return Principal(key.key_id, key.name, frozenset(key.scopes))


def is_public(path: str) -> bool:
    """Whether a path answers without a key.

    Examples
    --------
    >>> is_public("/schema/openapi.json"), is_public("/schemas"), is_public("/v1/orders")
    (True, False, False)
    """
    return path.rstrip("/") in PUBLIC or path.startswith("/schema/")


class Door:
    """The ASGI middleware in front of every route; WebSockets pass: their handler answers with close codes.

    Parameters
    ----------
    app
        What lies behind.
    state
        Keys, settings and counts.
    """

    def __init__(self, app: ASGIApp, state: ApiState) -> None:
        self.app, self._state = app, state
        self._methods: dict[str, set[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or raise its problem."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        scope["state"]["began"] = time.perf_counter()
        handler: Any = scope["route_handler"]
        if not is_public(scope["path"]):
            admit(scope, self._state, handler)
        if scope["method"] == "OPTIONS":
            await self._tell_methods(scope, send)
            return
        await self.app(scope, receive, send)

    async def _tell_methods(self, scope: Any, send: Send) -> None:
        """What an address takes: Litestar tells the methods of one handler, where several share a path."""
        if not self._methods:
            for r in scope["litestar_app"].routes:
                self._methods.setdefault(r.path_format, set()).update(getattr(r, "methods", ()))
        allow = ", ".join(sorted(self._methods.get(scope["path_template"], {"OPTIONS"}))).encode()
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allow)]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def admit(scope: Any, state: ApiState, handler: Any) -> None:
    """Let a request to a route's handler in.

    Raises
    ------
    ProblemError
        401 without a key in force, 429 above its rate, 403 without the handler's scope, 400 for a parameter that is
        unknown or given twice, 415 for a body that is not JSON.
    """
    needed = str(handler.opt.get("scope", "read"))
    try:
        who = principal_of(scope, state.keys)
    except ProblemError:
        peer = (scope.get("client") or ("-",))[0]
        if waits := state.failures.take(str(peer)):
            detail = "too many wrong keys from this address; wait before the next"
            raise ProblemError(429, "rate_limited", detail, headers=retry_after(waits)) from None
        raise
    if waits := state.rates.take(who.key_id):
        detail = f"key {who.key_id} asks more than {state.settings.rate:g} times a second; wait as Retry-After says"
        raise ProblemError(429, "rate_limited", detail, headers=retry_after(waits))
    if needed not in who.scopes:
        detail = f"this needs the scope {needed}, and key {who.key_id} has {', '.join(sorted(who.scopes))}"
        raise ProblemError(403, "missing_scope", detail)
    scope["user"] = who
    if scope["query_string"]:
        _check_query(scope["query_string"], handler)
    if scope["method"] in ("POST", "PUT"):
        kind = header(scope, b"content-type")
        if kind is None or not _JSON.fullmatch(kind):
            detail = f"content type {kind or 'none'!r}; send the body as application/json"
            raise ProblemError(415, "unsupported_media_type", detail)


def _check_query(query: bytes, handler: Any) -> None:
    """Each parameter once, and none that the route does not know: a slip must not run the defaults."""
    parameters = handler.parsed_fn_signature.parameters  # of its path, its body and what it depends on as well
    told: set[str] = set()
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        known = name in parameters and isinstance(parameters[name].kwarg_definition, QueryParameter)
        if not known or name in told:
            what = "twice" if name in told else "and is unknown"
            raise ProblemError(
                400, "bad_parameter", f"parameter {name[:40]!r} is given {what}; see /schema for what is"
            )
        told.add(name)


def _shown(scope: Any) -> str | None:
    told = header(scope, b"authorization")
    if told is not None:
        kind, _, key = told.partition(" ")
        return key.strip() if kind.lower() == "bearer" else None
    for offered in scope.get("subprotocols") or ():
        if offered.startswith(BEARER):
            return str(offered[len(BEARER) :])
    return None
