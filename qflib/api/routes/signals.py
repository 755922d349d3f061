"""Trading signals."""

from __future__ import annotations

from uuid import uuid4

import msgspec
from litestar import post
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Struct

from qflib.api.instants import duration, nanoseconds
from qflib.api.problems import ProblemError
from qflib.api.requests import NewSignal
from qflib.api.routes.route import State, json, route


class SignalAccepted(Struct, frozen=True):
    """A signal that Kafka has."""

    signal_id: str
    instrument: str
    time_ns: int


@post("/v1/signals", status_code=202, **route("trade", "signals", NewSignal))
async def send(data: JSONBody[NewSignal], state_of: State) -> Response[SignalAccepted]:
    """Send a signal. 202: Kafka has it. It is received at the market's time, as its validity counts from there."""
    if data.instrument not in state_of.views.instruments:
        raise ProblemError(422, "unknown_instrument", f"instrument {data.instrument!r} is not in the table")
    state_of.accepts()
    signal_id = data.signal_id or uuid4().hex
    told = {
        "signal_id": signal_id, "strategy": data.strategy, "instrument": data.instrument, "direction": data.direction,
        "strength": data.strength, "horizon_ns": duration(data.horizon),
    }  # fmt: skip
    if (until := nanoseconds("valid_until", data.valid_until)) is not None:
        told["valid_until_ns"] = until
    now = state_of.views.books.market_time_ns()
    await state_of.sender.signal(msgspec.json.encode(told), now)
    return json(SignalAccepted(signal_id, data.instrument, now), 202)
