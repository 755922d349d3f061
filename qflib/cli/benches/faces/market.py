"""Books for a server under load: of 20 levels a side at most 6 quantities move, so many times a second."""

from __future__ import annotations

import time
from threading import Event, Thread

import numpy as np

from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.records import DEPTH, TOPS, Batch, Header, Instrument, Instruments, Side, TradingStatus
from qflib.records.codec import encode
from qflib.records.topics import ANALYTICS_RESULTS
from qflib.views import Views

SYMBOL = "ACME.F"
MID = 10_000
_LEVELS = 20
_MOVED = 6  # quantities that change with an update, at most: one may be drawn twice


class BookMarket:
    """Views of one instrument, and a thread that feeds them.

    Parameters
    ----------
    rate
        Books a second.
    """

    def __init__(self, rate: float) -> None:
        table = Instruments((Instrument(SYMBOL, kind="perpetual", underlying="ACME", source="sim:ACME"),))
        self.views = Views(Deployment(table))
        self._rate, self._ending = rate, Event()
        self._qty = np.full((2, _LEVELS), 100, np.int64)
        self._rng = np.random.default_rng(7)
        self._told = 0
        self._thread = Thread(target=self._run, daemon=True)
        self.tell()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._ending.set()
        self._thread.join()

    def tell(self) -> None:
        """Read one record: the time in it is that of its reading."""
        rng, n = self._rng, _LEVELS
        self._qty[rng.integers(0, 2, _MOVED), rng.integers(0, n, _MOVED)] = rng.integers(1, 500, _MOVED)
        steps = np.arange(n)
        depth = DEPTH.make(
            instrument=np.zeros(2 * n, np.uint32), side=np.repeat([int(Side.BID), int(Side.ASK)], n),
            level=np.tile(steps, 2), price_ticks=np.concatenate([MID - 1 - steps, MID + 1 + steps]),
            qty=self._qty.ravel(),
        )  # fmt: skip
        tops = TOPS.make(
            instrument=[0], bid_ticks=[MID - 1], bid_qty=self._qty[0, :1], ask_ticks=[MID + 1],
            ask_qty=self._qty[1, :1], last_ticks=[MID], last_qty=[1], status=[int(TradingStatus.CONTINUOUS)],
            time_ns=[time.time_ns()],
        )  # fmt: skip
        header = Header("exchange", 0, self._told)
        batch = Batch.of("analytics", header, ANALYTICS_RESULTS, "ACME", tops=tops, depth=depth)
        now_ms = time.time_ns() // 1_000_000
        self.views.take(Seen(ANALYTICS_RESULTS, 0, self._told, b"ACME", encode(batch), (), now_ms))
        self._told += 1

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            self.tell()
            due += 1.0 / self._rate
            self._ending.wait(max(0.0, due - time.monotonic()))
