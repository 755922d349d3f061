"""What all routes share: views, the way to Kafka, keys, settings."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prometheus_client import CollectorRegistry

from qflib.api.book_bytes import BookBytes
from qflib.api.keys import KeyStore
from qflib.api.metrics import ApiMetrics
from qflib.api.pieces import encoded
from qflib.api.problems import ProblemError, away
from qflib.api.rates import Rates
from qflib.settings import ApiSettings
from qflib.views.rehedging import Frontiers

if TYPE_CHECKING:
    from qflib.records import Batch
    from qflib.views import Views


class Ack(NamedTuple):
    """Where Kafka has a row: when it was appended, and its place; orders are listed by this."""

    append_ms: int
    partition: int
    offset: int
    row: int


class Sending(Protocol):
    """The way to Kafka; what is returned is done when Kafka has it, or fails with a problem."""

    @property
    def is_ready(self) -> bool:
        """Whether there is a line that orders and signals can be sent by."""

    def order(self, underlying: str, row: tuple[Any, ...]) -> asyncio.Future[Ack]:
        """Send a row of `Orders`."""

    def signal(self, payload: bytes, receipt_ns: int) -> asyncio.Future[Ack]:
        """Send a signal as JSON."""

    async def publish(self, batches: Sequence[Batch], *, urgent: bool = False) -> int:
        """Send controls or bookings in one transaction; an urgent one waits for none that is not."""

    def start(self) -> None:
        """Begin, in the running loop."""

    async def stop(self) -> None:
        """End; what is not confirmed fails."""


class ApiState:
    """What routes ask.

    Parameters
    ----------
    views
        The read model.
    sender
        The way to Kafka.
    keys
        Who may ask.
    settings
        What the API bears.
    hub
        Of the stream; None: there is none. It has `async start()` and `async stop()`.
    ready, connected
        Whether the views have caught up, and whether the broker answers; default: what the views say.
    now_ns
        The wall clock; for tests.
    registry
        Where metrics are scraped from.
    owns_views
        Whether views are started and stopped with the application.
    kept
        The setting `state`: where jobs leave their runs; None: nowhere.
    """

    def __init__(
        self,
        views: Views,
        sender: Sending,
        keys: KeyStore,
        settings: ApiSettings | None = None,
        hub: Any = None,
        *,
        ready: Callable[[], bool] | None = None,
        connected: Callable[[], bool] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        registry: CollectorRegistry | None = None,
        owns_views: bool = False,
        kept: Path | None = None,
    ) -> None:
        self.kept = kept
        self.owns_views = owns_views
        self.views, self.sender, self.keys, self.hub = views, sender, keys, hub
        self.settings = s = settings or ApiSettings()
        self.now_ns = now_ns
        self.metrics = ApiMetrics(registry or CollectorRegistry())
        self.rates = Rates(s.rate, s.burst)
        self.failures = Rates(s.failures, 4 * s.failures)
        self.books = BookBytes(views.instruments)
        self.frontiers = Frontiers(views)
        self.signalling: Counter[str] = Counter()  # open sockets of signals, a key
        self.ending = asyncio.Event()  # set when the server ends: sockets say so
        self._ready, self._connected = ready, connected
        self._computing = asyncio.Semaphore(s.computing)
        self._asked = 0  # computed, or waiting for it

    @property
    def is_ready(self) -> bool:
        """Whether the views have read what was there at the start."""
        return self.views.ready if self._ready is None else self._ready()

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers."""
        return self.views.connected if self._connected is None else self._connected()

    def reaches(self) -> None:
        """Refuse what would be sent, where the broker is away.

        Raises
        ------
        ProblemError
            503; nothing was sent.
        """
        if not self.is_connected:
            raise away("the broker is away; nothing was sent, send it again when /readyz answers 200")

    def accepts(self) -> None:
        """As `reaches`; and where there is no line to it yet, or the views don't know yet what was sent before.

        Raises
        ------
        ProblemError
            503; nothing was sent.
        """
        self.reaches()
        if not self.sender.is_ready:
            raise away("there is no line to the broker yet; nothing was sent, wait for /readyz")
        if not self.is_ready:
            raise away("what was sent before is still being read; nothing was sent, wait for /readyz", "not_ready")

    async def compute(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Have a thread do it, so many at once: others wait, and nobody's book waits for them.

        Raises
        ------
        ProblemError
            503, if too many wait already.
        """
        if self._asked >= self.settings.computing + self.settings.waiting:
            detail = f"{self.settings.waiting} requests wait to be computed; wait as Retry-After says"
            raise ProblemError(503, "overloaded", detail, headers={"retry-after": "1"})
        self._asked += 1
        try:
            async with self._computing:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._asked -= 1

    async def encoded(self, work: Callable[..., Any], *arguments: Any) -> bytes:
        """As `compute`, and its result as JSON, which may be large: the loop does not wait for that either."""
        made: bytes = await self.compute(lambda: encoded(work(*arguments)))
        return made
