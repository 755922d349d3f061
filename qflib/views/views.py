"""All views of a desk in this process, and the one thread that feeds them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

import structlog

from qflib.broker.seen import Seen
from qflib.records.codec import decode
from qflib.records.partitions import name_of
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_EXECUTED, ORDERS_INCOMING, RISK_METRICS, TOPICS, dead_letters
from qflib.views.books import BookView
from qflib.views.changed import Changed
from qflib.views.components import ComponentsView
from qflib.views.controls import ControlsView
from qflib.views.figures import FiguresView
from qflib.views.health import HealthView
from qflib.views.hedging import HedgingView
from qflib.views.orders import OrdersView
from qflib.views.risk import RiskView
from qflib.views.shortfall import ShortfallView
from qflib.views.versions import VersionsView
from qflib.views.vols import VolView

if TYPE_CHECKING:
    from qflib.broker.clients import Connection
    from qflib.desk.deployment import Deployment
    from qflib.history import History
    from qflib.views.reader import Reader

#: What the reader reads, and how many records of a partition back it begins; None: at its beginning.
READ: dict[str, int | None] = {
    ORDERS_INCOMING: None,
    ORDERS_EXECUTED: None,
    RISK_METRICS: 1_500,  # some six minutes at four a second: to fold them in takes two seconds of a desk that starts
    ANALYTICS_RESULTS: 1_500,
    **{dead_letters(t): 500 for t in TOPICS},
}
_log = structlog.get_logger(__name__)


class Views:
    """What is known of a running desk.

    Parameters
    ----------
    deployment
        The desk: its instrument table, its portfolio.
    connection
        The cluster; None: nothing is read, `take` is called by hand.
    history
        What is older than the views' memory; None: nothing is.
    endpoints
        Where the processes' metrics are (`HealthView`).
    deployed
        Gives the desk as it is deployed now, where the cluster's topics turn out to be others; default: the same.

    Attributes
    ----------
    books, orders, risk, hedging, shortfall, components, figures, versions, controls, health, vols
        The views.
    epoch
        How often they began anew since this process did: cluster or topics were others. Sequences are of an epoch, and
        all views but `health` are new objects then, as is `instruments` where the desk is another.
    unreadable
        Records passed over; their stage and the audit tell of them.

    Examples
    --------
    >>> from qflib.desk.deployment import Deployment
    >>> from qflib.records import Instrument, Instruments
    >>> views = Views(Deployment(Instruments((Instrument("ACME.F", kind="spot"),))))
    >>> views.books.latest("ACME.F") is None, views.ready
    (True, False)
    """

    def __init__(
        self,
        deployment: Deployment,
        connection: Connection | None = None,
        history: History | None = None,
        endpoints: Callable[[], Mapping[str, str]] = dict,
        deployed: Callable[[], Deployment] | None = None,
    ) -> None:
        self.history, self._deployed = history, deployed or (lambda: deployment)
        self.health = HealthView(endpoints)
        self.epoch = self.unreadable = 0
        self._set_up(deployment)
        self._connection = connection
        self._reader: Reader | None = None
        self._listeners: tuple[Callable[[Changed], None], ...] = ()
        self._lock = Lock()

    def _set_up(self, deployment: Deployment) -> None:
        table = deployment.instruments
        self._last: dict[tuple[str, int], int] = {}  # offset taken last
        self.deployment, self.instruments = deployment, table
        self.books, self.orders, self.risk = BookView(table), OrdersView(table), RiskView(table, deployment.portfolio)
        fx = {deployment.config.currency: 1.0, **deployment.config.fx}
        self.hedging = HedgingView(table, self.books, deployment.hedger, fx)
        self.shortfall, self.controls = ShortfallView(), ControlsView()
        self.vols, self.components = VolView(self.books), ComponentsView(table)
        self.figures, self.versions = FiguresView(table), VersionsView(table)

    @property
    def ready(self) -> bool:
        """Whether all has been read that was there when the broker was found, or found again after it was away."""
        return self._reader is not None and self._reader.caught_up

    @property
    def connected(self) -> bool:
        """Whether the broker answers."""
        return self.health.connected

    def start(self) -> None:
        """Begin to read; this returns at once, and `ready` tells when the views are.

        Raises
        ------
        BrokerError
            If there is no connection to read from.
        """
        from qflib.errors import BrokerError
        from qflib.views.reader import Reader

        if self._connection is None:
            raise BrokerError("these views have no broker to read from; give a connection")
        self._reader = Reader(self._connection, self.deployment.partitions, READ, self, self.health)
        self._reader.start()
        self.health.start()

    def stop(self) -> None:
        """Read no more."""
        if self._reader is not None:
            self._reader.stop()
        self.health.stop()

    def wait_ready(self, timeout_s: float = 30.0) -> bool:
        """Wait until the views are ready; whether they are."""
        end = time.monotonic() + timeout_s
        while not self.ready and time.monotonic() < end:
            time.sleep(0.02)
        return self.ready

    def listen(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Have a function called with what each record changed, from the reader's thread; what is returned ends it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return end

    def take(self, seen: Seen) -> None:
        """Fold one record in, and tell the listeners; the reader's thread alone calls it, or a test.

        A record that was taken already is passed over, and so is one that cannot be folded in.
        """
        at = seen.topic, seen.partition
        if seen.offset <= self._last.get(at, -1):
            return
        self._last[at] = seen.offset
        if seen.value is None:
            return
        try:
            changed = self._fold(seen)
        except Exception as e:  # torn, of another version, or of an instrument that is not in the table
            self.unreadable += 1
            _log.warning("record passed over", topic=seen.topic, partition=seen.partition, offset=seen.offset,
                         reason=repr(e)[:200])  # fmt: skip
            return
        if changed is not None:
            self._tell(changed, seen.topic, seen.offset)

    def anew(self, reason: str) -> int:
        """Forget all: cluster or topics are others. The reader alone calls it; the partitions that there are now."""
        self._set_up(self._deployed())
        self.health.forget()
        self.epoch += 1
        self._tell(Changed(anew=True), reason, -1)
        return self.deployment.partitions

    def begin(self, cluster: str, starts: Mapping[tuple[str, int], int]) -> None:
        """Take from the history what lies before the reader's first offsets. The reader alone calls it, or a test.

        Of it come limits, kill switches, the scenario set in force, the orders that may still trade, and the hedges.
        """
        if self.history is None or not any(starts.values()):
            return
        from qflib.views.older import Older

        try:
            older = Older(self.history, cluster, starts)
            for batch in older.controls():
                self.controls.take(batch)
                self.shortfall.take_controls(batch)
            self.orders.take_older(*older.orders())
            self.risk.take_older(*older.hedges())
        except Exception:  # what the topics have is told without it
            _log.exception("views begin without the history")

    def _tell(self, changed: Changed, topic: str, offset: int) -> None:
        for listener in self._listeners:
            try:
                listener(changed)
            except Exception:  # one listener's fault is not the others'
                _log.exception("listener failed", topic=topic, offset=offset)

    def _fold(self, seen: Seen) -> Changed | None:
        assert seen.value is not None
        batch, name = decode(seen.value), name_of(seen.key or b"")
        at = seen.partition, seen.offset, seen.append_ms
        if seen.topic == ANALYTICS_RESULTS:
            self.shortfall.take_rolling(batch, name)
            self.components.take(batch, name)
            self.figures.take(batch, seen.offset, seen.append_ms)
            self.versions.take(batch, name)
            if "places" in batch.tables:
                self.orders.take_places(batch)
            books, trades = self.books.take(batch, seen.offset, seen.append_ms)
            return Changed(books=books, trades=trades) if books or trades else None
        if seen.topic == RISK_METRICS:
            report = self.risk.take(batch, name, seen.offset, seen.append_ms)
            if report is None:
                return None
            self.hedging.take(report)
            return Changed(report=report)
        if seen.topic == ORDERS_EXECUTED and batch.kind == "execution":
            self.risk.take_executions(batch.executions)
            return Changed(executions=(self.orders.take_executions(batch, name, *at),))
        if seen.topic == ORDERS_INCOMING:
            if batch.kind == "order":
                self.risk.take_orders(batch.orders)
                self.orders.take_orders(batch, *at)
            elif batch.kind == "control":
                self.controls.take(batch)
                self.shortfall.take_controls(batch)
        elif batch.kind == "dead":
            self.health.take(batch, seen.topic, seen.append_ms)
        return None
