"""One instrument's order book, as a person sees it: prices in quote currency, times in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError, StateError
from qflib.kernels.book import find_order, qty_ahead
from qflib.kernels.book_handle import OVER, apply_row
from qflib.kernels.book_levels import level_qty
from qflib.kernels.book_state import OK
from qflib.orderbook.asked import number, side_of, whole
from qflib.orderbook.books import Books, Counters, new_counters, noted, told
from qflib.orderbook.cost import TradeCost, walk
from qflib.orderbook.frames import as_events, refuse_negative
from qflib.orderbook.misfits import AT_ONCE, MAX_NOTED, ONE, STAYS, Policy, as_frame, checked, refusal
from qflib.orderbook.plot import plot_depth
from qflib.orderbook.replay import replay, snapshots
from qflib.orderbook.resync import Heard, Resync, lost_after
from qflib.orderbook.tables import depth_frame, orders_frame
from qflib.records import MARKET_EVENTS, Instrument, Instruments

#: Levels a side that may be asked for: their arrays are made before the book is looked at.
MAX_DEPTH = 1_000_000
_MAX_TICKS = 2**62
_ROW, _ARRAY = MARKET_EVENTS.dtype, np.ndarray


class BookLevel(NamedTuple):
    """A price of a book."""

    side: str
    price: float
    qty: float
    orders: int


class OrderBook:
    """The order book of one instrument: full queues where the venue tells orders, levels or quotes where not.

    Parameters
    ----------
    symbol
        Its symbol in the instrument table.
    instruments
        The table; `replay` takes the feed's. Without one, prices are on a tick of 0.01 and quantities in lots of 1.

    Raises
    ------
    UnknownInstrumentError
        If the symbol is not in the table.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import OrderBook
    >>> book = OrderBook("ACME.F")
    >>> orders = pd.DataFrame({"kind": "add", "side": ["buy", "sell", "sell"], "order_id": [1, 2, 3],
    ...                        "price": [99.99, 100.01, 100.02], "qty": [5, 2, 8]})
    >>> book.apply(orders).events
    3
    >>> book.best["ask"], book.quantity("sell", 100.02)
    (100.01, 8.0)
    >>> round(book.cost_to_trade("buy", 4).avg_price, 4)
    100.015
    """

    _noted: Sequence[tuple[int, int]]

    def __init__(self, symbol: str, instruments: Instruments | None = None) -> None:
        self.symbol = symbol
        self._use(instruments if instruments is not None else Instruments((Instrument(symbol),)))
        self._begin()

    def apply(self, events: Any, *, policy: Policy = "raise") -> Counters:
        """Apply events in order; rows of other instruments are left out.

        What did not fit, and which books were crossed or locked, stands in `misfits` afterwards.

        Parameters
        ----------
        events
            `MARKET_EVENTS` columns, a structured array of that dtype, or a DataFrame (see `qflib.orderbook.frames`).
        policy
            "raise": refused events and gaps raise, after the good ones were applied; "count": they are counted;
            "resync": at one the book is emptied, and what comes is passed over until a CLEAR begins a snapshot (see
            `in_sync`).

        Returns
        -------
        Counters
            Events seen, refused by reason, gaps, and passed over.

        Raises
        ------
        InputError, DataError
            If events are not of these forms, or hold a missing column or NaN price; with "raise", if they hold a
            negative quantity (nothing is applied), or an event names an unknown order, adds one twice, takes
            more than there is, has a wrong side or follows a gap.
        """
        if type(events) is _ARRAY and events.dtype is _ROW and policy in STAYS and not self._resync.ends(events):
            code = apply_row(self.books.address, events, self._row)
            if code == OK:
                self._noted = ()
                return ONE
            if made := AT_ONCE.get(int(code)):
                self._noted, counters = made
                if code >= OVER and policy == "raise":
                    raise DataError(refusal(self.symbol, counters, self._noted))
                return counters
        if type(events) is np.void:
            return self.apply(events.reshape(1), policy=policy)
        checked(policy)
        columns = as_events(events, self.instruments, self._row)
        if policy == "raise":
            refuse_negative(columns)
        which = np.flatnonzero(columns.instrument == self._row)
        mine = MARKET_EVENTS.take(columns, which)
        mine = mine._replace(instrument=np.zeros_like(mine.instrument))
        if policy == "resync":
            _, counters = self._resync.apply(mine)
            self._noted = [(int(which[row]), place) for row, place in self._resync.noted]
            return counters
        counted = self.books.count(mine, new_counters(MAX_NOTED))
        self._resync.lost = lost_after(mine.kind, mine.flags, self._resync.lost)
        self._noted = [(int(which[row]), place) for row, place in noted(counted)]
        counters = told(counted)
        if policy == "raise" and counters.misfits:
            raise DataError(refusal(self.symbol, counters, self._noted))
        return counters

    @property
    def digest(self) -> str:
        """SHA-256 over what stands in the book, the same however it came about. O(content)."""
        return self.books.digest_of(0)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that stands in it, as named arrays, for `load`. O(content)."""
        more = {"in_sync": np.array([self.in_sync]), "symbol": np.array([self.symbol.encode()])}
        return self.books.save() | more | {"units": self._units()}

    def _units(self) -> NDArray[np.int64]:
        t, k = self.instruments, self._row
        return np.array([t.tick_num[k], t.tick_den[k], t.lot_num[k], t.lot_den[k]], np.int64)

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state of a book: the same events then do the same. O(content).

        Raises
        ------
        StateError
            If it is not such a state, or that of another symbol, tick or lot.

        Examples
        --------
        >>> from qflib import OrderBook
        >>> from qflib.records import MARKET_EVENTS
        >>> book, again = OrderBook("ACME.F"), OrderBook("ACME.F")
        >>> _ = book.apply(MARKET_EVENTS.make(kind=[1], side=[1], order_id=[7], price_ticks=[9999], qty=[5]))
        >>> again.load(book.state())
        >>> again.order(7)["price"], again.digest == book.digest
        (99.99, True)
        """
        if any(np.shape(state.get(name, ())) != (1,) for name in ("info.status", "in_sync", "symbol")):
            raise StateError("the state is not of one book; give what OrderBook.state() returned")
        symbol = bytes(state["symbol"][0]).decode(errors="replace")
        if symbol != self.symbol or not np.array_equal(state.get("units", ()), self._units()):
            raise StateError(f"the state is of {symbol!r}, or of another tick or lot than {self.symbol!r} has here")
        books = Books(1)
        books.load(state)
        self._begin(books)
        self._resync.lost = not bool(state["in_sync"][0])

    @property
    def in_sync(self) -> bool:
        """Whether the book holds what the venue told: false after missing data, and with policy "resync" after any
        misfit, until a CLEAR begins a snapshot.
        """
        return not self._resync.lost

    @property
    def misfits(self) -> pd.DataFrame:
        """What did not fit in the last `apply` or `replay`: event (its row in what was given; of a feed, its number
        among the instrument's events) and reason; also gaps, and crossed and locked books. The first thousand.
        """
        return as_frame(self._noted)

    @property
    def best(self) -> dict[str, float]:
        """Best prices and quantities: bid, bid_qty, ask, ask_qty; NaN and 0 where a side is empty."""
        top = self.books.tops()
        out: dict[str, float] = {}
        for name in ("bid", "ask"):
            lots = int(getattr(top, f"{name}_qty")[0])
            ticks = int(getattr(top, f"{name}_ticks")[0])
            out[name] = self.instruments.to_price(self._row, ticks) if lots else float("nan")
            out[f"{name}_qty"] = self.instruments.to_qty(self._row, lots)
        return out

    @property
    def mid(self) -> float:
        """Mean of best bid and ask; NaN where a side is empty."""
        best = self.best
        return (best["bid"] + best["ask"]) / 2

    def depth(self, n: int = 10) -> pd.DataFrame:
        """The best `n` levels a side, bids first: side, price, qty, orders, cumulative (qty from the best on). O(n).

        Raises
        ------
        InputError
            If `n` is not a whole number from 1 to a million.
        """
        n = whole(n, "depth", MAX_DEPTH)
        return depth_frame(self.books, self.instruments, self._row, n)

    def quantity(self, side: str, price: float) -> float:
        """Quantity at a price; 0 where there is none. O(1) near the best.

        Raises
        ------
        InputError
            If the side is unknown, or the price is not one finite number.
        """
        at = number(price, "price")
        if abs(at) > self.instruments.to_price(self._row, _MAX_TICKS):
            raise InputError(f"price {at} is beyond what a book can hold; give one in quote currency")
        ticks = self.instruments.to_ticks(self._row, at)
        return float(self.instruments.to_qty(self._row, level_qty(self.books.state, 0, side_of(side), ticks)))

    def order(self, order_id: int) -> dict[str, Any]:
        """A resting order: side, price, qty, ahead (quantity before it in its queue). O(orders behind it).

        Raises
        ------
        InputError
            If no such order rests here, or the id is not an unsigned 64-bit number.
        """
        order_id = whole(order_id, "order id", 2**64 - 1, least=0)
        state = self.books.state
        row = find_order(state, 0, np.uint64(order_id))
        if row == 0:
            raise InputError(
                f"order {order_id} does not rest in the book of {self.symbol}; it is filled, gone or unknown"
            )
        level = state.levels[state.orders[row]["level"]]
        ask = bool(level["book"] & 1)
        rank = int(level["rank"])
        return {
            "side": "ask" if ask else "bid",
            "price": self.instruments.to_price(self._row, ~rank if ask else rank),
            "qty": self.instruments.to_qty(self._row, int(state.orders[row]["qty"])),
            "ahead": self.instruments.to_qty(self._row, qty_ahead(state, row)),
        }

    def cost_to_trade(self, side: str, qty: float) -> TradeCost:
        """What buying or selling `qty` at once would cost against the mid. O(levels).

        Raises
        ------
        InputError
            If the side is not "buy" or "sell", or the quantity is not positive.
        """
        qty = number(qty, "quantity")
        levels = self.books.levels_of(0)
        other = levels["side"] == (2 if side == "buy" else 1)
        prices = self.instruments.to_price(self._row, levels["price_ticks"][other])
        sizes = self.instruments.to_qty(self._row, levels["qty"][other])
        return walk(side, qty, prices, sizes, self.mid, self.instruments[self._row])

    def replay(
        self,
        feed: Any,
        sample: str = "100ms",
        features: list[str] | None = None,
        *,
        levels: int = 5,
        policy: Policy = "count",
        progress: bool = False,
    ) -> pd.DataFrame:
        """Run a feed through an empty book and sample it; the book then holds the final state.

        Parameters
        ----------
        feed
            Anything with `instruments` and `events()`, an iterator of `MARKET_EVENTS` columns.
        sample
            The grid of receipt time: the row at t holds what had come before t, the last one what came at all. Or
            "event": a row after every message of the instrument, where its flag LAST ends it.
        features
            Of "micro_price" (the mid weighted by the other side's quantity; Stoikov's is `MicroPrice`), "ofi" (summed
            since the row before), "imbalance" and "depth" (see `qflib.orderbook.replay`).
        levels
            Levels a side that "imbalance" and "depth" look at.
        policy
            "count": events that do not fit are counted in ``frame.attrs["counters"]``; "raise": they raise; "resync":
            as of `apply`.
        progress
            Show a bar.

        Returns
        -------
        frame
            UTC index of receipt time; bid, ask, bid_qty, ask_qty, mid, spread, and the features.

        Raises
        ------
        UnknownInstrumentError, InputError, DataError
            If the feed does not have the symbol, a feature, the sample period or the policy is unknown, or `levels`
            is not a whole number from 1 to a million; with "raise", bad events.
        """
        checked(policy)
        levels = whole(levels, "levels", MAX_DEPTH)
        self._use(feed.instruments)
        self._begin()
        shadow = Resync(Books(1)) if policy == "resync" else None
        heard = Heard()
        frame, counted = replay(
            self.books, feed, self._row, sample, features or [], levels=levels, progress=progress,
            resync=shadow or heard, counters=new_counters(MAX_NOTED),
        )  # fmt: skip
        counters, self._noted, self._resync.lost = told(counted), noted(counted), heard.lost
        if shadow is not None:
            counters, self._noted, self._resync.lost = shadow.total, shadow.noted[:MAX_NOTED], shadow.lost
        if policy == "raise" and counters.misfits:
            raise DataError(refusal(self.symbol, counters, self._noted))
        frame.attrs["counters"] = asdict(counters)
        return frame

    def snapshots(self, feed: Any, times: Sequence[Any] | pd.DatetimeIndex, n: int = 10) -> pd.DataFrame:
        """Run a feed through an empty book and take its depth at given times; the book then holds the final state.

        Parameters
        ----------
        feed
            As of `replay`.
        times
            Receipt times, tz-aware, in any order: the state at t holds what had come before t.
        n
            Levels a side.

        Returns
        -------
        frame
            As `depth`, indexed by time and level; events that do not fit are counted in ``frame.attrs["counters"]``.

        Raises
        ------
        UnknownInstrumentError, InputError
            If the feed lacks the symbol, a time has no time zone, or `n` is no whole number from 1 to a million.
        """
        n = whole(n, "depth", MAX_DEPTH)
        self._use(feed.instruments)
        self._begin()
        heard, counted = Heard(), new_counters(MAX_NOTED)
        batches = heard.through(feed.events(), self._row)
        frame = snapshots(self.books, batches, self._row, times, lambda: self.depth(n), counted)
        self._noted, self._resync.lost = noted(counted), heard.lost
        frame.attrs["counters"] = asdict(told(counted))
        return frame

    def orders(self) -> pd.DataFrame:
        """All resting orders, bids first, each side from its best price on, each price by its queue: side, price,
        order_id, qty, ahead. O(orders).
        """
        return orders_frame(self.books, self.instruments, self._row)

    def __iter__(self) -> Iterator[BookLevel]:
        """All levels, bids first, each side from its best price on."""
        held = self.books.levels_of(0)
        price = self.instruments.to_price(self._row, held["price_ticks"])
        qty = self.instruments.to_qty(self._row, held["qty"])
        rows = zip(held["side"].tolist(), price.tolist(), qty.tolist(), held["orders"].tolist(), strict=True)
        for side, p, q, orders in rows:
            yield BookLevel("bid" if side == 1 else "ask", p, q, orders)

    def _begin(self, books: Books | None = None) -> None:
        self.books = books if books is not None else Books(1)
        self._resync = Resync(self.books)
        self._noted = ()

    def _use(self, instruments: Instruments) -> None:
        self._row = instruments.id(self.symbol)
        self.instruments = instruments

    def plot(self, n: int = 10) -> Any:
        """The best `n` levels a side, a bar a level."""
        return plot_depth(self.depth(n), self.symbol)

    def __repr__(self) -> str:
        return "<OrderBook {}: {bid_qty:g} x {bid:g} | {ask:g} x {ask_qty:g}>".format(self.symbol, **self.best)

    def _repr_html_(self) -> str:
        return self.depth(5).to_html(index=False)
