"""Bookings and controls as records."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from qflib.api.admission import BOOK_CODES, refused
from qflib.api.requests import KillSwitch, NewBooking, NewLimit
from qflib.errors import InputError
from qflib.records import (
    ALL_INSTRUMENTS,
    BOOKINGS,
    CONTROLS,
    Batch,
    BookingAction,
    ControlKind,
    Header,
    Instruments,
    Reason,
)
from qflib.records.topics import ORDERS_INCOMING
from qflib.steps.exchange.validation import MAX_LOTS


def booking_batches(bookings: Sequence[NewBooking], portfolio: str, table: Instruments) -> list[Batch]:
    """Booking batches, one an underlying, under a source of their own.

    Raises
    ------
    ProblemError
        422, with the exchange's own reason as code.
    """
    source = _source()
    rows: dict[str, list[tuple[NewBooking, int, int]]] = {}
    for b in bookings:
        if b.instrument not in table:
            raise refused(Reason.UNKNOWN_INSTRUMENT, f"instrument {b.instrument!r} is not in the table")
        i = table.id(b.instrument)
        if b.action == "transfer" and b.to_portfolio is None:
            raise refused(Reason.BAD_TEXT, f"transfer {b.booking_id!r} has no to_portfolio; say where it goes")
        if b.action == "book" and b.price is None:
            raise refused(Reason.BAD_PRICE, f"booking {b.booking_id!r} has no price; give the average price paid")
        rows.setdefault(table[i].underlying, []).append((b, i, _lots(b, i, table)))
    return [
        Batch.of("booking", Header(source), ORDERS_INCOMING, underlying, bookings=_table(some, portfolio))
        for underlying, some in rows.items()
    ]


def limit_batch(limit: NewLimit, table: Instruments) -> tuple[Batch, str]:
    """A control for every partition, and its id."""
    return _control(ControlKind.LIMIT, limit, table, limit.name, limit.value)


def kill_batch(switch: KillSwitch, table: Instruments) -> tuple[Batch, str]:
    """A control for every partition, and its id."""
    return _control(ControlKind.KILL_SWITCH, switch, table, "", float(switch.on))


def _control(
    kind: ControlKind, told: NewLimit | KillSwitch, table: Instruments, name: str, value: float
) -> tuple[Batch, str]:
    instrument = ALL_INSTRUMENTS
    if told.instrument is not None:
        if told.instrument not in table:
            raise refused(Reason.UNKNOWN_INSTRUMENT, f"instrument {told.instrument!r} is not in the table")
        instrument = table.id(told.instrument)
    control_id = told.control_id or uuid.uuid4().hex
    row = CONTROLS.make(
        control_id=[control_id], kind=[int(kind)], portfolio=[told.portfolio or ""], instrument=[instrument],
        name=[name], value=[value],
    )  # fmt: skip
    return Batch.of("control", Header(_source()), ORDERS_INCOMING, "", controls=row), control_id


def _lots(b: NewBooking, i: int, table: Instruments) -> int:
    try:
        lots = table.decimals.lots(i, b.qty)
    except InputError as e:
        raise refused(Reason.BAD_QUANTITY, str(e)) from None
    if not 0 < abs(lots) <= MAX_LOTS:
        raise refused(Reason.BAD_QUANTITY, f"quantity {b.qty} of {b.booking_id!r} is 0 or out of range")
    return lots


def _table(rows: Sequence[tuple[NewBooking, int, int]], portfolio: str) -> object:
    told = [b for b, _, _ in rows]
    return BOOKINGS.make(
        booking_id=[b.booking_id for b in told],
        action=[int(BookingAction[b.action.upper()]) for b in told],
        instrument=[i for _, i, _ in rows],
        qty=[lots for _, _, lots in rows],
        price=[float(b.price or 0) for b in told],
        account=[b.account or portfolio for b in told],
        portfolio=[portfolio] * len(told),
        book=[BOOK_CODES[b.book] for b in told],
        to_account=[b.to_account or "" for b in told],
        to_portfolio=[b.to_portfolio or "" for b in told],
    )


def _source() -> str:
    """A source an act: each begins to number anew, and whether a former one was committed may not be known."""
    return f"api.{uuid.uuid4().hex[:12]}"
