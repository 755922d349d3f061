"""A live venue into Kafka: frames as they come, clocks of the wall, a new epoch at every connection."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from qflib.records import CONNECTION, TICK, Batch, Header
from qflib.records.codec import encode
from qflib.records.schema import TEXT_BYTES
from qflib.records.topics import MARKET_RAW
from qflib.stream.ingest.positions import Position, position_of
from qflib.venues.session import DAMAGED, What
from qflib.venues.venue import frames_of

if TYPE_CHECKING:
    from qflib.stream.ingest.metrics import Metrics
    from qflib.stream.ingest.play import Out
    from qflib.stream.process import Stop
    from qflib.venues.session import Heard, Session
    from qflib.venues.venue import Decoder

#: Frames are gathered for so long, or until there are so many, or so many bytes.
GATHER_S, _FRAMES, _BYTES = 0.01, 256, 1 << 20
CLOCK_S = 0.1

_log = structlog.get_logger("qflib.ingest")


class LiveSource:
    """One connection's records, with its numbering and a decoder that checks it.

    A connection's first raw record opens an epoch and names the last record of the former one. A frame that the
    decoder finds damaged, or after a gap, is sent as it came, then the connection is made anew: the venue's snapshots
    mend the books, and normalize, which runs the same decoder, does not trust them before.

    Parameters
    ----------
    source, venue
        The connection's name, and its venue's.
    session
        Its connections.
    decoder
        A fresh one.
    position
        The last record sent.
    sender, metrics
        Where records go, and who is told.
    """

    def __init__(
        self, source: str, venue: str, session: Session, decoder: Decoder, position: Position, sender: Out,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self.source, self.position = source, position
        self._session, self._decoder, self._sender, self._metrics = session, decoder, sender, metrics
        self._names = {
            "venue": np.array([venue], f"S{TEXT_BYTES}"),
            "connection": np.array([source.partition(":")[2]], f"S{TEXT_BYTES}"),
        }
        self._frames: list[Heard] = []
        self._bytes = 0
        self._taken = 0  # frames of this connection that were sent
        self._some = asyncio.Event()
        self._opened = True
        self._former = -1

    async def listen(self) -> None:
        """Take what the venue sends, for ever."""
        async with aclosing(self._session.heard()) as heard:
            async for one in heard:
                if one.what is What.FRAME:
                    self._frames.append(one)
                    self._bytes += len(one.data)
                    self._some.set()
                    if len(self._frames) >= _FRAMES or self._bytes >= _BYTES:
                        self.flush()
                elif one.what is What.OPENED:
                    self._opened = True
                    _log.info("connected", source=self.source, url=one.data.decode())
                elif one.what is What.CLOSED:
                    self.flush()
                    self._metrics.reconnects.labels(self.source).inc()
                    _log.warning("connection ended; connecting again", source=self.source, why=one.data.decode())

    async def gather(self) -> None:
        """Send what was gathered, for ever."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_S)
            self.flush()

    async def tell_time(self) -> None:
        """A clock every so often, for ever."""
        while True:
            await asyncio.sleep(CLOCK_S)
            self.flush()
            tick = TICK.make(time_ns=[max(self.position.time_ns, time.time_ns())], closing=[0])
            self._send("clock", tick=tick)

    def flush(self) -> None:
        """Send the frames gathered, and check them."""
        self._some.clear()
        if not self._frames:
            return
        taken, self._frames, self._bytes = self._frames, [], 0
        if self._opened:
            self._open(taken[0].receipt_ns)
        first = self._taken
        self._taken += len(taken)
        frames = frames_of([h.receipt_ns for h in taken], list(range(first, self._taken)), [h.data for h in taken])
        connection = CONNECTION.make(**self._names, former_seq=np.array([self._former], np.int64))
        self._check(self._send("raw", connection=connection, frames=frames))

    def _open(self, receipt_ns: int) -> None:
        """The next record is the first one of a connection."""
        self._opened, self._taken = False, 0
        if self.position.seq >= 0:
            self._former = self.position.seq
            self.position = self.position._replace(epoch=self.position.epoch + 1, seq=-1)
            self._decoder.restart(receipt_ns)

    def _check(self, batch: Batch) -> None:
        wrong = self._decoder.checks.get("wrong", 0)
        decoded = self._decoder.decode(batch.frames, batch.header)
        self._metrics.count(batch, len(decoded.events.kind))
        wrong = self._decoder.checks.get("wrong", 0) - wrong
        self._metrics.checksum_failures.labels(self.source).inc(wrong)
        for refused in decoded.refused:
            if refused.reason in DAMAGED:
                self._session.reconnect(f"{refused.reason.name}: {refused.detail}")
                return

    def _send(self, kind: str, **tables: Any) -> Batch:
        header = Header(self.source, self.position.epoch, self.position.seq + 1)
        batch = Batch.of(kind, header, MARKET_RAW, self.source, **tables)
        self._sender.send(self.source, encode(batch))
        self.position = position_of(batch)
        if kind == "clock":
            self._metrics.count(batch)
        return batch


async def listen(sources: list[LiveSource], stop: Stop) -> None:
    """Listen to all of them until a stop is asked for; what came is sent.

    Raises
    ------
    QflibError
        The first one that a source ended with.
    """
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    stop.notify = lambda: loop.call_soon_threadsafe(asked.set)
    if stop.asked:
        asked.set()
    work: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(w()) for s in sources for w in (s.listen, s.gather, s.tell_time)
    ]
    end: asyncio.Future[Any] = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait([end, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            if task.done():
                task.result()
    finally:
        for task in (end, *work):
            task.cancel()
        await asyncio.gather(end, *work, return_exceptions=True)
    for source in sources:
        source.flush()
