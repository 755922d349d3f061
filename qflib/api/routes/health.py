"""Whether the process lives, whether it can serve, and its metrics."""

from __future__ import annotations

from litestar import get
from litestar.response import Response
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from qflib.api.problems import ProblemError
from qflib.api.routes.route import State, json, route


class Alive(Struct, frozen=True):
    """It lives."""

    status: str


class Ready(Struct, frozen=True):
    """What it can serve: whether Kafka answers and takes orders, whether the views have caught up, how old they are."""

    ready: bool
    broker: bool
    line: bool
    views: bool
    heard_age_ms: int | None
    market_time_ns: int
    lag: dict[str, float]


@get("/healthz", **route("read", "health"))
async def healthz() -> Response[Alive]:
    """Whether the process lives; it needs no key."""
    return json(Alive("ok"))


@get("/readyz", **route("read", "health"))
async def readyz(state_of: State) -> Response[Ready]:
    """Whether it can serve: 503 while nothing can be sent or the views have not caught up; it needs no key."""
    views = state_of.views
    heard = views.health.heard_ns
    broker, line, caught_up = state_of.is_connected, state_of.sender.is_ready, state_of.is_ready
    told = Ready(
        broker and line and caught_up,
        broker,
        line,
        caught_up,
        max(0, state_of.now_ns() - heard) // 1_000_000 if heard else None,
        views.books.market_time_ns(),
        views.health.lag(),
    )
    if not told.ready:
        reason = (
            "the broker is away" if not broker
            else "there is no line to the broker yet" if not line
            else "the views are reading what was there at the start"
        )  # fmt: skip
        context = {name: getattr(told, name) for name in Ready.__struct_fields__}
        raise ProblemError(503, "not_ready", reason, headers={"retry-after": "1"}, context=context)
    return json(told)


@get("/metrics", media_type=CONTENT_TYPE_LATEST, **route("read", "health"))
async def metrics(state_of: State) -> Response[bytes]:
    """The process's metrics for Prometheus; they are on the metrics port too, without a key, on this machine alone."""
    return Response(state_of.metrics.text(), media_type=CONTENT_TYPE_LATEST)
