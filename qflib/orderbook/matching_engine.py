"""A matching engine: an exchange of its own, for order flow that is replayed, simulated or made up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import DataError, InputError
from qflib.kernels import engine_codes as c
from qflib.kernels.book_content import depth_of
from qflib.kernels.engine_auction import auction_price
from qflib.kernels.engine_content import standing
from qflib.kernels.engine_state import COMMAND
from qflib.kernels.engine_types import tif_of, type_of
from qflib.orderbook.engine_codes import OrderType, Place, Session, TimeInForce
from qflib.orderbook.engine_commands import as_commands, command
from qflib.orderbook.engine_events import EngineEvents
from qflib.orderbook.engine_rules import Rules
from qflib.orderbook.engine_running import Running
from qflib.orderbook.engine_saved import LAST_ID, check, made_for, same_content
from qflib.orderbook.journal import EngineJournal
from qflib.orderbook.plot import plot_depth
from qflib.records import Instrument, Instruments


class MatchingEngine:
    """Orders in, events out: every order type, by price and time or pro rata, sessions and auctions.

    Parameters
    ----------
    instruments
        The table, or one symbol on a tick of 0.01 and lots of 1.
    rules
        By symbol; those of other instruments are `Rules()`.
    session
        In which all begin: "continuous", "pre_open" or "closed".

    Raises
    ------
    UnknownInstrumentError
        If rules name a symbol that is not in the table.

    Notes
    -----
    Deterministic: the same commands give the same events and the same `digest`, however they are cut into calls. The
    `journal` is all that it was given, rules in; `replay` makes the same engine of it. Orders of an account other than
    0 can be told apart (`self_trade`, `mass_cancel`, `kill`); who may cancel whose is for who stands before it.

    Examples
    --------
    >>> from qflib.orderbook import MatchingEngine
    >>> engine = MatchingEngine("ACME.F")
    >>> engine.submit("ACME.F", "sell", 5, 100.02, display=2)
    <EngineEvents: 1 accepted, 1 resting>
    >>> fills = engine.submit("ACME.F", "buy", 3, 100.02).fills()
    >>> fills[["side", "qty", "liquidity"]].values.tolist()[:3]
    [['sell', 2.0, 'maker'], ['buy', 2.0, 'taker'], ['sell', 1.0, 'maker']]
    >>> engine.best("ACME.F")["ask_qty"]
    1.0
    """

    def __init__(
        self,
        instruments: Instruments | str,
        rules: Mapping[str, Rules] | None = None,
        *,
        session: str = "continuous",
    ) -> None:
        table = Instruments((Instrument(instruments),)) if isinstance(instruments, str) else instruments
        self.instruments = table
        known = dict.fromkeys(range(len(table)), Rules()) | {table.id(s): r for s, r in (rules or {}).items()}
        self.rules = tuple(known[k] for k in range(len(table)))
        self._running = Running(len(table))
        for k, own in enumerate(self.rules):
            own.write(self._running.state.rules[k], table, k)
        self._running.state.rules["session"] = _code(Session, session, "session")
        self._session = session
        self._start: dict[str, NDArray[Any]] | None = None
        self._journal: list[NDArray[Any]] = []
        self._next_id = 1

    def submit(
        self,
        symbol: str,
        side: str,
        qty: float,
        price: float | None = None,
        *,
        order_id: int | None = None,
        account: int = 0,
        **more: Any,
    ) -> EngineEvents:
        """Send an order: at market without a price, a stop where `stop` is given.

        Parameters
        ----------
        symbol, side, qty, price
            The order; side "buy" or "sell", price in quote currency.
        order_id
            Unsigned 64 bits, unique among the instrument's live orders; default: the next after all below 2**63.
        account
            Whose, below 2**24.
        **more
            time_in_force ("gtc" by default; "day", "gtd" with `expire`, "ioc", "fok", "at_open", "at_close"), stop (its
            trigger), display (an iceberg's peak), hidden, post_only (True: refused where it would trade; "slide": moved
            to a tick from there), self_trade ("none", "newest", "oldest", "both", "decrement"), expire, time (UTC).

        Raises
        ------
        InputError
            If a name is unknown, a number not finite, or off the tick or lot; without an id, if there is no next one.
            What the exchange refuses is an event.
        """
        if order_id is None and self._next_id >= LAST_ID:
            raise InputError(f"an order came with id {LAST_ID - 1}, the last that the engine gives; give order_id")
        oid = self._next_id if order_id is None else order_id
        told = {"order_id": oid, "side": side, "qty": qty, "price": price, "account": account} | more
        return self.run(command(self.instruments, symbol, "new", told))

    def cancel(self, symbol: str, order_id: int, *, time: Any = None) -> EngineEvents:
        """Take an order out."""
        return self.run(command(self.instruments, symbol, "cancel", {"order_id": order_id, "time": time}))

    def replace(
        self,
        symbol: str,
        order_id: int,
        qty: float,
        price: float | None = None,
        *,
        stop: float | None = None,
        **more: Any,
    ) -> EngineEvents:
        """New open quantity and price; the place in the queue is kept where the price stays and the quantity falls.

        Parameters
        ----------
        symbol, order_id
            Which.
        qty, price, stop
            As of the new order; `stop` of one that still waits for its trigger. None: as it is.
        **more
            display (an iceberg's new peak), time.
        """
        told = {"order_id": order_id, "qty": qty, "price": price, "stop": stop} | more
        return self.run(command(self.instruments, symbol, "replace", told))

    def mass_cancel(
        self, symbol: str | None = None, *, account: int = 0, side: str | None = None, time: Any = None
    ) -> EngineEvents:
        """Cancel all orders, of an instrument, of an account, of a side."""
        return self.run(
            command(self.instruments, symbol, "mass_cancel", {"account": account, "side": side, "time": time})
        )

    def kill(self, on: bool = True, symbol: str | None = None, *, account: int = 0, time: Any = None) -> EngineEvents:
        """Set the kill switch of an account (everywhere), an instrument or all, which cancels; or release it: each is
        released by itself. The switch makes no event.
        """
        return self.run(command(self.instruments, symbol, "kill", {"account": account, "lots": int(on), "time": time}))

    def session(self, symbol: str | None, session: str, *, time: Any = None) -> EngineEvents:
        """Change the session of an instrument, or of all: auctions trade where "continuous" or "closed" begins."""
        which = [r.symbol for r in self.instruments] if symbol is None else [symbol]
        told = {"lots": int(_code(Session, session, "session")), "time": time}
        return self.run(np.concatenate([command(self.instruments, s, "session", told) for s in which]))

    def clock(self, time: Any) -> EngineEvents:
        """Move time on: orders whose time is over end."""
        return self.run(command(self.instruments, None, "clock", {"time": time}))

    def run(self, commands: Any) -> EngineEvents:
        """Carry out many commands in one call of the kernel.

        Parameters
        ----------
        commands
            An array of `qflib.kernels.engine_state.COMMAND` (ticks, lots, codes), or a DataFrame with columns action,
            symbol, side, order_id, price, qty, and those of `submit`; a tz-aware index is the time.

        Returns
        -------
        EngineEvents
            What happened; refused commands are events of kind "rejected".
        """
        rows = _kept(as_commands(commands, self.instruments, self._next_id))
        self._journal.append(rows)
        ids = rows["order_id"][(rows["action"] == c.NEW) & (rows["order_id"] < LAST_ID)]
        self._next_id = max(self._next_id, int(ids.max(initial=0)) + 1)
        return EngineEvents(self._running.run(rows), self.instruments, self.rules)

    @property
    def journal(self) -> EngineJournal:
        """All that it was given so far, to be saved, or made the same engine of (`replay`). O(commands + orders).

        Its arrays are the engine's own, and cannot be written to.
        """
        self._journal = [_kept(np.concatenate(self._journal)) if self._journal else _kept(np.zeros(0, COMMAND))]
        start = None if self._start is None else {name: rows.view() for name, rows in self._start.items()}
        rows = self._journal[0].view()
        return EngineJournal(self.instruments, self.rules, self._session, rows, start=start, digest=self.digest)

    @classmethod
    def replay(cls, journal: EngineJournal) -> tuple[Self, EngineEvents]:
        """An engine and its events, from what came in: the same to the last bit.

        Raises
        ------
        DataError
            If the engine does not end as the journal's did: it was changed, or written by another version.
        """
        own = {r.symbol: rules for r, rules in zip(journal.instruments, journal.rules, strict=True)}
        made = cls(journal.instruments, own, session=journal.session)
        if journal.start is not None:
            made.load(journal.start)
        events = made.run(journal.commands)
        if journal.digest and made.digest != journal.digest:
            raise DataError(
                f"the replay of {len(journal):,} commands ends with digest {made.digest[:12]}, the journal's engine "
                f"with {journal.digest[:12]}; replay it with the version that wrote it, or find what changed the file"
            )
        return made, events

    def best(self, symbol: str) -> dict[str, float]:
        """Best shown prices and quantities: bid, bid_qty, ask, ask_qty; NaN and 0 where a side is empty."""
        depth = self.depth(symbol, 1)
        out: dict[str, float] = {}
        for name in ("bid", "ask"):
            row = depth[depth["side"] == name]
            out[name] = float(row["price"].iloc[0]) if len(row) else float("nan")
            out[f"{name}_qty"] = float(row["qty"].iloc[0]) if len(row) else 0.0
        return out

    def depth(self, symbol: str, n: int = 10) -> pd.DataFrame:
        """The best `n` shown levels a side, bids first. An order at market has no price. O(n)."""
        k = self.instruments.id(symbol)
        side, level, ticks, lots, orders = depth_of(self._running.state.book, k, n)
        return pd.DataFrame(
            {
                "side": np.where(side == 1, "bid", "ask"),
                "level": level.astype(np.int64),
                "price": self._price(k, ticks),
                "qty": self.instruments.to_qty(k, lots),
                "orders": orders,
            }
        )

    def orders(self, symbol: str | None = None) -> pd.DataFrame:
        """Live orders by place, side, price and queue; `qty` is what is shown, `leaves` what is open. O(orders)."""
        first, stop = (0, len(self.instruments)) if symbol is None else (k := self.instruments.id(symbol), k + 1)
        rows = standing(self._running.state, first, stop)
        k, bits = rows["instrument"].astype(np.int64), rows["bits"].astype(np.int64)
        return pd.DataFrame(
            {
                "symbol": [self.instruments[i].symbol for i in k.tolist()],
                "place": [Place(v).name.lower() for v in rows["place"].tolist()],
                "side": np.where(rows["side"] == 1, "buy", "sell"),
                "price": self._price(k, rows["at"]),
                "qty": self.instruments.to_qty(k, rows["qty"]),
                "leaves": self.instruments.to_qty(k, rows["leaves"]),
                "account": rows["account"],
                "type": [OrderType(type_of(v)).name.lower() for v in bits],
                "time_in_force": [TimeInForce(tif_of(v)).name.lower() for v in bits],
            },
            index=pd.Index(rows["order_id"], name="order_id"),
        )

    def indicative(self, symbol: str) -> dict[str, float]:
        """What an auction would do now: price, qty, imbalance (bought more than sold: positive); NaN, 0, 0: nothing.

        Most volume, then least left over, then where what is left pushes, then the last trade. O(orders).
        """
        k = self.instruments.id(symbol)
        self._running.room_for_auction(k)
        ticks, lots, over = auction_price(self._running.state, k)
        price = float("nan") if lots == 0 else float(self.instruments.to_price(k, ticks))
        return {
            "price": price,
            "qty": float(self.instruments.to_qty(k, lots)),
            "imbalance": float(self.instruments.to_qty(k, over)),
        }

    @property
    def digest(self) -> str:
        """SHA-256 over all that stands in it, the same however it came about."""
        told = hashlib.sha256()
        for name, rows in sorted(self._running.save().items()):
            told.update(f"{name} {rows.dtype.str} {len(rows)}".encode())
            told.update(np.ascontiguousarray(rows).tobytes())
        return told.hexdigest()

    def state(self) -> dict[str, NDArray[Any]]:
        """All that stands in it, as named arrays: what `load` goes on from. O(orders)."""
        own = {"next_id": np.array([self._next_id], np.uint64), "made_for": made_for(self.instruments, self.rules)}
        return self._running.save() | own

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state of an engine with the same instruments and rules; its journal begins there.

        O(orders log orders). The engine stays as it was where the state is refused.

        Raises
        ------
        DataError
            If it is of another table, of other rules or fees, of another version, or torn.
        """
        check(state, self.instruments, self.rules, self._running.state.rules)
        made = Running.of(state)
        same_content(state, made.save())
        self._running = made
        self._next_id = int(state["next_id"][0])
        self._start = {name: _kept(np.array(rows)) for name, rows in state.items()}
        self._journal = []

    @property
    def memory_bytes(self) -> int:
        """What its arrays take."""
        return self._running.memory_bytes

    def plot(self, symbol: str | None = None, n: int = 10) -> Any:
        """The shown depth of an instrument (the first by default)."""
        name = symbol or self.instruments[0].symbol
        return plot_depth(self.depth(name, n), f"{name}, {len(self.orders(name)):,} live orders")

    def _price(self, k: Any, ticks: Any) -> Any:
        return np.where(np.abs(ticks) == c.AT_MARKET, np.nan, self.instruments.to_price(k, ticks))

    def __repr__(self) -> str:
        n = len(self.orders())
        return f"<MatchingEngine: {len(self.instruments)} instruments, {n:,} live orders>"

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>" + str(self.depth(self.instruments[0].symbol, 5).to_html(index=False))


def _code(codes: Any, name: Any, what: str) -> int:
    if not isinstance(name, str) or name.upper() not in codes.__members__:
        raise InputError(
            f"{what} {name!r} is unknown; expected one of {', '.join(m.lower() for m in codes.__members__)}"
        )
    return int(codes[name.upper()])


def _kept(rows: NDArray[Any]) -> NDArray[Any]:
    """No longer to be written to, through any view."""
    rows.setflags(write=False)
    return rows
