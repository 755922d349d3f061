"""A small exchange to talk to: one underlying with a future, options and spot."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from qflib.records import BOOKINGS, CONTROLS, MARKET_EVENTS, ORDERS, TICK, Batch, Header, Instrument, Instruments
from qflib.steps.exchange import Exchange, ExchangeConfig

EXPIRY = pd.Timestamp("2026-03-20T21:00Z")
T0 = EXPIRY.value - 10 * 3_600_000_000_000  # ten hours before
SECOND = 1_000_000_000


def table(**option):
    lasting = {"underlying": "ACME", "source": "sim", "multiplier": 100.0}
    contract = {"kind": "option", "strike": 100.0, "expiry": EXPIRY, "style": "european", "levels": True}
    contract |= {"settlement_type": "cash"} | lasting | option
    return Instruments(
        (
            Instrument("F", kind="future", expiry=EXPIRY + pd.Timedelta("1h"), settlement_type="cash", **lasting),
            Instrument("C", right="call", **contract),
            Instrument("P", right="put", **contract),
            Instrument("T", underlying="ACME", source="sim", tick_schedule=(("0", "0.05"), ("3", "0.10"))),
            Instrument("L", underlying="OTHER", source="sim", levels=True),
        )
    )


class Scene:
    """Speaks to an exchange in short; F is 0, call 1, put 2, T 3, L 4. Prices are ticks."""

    def __init__(self, instruments=None, **config):
        self.step = Exchange(instruments or table(), ExchangeConfig(**config))
        self.now, self.ids = T0, 0

    def market(self, *rows, source="sim", flags=None):
        """Rows (kind, instrument, side, order id, price, qty), each a microsecond after the last; by default LAST."""
        columns = [list(c) for c in zip(*rows, strict=True)]
        names = ("kind", "instrument", "side", "order_id", "price_ticks", "qty")
        times = [self.now + 1000 * (i + 1) for i in range(len(rows))]
        self.now = times[-1]
        events = MARKET_EVENTS.make(
            **dict(zip(names, columns, strict=True)), flags=flags or [1] * len(rows), receipt_ns=times
        )
        return self.feed(Batch.of("market", Header(source), events=events))

    def clock(self, time_ns, closing=0):
        self.now = max(self.now, time_ns)
        return self.feed(Batch.of("clock", Header("sim"), tick=TICK.make(time_ns=[time_ns], closing=[closing])))

    def order(self, instrument=0, side=1, price=10000, qty=5, tif=1, ord_type=2, action=1, **more):
        self.ids += 1
        columns = {"account": "A", "portfolio": "DESK1", "book": 1, "client_order_id": f"id{self.ids}"} | more
        columns |= {"instrument": instrument, "side": side, "price_ticks": price, "qty": qty, "action": action}
        columns |= {"time_in_force": tif, "ord_type": ord_type}
        return self.feed(Batch.of("order", orders=ORDERS.make(**{n: [v] for n, v in columns.items()})))

    def booking(self, instrument, qty, price=0.0, action=1, booking_id=None, **more):
        self.ids += 1
        columns = {"booking_id": booking_id or f"b{self.ids}", "action": action, "instrument": instrument, "qty": qty}
        columns |= {"price": price, "account": "A", "portfolio": "DESK1", "book": 1} | more
        return self.feed(Batch.of("booking", bookings=BOOKINGS.make(**{n: [v] for n, v in columns.items()})))

    def control(self, kind, value, name="", portfolio="", instrument=0xFFFFFFFF, control_id=None):
        self.ids += 1
        columns = {"control_id": control_id or f"k{self.ids}", "kind": kind, "value": float(value), "name": name}
        columns |= {"portfolio": portfolio, "instrument": instrument}
        return self.feed(Batch.of("control", controls=CONTROLS.make(**{n: [v] for n, v in columns.items()})))

    def feed(self, batch):
        """What comes out: executions as a list of rows, and the batches."""
        out = self.step.feed(batch)
        rows = [
            SimpleNamespace(**{n: v.item() for n, v in zip(b.executions._fields, row, strict=True)})
            for b in out
            if b.kind == "execution"
            for row in zip(*b.executions, strict=True)
        ]
        return rows, out

    def position(self, instrument):
        p = self.step.positions
        return int(p["qty"][p["instrument"] == instrument].sum())

    def price_future(self, ticks):
        """A last trade for the future."""
        self.market((5, 0, 1, 0, ticks, 1))


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def make_scene():
    return lambda config=None, **option: Scene(table(**option), **(config or {}))


def same_bytes(a, b):
    """Whether two lists of batches have the same headers, addresses and tables."""
    return [flat(x) for x in a] == [flat(x) for x in b]


def flat(batch):
    tables = {n: [np.asarray(c).tobytes() for c in t] for n, t in sorted(batch.tables.items())}
    return batch.kind, batch.topic, batch.key, batch.header, tables
