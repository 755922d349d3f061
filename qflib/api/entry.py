"""Order entry: one order an id. The same request again gets the first reply; another one under its id is refused."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from qflib.api.admission import Admission, request_hash
from qflib.api.problems import UNKNOWN_OUTCOME, ProblemError, away
from qflib.api.requests import NewOrder
from qflib.api.shapes import OrderForm, order_form
from qflib.records import OrderAction
from qflib.steps.exchange.validation import Request
from qflib.views.order_state import OrderState
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from qflib.api.state import Ack, ApiState

Key = tuple[str, str]
Meant = int | str  # what an id stands for: an order's hash, or the order that a cancel is of
_RECENT = 20_000  # acknowledged orders that the views may not have read yet
_DOUBTFUL = 20_000  # requests of which nobody knows whether Kafka has them


class _Flight(NamedTuple):
    """A request on its way, and those who wait for it: the first, and whoever asks the same meanwhile."""

    meant: Meant
    waiting: list[asyncio.Future[OrderState]]

    def joined(self) -> asyncio.Future[OrderState]:
        """What becomes of it; each has a future of its own, so that one who goes away takes none from the others."""
        waits: asyncio.Future[OrderState] = asyncio.get_running_loop().create_future()
        self.waiting.append(waits)
        return waits


class OrderEntry:
    """Takes orders in and sends them.

    Parameters
    ----------
    state
        Views, sender, settings.
    """

    def __init__(self, state: ApiState) -> None:
        self._state, self._views = state, state.views
        self._admission = Admission(state.views, state.settings.stale_s, state.now_ns)
        self._flying: dict[Key, _Flight] = {}
        self._recent: OrderedDict[Key, OrderState] = OrderedDict()
        self._doubtful: OrderedDict[Key, Meant] = OrderedDict()

    async def enter(self, body: NewOrder) -> OrderForm:
        """Send an order, and give its first reply when Kafka has it.

        Raises
        ------
        ProblemError
            409 where its id is another order's, 422 where the exchange would refuse it, 503 where Kafka did not
            confirm it.
        """
        key, hashed = (body.account, body.client_order_id), request_hash(body)
        if (there := self._under_way(key, hashed)) is not None:
            return self.first_reply(await there.joined())
        self._state.accepts()
        known = self.known(key)
        if known is not None:
            self._same(key, hashed, known.request_hash)
            if not known.known:  # its execution was read before it
                raise away("the order is there, and its request is being read; send it again", "not_ready")
            return self.first_reply(known)
        self._same(key, hashed, self._doubtful.get(key, hashed))
        fresh = await self._sent(key, hashed, self._admission.row(body, hashed))
        return order_form(fresh, self._views.instruments, now_ns=fresh.stamp.append_ns)

    async def cancel(self, account: str, client_order_id: str, cancel_id: str | None) -> OrderForm:
        """Ask for an order to be cancelled; the request's own first reply.

        Raises
        ------
        ProblemError
            404 where there is no such order, 409 where it has ended or `cancel_id` is taken, 503 as `enter`.
        """
        named = cancel_id or f"cancel-{secrets.token_hex(8)}"
        key = account, named
        if (under_way := self._under_way(key, client_order_id)) is not None:
            return self.first_reply(await under_way.joined())
        self._state.accepts()
        order = self.known((account, client_order_id))
        if order is None or order.action == OrderAction.CANCEL:
            raise ProblemError(404, "unknown_order", f"account {account!r} has no order {client_order_id!r}")
        if (there := self.known(key)) is not None:
            self._same(key, client_order_id, there.orig_client_order_id)
            return self.first_reply(there)
        self._same(key, client_order_id, self._doubtful.get(key, client_order_id))
        if not order.live:
            status = "replaced" if order.replaced_by else order_form(order, self._views.instruments).ord_status
            raise ProblemError(409, "order_ended", f"order {client_order_id!r} is {status}: there is nothing to cancel")
        row = Request(
            int(OrderAction.CANCEL), order.instrument, order.side, 0, 0, 0, 0, account.encode(),
            order.portfolio.encode(), order.book, named.encode(), client_order_id.encode(), 0, 0,
            self._views.books.market_time_ns(),
        )  # fmt: skip
        return self.first_reply(await self._sent(key, client_order_id, row))

    def known(self, key: Key) -> OrderState | None:
        """An order as the views have it, else as it was acknowledged; None where it was never heard of."""
        order = self._views.orders.order(*key)
        if order is not None and order.known:
            self._recent.pop(key, None)
            return order
        return self._recent.get(key) or order

    def first_reply(self, o: OrderState) -> OrderForm:
        """What was told when Kafka had it: from the request and its place alone, so that a restart tells the same."""
        seq, append_ns = o.cursor[2], o.cursor[0] * 1_000_000
        leaves = 0 if o.action == OrderAction.CANCEL else o.qty
        first = replace(o, stamp=Stamp(seq, -1, o.sent_ns, append_ns), ord_status=None, reason=0, cum_qty=0,
                        leaves_qty=leaves, avg_price=0.0, fees=0.0, replaced_by="", known=True)  # fmt: skip
        return order_form(first, self._views.instruments, now_ns=append_ns)

    def _under_way(self, key: Key, meant: Meant) -> _Flight | None:
        there = self._flying.get(key)
        if there is not None:
            self._same(key, meant, there.meant)
        return there

    def _same(self, key: Key, meant: Meant, theirs: Meant) -> None:
        if meant != theirs:
            raise self._duplicate(key)

    @staticmethod
    def _duplicate(key: Key) -> ProblemError:
        detail = f"account {key[0]!r} has used client_order_id {key[1]!r} for another request; give each its own"
        return ProblemError(409, "duplicate_client_order_id", detail)

    async def _sent(self, key: Key, meant: Meant, row: Request) -> OrderState:
        """Hold the id, send, and remember what was acknowledged, whether or not the caller waits for it."""
        instrument = self._views.instruments[row.instrument]
        ack = self._state.sender.order(instrument.underlying, row)
        flight = self._flying[key] = _Flight(meant, [])
        waits = flight.joined()
        ack.add_done_callback(lambda told: self._landed(key, flight, row, told))
        return await waits

    def _landed(self, key: Key, flight: _Flight, row: Request, ack: asyncio.Future[Ack]) -> None:
        """Whether or not anybody still waits."""
        del self._flying[key]
        if ack.cancelled():
            self._doubt(key, flight.meant)
            for waits in flight.waiting:
                waits.cancel()
        elif (error := ack.exception()) is not None:
            if not isinstance(error, ProblemError) or error.code == UNKNOWN_OUTCOME:
                self._doubt(key, flight.meant)
            for waits in flight.waiting:
                if not waits.done():
                    waits.set_exception(error)
                    waits.exception()  # who waited may go before it is told: that is no fault
        else:
            order = self._remember(key, row, ack.result())
            for waits in flight.waiting:
                if not waits.done():
                    waits.set_result(order)

    def _doubt(self, key: Key, meant: Meant) -> None:
        """Kafka may have it: another request under its id could be taken beside it, where they are of two partitions.

        The exchange tells the two apart only in one partition.
        """
        self._doubtful[key] = meant
        if len(self._doubtful) > _DOUBTFUL:
            self._doubtful.popitem(last=False)

    def _remember(self, key: Key, r: Request, ack: Ack) -> OrderState:
        cursor = ack.append_ms, ack.partition, ack.offset, ack.row
        stamp = Stamp(ack.offset, -1, r.sent_ns, ack.append_ms * 1_000_000)
        state = OrderState(
            *key, cursor, stamp, r.action, r.instrument, r.portfolio.decode(), r.book, r.side, r.ord_type,
            r.time_in_force, r.price_ticks, r.qty, r.orig_client_order_id.decode(), r.hedge_no, r.request_hash,
            r.sent_ns, known=True, leaves_qty=0 if r.action == OrderAction.CANCEL else r.qty,
            options=r.options, expire_ns=r.expire_ns,
        )  # fmt: skip
        self._recent[key] = state
        self._doubtful.pop(key, None)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return state
