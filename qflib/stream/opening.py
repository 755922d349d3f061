"""What a desk opens with on `orders.incoming`: limits, positions, the scenario set.

Ids are content hashes, and the exchange ignores those it has applied: publishing again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from qflib.broker.clients import Connection
from qflib.broker.reading import ends, read
from qflib.desk.deployment import Deployment
from qflib.desk.opening import bookings, hedging_control, limits_control, scenario_controls
from qflib.records import Batch
from qflib.records.partitions import name_of
from qflib.records.topics import EXCHANGE_MARKS

if TYPE_CHECKING:
    from qflib.shortfall import ScenarioSet

_PATIENCE_S = 2.0  # with a broker short of time; meanwhile nobody starts it again


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


def has_books(c: Connection, desk: Deployment, *, new: bool = True) -> bool:
    """Whether the exchange has published books of every underlying: then positions can be valued.

    Parameters
    ----------
    c, desk
        The cluster and the desk.
    new
        Whether nothing was in its topics when it started; one that goes on has had its books.

    Raises
    ------
    BrokerError
        If the broker does not answer.
    """
    wanted = set(desk.instruments.underlyings)
    places = {(EXCHANGE_MARKS, desk.table.place(u)) for u in wanted}
    found = ends(c, places)
    if not all(found.values()) or not new:
        return all(found.values())
    for topic, p in places:
        for record in read(c, topic, p, 0, patience_s=_PATIENCE_S):
            wanted.discard(name_of(record.key() or b""))
            if not wanted:
                return True
    return False
