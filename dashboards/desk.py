"""What all sessions of this process share: the views, the way to trade, what is computed once for all."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboards.trading import NoTrading, Trading
from qflib.errors import QflibError
from qflib.views.valuation import market_of, portfolio_of

if TYPE_CHECKING:
    from qflib.views import Views

SPOT = (-0.10, -0.05, -0.02, 0.0, 0.02, 0.05, 0.10)
VOL = (0.05, 0.02, 0.0, -0.02, -0.05)
_LADDER_S = 3.0  # at least between two revaluations


@dataclass(frozen=True, slots=True)
class Revalued:
    """A ladder of spot and vol moves, and what it was computed of."""

    pnl: NDArray[np.float64] | None  # (spot, vol)
    error: str
    seq: int
    at_ns: int
    took_ms: float


@dataclass
class SharedDesk:
    """One a process.

    Parameters
    ----------
    views
        The read model.
    trading
        The way to the API.
    currency
        Of reports.
    """

    views: Views
    trading: Trading = field(default_factory=NoTrading)
    currency: str = "USD"
    sessions: int = 0
    _ladder: Revalued | None = None
    _computing: bool = False
    _lock: Lock = field(default_factory=Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(3, "dash"))

    @property
    def portfolio(self) -> str:
        """The portfolio that is shown."""
        return self.views.deployment.portfolio

    def run(self, f: Any, *args: Any) -> Any:
        """Have something done in a thread; a future."""
        return self._pool.submit(f, *args)

    def ladder(self) -> Revalued | None:
        """The newest ladder; begins another where that is old and somebody asks."""
        with self._lock:
            there = self._ladder
            old = there is None or time.time_ns() - there.at_ns > _LADDER_S * 1e9
            if old and not self._computing and self.views.risk.latest(self.portfolio) is not None:
                self._computing = True
                self._pool.submit(self._revalue)
        return there

    def stop(self) -> None:
        """Wait for nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _revalue(self) -> None:
        begun = time.perf_counter()
        report = self.views.risk.latest(self.portfolio)
        pnl, error, seq = None, "", -1 if report is None else report.stamp.seq
        try:
            assert report is not None
            made = portfolio_of(report, currency=self.currency).ladder(market_of(self.views.books), SPOT, VOL)
            pnl = made.pnl
        except QflibError as e:
            error = str(e)
        finally:
            with self._lock:
                self._ladder = Revalued(pnl, error, seq, time.time_ns(), 1e3 * (time.perf_counter() - begun))
                self._computing = False
