"""The history: rows of a topic by rising time, as JSON or an Arrow stream, paged."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Annotated, Any

import numpy as np
from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Response
from msgspec import Struct

from qflib.api.pages_of_history import page, shown, stream_of, topics
from qflib.api.problems import ProblemError
from qflib.api.routes.route import Filter, json, route
from qflib.api.state import ApiState
from qflib.errors import DataError

ARROW = "application/vnd.apache.arrow.stream"
NEXT = "x-next-cursor"
_PLACE = struct.Struct(">qI")
_COLUMNS = r"^[a-z_0-9]+(,[a-z_0-9]+)*$"
_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
Instant = Annotated[str | None, Parameter(max_length=40, pattern=_INSTANT, description="RFC 3339, as 2026-01-05T14:30:00Z")]


class HistoryPage(Struct, frozen=True):
    """A page of rows; their columns are the table's own, prices and quantities decimal strings."""

    items: list[dict[str, Any]]
    next: str | None


@get("/v1/history/{topic:str}", **route("read", "history"))
async def history(
    state_of: ApiState,
    request: Request[Any, Any, Any],
    topic: Annotated[str, Parameter(max_length=64)],
    table: Annotated[str | None, Parameter(max_length=32, pattern=r"^[a-z_]+$")] = None,
    instrument: Filter = None,
    start: Instant = None,
    end: Instant = None,
    columns: Annotated[str | None, Parameter(max_length=1_000, pattern=_COLUMNS, description="a,b,c")] = None,
    cursor: Annotated[str | None, Parameter(max_length=64, pattern=r"^[A-Za-z0-9_=-]*$")] = None,
    limit: Annotated[int, Parameter(ge=1, le=100_000, description="rows at most")] = 1_000,
) -> Response[HistoryPage]:
    """Rows of a topic's table by rising time: JSON, or with Accept application/vnd.apache.arrow.stream an Arrow stream."""
    if topic not in topics():
        raise ProblemError(404, "unknown_topic", f"the history has no topic {topic!r}; it has {', '.join(topics())}")
    kept = state_of.views.history
    if kept is None:
        raise ProblemError(404, "no_history", "this desk keeps no history")
    skip, begin = 0, _ns("start", start)
    if cursor is not None:
        begin, skip = _place(cursor)
    if instrument is not None and instrument not in state_of.views.instruments:
        raise ProblemError(404, "unknown_instrument", f"instrument {instrument!r} is not in the table")
    arrow = ARROW in request.headers.get("accept", "")
    most = min(limit, state_of.settings.rows)

    def work() -> tuple[bytes | list[dict[str, Any]], str | None]:
        names = None if columns is None else columns.split(",")
        made = page(kept, topic, table=table, columns=names, instrument=instrument, start_ns=begin,
                    end_ns=_ns("end", end), skip=skip, limit=most)  # fmt: skip
        more = None if made.next is None else base64.urlsafe_b64encode(_PLACE.pack(*made.next)).decode()
        return (stream_of(made.rows) if arrow else shown(made.rows, kept.instruments())), more

    try:
        rows, more = await state_of.compute(work)
    except DataError:
        raise ProblemError(404, "no_history", f"the history has nothing of {topic} yet; ask again") from None
    if arrow:
        return Response(rows, media_type=ARROW, headers={} if more is None else {NEXT: more})
    return json(HistoryPage(rows, more))


def _ns(what: str, text: str | None) -> int | None:
    if text is None:
        return None
    import pandas as pd

    try:
        at = pd.Timestamp(text).tz_convert("UTC").as_unit("ns")
    except (ValueError, TypeError, OverflowError):
        raise ProblemError(400, "bad_parameter", f"{what}={text!r} is no instant; give one as 2026-01-05T14:30:00Z") from None
    return int(np.int64(at.value))


def _place(cursor: str) -> tuple[int, int]:
    try:
        at, skip = _PLACE.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError):
        detail = f"cursor {cursor[:40]!r} is none of ours; give `next` of the page before, or leave it out"
        raise ProblemError(400, "bad_cursor", detail) from None
    if at < 0 or skip > 10_000_000:
        raise ProblemError(400, "bad_cursor", f"cursor {cursor[:40]!r} is none of ours")
    return at, skip


