"""The application's front: what is plain is answered here, by the door's rules; all else goes the framework's way."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from litestar import Litestar
from litestar.enums import ScopeType

from qflib.api.auth import admit
from qflib.api.problems import MEDIA, told
from qflib.api.request_id import request_id_of
from qflib.api.short_way import Answer, ShortWay, body_of, has_plain_body, header, tell

if TYPE_CHECKING:
    from qflib.api.entry import OrderEntry
    from qflib.api.state import ApiState

_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]*")  # of others the framework says whether they can be


class _Way(NamedTuple):
    """A route's short way."""

    method: str
    path: str  # as far as it is fixed
    ends: bool  # whether it is the whole
    answer: ShortWay
    handler: Any
    counted: str


class Front(Litestar):
    """Litestar behind the short ways of its routes.

    Parameters
    ----------
    state, entry
        What short ways answer from.
    handlers
        Of the routes.
    options
        Litestar's.
    """

    def __init__(self, state: ApiState, entry: OrderEntry, handlers: list[Any], **options: Any) -> None:
        super().__init__(handlers, **options)
        self._api, self._entry = state, entry
        self._ways = [
            _Way(method, fixed, not rest, handler.opt["short"], handler, f"{method} {r.path_format}")
            for r in self.routes
            for fixed, rest, _ in (r.path_format.partition("{"),)
            for handler in getattr(r, "route_handlers", ())
            for method in handler.http_methods
            if handler.opt.get("short") is not None
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        way = self._way(scope) if scope["type"] == ScopeType.HTTP else None
        if way is None:
            await super().__call__(scope, receive, send)
            return
        began = time.perf_counter()
        try:
            answer = await self._answered(way, scope, receive)
        except Exception as e:  # as the framework: whatever it is, it is told
            status, document, headers = told(scope, e)
            answer = Answer(status, document, headers, MEDIA)
        self._api.metrics.request(way.counted, answer.status, time.perf_counter() - began)
        await tell(answer, request_id_of(scope), send)

    async def _answered(self, way: _Way, scope: Any, receive: Any) -> Answer:
        admit(scope, self._api, way.handler)
        body = await body_of(receive, self._api.settings.body_bytes) if way.method == "POST" else b""
        return await way.answer(self._api, self._entry, scope, scope["path"][len(way.path) :], body)

    def _way(self, scope: Any) -> _Way | None:
        """The short way of a request; None: it has none, or is not plain."""
        if scope["query_string"] or scope.get("root_path"):
            return None
        method, path = scope["method"], scope["path"]
        for way in self._ways:
            if way.method == method and (path == way.path if way.ends else path.startswith(way.path)):
                break
        else:
            return None
        if "//" in path or path[-1] == "/" or not _HOST.fullmatch(header(scope, b"host") or ""):
            return None
        return way if method != "POST" or has_plain_body(scope, self._api.settings.body_bytes) else None
