"""The channels of the stream: whose messages they hold, and what is in a message."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from qflib.api.shapes import (
    SIDES,
    ExecutionForm,
    LastTrade,
    SideName,
    book_form,
    execution_form,
    levels_form,
    report_form,
    rfc3339,
)
from qflib.api.stream.checksum import book_checksum
from qflib.api.stream.log import ChannelLog

if TYPE_CHECKING:
    from qflib.records import Instruments
    from qflib.views import Views
    from qflib.views.books import BookState, Trades
    from qflib.views.executions import Executions
    from qflib.views.report import Report

Channel = Literal["book", "trades", "executions", "risk"]
CHANNELS: tuple[Channel, ...] = ("book", "trades", "executions", "risk")
#: What a channel's subjects are.
SUBJECTS: dict[str, str] = {
    "book": "an instrument", "trades": "an instrument", "executions": "an underlying", "risk": "a portfolio",
}  # fmt: skip
_BOOKS, _REPORTS, _TOLD = 1_024, 256, 4_096  # messages kept of a subject
_QUOTES = 64  # of an option, of which a desk has thousands: a message holds its book until somebody reads it
_BEHIND = 8  # books or reports a reader may be behind before it gets the newest instead
_RECENT = 100  # records of trades or executions that a snapshot shows


class TradeForm(Struct, frozen=True):
    """A venue's trade; the side is the aggressor's, null where it is not told."""

    price: str
    qty: str
    side: SideName | None
    time: str
    time_ns: int
    seq: int


class BookDelta(Struct, frozen=True):
    """What changed of a book: absolute quantities, "0" where a level is no longer among those shown."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    last: LastTrade | None
    status: str
    time_ns: int
    append_ns: int
    checksum: int


class Items(Struct, frozen=True):
    """Rows of one record, or of the newest ones."""

    items: list[TradeForm] | list[ExecutionForm]
    append_ns: int


def new_log(views: Views, channel: Channel, subject: str) -> ChannelLog[Any] | None:
    """An empty log of a subject; None where there is no such subject."""
    table = views.instruments
    if channel in ("book", "trades"):
        if subject not in table:
            return None
        if channel == "book":
            return _books(table, subject)
        return ChannelLog(channel, subject, lambda _, now: _trades([now], table), lambda last: _trades(last, table),
                          kept=_TOLD, recent=_RECENT)  # fmt: skip
    if channel == "executions":
        if subject not in table.underlyings:
            return None
        return ChannelLog(channel, subject, lambda _, now: _executions([now], table),
                          lambda last: _executions(last, table), kept=_TOLD, recent=_RECENT)  # fmt: skip
    if subject != views.deployment.portfolio and subject not in views.risk.portfolios():
        return None
    return ChannelLog(channel, subject, lambda _, now: _report(now, views), lambda last: _report(last[-1], views)
                      if last else None, kept=_REPORTS, behind=_BEHIND)  # fmt: skip


def _books(table: Instruments, subject: str) -> ChannelLog[BookState]:
    def whole(last: list[BookState]) -> dict[str, Any]:
        if not last:
            return _no_book(subject)
        form, append_ns = book_form(last[-1], table), last[-1].stamp.append_ns
        checksum = book_checksum(form.bids, form.asks)
        return msgspec.structs.asdict(form) | {"append_ns": append_ns, "checksum": checksum}

    kept = _QUOTES if table[subject].kind == "option" else _BOOKS
    return ChannelLog("book", subject, _changes(table), whole, kept=kept, behind=_BEHIND)


def _changes(table: Instruments) -> Callable[[BookState | None, BookState], BookDelta]:
    def change(before: BookState | None, now: BookState) -> BookDelta:
        i, texts = now.instrument, table.decimals
        bids, asks = levels_form(now.bids, i, table), levels_form(now.asks, i, table)
        old_bids = [] if before is None else levels_form(before.bids, i, table)
        old_asks = [] if before is None else levels_form(before.asks, i, table)
        last = LastTrade(texts.price(i, now.last_ticks), texts.qty(i, now.last_qty)) if now.last_qty else None
        return BookDelta(
            _moved(old_bids, bids), _moved(old_asks, asks), last, now.status.name.lower(), now.stamp.time_ns,
            now.stamp.append_ns, book_checksum(bids, asks),
        )  # fmt: skip

    return change


def _moved(before: list[tuple[str, str]], now: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Levels whose quantity is another, and those that are gone."""
    old = dict(before)
    return [(p, q) for p, q in now if old.pop(p, None) != q] + [(p, "0") for p in old]


def _no_book(subject: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"instrument": subject, "seq": -1, "prev_seq": -1, "time": rfc3339(0), "time_ns": 0}
    shown: dict[str, Any] = {"age_ms": 0, "status": "unknown", "bids": [], "asks": [], "last": None, "append_ns": 0}
    return empty | shown | {"checksum": book_checksum([], [])}


def _trades(told: list[Trades], table: Instruments) -> Items:
    price, qty = table.decimals.price, table.decimals.qty
    items = [
        TradeForm(price(t.instrument, ticks), qty(t.instrument, lots), SIDES.get(side), rfc3339(at), at, t.stamp.seq)
        for t in told
        for side, ticks, lots, at in zip(
            *(t.rows[n].tolist() for n in ("side", "price_ticks", "qty", "receipt_ns")), strict=True
        )
    ]
    return Items(items, _appended(told))


def _executions(told: list[Executions], table: Instruments) -> Items:
    return Items([execution_form(x, table) for t in told for x in t.rows], _appended(told))


def _appended(told: list[Any]) -> int:
    return int(told[-1].stamp.append_ns) if told else 0


def _report(now: Report, views: Views) -> dict[str, Any]:
    form = report_form(now, views.risk, time.time_ns())
    return msgspec.structs.asdict(form) | {"append_ns": now.stamp.append_ns}
