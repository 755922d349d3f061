"""Limits and kill switches as orders.incoming tells them: what the exchange holds orders to."""

from __future__ import annotations

from typing import NamedTuple

from qflib.records import Batch, ControlKind
from qflib.steps.exchange.controls import KILL, MAX_ORDER_QTY, PRICE_BAND, Controls

_REMEMBERED = 10_000  # portfolios and instruments: whoever may trade names what it likes


class Bound(NamedTuple):
    """A limit or switch in force; an empty portfolio and ALL_INSTRUMENTS stand for all."""

    name: str
    portfolio: str
    instrument: int
    value: float


class Held(NamedTuple):
    """What orders of a portfolio in an instrument are held to; infinite where there is no limit."""

    killed: bool  # whether a kill switch stops new ones
    max_order_qty: float
    price_band: float


class ControlsView:
    """The controls in force.

    Examples
    --------
    >>> view = ControlsView()
    >>> view.bounds(), view.hold("DESK1", 0)
    ([], Held(killed=False, max_order_qty=inf, price_band=inf))
    """

    def __init__(self) -> None:
        self._controls = Controls()
        self._bounds: dict[tuple[str, str, int], Bound] = {}
        self._held: dict[tuple[str, int], Held] = {}

    def bounds(self) -> list[Bound]:
        """Limits in force, in the order of their first time; the kill switch is named ``kill_switch``."""
        return list(self._bounds.values())

    def hold(self, portfolio: str, instrument: int) -> Held:
        """What orders of a portfolio in an instrument are held to; O(1) while no control comes."""
        known = self._held  # before the bounds are read: what is made of those that went meanwhile is forgotten with it
        made = known.get((portfolio, instrument))
        if made is None:
            name, bounds = portfolio.encode(), self._controls
            made = Held(
                bounds.killed(name, instrument),
                bounds.tightest(MAX_ORDER_QTY, name, instrument),
                bounds.tightest(PRICE_BAND, name, instrument),
            )
            if len(known) >= _REMEMBERED:
                known.clear()
            known[portfolio, instrument] = made
        return made

    def take(self, batch: Batch) -> None:
        """Fold a ControlBatch in; the reader alone calls it. A control comes once a partition and counts once."""
        c = batch.controls
        columns = (c.control_id, c.kind, c.portfolio, c.instrument, c.name, c.value)
        for control_id, kind, portfolio, instrument, name, value in zip(*(v.tolist() for v in columns), strict=True):
            if kind not in (ControlKind.LIMIT, ControlKind.KILL_SWITCH):
                continue
            if not self._controls.first_time("control", control_id):
                continue
            called = KILL if kind == ControlKind.KILL_SWITCH else name
            self._controls.set(called, portfolio, instrument, value)
            self._held = {}
            at = Bound(called.decode(errors="replace"), portfolio.decode(errors="replace"), instrument, value)
            self._bounds = self._bounds | {at[:3]: at}  # readers of another thread see one table or the other
