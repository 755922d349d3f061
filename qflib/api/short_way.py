"""What a short way is made of: a plain book or a plain order is answered before the framework's layers, which cost more
than the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from qflib.api.problems import ProblemError, too_large
from qflib.api.request_id import HEADER

if TYPE_CHECKING:
    from litestar.types import Receive, Send

    from qflib.api.entry import OrderEntry
    from qflib.api.state import ApiState


class Answer(NamedTuple):
    """A reply: status, body (empty: none), headers, and the body's kind."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    media: str = "application/json"


#: A route's short way: of the state, order entry, the ASGI scope, the rest of the path where the route's ends in a
#: parameter, and the body.
ShortWay = Callable[["ApiState", "OrderEntry", Any, str, bytes], Awaitable[Answer]]


async def tell(answer: Answer, request_id: str, send: Send) -> None:
    """Send an answer."""
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()]
    if answer.body:
        headers.append((b"content-type", answer.media.encode()))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    headers.append((HEADER, request_id.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def header(scope: Any, name: bytes) -> str | None:
    """A header of a request, or None."""
    for k, v in scope["headers"]:
        if k == name:
            return str(v.decode("latin-1"))
    return None


def has_plain_body(scope: Any, most: int) -> bool:
    """Whether a request's length is told, and is neither nothing nor too much.

    A body in chunks may be of another length than the header tells.
    """
    told = header(scope, b"content-length") or ""
    if header(scope, b"transfer-encoding") is not None:
        return False
    return told.isdecimal() and 0 < int(told[:19]) <= most


async def body_of(receive: Receive, most: int) -> bytes:
    """The whole body, of `most` bytes at most.

    Raises
    ------
    ProblemError
        400, if the caller went away before its end; 413, if it is longer.
    """
    parts, length = [], 0
    while True:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise ProblemError(400, "malformed", "the body ended before its length; send it whole")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > most:
            raise too_large()
        if not message.get("more_body", False):
            return b"".join(parts)
