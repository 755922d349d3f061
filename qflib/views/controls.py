"""Limits and kill switches as orders.incoming tells them: what the exchange holds orders to."""

from __future__ import annotations

from typing import NamedTuple

from qflib.records import Batch, ControlKind
from qflib.steps.exchange.controls import KILL, Controls


class Bound(NamedTuple):
    """A limit or switch in force; an empty portfolio and ALL_INSTRUMENTS stand for all."""

    name: str
    portfolio: str
    instrument: int
    value: float


class ControlsView:
    """The controls in force.

    Examples
    --------
    >>> view = ControlsView()
    >>> view.bounds(), view.killed("DESK1", 0)
    ([], False)
    """

    def __init__(self) -> None:
        self._controls = Controls()
        self._bounds: dict[tuple[str, str, int], Bound] = {}

    def bounds(self) -> list[Bound]:
        """Limits in force, in the order of their first time; the kill switch is named ``kill_switch``."""
        return list(self._bounds.values())

    def killed(self, portfolio: str, instrument: int) -> bool:
        """Whether a kill switch stops new orders."""
        return self._controls.killed(portfolio.encode(), instrument)

    def tightest(self, name: str, portfolio: str, instrument: int) -> float:
        """The least bound of a limit that applies; infinite where there is none."""
        return self._controls.tightest(name.encode(), portfolio.encode(), instrument)

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
            at = Bound(called.decode(errors="replace"), portfolio.decode(errors="replace"), instrument, value)
            self._bounds = self._bounds | {at[:3]: at}  # readers of another thread see one table or the other
