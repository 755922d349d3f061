"""What all parts of the exchange share: instruments, settings, engine, time, controls, positions, executions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import StateError
from qflib.records import ALL_INSTRUMENTS, Batch, Instruments, Partitions, Side, TradingStatus
from qflib.records.topics import ORDERS_EXECUTED
from qflib.steps.exchange.config import ExchangeConfig
from qflib.steps.exchange.controls import Controls
from qflib.steps.exchange.engine import Engine
from qflib.steps.exchange.execution_log import ExecutionLog
from qflib.steps.exchange.growing import Texts
from qflib.steps.exchange.market_time import MarketTime
from qflib.steps.exchange.positions import Key, Positions
from qflib.steps.state import State
from qflib.steps.step import Outbox


class Core:
    """The exchange's parts and the state that no single one owns."""

    def __init__(
        self, instruments: Instruments, config: ExchangeConfig, partitions: Partitions, partition: int
    ) -> None:
        self.instruments = instruments
        self.config = config
        self.outbox = Outbox(f"exchange/{partition}", partitions)
        self._here = partitions.every[partition]
        #: underlyings whose books are kept here, as places in the table's `underlyings`
        self.underlyings = [u for u, name in enumerate(instruments.underlyings) if partitions.place(name) == partition]
        self.own = np.isin(instruments.underlying_index, self.underlyings)
        self.engine = Engine(instruments)
        self.time = MarketTime(dict.fromkeys(r.source for r, own in zip(instruments, self.own, strict=True) if own))
        self.controls = Controls()
        self.positions = Positions(instruments.rows)
        self.texts = Texts()
        self.log = ExecutionLog()
        n = len(instruments)
        self.expired = np.zeros(n, np.uint8)
        self.settled = np.zeros(n, np.uint8)
        self.settle_ticks = np.zeros(n, np.int64)
        self.settle_ns = np.zeros(n, np.int64)

    def known(self, instrument: int) -> bool:
        """Whether the number is a row of the instrument table whose book is kept here."""
        return instrument != ALL_INSTRUMENTS and 0 <= instrument < len(self.instruments) and bool(self.own[instrument])

    def key(self, account: bytes, portfolio: bytes, book: int, instrument: int) -> Key:
        """A position's key."""
        return self.texts.id(account), self.texts.id(portfolio), book, instrument

    def contracts(self, instrument: int, lots: int) -> float:
        """Lots as contracts (or units)."""
        return float(self.instruments.to_qty(instrument, lots))

    def price(self, instrument: int, ticks: int) -> float:
        """Ticks as a price."""
        return float(self.instruments.to_price(instrument, ticks))

    def status(self, instrument: int) -> TradingStatus:
        """Trading status; EXPIRED from expiry on, whatever the venue tells."""
        return TradingStatus.EXPIRED if self.expired[instrument] else self.engine.status(instrument)

    def executions(self) -> list[Batch]:
        """The executions gathered: a batch an underlying, in table order."""
        columns = self.log.take()
        if columns is None:
            return []
        table = self.instruments
        k = int(columns.instrument[0])
        if self.known(k) and (columns.instrument == k).all():  # the usual case
            key = table.underlyings[int(table.underlying_index[k])]
            return [self.outbox.make(ORDERS_EXECUTED, key, "execution", executions=columns)]
        known = columns.instrument < len(table)
        place = np.where(known, table.underlying_index[np.where(known, columns.instrument, 0)], -1)
        out = []
        for u in np.unique(place).tolist():
            rows = columns if (place == u).all() else type(columns)(*(_frozen(a[place == u]) for a in columns))
            key = table.underlyings[u] if u in self.underlyings else self._here
            out.append(self.outbox.make(ORDERS_EXECUTED, key, "execution", executions=rows))
        return out

    def state(self) -> State:
        """All parts."""
        return {
            "instruments": np.array([self.instruments.digest.encode()], "S64"),
            "last_exec_id": np.array([self.log.last_id], np.int64),
            "texts": self.texts.state(),
            "expired": self.expired.copy(),
            "settled": self.settled.copy(),
            "settle_ticks": self.settle_ticks.copy(),
            "settle_ns": self.settle_ns.copy(),
            **self.outbox.state(),
            **self.engine.state(),
            **self.time.state(),
            **self.controls.state(),
            **self.positions.state(),
        }

    def load(self, state: State) -> None:
        """Go on from a state.

        Raises
        ------
        StateError
            If it was made with another instrument table.
        """
        if "instruments" not in state or state["instruments"][0] != self.instruments.digest.encode():
            raise StateError(
                "the state was not made by an exchange with this instrument table; give the table it names"
            )
        self.log.last_id = int(state["last_exec_id"][0])
        self.texts.load(state["texts"])
        for name in ("expired", "settled", "settle_ticks", "settle_ns"):
            setattr(self, name, state[name].copy())
        for part in (self.outbox, self.engine, self.time, self.controls, self.positions):
            part.load(state)


def sign(side: int) -> int:
    """1 for a buy, -1 for a sale."""
    return 1 if side == Side.BID else -1


def _frozen(a: NDArray[Any]) -> NDArray[Any]:
    a.setflags(write=False)
    return a
