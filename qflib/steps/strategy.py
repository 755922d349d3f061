"""The strategy step: external signals become target positions, and targets orders."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from qflib.records import (
    ORDERS,
    Batch,
    Book,
    ControlKind,
    ExecType,
    Instruments,
    OrderAction,
    OrderStatus,
    OrderType,
    Partitions,
    Side,
    TimeInForce,
    TradingStatus,
)
from qflib.records.topics import ORDERS_INCOMING
from qflib.steps.exchange.controls import KILL, MAX_ORDER_QTY, MAX_POSITION, Controls
from qflib.steps.exchange.execution_log import SIGNED
from qflib.steps.state import State
from qflib.steps.step import Outbox

_ENDED = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
_OPEN = {TradingStatus.UNKNOWN, TradingStatus.CONTINUOUS}
_ROW = np.dtype(
    [
        ("instrument", "i8"),
        ("direction", "i8"),
        ("strength", "f8"),
        ("valid_until_ns", "i8"),
        ("position", "i8"),
        ("next_no", "i8"),
        ("alive", "i8"),  # number of the order sent and not yet ended; 0: none
        ("refused_at_ns", "i8"),  # no new order before the market moves on
    ]
)
_TOP = ("instrument", "bid_ticks", "bid_qty", "ask_ticks", "ask_qty", "status")


@dataclass(frozen=True, slots=True)
class StrategyConfig:
    """Settings of the strategy step.

    Parameters
    ----------
    max_lots
        Target position of a signal of strength 1, in lots; a control's limit ``max_position`` lowers it.
    account, portfolio
        Whose orders they are.
    """

    max_lots: int = 10
    account: str = "STRATEGY"
    portfolio: str = "STRATEGY"


class Strategy:
    """Targets are direction times strength times the limit while a signal is valid, else flat.

    One order is alive an instrument: the difference between target and position, immediate or cancel at the touch, and
    no greater than the limit ``max_order_qty``. None goes where trading is halted, closed or over. After an order that
    was refused or found nothing, the instrument waits for newer market time.

    Parameters
    ----------
    instruments
        The instrument table.
    config
        Settings.
    partitions, partition
        Where names lie, and which partition is this instance's.

    Notes
    -----
    Rows are taken one by one, so that the same rows give the same bytes wherever batches are cut. A row of tops is
    acted on at once. What hangs on time alone (a signal that ends, a wait that is over) is acted on when the marks tell
    that nothing of the underlying changed, else when time moves on, on the tops that were whole by then: whether a
    batch tells another row of this time can't be known before.
    """

    name = "strategy"

    def __init__(
        self,
        instruments: Instruments,
        config: StrategyConfig | None = None,
        partitions: Partitions | None = None,
        partition: int = 0,
    ) -> None:
        self._instruments = instruments
        self._config = config or StrategyConfig()
        self._account, self._portfolio = self._config.account.encode(), self._config.portfolio.encode()
        self._out = Outbox(f"{self.name}/{partition}", partitions)
        self._rows: dict[int, Any] = {}
        self._tops: dict[int, tuple[int, int, int, int, int]] = {}
        self._controls = Controls()
        self._time_ns = 0

    def feed(self, batch: Batch) -> list[Batch]:
        """Signals, executions or marks in; orders out."""
        if batch.kind == "signal":
            return self._signals(batch.signals)
        if batch.kind == "execution":
            return self._executions(batch.executions)
        if batch.kind == "marks":
            return self._marks(batch)
        return []

    def _signals(self, signals: Any) -> list[Batch]:
        out = []
        columns = (signals.instrument, signals.direction, signals.strength, signals.valid_until_ns)
        for i, direction, strength, until in zip(*(c.tolist() for c in columns), strict=True):
            row = self._row(i)
            row["direction"], row["strength"], row["valid_until_ns"] = direction, strength, until
            out += self._orders([i])
        return out

    def _executions(self, rows: Any) -> list[Batch]:
        ours = rows.account == self._account
        out = []
        for n in np.flatnonzero(ours | (rows.to_portfolio == self._portfolio)).tolist():
            i, moved = int(rows.instrument[n]), self._moved(rows, n)
            if moved:
                self._row(i)["position"] += moved
            answered = bool(ours[n]) and self._answered(rows, n)
            if moved or answered:
                out += self._orders([i])
        return out

    def _moved(self, rows: Any, n: int) -> int:
        """Signed lots by which an execution changes our position."""
        kind, qty = int(rows.exec_type[n]), int(rows.qty[n])
        ours = rows.account[n] == self._account and rows.portfolio[n] == self._portfolio
        if kind == ExecType.TRANSFER:  # it tells no account where it goes, only the portfolio
            return qty * (int(rows.to_portfolio[n] == self._portfolio) - int(ours))
        if not ours:
            return 0
        if kind == ExecType.FILL:
            return qty if rows.side[n] == Side.BID else -qty
        return qty if kind in SIGNED else 0

    def _answered(self, rows: Any, n: int) -> bool:
        """Whether an execution tells of our order that is alive; it may be the order's end."""
        i, kind = int(rows.instrument[n]), rows.exec_type[n]
        row = self._rows[i][0] if i in self._rows else None
        if row is None or not row["alive"] or rows.client_order_id[n] != self._name(i, int(row["alive"])).encode():
            return False
        if kind == ExecType.REJECTED or (kind == ExecType.CANCELLED and not rows.cum_qty[n]):
            row["refused_at_ns"] = max(self._time_ns, int(rows.time_ns[n]))
        if kind != ExecType.BUST and int(rows.ord_status[n]) in _ENDED:
            row["alive"] = 0
        return True

    def _marks(self, batch: Batch) -> list[Batch]:
        out, time_ns, tops = [], int(batch.tick.time_ns[0]), batch.tops
        if time_ns > self._time_ns:
            out += self._orders(sorted(self._rows))
            self._time_ns = time_ns
        c = batch.controls
        for id_, kind, name, portfolio, instrument, value in zip(
            *(getattr(c, n).tolist() for n in ("control_id", "kind", "name", "portfolio", "instrument", "value")),
            strict=True,
        ):
            if self._controls.first_time("control", id_) and kind in (ControlKind.KILL_SWITCH, ControlKind.LIMIT):
                self._controls.set(KILL if kind == ControlKind.KILL_SWITCH else name, portfolio, instrument, value)
        for i, *top in zip(*(getattr(tops, n).tolist() for n in _TOP), strict=True):
            self._tops[i] = (top[0], top[1], top[2], top[3], top[4])
            out += self._orders([i] if i in self._rows else [])
        if not len(tops.instrument):
            out += self._orders([i for i in sorted(self._rows) if self._instruments.rows[i].underlying == batch.key])
        return out

    def _orders(self, instruments: list[int]) -> list[Batch]:
        """The orders that are due, of these instruments in this order."""
        out = []
        for i in instruments:
            row, top = self._row(i), self._tops.get(i)
            if top is None or row["alive"] or not self._tradable(i, top[4]):
                continue
            if row["refused_at_ns"] >= self._time_ns > 0:
                continue
            change = self._target(i, row) - int(row["position"])
            price, shown = (top[2], top[3]) if change > 0 else (top[0], top[1])
            most = self._controls.tightest(MAX_ORDER_QTY, self._portfolio, i)
            qty = int(min(abs(change), max(most, 0)))
            if qty and shown:
                out.append(self._order(i, row, qty if change > 0 else -qty, price))
        return out

    def _tradable(self, i: int, status: int) -> bool:
        expiry = int(self._instruments.expiry_ns[i])
        return (
            status in _OPEN
            and not (expiry and self._time_ns >= expiry)
            and not self._controls.killed(self._portfolio, i)
        )

    def _target(self, i: int, row: Any) -> int:
        if self._time_ns > row["valid_until_ns"]:
            return 0
        bound = self._controls.tightest(MAX_POSITION, self._portfolio, i)
        most = int(min(self._config.max_lots, max(bound, 0)))
        return int(row["direction"]) * int(float(row["strength"]) * most)

    def _name(self, i: int, no: int) -> str:
        return f"{self._config.account}/{self._instruments.rows[i].symbol}/{no}"

    def _order(self, i: int, row: Any, change: int, price_ticks: int) -> Batch:
        instrument, c = self._instruments.rows[i], self._config
        no = int(row["next_no"])
        row["next_no"], row["alive"] = no + 1, no
        fields = {
            "action": OrderAction.NEW,
            "instrument": i,
            "side": Side.BID if change > 0 else Side.ASK,
            "ord_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.IOC,
            "price_ticks": price_ticks,
            "qty": abs(change),
            "account": c.account,
            "portfolio": c.portfolio,
            "book": Book.CLIENT,
            "client_order_id": self._name(i, no),
            "sent_ns": self._time_ns,
        }
        request = hashlib.sha256(repr(sorted(fields.items())).encode()).digest()
        orders = ORDERS.make(**fields, request_hash=int.from_bytes(request[:8], "little"))
        return self._out.make(ORDERS_INCOMING, instrument.underlying, "order", orders=orders)

    def _row(self, instrument: int) -> Any:
        if instrument not in self._rows:
            self._rows[instrument] = np.zeros(1, _ROW)
            self._rows[instrument]["instrument"] = instrument
            self._rows[instrument]["next_no"] = 1
        return self._rows[instrument][0]

    def state(self) -> State:
        """The whole state as named arrays."""
        tops = [(i, *self._tops[i]) for i in sorted(self._tops)]
        own = {
            "rows": np.array([self._rows[i][0] for i in sorted(self._rows)], _ROW),
            "tops": np.array(tops, np.int64).reshape(-1, len(_TOP)),
            "facts": np.array([self._time_ns], np.int64),
        }
        return self._out.state() | self._controls.state() | own

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._out.load(state)
        self._controls.load(state)
        self._rows = {int(r["instrument"]): np.array([r], _ROW) for r in state["rows"]}
        self._tops = {i: (b, bq, a, aq, status) for i, b, bq, a, aq, status in state["tops"].tolist()}
        (self._time_ns,) = state["facts"].tolist()
