"""Executions as they were told, one a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from qflib.records import EXECUTIONS
from qflib.views.stamp import Stamp


class Execution(NamedTuple):
    """A row of orders.executed: codes, ticks and lots as inside, and where it stands.

    `cursor` orders executions, and stays what it is over restarts.
    """

    cursor: tuple[int, int, int, int]  # append time in ms, partition, offset, row
    exec_type: int
    ord_status: int
    reason: int
    instrument: int
    side: int
    exec_id: int
    order_id: int
    contra_id: int
    price_ticks: int
    qty: int
    cum_qty: int
    leaves_qty: int
    price: float
    fee: float
    cash: float
    liquidity: int
    account: str
    portfolio: str
    book: int
    client_order_id: str
    orig_client_order_id: str
    hedge_no: int
    request_hash: int
    time_ns: int
    to_portfolio: str
    queue_ahead: int


class Executions(NamedTuple):
    """The executions of one record: one underlying's, in order."""

    underlying: str
    stamp: Stamp
    rows: list[Execution]


assert Execution._fields[1:] == tuple(c.name for c in EXECUTIONS.columns)


def rows_of(executions: Any, append_ms: int, partition: int, offset: int) -> Iterator[Execution]:
    """`EXECUTIONS` columns as rows; O(rows)."""
    lists = [
        [v.decode(errors="replace") for v in getattr(executions, c.name).tolist()]
        if c.type == "text"
        else getattr(executions, c.name).tolist()
        for c in EXECUTIONS.columns
    ]
    for k, row in enumerate(zip(*lists, strict=True)):
        yield Execution((append_ms, partition, offset, k), *row)
