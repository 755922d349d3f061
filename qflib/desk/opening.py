"""What a desk publishes before anything else: the scenario set, limits, opening positions.

Ids are content hashes, so that a second start changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.records import (
    ALL_INSTRUMENTS,
    BOOKINGS,
    CONTROLS,
    Batch,
    Book,
    BookingAction,
    ControlKind,
    Header,
    Instruments,
)
from qflib.records.topics import ORDERS_INCOMING
from qflib.shortfall import ScenarioSet

SOURCE = "opening"


def scenario_controls(
    scenarios: ScenarioSet, chunk_rows: int = 50_000, *, source: str = SOURCE, version: str = ""
) -> Iterator[Batch]:
    """Control batches that carry a scenario set, an underlying and chunk each.

    Ids are of the set, or of the `version` that puts it in force: a set that was in force once can be so again.
    """
    of = version or scenarios.set_id
    for seq, (head, shocks) in enumerate(scenarios.to_tables(chunk_rows)):
        control = CONTROLS.make(
            control_id=[f"{of}/{seq}"],
            kind=[int(ControlKind.SCENARIO_SET)],
            instrument=[ALL_INSTRUMENTS],
            name=[scenarios.set_id],
        )
        yield Batch.of(
            "control",
            Header(source, 0, seq),
            ORDERS_INCOMING,
            head.underlying[0].decode(),
            controls=control,
            scenario_set=head,
            shocks=shocks,
        )


def hedging_control(portfolio: str, on: bool) -> Batch:
    """A control batch that switches a portfolio's hedger: off while its positions are booked one by one."""
    controls = CONTROLS.make(
        control_id=[hashlib.sha256(f"{portfolio}|hedging|{on}".encode()).hexdigest()[:32]],
        kind=[int(ControlKind.HEDGING)],
        portfolio=[portfolio],
        instrument=[ALL_INSTRUMENTS],
        value=[float(on)],
    )
    return Batch.of("control", Header(SOURCE), ORDERS_INCOMING, "", controls=controls)


def limits_control(portfolio: str, limits: Mapping[str, float]) -> Batch:
    """One control batch with a portfolio's limits."""
    names = sorted(limits)
    values = np.array([limits[n] for n in names], np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"limits {dict(limits)} must be finite numbers")
    ids = [
        hashlib.sha256(f"{portfolio}|{n}|{v!r}".encode()).hexdigest()[:32] for n, v in zip(names, values, strict=True)
    ]
    controls = CONTROLS.make(
        control_id=ids,
        kind=np.full(len(names), int(ControlKind.LIMIT), np.uint32),
        portfolio=[portfolio] * len(names),
        instrument=np.full(len(names), ALL_INSTRUMENTS, np.uint32),
        name=names,
        value=values,
    )
    return Batch.of("control", Header(SOURCE), ORDERS_INCOMING, "", controls=controls)


def bookings(instruments: Instruments, portfolio: str, positions: pd.DataFrame) -> Iterator[Batch]:
    """Booking batches of opening positions, one an underlying.

    Parameters
    ----------
    positions
        Columns instrument, qty (contracts), avg_price (quote currency).

    Raises
    ------
    InputError
        If a column is missing or a figure is not finite.
    UnknownInstrumentError
        If an instrument is not in the table.
    """
    for column in ("instrument", "qty", "avg_price"):
        if column not in positions.columns:
            raise InputError(f"positions have no column {column!r}; expected instrument, qty, avg_price")
    price = positions["avg_price"].to_numpy(np.float64)
    if not np.isfinite(price).all():
        raise InputError("positions hold an avg_price that is not finite; give the average price in quote currency")
    at = np.array([instruments.id(s) for s in positions["instrument"]], np.int64)
    lots = instruments.to_lots(at, positions["qty"].to_numpy(np.float64))
    underlying = instruments.underlying_index[at]
    for u, name in enumerate(instruments.underlyings):
        mine = np.flatnonzero(underlying == u)
        if not len(mine):
            continue
        content = list(zip(at[mine].tolist(), lots[mine].tolist(), price[mine].tolist(), strict=True))
        # two equal rows of a file are two positions: the count of equal ones before it tells them apart
        ids = [
            hashlib.sha256(f"{portfolio}|{row}|{content[:k].count(row)}".encode()).hexdigest()[:32]
            for k, row in enumerate(content)
        ]
        rows = BOOKINGS.make(
            booking_id=ids,
            action=np.full(len(mine), int(BookingAction.BOOK), np.uint32),
            instrument=at[mine].astype(np.uint32),
            qty=lots[mine],
            price=price[mine],
            account=[portfolio] * len(mine),
            portfolio=[portfolio] * len(mine),
            book=np.full(len(mine), int(Book.CLIENT), np.uint32),
        )
        yield Batch.of("booking", Header(SOURCE, 0, u), ORDERS_INCOMING, name, bookings=rows)
