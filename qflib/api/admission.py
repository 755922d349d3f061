"""What the exchange would refuse an order for, as far as the views know: a fast answer; the exchange's is the truth."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import msgspec

from qflib.api.instants import nanoseconds
from qflib.api.problems import ProblemError
from qflib.api.requests import NewOrder
from qflib.api.shapes import BOOKS, ORD_TYPES, SIDES, TIMES_IN_FORCE, rfc3339
from qflib.errors import InputError
from qflib.records import Book, OrderAction, OrderOption, Reason, Side, TimeInForce, TradingStatus
from qflib.records.decimals import decimal_text
from qflib.steps.exchange.validation import MAX_LOTS, MAX_TICKS, RESTS, Request, TickTable, form, in_band

if TYPE_CHECKING:
    from collections.abc import Callable

    from qflib.views import Views
    from qflib.views.books import BookState

SIDE_CODES = {name: code for code, name in SIDES.items()}
TYPE_CODES = {name: code for code, name in ORD_TYPES.items()}
TIME_CODES = {name: code for code, name in TIMES_IN_FORCE.items()}
BOOK_CODES = {name: code for code, name in BOOKS.items()}
_CLOSED = (TradingStatus.PRE_OPEN, TradingStatus.HALT, TradingStatus.CLOSED)
_WHY = {
    Reason.BAD_EXPIRY: "an order good till a date (gtd) needs `expire`, and no other has one",
    Reason.UNSUPPORTED_TYPE: "post_only is of a limit order that may rest: day, gtc or gtd",
}
_canonical = msgspec.json.Encoder(order="sorted").encode


def request_hash(body: NewOrder) -> int:
    """First 8 bytes of the SHA-256 of the order, its fields sorted and its defaults in.

    Examples
    --------
    >>> told = NewOrder(client_order_id="1", account="A", portfolio="P", instrument="ACME", side="buy", qty="1")
    >>> request_hash(told) == request_hash(msgspec.structs.replace(told, time_in_force="gtc"))
    True
    """
    told = msgspec.structs.asdict(body)
    for name in ("post_only", "expire"):  # an order without them keeps the hash that it had before there were any
        if not told[name]:
            del told[name]
    return int.from_bytes(hashlib.sha256(_canonical(told)).digest()[:8], "big")


class Admission:
    """Makes rows of orders, and refuses those that cannot be.

    Parameters
    ----------
    views
        What is known of the desk.
    stale_s
        Without a word of an underlying's books for so long, its orders are refused.
    now_ns
        The wall clock.
    """

    def __init__(self, views: Views, stale_s: float, now_ns: Callable[[], int]) -> None:
        self._views, self._stale_ns, self._now_ns = views, int(stale_s * 1e9), now_ns
        self._ticks = [TickTable(r) for r in views.instruments]

    def row(self, body: NewOrder, hashed: int) -> Request:
        """The order as a row of `Orders`.

        Raises
        ------
        ProblemError
            422, with the exchange's own reason as code.
        """
        table = self._views.instruments
        if body.instrument not in table:
            raise refused(
                Reason.UNKNOWN_INSTRUMENT, f"instrument {body.instrument!r} is not in the table; see /v1/instruments"
            )
        i = table.id(body.instrument)
        if (body.price is None) != (body.ord_type == "market"):
            raise refused(Reason.BAD_PRICE, "a limit order needs a price, and a market order has none")
        rests = body.ord_type == "limit" and TIME_CODES[body.time_in_force] in RESTS
        options = (OrderOption.TELL_QUEUE if rests else 0) | (OrderOption.POST_ONLY if body.post_only else 0)
        end_ns = nanoseconds("expire", body.expire)  # 0, 1970 itself, would be no end
        r = Request(
            int(OrderAction.NEW), i, SIDE_CODES[body.side], TYPE_CODES[body.ord_type], TIME_CODES[body.time_in_force],
            0 if body.price is None else self._ticks_of(i, body.price), self._lots_of(i, body.qty),
            body.account.encode(), body.portfolio.encode(), int(Book.CLIENT), body.client_order_id.encode(), b"", 0,
            hashed, self._views.books.market_time_ns(), int(options), 0 if end_ns is None else end_ns or -1,
        )  # fmt: skip
        self._check(r, body)
        return r

    def _ticks_of(self, i: int, text: str) -> int:
        try:
            ticks = self._views.instruments.decimals.ticks(i, text)
        except InputError as e:
            raise refused(Reason.OFF_TICK, str(e)) from None
        if not 0 < ticks <= MAX_TICKS:
            raise refused(Reason.BAD_PRICE, f"price {text} is out of range; give a positive one")
        return ticks

    def _lots_of(self, i: int, text: str) -> int:
        try:
            lots = self._views.instruments.decimals.lots(i, text)
        except InputError as e:
            raise refused(Reason.BAD_QUANTITY, str(e)) from None
        if not 0 < lots <= MAX_LOTS:
            raise refused(Reason.BAD_QUANTITY, f"quantity {text} is out of range; give a positive one")
        return lots

    def _check(self, r: Request, body: NewOrder) -> None:
        """In the exchange's order of questions."""
        views, i = self._views, r.instrument
        if (reason := form(r)) != Reason.NONE:
            if reason == Reason.BAD_EXPIRY and r.expire_ns < 0 and r.time_in_force == TimeInForce.GTD:
                raise _over(r, body)  # before 1970
            raise refused(reason, _WHY.get(reason) or f"an order of {body.qty} at {body.price} cannot be")
        book = views.books.latest(i)
        expiry = int(views.instruments.expiry_ns[i])
        if (book is not None and book.status == TradingStatus.EXPIRED) or 0 < expiry <= r.sent_ns:
            raise refused(Reason.EXPIRED_INSTRUMENT, f"{body.instrument} has expired")
        held = views.controls.hold(body.portfolio, i)
        if held.killed:
            raise refused(Reason.KILL_SWITCH, f"the kill switch stops orders of {body.portfolio} in {body.instrument}")
        if book is not None and book.status in _CLOSED:
            raise refused(Reason.MARKET_CLOSED, f"the market of {body.instrument} is {book.status.name.lower()}")
        if 0 < r.expire_ns <= r.sent_ns:
            raise _over(r, body)
        if (age_ns := self._age_ns(i)) > self._stale_ns:
            raise refused(
                Reason.STALE_MARKET, f"nothing was heard of the market of {body.instrument} for {age_ns / 1e9:.1f} s"
            )
        if r.price_ticks and not self._ticks[i].on_tick(r.price_ticks):
            raise refused(Reason.OFF_TICK, f"price {body.price} is not on the tick that {body.instrument} has there")
        if r.qty > (most := held.max_order_qty):
            raise refused(Reason.ORDER_SIZE_LIMIT, f"quantity {body.qty} is {r.qty} lots, and the limit is {most:g}")
        band = held.price_band
        bounded = r.price_ticks and not math.isinf(band)
        if bounded and book is not None and not in_band(r.price_ticks, *_around(book), band):
            raise refused(
                Reason.PRICE_BAND, f"price {body.price} is further than {decimal_text(band * 100)} % from the market"
            )

    def _age_ns(self, i: int) -> int:
        """Since Kafka had the newest word of the instrument's underlying; 0 where none was had yet."""
        books, table = self._views.books, self._views.instruments
        own = books.latest(i)
        now = self._now_ns()
        if own is not None and now - own.stamp.append_ns <= self._stale_ns:
            return 0  # the usual case, without a look at its neighbours
        underlying = table[i].underlying
        newest = max(
            (b.stamp.append_ns for b in books.every() if table[b.instrument].underlying == underlying), default=now
        )
        return now - newest


def refused(reason: Reason, detail: str) -> ProblemError:
    """422 with the exchange's reason as code."""
    return ProblemError(422, reason.name.lower(), detail)


def _over(r: Request, body: NewOrder) -> ProblemError:
    return refused(Reason.BAD_EXPIRY, f"expire {body.expire} is over: market time is {rfc3339(r.sent_ns)}")


def _around(book: BookState) -> tuple[int | None, int | None, int | None]:
    return (
        int(book.bids[0, 0]) if len(book.bids) else None,
        int(book.asks[0, 0]) if len(book.asks) else None,
        book.last_ticks if book.last_qty else None,
    )


assert SIDE_CODES["buy"] == Side.BID
