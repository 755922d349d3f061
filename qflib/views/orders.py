"""Our orders and what became of them: from orders.incoming and orders.executed, whichever is read first."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from qflib.records import Batch, ExecType, Instruments, OrderAction, OrderStatus, Reason
from qflib.records.tables import ORDERS
from qflib.views.executions import Execution, Executions, rows_of
from qflib.views.order_state import Cursor, Key, OrderState
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from qflib.views.older import Rows

T = TypeVar("T")
_KEPT = 200_000  # ended orders, and executions
_PLACED = 20_000  # places in queues
_PART = 1_024  # rows taken at a time under the lock
_ENDED = frozenset((OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED))


class OrdersView:
    """Orders and executions of all accounts.

    Parameters
    ----------
    instruments
        The instrument table.
    kept
        How many ended orders, and how many executions, are kept at most; older ones are in the history.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> view = OrdersView(Instruments())
    >>> view.order("DESK1", "a-1") is None, view.orders()
    (True, [])
    """

    def __init__(self, instruments: Instruments, kept: int = _KEPT) -> None:
        self.instruments = instruments
        self._kept = kept
        self._orders: dict[Key, OrderState] = {}
        self._by_cursor: list[tuple[Cursor, Key]] = []
        self._live: set[Key] = set()
        self._placed: dict[Key, tuple[int, int]] = {}  # market time and lots ahead, as last told beside executions
        self._executions: list[Execution] = []
        self._last_seq: dict[str, int] = {}  # by underlying: the record of executions before
        self._lock = Lock()

    def order(self, account: str, client_order_id: str) -> OrderState | None:
        """One request; None where it was never heard of, or ended long ago."""
        return self._orders.get((account, client_order_id))

    def orders(
        self,
        *,
        where: Callable[[OrderState], bool] = lambda o: True,
        before: Cursor | None = None,
        limit: int = 100,
        live: bool = False,
        scan: int | None = None,
    ) -> list[OrderState]:
        """Orders (not cancel requests), newest first.

        Parameters
        ----------
        where
            Which of them; it is asked outside of the view's lock.
        before
            Only those older than this cursor.
        limit
            How many at most.
        live
            Only those that may still trade; O(live) however many are kept.
        scan
            How many requests are looked at at most; None: all that are kept.
        """
        if live:
            with self._lock:
                held = [self._orders[key] for key in self._live]
            held.sort(key=lambda o: (o.cursor, o.key), reverse=True)
            chosen = (o for o in held if before is None or o.cursor < before)
            return list(islice(filter(where, islice(chosen, scan)), limit))
        made: list[OrderState] = []
        for part in _backwards(self._places(before), scan):
            made += islice(filter(where, self._orders_of(part)), limit - len(made))
            if len(made) >= limit:
                break
        return made

    def executions(
        self,
        *,
        where: Callable[[Execution], bool] = lambda x: True,
        before: Cursor | None = None,
        after: Cursor | None = None,
        limit: int = 100,
        scan: int | None = None,
    ) -> list[Execution]:
        """Executions, newest first.

        Parameters
        ----------
        where
            Which of them; it is asked outside of the view's lock.
        before, after
            Only those older, or newer, than a cursor.
        limit
            How many at most.
        scan
            How many are looked at at most; None: all that are kept.
        """
        made: list[Execution] = []
        for part in _backwards(self._rows(before, after), scan):
            made += islice(filter(where, part), limit - len(made))
            if len(made) >= limit:
                break
        return made

    def _places(self, before: Cursor | None) -> Iterator[list[tuple[Cursor, Key]]]:
        """Requests backwards from a cursor, a part at a time: it goes on where it was, whatever came meanwhile."""
        end = None if before is None else (before, ("", ""))
        while True:
            with self._lock:
                stop = len(self._by_cursor) if end is None else bisect_left(self._by_cursor, end)
                part = self._by_cursor[max(0, stop - _PART) : stop]
            if not part:
                return
            end = part[0]
            yield part[::-1]

    def _rows(self, before: Cursor | None, after: Cursor | None) -> Iterator[list[Execution]]:
        """Executions backwards from a cursor, a part at a time."""
        while True:
            with self._lock:
                rows = self._executions
                stop = len(rows) if before is None else bisect_left(rows, before, key=lambda x: x.cursor)
                part = rows[max(0, stop - _PART) : stop]
            if after is not None:
                part = part[bisect_right(part, after, key=lambda x: x.cursor) :]
            if not part:
                return
            before = part[0].cursor
            yield part[::-1]

    def _orders_of(self, part: list[tuple[Cursor, Key]]) -> Iterator[OrderState]:
        for cursor, key in part:
            o = self._orders.get(key)
            if o is not None and o.action != OrderAction.CANCEL and o.cursor == cursor:
                yield o

    def resting(self, instrument: int) -> list[OrderState]:
        """Orders that lie in an instrument's book."""
        with self._lock:
            live = [self._orders[key] for key in self._live]
        return [o for o in live if o.instrument == instrument and o.leaves_qty > 0]

    def take_orders(self, batch: Batch, partition: int, offset: int, append_ms: int) -> None:
        """Fold an OrderBatch in. The reader alone calls it."""
        for k, row in enumerate(_rows(batch.orders)):
            self._request(row, (append_ms, partition, offset, k))
        self._forget()

    def take_older(self, orders: Rows, executions: Rows) -> None:
        """Fold in what the history tells of orders that may still trade. The reader alone calls it.

        The executions are not listed: they are those of some orders only.
        """
        for row, cursor in zip(_rows(orders.columns), orders.cursors, strict=True):
            self._request(row, cursor)
        for x, cursor in zip(rows_of(executions.columns, 0, 0, 0), executions.cursors, strict=True):
            if x.client_order_id:
                self._apply(x._replace(cursor=cursor), Stamp(cursor[2], -1, x.time_ns, cursor[0] * 1_000_000))

    def _request(self, row: dict[str, Any], cursor: Cursor) -> None:
        key = row["account"], row["client_order_id"]
        there = self._orders.get(key)
        if there is not None and there.known:
            return  # the same id again: the exchange refuses it, the first stands
        stamp = Stamp(cursor[2], -1, row["sent_ns"], cursor[0] * 1_000_000) if there is None else there.stamp
        told = {n: v for n, v in row.items() if n not in ("account", "client_order_id")}
        if there is None:
            leaves = 0 if row["action"] == OrderAction.CANCEL else row["qty"]
            self._put(OrderState(*key, cursor, stamp, known=True, leaves_qty=leaves, **told))
        else:
            self._move(replace(there, cursor=cursor, known=True, **told), there.cursor)

    def take_places(self, batch: Batch) -> None:
        """Where orders stand in the venue's queues, as an AnalyticsBatch tells it. The reader alone calls it."""
        x = batch.places
        for account, name, ahead, time_ns in zip(
            *(c.tolist() for c in (x.account, x.client_order_id, x.queue_ahead, x.time_ns)), strict=True
        ):
            key = account.decode(errors="replace"), name.decode(errors="replace")
            self._placed.pop(key, None)
            self._placed[key] = time_ns, ahead
            there = self._orders.get(key)
            if there is not None and there.stamp.time_ns < time_ns:  # an execution of that very time came after it
                self._put(replace(there, queue_ahead=ahead))
        while len(self._placed) > _PLACED:  # those not told for longest
            del self._placed[next(iter(self._placed))]

    def _ahead(self, x: Execution) -> int:
        """Lots in front of an order: what an execution tells, or what was told since."""
        time_ns, ahead = self._placed.get((x.account, x.client_order_id), (-1, 0))
        return ahead if time_ns > x.time_ns else x.queue_ahead

    def take_executions(self, batch: Batch, underlying: str, partition: int, offset: int, append_ms: int) -> Executions:
        """Fold an ExecutionBatch in; its rows. The reader alone calls it."""
        rows = list(rows_of(batch.executions, append_ms, partition, offset))
        prev = self._last_seq.get(underlying, -1)
        self._last_seq[underlying] = offset
        time_ns = rows[-1].time_ns if rows else 0
        stamp = Stamp(offset, prev, time_ns, append_ms * 1_000_000)
        with self._lock:
            for x in rows:
                if self._executions and x.cursor < self._executions[-1].cursor:
                    insort(self._executions, x, key=lambda e: e.cursor)
                else:
                    self._executions.append(x)
            if len(self._executions) > self._kept + self._kept // 8:
                del self._executions[: -self._kept]
        for x in rows:
            if x.client_order_id:
                self._apply(x, Stamp(offset, -1, x.time_ns, stamp.append_ns))
        self._forget()
        return Executions(underlying, stamp, rows)

    def _apply(self, x: Execution, stamp: Stamp) -> None:
        """What an execution says of the request it names, and of the order that was meant."""
        if x.exec_type == ExecType.REJECTED:
            there = self._orders.get((x.account, x.client_order_id))
            if x.reason == Reason.DUPLICATE_CLIENT_ORDER_ID and there is not None:
                return  # it speaks of a second request of that name
            self._set(x, stamp, ord_status=int(OrderStatus.REJECTED), reason=x.reason, leaves_qty=0)
        elif x.exec_type == ExecType.CANCELLED and x.orig_client_order_id:
            self._set(x, stamp, action=int(OrderAction.CANCEL), ord_status=int(OrderStatus.CANCELLED), leaves_qty=0,
                      orig_client_order_id=x.orig_client_order_id)  # fmt: skip
            self._end(x, x.orig_client_order_id, stamp)
        elif x.exec_type == ExecType.REPLACED:
            before = self._named(x.account, x.orig_client_order_id)
            paid = {} if before is None else {"avg_price": before.avg_price, "fees": before.fees}
            self._set(x, stamp, qty=x.qty, ord_status=x.ord_status, cum_qty=x.cum_qty, leaves_qty=x.leaves_qty,
                      action=int(OrderAction.REPLACE), orig_client_order_id=x.orig_client_order_id,
                      queue_ahead=self._ahead(x), **paid)  # fmt: skip
            if before is not None:
                status = int(OrderStatus.REPLACED)
                self._put(replace(before, stamp=_after(before, stamp), ord_status=status, leaves_qty=0,
                                  replaced_by=x.client_order_id))  # fmt: skip
        elif x.exec_type == ExecType.FILL:
            there = self._orders.get((x.account, x.client_order_id))
            had, avg, fees = (0, 0.0, 0.0) if there is None else (there.cum_qty, there.avg_price, there.fees)
            cum = max(x.cum_qty, 1)
            self._set(x, stamp, ord_status=x.ord_status, cum_qty=x.cum_qty, leaves_qty=x.leaves_qty,
                      avg_price=(avg * had + x.price * x.qty) / cum, fees=fees + x.fee,
                      queue_ahead=self._ahead(x))  # fmt: skip
        elif x.exec_type in (ExecType.CANCELLED, ExecType.EXPIRED):
            self._set(x, stamp, ord_status=x.ord_status, reason=x.reason, cum_qty=x.cum_qty, leaves_qty=0)
        elif x.exec_type == ExecType.NEW:
            self._set(x, stamp, qty=x.qty, price_ticks=x.price_ticks, ord_status=x.ord_status,
                      leaves_qty=x.leaves_qty, queue_ahead=self._ahead(x))  # fmt: skip

    def _set(self, x: Execution, stamp: Stamp, **told: Any) -> None:
        key = x.account, x.client_order_id
        there = self._orders.get(key)
        if there is None:
            there = OrderState(*key, x.cursor, stamp, instrument=x.instrument, portfolio=x.portfolio, book=x.book,
                               side=x.side, hedge_no=x.hedge_no, request_hash=x.request_hash)  # fmt: skip
        self._put(replace(there, stamp=_after(there, stamp), order_id=x.order_id or there.order_id, **told))

    def _end(self, x: Execution, client_order_id: str, stamp: Stamp) -> None:
        if (there := self._named(x.account, client_order_id)) is not None:
            status = int(OrderStatus.CANCELLED)
            self._put(replace(there, stamp=_after(there, stamp), ord_status=status, reason=x.reason, leaves_qty=0,
                              cum_qty=x.cum_qty))  # fmt: skip

    def _named(self, account: str, client_order_id: str) -> OrderState | None:
        """The order that a name means to the exchange: a replaced one goes on under its last, and has all of them."""
        there = self._orders.get((account, client_order_id))
        while there is not None and there.replaced_by:
            there = self._orders.get((account, there.replaced_by))
        return there

    def _put(self, o: OrderState) -> None:
        with self._lock:
            if o.key not in self._orders:
                insort(self._by_cursor, (o.cursor, o.key))
            self._note(o)

    def _move(self, o: OrderState, former: Cursor) -> None:
        """An order known from its executions gets the place of its request."""
        with self._lock:
            del self._by_cursor[bisect_left(self._by_cursor, (former, o.key))]
            insort(self._by_cursor, (o.cursor, o.key))
            self._note(o)

    def _note(self, o: OrderState) -> None:
        self._orders[o.key] = o
        (self._live.add if o.live else self._live.discard)(o.key)
        if not o.live:
            self._placed.pop(o.key, None)

    def _forget(self) -> None:
        """Drop the oldest ended requests where there are too many."""
        if len(self._orders) <= self._kept + self._kept // 8:
            return
        with self._lock:
            surplus, stay = len(self._orders) - self._kept, []
            for cursor, key in self._by_cursor:
                o = self._orders[key]
                if surplus > 0 and (o.ord_status in _ENDED or o.replaced_by):
                    del self._orders[key]
                    surplus -= 1
                else:
                    stay.append((cursor, key))
            self._by_cursor = stay


def _backwards(parts: Iterator[list[T]], scan: int | None) -> Iterator[list[T]]:
    """Parts until so many rows were given."""
    left = scan
    for part in parts:
        if left is None:
            yield part
        elif left > 0:
            yield part[:left]
            left -= len(part)
        else:
            return


def _after(there: OrderState, stamp: Stamp) -> Stamp:
    return stamp if there.stamp.seq == stamp.seq else stamp._replace(prev_seq=there.stamp.seq)


def _rows(orders: Any) -> Iterator[dict[str, Any]]:
    names = [c.name for c in ORDERS.columns]
    lists = [
        [v.decode(errors="replace") for v in getattr(orders, c.name).tolist()]
        if c.type == "text"
        else getattr(orders, c.name).tolist()
        for c in ORDERS.columns
    ]
    for row in zip(*lists, strict=True):
        yield dict(zip(names, row, strict=True))
