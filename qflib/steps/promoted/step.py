"""The promoted steps of a desk as one step: each its own state, all the same inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import (
    DEAD,
    ORDERS,
    VALUES,
    Batch,
    Book,
    DeadReason,
    Instruments,
    OrderAction,
    OrderType,
    Partitions,
    Side,
    TimeInForce,
)
from qflib.records.schema import TEXT_BYTES
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_INCOMING, dead_letters
from qflib.steps.promoted.definition import TABLES, Definition, field_of, record_table
from qflib.steps.promoted.running import Working
from qflib.steps.state import State
from qflib.steps.step import Outbox

#: What an output row of a strategy tells of its order; a row of `qty` 0 is none.
ORDER = ("side", "qty", "price_ticks")
_CHOSEN: dict[str, IntEnum] = {"ord_type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC}


@dataclass(frozen=True)
class Placed:
    """A promoted step in a desk.

    Parameters
    ----------
    definition
        The step.
    orders
        Whether its rows are orders: a strategy.
    live
        Whether they go to the exchange; else, in shadow, to analytics.results.
    beside
        Whether it is a new version that runs beside the one in force: only its figures are told.
    """

    definition: Definition
    orders: bool = False
    live: bool = False
    beside: bool = False

    def __post_init__(self) -> None:
        missing = [n for n in ORDER if n not in (self.definition.out.names or ())]
        if self.orders and missing:
            raise InputError(
                f"step {self.definition.name!r} sends orders and its Out has no {missing[0]!r}; a strategy's rows tell "
                f"{', '.join(ORDER)}"
            )

    @property
    def label(self) -> str:
        """Its name, and its version where another one is in force."""
        d = self.definition
        return f"{d.name}@{d.version}" if self.beside else d.name


class Promoted:
    """All promoted steps of a desk, in their order.

    Parameters
    ----------
    placed
        The steps.
    instruments
        The instrument table.
    partitions, partition
        Where names lie, and which partition is this instance's.
    name
        Of the stage.

    Notes
    -----
    A step that fails on a row gets a dead letter with the reason, its state is as it was before the row, and all else
    goes on. What one step sends for a row does not depend on the others, nor on where batches are cut.
    """

    def __init__(
        self,
        placed: Sequence[Placed],
        instruments: Instruments,
        partitions: Partitions | None = None,
        partition: int = 0,
        name: str = "promoted",
    ) -> None:
        self.name = name
        labels = [p.label for p in placed]
        if len(set(labels)) != len(labels):
            raise InputError(f"steps {labels} bear a name twice; give each its own")
        self._instruments = instruments
        self._steps = [(p, Working(p.definition, instruments)) for p in placed]
        for _, working in self._steps:
            working.compile()
        self._out = Outbox(f"{self.name}/{partition}", partitions)
        self._sent: dict[str, int] = dict.fromkeys(labels, 0)

    def feed(self, batch: Batch) -> list[Batch]:
        """Hand the record's tables to every step that takes them."""
        sent: list[Batch] = []
        for placed, working in self._steps:
            rows = []
            for table in TABLES:
                if table not in placed.definition.functions or TABLES[table][0] != batch.kind:
                    continue
                columns = self._columns(placed, table, getattr(batch, field_of(table)))
                if not len(columns[0]):
                    continue
                made, refused = _taken(working, table, columns)
                rows += made
                sent += [self._refused(batch, row, why) for row, why in refused]
            if any(len(r) for r in rows):
                sent += self._told(placed, np.concatenate(rows), batch)
        return sent

    def state(self) -> State:
        """States by label, with the versions that laid them out."""
        out = self._out.state()
        versions = {p.label: p.definition.version for p, _ in self._steps}
        out["promoted.names"] = np.array(list(self._sent), f"S{TEXT_BYTES}")
        out["promoted.versions"] = np.array([versions.get(n, 0) for n in self._sent], np.int64)
        out["promoted.orders"] = np.array(list(self._sent.values()), np.int64)
        for placed, working in self._steps:
            out[f"promoted.{placed.label}"] = working.state()
        return out

    def load(self, state: State) -> None:
        """Go on from a state; a step that it does not know begins, one that is here no more is forgotten.

        How many orders that one has sent is not: the exchange takes an id once, also when the step is back.
        A version that runs beside another begins with that one's state.

        Raises
        ------
        StateError
            If a step's layout is another one.
        """
        self._out.load(state)
        names = [n.decode() for n in state["promoted.names"].tolist()]
        kept = dict(zip(names, state["promoted.versions"].tolist(), strict=True))
        numbers = dict(zip(names, state["promoted.orders"].tolist(), strict=True))
        self._sent = dict.fromkeys((p.label for p, _ in self._steps), 0)
        for placed, working in self._steps:
            begun = placed.label if placed.label in kept else placed.definition.name
            if kept.get(begun, 0):
                working.load(state[f"promoted.{begun}"], kept[begun])
            self._sent[placed.label] = numbers.get(begun, 0)
        self._sent |= {n: sent for n, sent in numbers.items() if sent and "@" not in n and n not in self._sent}

    def _columns(self, placed: Placed, table: str, columns: Any) -> Any:
        """A strategy is told of its own executions alone."""
        if table != "executions" or not placed.orders:
            return columns
        ours = columns.account == account_of(placed.definition).encode()
        return columns if ours.all() else record_table(table).take(columns, ours)

    def _told(self, placed: Placed, rows: NDArray[Any], batch: Batch) -> list[Batch]:
        d, key = placed.definition, batch.key
        names = np.array(d.figures, f"S{TEXT_BYTES}")
        n, k = len(rows), len(names)
        tables = {
            "values": VALUES.make(
                step=np.full(n * k, placed.label, f"S{TEXT_BYTES}"),
                version=np.full(n * k, d.version, np.uint32),
                instrument=np.repeat(rows["instrument"].astype(np.uint32), k),
                time_ns=np.repeat(rows["time_ns"].astype(np.int64), k),
                field=np.tile(names, n),
                value=np.column_stack([rows[f].astype(np.float64) for f in d.figures]).ravel(),
            ),
        }
        ordering = placed.orders and not placed.beside
        made, refused = self._orders(placed, rows) if ordering else ([], [])
        orders = ORDERS.concat(made) if made else None
        if orders is not None and not placed.live:
            tables["orders"] = orders
        sent = [self._out.make(ANALYTICS_RESULTS, key, "analytics", **tables)]
        if orders is not None and placed.live:
            sent.append(self._out.make(ORDERS_INCOMING, key, "order", orders=orders))
        return sent + [self._refused(batch, row, why) for row, why in refused]

    def _orders(self, placed: Placed, rows: NDArray[Any]) -> tuple[list[Any], list[tuple[int, str]]]:
        """The orders of output rows, and the rows that tell of none that can be sent."""
        made, refused = [], []
        for i in np.flatnonzero(rows["qty"] != 0).tolist():
            try:
                made.append(self._order(placed.definition, rows[i], self._sent[placed.label] + 1))
            except (ValueError, OverflowError) as e:
                told = {n: rows[i][n].item() for n in (*ORDER, *_CHOSEN) if n in (rows.dtype.names or ())}
                refused.append((i, f"step {placed.label!r} told an order of {told}: {e}"))
            else:
                self._sent[placed.label] += 1
        return made, refused

    def _order(self, d: Definition, row: Any, no: int) -> Any:
        account, told = account_of(d), row.dtype.names
        symbol, number = self._instruments.rows[int(row["instrument"])].symbol, f"/{no}"
        fields = {
            "action": OrderAction.NEW,
            "instrument": int(row["instrument"]),
            "side": Side(int(row["side"])),
            "price_ticks": int(row["price_ticks"]),
            "qty": int(row["qty"]),
            "account": account,
            "portfolio": account,
            "book": Book.CLIENT,
            "client_order_id": f"{account}/{symbol}"[: TEXT_BYTES - len(number)] + number,
            "sent_ns": int(row["time_ns"]),
        } | {n: type(usual)(int(row[n])) if n in told else usual for n, usual in _CHOSEN.items()}
        request = hashlib.sha256(repr(sorted(fields.items())).encode()).digest()
        return ORDERS.make(**fields, request_hash=int.from_bytes(request[:8], "little"))

    def _refused(self, batch: Batch, row: int, why: str) -> Batch:
        h = batch.header
        letter = DEAD.make(
            topic=[batch.topic], source=[h.source], epoch=[h.epoch], seq=[h.seq], position=[row],
            reason=[DeadReason.BAD_VALUE], detail=[why.encode()[:TEXT_BYTES].decode(errors="ignore")], length=[0],
        )  # fmt: skip
        return self._out.make(dead_letters(batch.topic), batch.key, "dead", dead=letter)


def _taken(working: Working, table: str, columns: Any) -> tuple[list[NDArray[Any]], list[tuple[int, str]]]:
    """Output rows, and the rows refused; one at a time where a function fails, so that the others count."""
    try:
        return [working.take(table, columns)], []
    except InputError as e:
        n = len(columns[0])
        if n == 1:
            return [], [(0, str(e))]
    made, refused = [], []
    for i in range(n):
        try:
            made.append(working.take(table, record_table(table).slice(columns, i, i + 1)))
        except InputError as e:
            refused.append((i, str(e)))
    return made, refused


def account_of(definition: Definition) -> str:
    """Whose a strategy's orders are, and the portfolio they are for."""
    return account_name(definition.name)


def account_name(step: str) -> str:
    """Of a strategy by its name."""
    return step.upper()
