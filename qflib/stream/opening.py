"""What a desk opens with on `orders.incoming`: limits, positions, the scenario set.

Ids are content hashes, and the exchange ignores those it has applied: publishing again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from qflib.desk.deployment import Deployment
from qflib.desk.opening import bookings, hedging_control, limits_control, scenario_controls
from qflib.records import Batch

if TYPE_CHECKING:
    from qflib.shortfall import ScenarioSet


def opening(desk: Deployment, positions: pd.DataFrame | None, scenarios: ScenarioSet | None) -> list[Batch]:
    """What a desk opens with, in order; a control of no underlying has the key "".

    Hedging is off until all positions are booked and the scenario set is there.
    """
    made: list[Batch] = []
    if desk.config.limits:
        made.append(limits_control(desk.portfolio, desk.config.limits))
    if positions is None or scenarios is None:
        return made
    return [
        hedging_control(desk.portfolio, on=False),
        *made,
        *bookings(desk.instruments, desk.portfolio, positions),
        *scenario_controls(scenarios),
        hedging_control(desk.portfolio, on=True),
    ]


def booking_ids(batches: Iterable[Batch]) -> set[str]:
    """The ids of the bookings among batches."""
    return {i.decode() for b in batches if b.kind == "booking" for i in b.bookings.booking_id.tolist()}
