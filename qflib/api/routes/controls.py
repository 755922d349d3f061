"""Limits and the kill switch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from litestar import get, put
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Struct

from qflib.api.bookings import kill_batch, limit_batch
from qflib.api.problems import ProblemError
from qflib.api.requests import KillSwitch, NewLimit
from qflib.api.routes.route import State, json, route
from qflib.api.shapes import symbol_of
from qflib.api.state import ApiState
from qflib.records import ALL_INSTRUMENTS
from qflib.steps.exchange.controls import KILL


class LimitForm(Struct, frozen=True):
    """A limit in force; null stands for all portfolios or instruments."""

    name: str
    portfolio: str | None
    instrument: str | None
    value: float


class Reported(Struct, frozen=True):
    """Where a portfolio's limit stands, as its last report tells."""

    portfolio: str
    name: str
    value: float | None
    bound: float | None
    breached: bool


class Limits(Struct, frozen=True):
    """Limits in force, and where they stand."""

    items: list[LimitForm]
    reported: list[Reported]


class Switch(Struct, frozen=True):
    """A kill switch that was set; null stands for all portfolios or instruments."""

    portfolio: str | None
    instrument: str | None
    on: bool


class Switches(Struct, frozen=True):
    """The kill switches; `on` tells whether any is."""

    on: bool
    items: list[Switch]


class ControlAccepted(Struct, frozen=True):
    """A control that Kafka has."""

    control_id: str


@get("/v1/limits", **route("read", "controls"))
async def limits(state_of: State) -> Response[Limits]:
    """The limits in force."""
    views = state_of.views
    items = [
        LimitForm(b.name, b.portfolio or None, _shown(b.instrument, state_of), b.value)
        for b in views.controls.bounds()
        if b.name != KILL.decode()
    ]
    reported = []
    for name in views.risk.portfolios():
        if (report := views.risk.latest(name)) is not None:
            x = report.batch.limits
            rows = zip(x.name.tolist(), x.value.tolist(), x.bound.tolist(), x.breached.tolist(), strict=True)
            reported += [Reported(name, n.decode(), value, bound, bool(b)) for n, value, bound, b in rows]
    return json(Limits(items, reported))


@put("/v1/limits", status_code=202, **route("admin", "controls", NewLimit))
async def set_limit(data: JSONBody[NewLimit], state_of: State) -> Response[ControlAccepted]:
    """Set a limit. 202: Kafka has it."""
    batch, control_id = limit_batch(data, state_of.views.instruments)
    with _named(control_id):
        state_of.accepts()
        await state_of.sender.publish([batch])
    return json(ControlAccepted(control_id), 202)


@get("/v1/kill-switch", **route("read", "controls"))
async def switches(state_of: State) -> Response[Switches]:
    """The kill switches."""
    items = [
        Switch(b.portfolio or None, _shown(b.instrument, state_of), b.value != 0)
        for b in state_of.views.controls.bounds()
        if b.name == KILL.decode()
    ]
    return json(Switches(any(s.on for s in items), items))


@put("/v1/kill-switch", status_code=202, **route("admin", "controls", KillSwitch))
async def set_switch(data: JSONBody[KillSwitch], state_of: State) -> Response[ControlAccepted]:
    """Set or release a kill switch. 202: Kafka has it. It needs the broker alone, and waits behind nothing else."""
    batch, control_id = kill_batch(data, state_of.views.instruments)
    with _named(control_id):
        state_of.reaches()
        await state_of.sender.publish([batch], urgent=True)
    return json(ControlAccepted(control_id), 202)


@contextmanager
def _named(control_id: str) -> Iterator[None]:
    """A problem tells the control's id: sent again with it, it is applied once."""
    try:
        yield
    except ProblemError as e:
        e.context["control_id"] = control_id
        raise


def _shown(instrument: int, state: ApiState) -> str | None:
    return None if instrument == ALL_INSTRUMENTS else symbol_of(instrument, state.views.instruments)
