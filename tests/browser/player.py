"""A desk without Kafka for the pages to show: a recorded run is read in, then played live, round and round."""

from __future__ import annotations

import time
from bisect import bisect_left
from functools import lru_cache
from threading import Event, Lock, Thread
from typing import Any

import pytest

import qflib as qf
from qflib.broker.seen import Seen
from qflib.desk.deployment import Deployment
from qflib.desk.record import Recorder
from qflib.hedging.hedgers import Band
from qflib.records import (
    EXECUTIONS,
    Batch,
    Book,
    ExecType,
    Header,
    OrderAction,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from qflib.records.codec import decode, encode
from qflib.records.tables import BY_KIND, ORDERS
from qflib.records.topics import (
    ANALYTICS_RESULTS,
    MARKET_RAW,
    ORDERS_EXECUTED,
    ORDERS_INCOMING,
    RISK_METRICS,
    dead_letters,
)
from qflib.views import Views
from qflib.views.health import ProcessHealth

READ = (ORDERS_INCOMING, ORDERS_EXECUTED, RISK_METRICS, ANALYTICS_RESULTS)
AGAIN = (RISK_METRICS, ANALYTICS_RESULTS)  # played round and round: what tells no order twice
OPENING_NS = 10_000_000_000  # the first seconds, in which positions are opened, are played once
STAGES = ("ingest", "normalize", "exchange", "exposures", "portfolio", "archive")


@lru_cache(maxsize=1)
def run_of(duration: str = "30s") -> tuple[Deployment, tuple[Seen, ...]]:
    """The records that views read, of a hedged desk with a limit and an outcome every second."""
    feed = qf.datasets.load("sim", seed=7, duration=duration, rate=2_000.0)
    batches: list[Batch] = []
    take = Recorder.take

    def tap(self: Recorder, batch: Batch) -> None:
        batches.append(batch)
        take(self, batch)

    config = qf.DeskConfig(outcome_ns=1_000_000_000, limits={"max_es": 40_000.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "take", tap)
        desk = qf.Desk(feed, hedger=Band(risk_aversion=1.0), config=config)
        desk.run()
    offsets: dict[str, int] = {}
    seen = []
    for batch in batches:
        if batch.topic in READ:
            offset = offsets[batch.topic] = offsets.get(batch.topic, -1) + 1
            seen.append(Seen(batch.topic, 0, offset, batch.key.encode(), encode(batch), (), 0))
    return Deployment(feed.instruments, desk.config, Band(risk_aversion=1.0), None, True, "DESK1"), tuple(seen)


class Player:
    """Feeds views as a reader would.

    Parameters
    ----------
    speed
        Market seconds a second: 1 is four books a second, 5 is twenty.
    """

    def __init__(self, speed: float = 1.0) -> None:
        deployment, seen = run_of()
        self.views, self.speed = Views(deployment), speed
        played = [(s, decode(s.value)) for s in seen if s.topic in AGAIN and s.value is not None]
        times = _times(played)
        since = bisect_left(times, times[0] + OPENING_NS)
        self._round, self._times = played[since:], times[since:]
        self._offsets = dict.fromkeys(AGAIN, 10**6)
        self._paused, self._ending = Event(), Event()
        self._muted: tuple[str, ...] = ()
        self._telling = Lock()
        self._thread: Thread | None = None
        now = time.time_ns() // 10**6
        for s in seen:
            self.views.take(s._replace(append_ms=now))
        self._own_orders(now)
        self._dead(now)
        self.heard()

    def start(self) -> None:
        """Play from a thread."""
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def pause(self, paused: bool = True) -> None:
        """Feed nothing for a while, as when the broker is silent."""
        (self._paused.set if paused else self._paused.clear)()

    def away(self) -> None:
        """Once it is paused: the broker does not answer, and the record on its way then says nothing else."""
        with self._telling:
            self.views.health.connected = False

    def mute(self, *topics: str) -> None:
        """Leave these topics out until it is called again: their stage is dead."""
        self._muted = topics

    def say(self, *tops: tuple[str, int, int]) -> None:
        """The next books: symbol, bid and ask in ticks, 0 where a side is empty. What is played on says otherwise."""
        books, ids = self.views.books, [self.views.instruments.id(symbol) for symbol, _, _ in tops]
        sides = [[t[k] for t in tops] for k in (1, 2)]
        rows = BY_KIND["analytics"].by_name["tops"].make(
            instrument=ids, bid_ticks=sides[0], bid_qty=[int(t > 0) for t in sides[0]], ask_ticks=sides[1],
            ask_qty=[int(t > 0) for t in sides[1]], time_ns=[books.market_time_ns()] * len(ids),
        )  # fmt: skip
        self._offsets[ANALYTICS_RESULTS] += 1
        self.take(
            ANALYTICS_RESULTS, Batch.of("analytics", Header("exchange", 0, 1), tops=rows),
            self._offsets[ANALYTICS_RESULTS],
        )  # fmt: skip

    def stop(self) -> None:
        """End."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def heard(self) -> None:
        """What the reader and the processes would tell of themselves."""
        health, now = self.views.health, time.time_ns()
        health.connected, health.heard_ns = True, now
        health._latency = (41.0, 118.0)
        for k, stage in enumerate(STAGES):
            slow = stage == "exposures"
            health._processes[f"{stage}-0"] = ProcessHealth(
                f"{stage}-0", stage, now, 1e6 + k, 48_200.0 - 1_000 * k, 31.0 if slow else 0.4 + 0.3 * k, 6.0 + k,
                {"bad_checksum": 2.0} if stage == "normalize" else {}, 210.0 + 11 * k, 0.2 + 0.1 * k,
            )  # fmt: skip
            health._lag[stage] = 12.0 + k
        health._restarts = {"exchange": 1.0}

    def _run(self) -> None:
        """The last part of the run again and again, later each time; a record's time says when it is due."""
        span = self._times[-1] - self._times[0] + 250_000_000
        n, begun = 0, time.monotonic()
        while not self._ending.is_set():
            if self._paused.is_set():
                self._ending.wait(0.05)
                begun += 0.05
                continue
            rounds, k = divmod(n, len(self._round))
            shift = span * (1 + rounds)
            due = begun + (self._times[k] - self._times[0] + shift - span) / 1e9 / self.speed
            if (wait := due - time.monotonic()) > 0.002:
                self._ending.wait(min(wait, 0.05))
                continue
            begun += max(0.0, -wait - 0.1)  # on a busy machine it falls behind, rather than take all there is
            n += 1
            seen, batch = self._round[k]
            if seen.topic in self._muted:
                continue
            self._offsets[seen.topic] += 1
            value = encode(later(batch, shift))
            self.views.take(
                seen._replace(offset=self._offsets[seen.topic], value=value, append_ms=time.time_ns() // 10**6)
            )
            with self._telling:
                if not self._paused.is_set():
                    self.heard()

    def _own_orders(self, now: int) -> None:
        views = self.views
        book = views.books.latest("ACME.F")
        assert book is not None
        at, stamp = book.instrument, book.stamp.time_ns
        rows = [
            ("desk-1", Side.BID, int(book.bids[2, 0]), 20), ("desk-2", Side.BID, int(book.bids[4, 0]), 50),
            ("desk-3", Side.ASK, int(book.asks[3, 0]), 35),
        ]  # fmt: skip
        for k, (name, side, ticks, qty) in enumerate(rows):
            same = {"instrument": [at], "side": [int(side)], "price_ticks": [ticks], "qty": [qty], "account": ["ALICE"],
                    "portfolio": ["DESK1"], "book": [int(Book.CLIENT)], "client_order_id": [name]}  # fmt: skip
            order = ORDERS.make(
                action=[int(OrderAction.NEW)], ord_type=[int(OrderType.LIMIT)], time_in_force=[int(TimeInForce.GTC)],
                sent_ns=[stamp + k], **same,
            )  # fmt: skip
            told = EXECUTIONS.make(
                exec_type=[int(ExecType.NEW)], ord_status=[int(OrderStatus.NEW)], leaves_qty=[qty], order_id=[900 + k],
                time_ns=[stamp + k], **same,
            )  # fmt: skip
            self.take(ORDERS_INCOMING, Batch.of("order", Header("api", 0, k), orders=order), 10**6 + k, now)
            self.take(ORDERS_EXECUTED, Batch.of("execution", Header("exchange", 0, k), executions=told), 10**6 + k, now)

    def _dead(self, now: int) -> None:
        rows = BY_KIND["dead"].by_name["dead"].make(
            topic=[MARKET_RAW] * 2, source=["sim:ACME", "sim:BETA"], seq=[412, 907], reason=[2, 5],
            detail=["checksum 0x1f2e, expected 0x1f2d", "a frame of 12 bytes ends after 7"], length=[96, 12],
        )  # fmt: skip
        self.take(dead_letters(MARKET_RAW), Batch.of("dead", Header("normalize/0", 0, 1), dead=rows), 0, now)

    def take(self, topic: str, batch: Batch, offset: int, now: int | None = None) -> None:
        """One record more."""
        at = time.time_ns() // 10**6 if now is None else now
        self.views.take(Seen(topic, 0, offset, b"ACME", encode(batch), (), at))


def later(batch: Batch, shift: int) -> Batch:
    """The same batch, so many nanoseconds of market time later."""
    moved = {}
    for name, table in batch.tables.items():
        named = [f for f in getattr(table, "_fields", ()) if f.endswith("_ns") and f != "horizon_ns"]
        moved[name] = (
            table._replace(**{f: getattr(table, f) + (getattr(table, f) > 0) * shift for f in named})
            if named
            else table
        )
    return Batch(batch.kind, moved, batch.header, batch.topic, batch.key)


def _times(rows: list[tuple[Seen, Any]]) -> list[int]:
    """When each record is due: the greatest market time told so far."""
    made, now = [], 0
    for _, batch in rows:
        for table in batch.tables.values():
            for f in ("time_ns", "receipt_ns"):
                if f in getattr(table, "_fields", ()) and len(getattr(table, f)):
                    now = max(now, int(getattr(table, f).max()))
        made.append(now)
    first = next(t for t in made if t)
    return [t or first for t in made]
