"""The exchange: market data, orders, bookings, controls and clocks in; executions, marks and analytics out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels.own_orders import REFUSED_ROWS, UNKNOWN_ROWS
from qflib.kernels.venue_rows import FILLED, NOTICE, TIME
from qflib.orderbook.books import digest_of_rows
from qflib.records import CONTROLS, Batch, ControlKind, EventKind, Instruments, Partitions, Reason
from qflib.steps.exchange.bookings import Booking, Bookings
from qflib.steps.exchange.config import ExchangeConfig
from qflib.steps.exchange.controls import ENFORCED, KILL
from qflib.steps.exchange.core import Core
from qflib.steps.exchange.orders import Orders
from qflib.steps.exchange.publication import Publication
from qflib.steps.exchange.settlement import Settlement
from qflib.steps.exchange.validation import Request
from qflib.steps.state import State


class Exchange:
    """Keeps a book an instrument, matches our orders against it, and tells what became of them.

    Our orders are an overlay beside the venue's books, and marks show these less what our orders consumed:
    `qflib.kernels.venue_rows` says what the venue's rows mean for them, `qflib.steps.exchange.settlement` how contracts
    end.

    Parameters
    ----------
    instruments
        The instrument table.
    config
        Grid, ages, fees, standing limits.
    partitions, partition
        Where underlyings lie, and which of them are this step's: their books, their sources' time. By default all.

    Notes
    -----
    Time is the least over the table's sources of the greatest receipt time of each. When it reaches a multiple of
    `period_ns`, every underlying sends marks as they stood before the row that reached it (only the time, where
    nothing changed), and analytics where something did. Executions go out in one batch an underlying for each row that
    causes them, followed by that underlying's marks. The same rows give the same bytes wherever batches are cut.

    O(1) a market row; O(fills + consumed levels) an order.

    Examples
    --------
    >>> from qflib.records import MARKET_EVENTS, ORDERS, Batch, Header, Instrument, Instruments
    >>> from qflib.steps.exchange import Exchange
    >>> step = Exchange(Instruments((Instrument("ACME", source="sim"),)))
    >>> offer = MARKET_EVENTS.make(
    ...     kind=[1], flags=[1], side=[2], order_id=[7], price_ticks=[10050], qty=[3], receipt_ns=[5]
    ... )
    >>> step.feed(Batch.of("market", Header("sim"), events=offer))
    []
    >>> order = ORDERS.make(action=[1], side=[1], ord_type=[2], price_ticks=[10050], qty=[2], account=["A"],
    ...                     portfolio=["DESK1"], book=[1], client_order_id=["1"])
    >>> executed, marks = step.feed(Batch.of("order", orders=order))
    >>> executed.executions.exec_type, executed.executions.qty, executed.executions.contra_id
    (array([1, 2], dtype=uint32), array([2, 2]), array([0, 7], dtype=uint64))
    """

    name = "exchange"

    def __init__(
        self,
        instruments: Instruments,
        config: ExchangeConfig | None = None,
        partitions: Partitions | None = None,
        partition: int = 0,
    ) -> None:
        self._core = Core(instruments, config or ExchangeConfig(), partitions or Partitions(), partition)
        self._orders = Orders(self._core)
        self._settlement = Settlement(self._core, self._orders)
        self._bookings = Bookings(self._core, self._orders, self._settlement)
        self._publication = Publication(self._core)
        self._boundary_ns = 0  # the next one that is due
        self._ended = False
        self._due_ns = self._next_due()

    def feed(self, batch: Batch) -> list[Batch]:
        """Take one market, clock, order, booking or control batch in.

        Raises
        ------
        InputError
            If the batch is of another kind.
        """
        if batch.kind == "market":
            return self._market(batch)
        if batch.kind == "clock":
            return self._clock(batch)
        if batch.kind == "order":
            return self._order(batch)
        if batch.kind == "booking":
            return self._booking(batch)
        if batch.kind == "control":
            return self._control(batch)
        if batch.kind == "signal":
            return []  # travels with market data; the strategy step reads it
        raise InputError(f"exchange takes market, clock, order, booking and control batches, not {batch.kind!r}")

    def _market(self, batch: Batch) -> list[Batch]:
        core, events, row = self._core, batch.events, 0
        place = core.time.place(batch.header.source)
        own_ns = core.time.of(place)
        out: list[Batch] = []
        while True:
            row, stop, own_ns = core.engine.run(events, row, own_ns, core.time.limit(place, self._due_ns))
            core.time.fold(place, own_ns)
            if stop in (FILLED, NOTICE):
                out += self._told(events, row - 1)
            elif stop == TIME:
                own_ns = int(events.receipt_ns[row])
                core.time.fold(place, own_ns)
                out += self._reach()
            else:
                return out

    def _told(self, events: Any, row: int) -> list[Batch]:
        """A row filled us, or told a status or settlement."""
        core, k, kind = self._core, int(events.instrument[row]), int(events.kind[row])
        self._orders.tell_fills(core.engine.fills())
        if kind == EventKind.STATUS:
            self._settlement.status_told(k)
        elif kind == EventKind.SETTLEMENT:
            self._settlement.told(k, int(events.price_ticks[row]), int(events.receipt_ns[row]))
        return self._send()

    def _clock(self, batch: Batch) -> list[Batch]:
        core, tick = self._core, batch.tick
        place = core.time.place(batch.header.source)
        out: list[Batch] = []
        for time_ns, closing in zip(tick.time_ns.tolist(), tick.closing.tolist(), strict=True):
            core.time.fold(place, time_ns)
            if closing:
                core.time.close(place)
            ends = core.time.closed and not self._ended
            self._ended = self._ended or ends
            if core.time.now >= self._due_ns:
                out += self._reach()
            if ends:
                out += self._publication.boundary(core.time.now, True, self._orders.places(core.time.now))
        return out

    def _reach(self) -> list[Batch]:
        """Time has come to a boundary or an end: the boundary is published as things stood, then what ends, ends."""
        now, period, out = self._core.time.now, self._core.config.period_ns, []
        if now >= self._boundary_ns:
            at = now - now % period
            # a boundary before all sources were first heard of is none: some have told more than others
            if at >= self._core.time.first_ns:
                out = self._publication.boundary(at, False, self._orders.places(at))
            self._boundary_ns = at + period
        self._settlement.reach(now)
        self._orders.reach(now)
        out += self._send()
        self._due_ns = self._next_due()
        return out

    def _next_due(self) -> int:
        return min(self._boundary_ns, self._settlement.due_ns(), self._orders.terms.due_ns())

    def _order(self, batch: Batch) -> list[Batch]:
        out: list[Batch] = []
        for r in zip(*(c.tolist() for c in batch.orders), strict=True):
            out += self._send(marks=self._orders.enter(Request(*r)))
        self._due_ns = min(self._due_ns, self._orders.terms.due_ns())
        return out

    def _booking(self, batch: Batch) -> list[Batch]:
        out: list[Batch] = []
        for r in zip(*(c.tolist() for c in batch.bookings), strict=True):
            if self._core.controls.first_time("booking", r[0]):
                out += self._send(marks=self._bookings.enter(Booking(*r)))
        return out

    def _control(self, batch: Batch) -> list[Batch]:
        """Apply what is enforced here; pass all on, once, to every underlying; shocks to the one they are of."""
        core, columns = self._core, batch.controls
        new = np.array([core.controls.first_time("control", c) for c in columns.control_id.tolist()], bool)
        if not new.any() and (len(new) or not len(batch.scenario_set.set_id)):
            return []
        rows = CONTROLS.take(columns, new)
        for kind, portfolio, instrument, name, value in zip(
            *(getattr(rows, c).tolist() for c in ("kind", "portfolio", "instrument", "name", "value")), strict=True
        ):
            if kind == ControlKind.KILL_SWITCH:
                core.controls.set(KILL, portfolio, instrument, value)
                if value != 0:
                    only = instrument if core.known(instrument) else -1
                    self._orders.cancel_all(portfolio, only, Reason.KILL_SWITCH)
            elif kind == ControlKind.LIMIT and name in ENFORCED:
                core.controls.set(name, portfolio, instrument, value)
        out = core.executions()
        shocks = {n: t for n, t in batch.tables.items() if n in ("scenario_set", "shocks")}
        of = batch.scenario_set.underlying[0].decode() if len(batch.scenario_set.set_id) else ""
        for u in core.underlyings:
            if of in ("", core.instruments.underlyings[u]):
                out.append(self._publication.marks(u, core.time.now, controls=rows, **shocks))
        return out

    def _send(self, marks: bool = True) -> list[Batch]:
        """Executions gathered, each batch followed by its underlying's marks."""
        out: list[Batch] = []
        names = self._core.instruments.underlyings
        for b in self._core.executions():
            out.append(b)
            if marks and b.key in names:
                out.append(self._publication.marks(names.index(b.key), self._core.time.now))
        return out

    @property
    def instruments(self) -> Instruments:
        """The instrument table."""
        return self._core.instruments

    @property
    def time_ns(self) -> int:
        """Market time."""
        return self._core.time.now

    @property
    def positions(self) -> NDArray[Any]:
        """Net positions (dtype POSITION); account and portfolio are numbers of first use."""
        return self._core.positions.rows.copy()

    @property
    def resting(self) -> NDArray[Any]:
        """Our resting orders and where they stand in the venue's queues (dtype STANDING), by arrival."""
        return self._core.engine.standing()

    @property
    def books_digest(self) -> str:
        """Digest of the venue's books alone, without our orders: `Books.digest` of the same events."""
        return digest_of_rows(self._core.engine.book_digests)

    @property
    def own_book_digests(self) -> dict[int, str]:
        """Digest of the venue's book of each row of the table that is this partition's."""
        digests = self._core.engine.book_digests
        return {i: digests[i] for i in np.flatnonzero(self._core.own).tolist()}

    @property
    def counts(self) -> dict[str, int]:
        """Rows of unknown instruments, and rows the books refused, since the start."""
        counts = self._core.engine.o.counts
        return {"unknown_instruments": int(counts[UNKNOWN_ROWS]), "refused": int(counts[REFUSED_ROWS])}

    def state(self) -> State:
        """The whole state as named arrays, from which `load` goes on bit for bit. O(state)."""
        own = np.array([self._boundary_ns, self._ended], np.int64)
        return self._core.state() | self._orders.state() | {"exchange": own}

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises
        ------
        StateError
            If it was made with another instrument table.
        """
        self._core.load(state)
        self._orders.load(state)
        self._boundary_ns, self._ended = int(state["exchange"][0]), bool(state["exchange"][1])
        self._due_ns = self._next_due()
