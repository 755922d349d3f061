"""From the views to the connections: what a record changed goes into the logs, and wakes who follows them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from qflib.api.stream.channels import Channel, new_log
from qflib.api.stream.limits import StreamLimits
from qflib.api.stream.log import ChannelLog

if TYPE_CHECKING:
    from qflib.api.stream.connection import Connection
    from qflib.views import Views
    from qflib.views.changed import Changed

_AT_ONCE = 200  # records, before the loop may turn to others
_TICK_S = 0.25
_STOP_S = 2.0
_log = structlog.get_logger(__name__)


class Hub:
    """The stream's side of one process: a log a channel and subject, and the connections.

    Parameters
    ----------
    views
        The read model; the hub listens to it.
    limits
        What a connection may cost.
    settled
        Whether the views have read what was there at the start; default: what they say.

    Notes
    -----
    All but the listener runs in the loop that called `start`.
    """

    def __init__(
        self, views: Views, limits: StreamLimits | None = None, settled: Callable[[], bool] | None = None
    ) -> None:
        self.views, self.limits = views, limits or StreamLimits()
        self._settled: Callable[[], bool] = settled or (lambda: views.ready)
        self.connections: set[Connection] = set()
        self._logs: dict[tuple[Channel, str], ChannelLog[Any]] = {}
        self._come: deque[Changed] = deque()
        self._called = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: Callable[[], None] | None = None
        self._ticking: asyncio.Task[None] | None = None

    def settled(self) -> bool:
        """Whether the logs hold all that was there at the start."""
        return self._settled() and not self._come

    def has_read(self) -> bool:
        """Whether the views have read what was there at the start: what they don't know then is not there."""
        return self._settled()

    async def start(self) -> None:
        """Begin: listen, and take over what the views know already."""
        self._loop = asyncio.get_running_loop()
        self._end = self.views.listen(self._hear)
        self._seed()
        self._ticking = self._loop.create_task(self._tick(), name="stream heartbeat")

    async def stop(self) -> None:
        """End: hear no more, and close every connection."""
        if self._end is not None:
            self._end()
            self._end = None
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            self._ticking = None
        for one in tuple(self.connections):
            one.end(1012, "the server ends; connect again and resume")
        if ended := [c.ended.wait() for c in self.connections]:
            await asyncio.wait([asyncio.ensure_future(e) for e in ended], timeout=_STOP_S)
        self._loop = None

    def log(self, channel: Channel, subject: str) -> ChannelLog[Any] | None:
        """The log of a subject; None where there is no such subject."""
        if (there := self._logs.get((channel, subject))) is None:
            there = new_log(self.views, channel, subject)
            if there is not None:
                self._logs[channel, subject] = there
        return there

    def count(self, key_id: str) -> int:
        """Open connections of a key."""
        return sum(c.key_id == key_id for c in self.connections)

    def take(self, changed: Changed) -> None:
        """Put what a record changed into the logs; in the loop's thread."""
        if changed.anew:  # sequences begin again: what was told before continues in nothing
            self._logs.clear()
            for one in tuple(self.connections):
                one.end(1012, "the desk was begun anew; connect again")
        for b in changed.books:
            self._add("book", b.symbol, b.stamp.seq, b)
        for t in changed.trades:
            self._add("trades", self.views.instruments[t.instrument].symbol, t.stamp.seq, t)
        for x in changed.executions:
            self._add("executions", x.underlying, x.stamp.seq, x)
        if changed.report is not None:
            self._add("risk", changed.report.portfolio, changed.report.stamp.seq, changed.report)

    def _add(self, channel: Channel, subject: str, seq: int, told: Any) -> None:
        if (log := self.log(channel, subject)) is not None:
            log.append(seq, told)

    def _hear(self, changed: Changed) -> None:
        """The listener: it runs in the reader's thread, and only hands over."""
        self._come.append(changed)
        if not self._called and (loop := self._loop) is not None:
            self._called = True
            try:
                loop.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop has ended
                self._loop = None

    def _drain(self) -> None:
        self._called = False  # first: what comes from now on calls again
        for _ in range(_AT_ONCE):
            try:
                changed = self._come.popleft()
            except IndexError:
                return
            try:
                self.take(changed)
            except Exception:  # one record's fault must not end the stream
                _log.exception("stream passed a record over")
        if self._come and not self._called and self._loop is not None:
            self._called = True
            self._loop.call_soon(self._drain)

    def _seed(self) -> None:
        """What the views had been told before the hub listened: it stands at the beginning of the logs."""
        from qflib.api.stream.seeding import seed

        seed(self.views, self.log)

    async def _tick(self) -> None:
        """Heartbeats, and an eye on those who do not read."""
        loop, settled = asyncio.get_running_loop(), False
        while True:
            await asyncio.sleep(_TICK_S)
            now, before, settled = loop.time(), settled, self.settled()
            for one in tuple(self.connections):
                one.tick(now)
                if settled and not before:  # somebody may wait for a sequence that will not come
                    one.wake()
