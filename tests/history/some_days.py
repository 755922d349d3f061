"""A history of some days in any store: events, executions with texts of all lengths, raw records."""

from __future__ import annotations

import numpy as np

from qflib.history import Archiver, History, Log
from qflib.records import EXECUTIONS, MARKET_EVENTS, Batch, Header, Instrument, Instruments
from qflib.records.codec import encode
from qflib.records.topics import MARKET_NORMALIZED, MARKET_RAW, ORDERS_EXECUTED

DAY = 86_400 * 10**9
NS = 1_767_600_000_000_000_123  # 2026-01-05T08:00
TABLE = Instruments((Instrument("ACME", kind="spot"),))
LOGS = [Log("c1", t, t, p) for t in (MARKET_NORMALIZED, ORDERS_EXECUTED, MARKET_RAW) for p in (0, 1)]


def filled(history: History, days: int = 3) -> None:
    """Two partitions, some days: events, executions with texts of all lengths and prices that are none, raw records."""
    history.register("c1", TABLE)
    archiver, rng = Archiver(history), np.random.default_rng(7)
    archiver.assign(LOGS)
    for offset in range(days):
        at = NS + offset * DAY
        for p in (0, 1):
            n = 5 + offset
            events = MARKET_EVENTS.make(
                kind=1,
                instrument=rng.integers(0, 3, n),
                receipt_ns=at + np.arange(n),
                order_id=2**63 + np.arange(n, dtype=np.uint64),
            )
            record = encode(Batch.of("market", Header(f"sim:{p}", 2**63, offset), events=events))
            archiver.take(MARKET_NORMALIZED, p, offset, at, b"k", record, [("h", b"1"), ("h", None)])
            names = [("é" * int(rng.integers(0, 33))) or "A" * (64 * (i % 2)) for i in range(n)]
            executions = EXECUTIONS.make(
                time_ns=at + np.arange(n), account=names, client_order_id=[f"{offset}/{i}" for i in range(n)],
                price=np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)), instrument=rng.integers(0, 3, n),
            )  # fmt: skip
            record = encode(Batch.of("execution", Header(f"exchange/{p}", 0, offset), executions=executions))
            archiver.take(ORDERS_EXECUTED, p, offset, at, None, record)
            archiver.take(MARKET_RAW, p, offset, at, b"\0", b"\0\xff" * offset)
    archiver.store()
