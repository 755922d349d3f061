"""The history: rows of a topic by rising time, as JSON or an Arrow stream, paged."""

from __future__ import annotations

import base64
import struct
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, get
from litestar.params import PathParameter, QueryParameter
from litestar.response import Response
from msgspec import Struct

from qflib.api.instants import nanoseconds
from qflib.api.pages_of_history import page, shown, stream_of, topics
from qflib.api.pieces import listed
from qflib.api.problems import ProblemError
from qflib.api.requests import INSTANT
from qflib.api.routes.route import Filter, State, json, route
from qflib.errors import DataError
from qflib.history import NothingStoredError

ARROW = "application/vnd.apache.arrow.stream"
NEXT = "x-next-cursor"
_log = structlog.get_logger("qflib.api")
_PLACE = struct.Struct(">QI")
_SKIPPED = 1_000_000  # rows of one instant
_COLUMNS = r"^[a-z_0-9]+(,[a-z_0-9]+)*$(?!\n)"
Instant = Annotated[
    str | None, QueryParameter(max_length=40, pattern=INSTANT, description="RFC 3339, as 2026-01-05T14:30:00Z")
]


class HistoryPage(Struct, frozen=True):
    """A page of rows; their columns are the table's own, prices and quantities decimal strings."""

    items: list[dict[str, Any]]
    next: str | None


@get("/v1/history/{topic:str}", **route("read", "history"))
async def history(
    state_of: State,
    request: Request[Any, Any, Any],
    topic: Annotated[str, PathParameter(max_length=64)],
    table: Annotated[str | None, QueryParameter(max_length=32, pattern=r"^[a-z_]+$(?!\n)")] = None,
    instrument: Filter = None,
    start: Instant = None,
    end: Instant = None,
    columns: Annotated[str | None, QueryParameter(max_length=1_000, pattern=_COLUMNS, description="a,b,c")] = None,
    cursor: Annotated[str | None, QueryParameter(pattern=r"^[A-Za-z0-9_-]{16}$(?!\n)")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100_000, description="rows at most")] = 1_000,
) -> Response[HistoryPage]:
    """Rows of a topic's table by rising time: JSON, or an Arrow stream where Accept names its media type."""
    if topic not in topics():
        raise ProblemError(404, "unknown_topic", f"the history has no topic {topic!r}; it has {', '.join(topics())}")
    kept = state_of.views.history
    if kept is None:
        raise ProblemError(404, "no_history", "this desk keeps no history")
    skip, begin = 0, nanoseconds("start", start)
    if cursor is not None:
        begin, skip = _place(cursor)
    if instrument is not None and instrument not in state_of.views.instruments:
        raise ProblemError(404, "unknown_instrument", f"instrument {instrument!r} is not in the table")
    arrow = ARROW in request.headers.get("accept", "")
    most = min(limit, state_of.settings.page_rows)

    def work() -> tuple[bytes, str | None]:
        names = None if columns is None else columns.split(",")
        made = page(kept, topic, table=table, columns=names, instrument=instrument, start_ns=begin,
                    end_ns=nanoseconds("end", end), skip=skip, limit=most)  # fmt: skip
        more = None if made.next is None else base64.urlsafe_b64encode(_PLACE.pack(*made.next)).decode()
        if arrow:
            return stream_of(made.rows), more
        items = listed(shown(made.rows, kept.instruments()))
        return b'{"items":%b,"next":%b}' % (items, msgspec.json.encode(more)), more

    try:
        rows, more = await state_of.compute(work)
    except NothingStoredError:
        raise ProblemError(404, "no_history", f"the history has nothing of {topic} yet; ask again") from None
    except DataError as e:  # its sentence names the folder
        _log.error("the history is not readable", topic=topic, reason=str(e))
        detail = f"the history of {topic} is not readable; tell the request id to whoever runs this desk"
        raise ProblemError(503, "history_unreadable", detail) from None
    if arrow:
        return Response(rows, media_type=ARROW, headers={} if more is None else {NEXT: more})
    return json(rows)


def _place(cursor: str) -> tuple[int, int]:
    at, skip = _PLACE.unpack(base64.urlsafe_b64decode(cursor))
    if at >= 1 << 62 or skip > _SKIPPED:
        detail = f"cursor {cursor!r} is none of ours; give `next` of the page before, or leave it out"
        raise ProblemError(422, "bad_cursor", detail)
    return at, skip
