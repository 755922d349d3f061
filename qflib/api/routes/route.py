"""How a route is declared: its scope, its errors, its strict body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter, SkipValidation
from litestar.response import Response

from qflib.api.body import StrictBody
from qflib.api.cursors import Cursor, cursor_of
from qflib.api.entry import OrderEntry
from qflib.api.problems import ProblemError, declared
from qflib.api.requests import NAME
from qflib.api.short_way import ShortWay
from qflib.api.state import ApiState
from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.api.keys import Scope

#: What all routes share.
State = NamedDependency[SkipValidation[ApiState]]
#: Order entry.
Entry = NamedDependency[SkipValidation[OrderEntry]]
#: How many items a page may have.
Limit = Annotated[int, QueryParameter(ge=1, le=1_000, description="items at most")]
#: Where a page begins.
PageCursor = Annotated[
    str | None, QueryParameter(pattern=r"^[A-Za-z0-9_-]{32}$(?!\n)", description="`next` of the page before")
]
#: A name to filter by.
Filter = Annotated[str | None, QueryParameter(min_length=1, max_length=64, pattern=NAME)]


class Declared(TypedDict, total=False):
    """Arguments of Litestar's decorators."""

    opt: dict[str, Any]
    responses: Mapping[int, ResponseSpec]
    dto: Any
    return_dto: Any
    tags: list[str]
    raises: list[Any]


def route(
    scope: Scope,
    tag: str,
    body: type[Any] | None = None,
    more: tuple[int, ...] = (),
    same: bool = False,
    short: ShortWay | None = None,
) -> Declared:
    """What a route declares: the scope it needs, every error it may answer, and the struct of its body.

    `more` are further errors; with `same` it may answer that what the caller has is still right (304); `short` answers
    what is plain, of a path that is fixed but for a parameter at its end.
    """
    responses = declared(*more)
    if same:
        responses[304] = ResponseSpec(None, description="it is as you have it")
    made = Declared(opt={"scope": scope, "short": short}, responses=responses, tags=[tag], return_dto=None)
    if body is not None:
        made["dto"] = StrictBody[body]  # type: ignore[valid-type]
    return made


def json(made: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[Any]:
    """A reply encoded here, where it is not yet: Litestar's own way through its encoders takes twice as long."""
    told = made if isinstance(made, bytes) else msgspec.json.encode(made)
    return Response(told, status_code=status, media_type="application/json", headers=headers)


def before(cursor: str | None) -> Cursor | None:
    """The cursor of a request.

    Raises
    ------
    ProblemError
        400, if it is none of ours.
    """
    try:
        return None if cursor is None else cursor_of(cursor)
    except InputError as e:
        raise ProblemError(400, "bad_cursor", str(e)) from None


def named(path: str) -> str:
    """A name from the rest of a path, which may hold slashes.

    Examples
    --------
    >>> named("/XBT/USD")
    'XBT/USD'
    """
    return path.removeprefix("/")
