"""What all sessions of this process share: the views, the way to trade, what is computed once for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from dashboards.last_hedge import LastHedge
from dashboards.recomputed import Recomputed
from dashboards.shared_hedges import SharedHedges
from dashboards.shared_rows import SharedRows
from dashboards.trading import NoTrading, Trading
from dashboards.vol_fits import VolFits
from qflib.errors import QflibError
from qflib.views.valuation import closing_of

if TYPE_CHECKING:
    from dashboards.pages.page import Page
    from qflib.views import Views

SPOT = (-0.10, -0.05, -0.02, 0.0, 0.02, 0.05, 0.10)
VOL = (0.05, 0.02, 0.0, -0.02, -0.05)
_log = structlog.get_logger(__name__)
_JOBS_S = 2.0  # at least between two looks at the files of runs
_LADDER_S = 3.0  # at least between two revaluations


@dataclass(frozen=True, slots=True)
class Revalued:
    """A ladder of spot and vol moves, and what it was computed of."""

    pnl: NDArray[np.float64] | None  # (spot, vol)
    error: str
    seq: int
    append_ns: int  # of the report
    took_ms: float
    at_ns: int
    left_out: tuple[str, ...]  # held, and not revalued


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
    kept
        The setting `state`: where jobs leave their runs; None: nowhere.
    pages
        The project's own, beside the dashboard's.
    """

    views: Views
    trading: Trading = field(default_factory=NoTrading)
    currency: str = "USD"
    kept: Path | None = None
    pages: tuple[type[Page], ...] = ()
    sessions: int = 0
    _ladder: Revalued | None = None
    _revaluing: bool = False
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.last_hedge = LastHedge(self.views)
        # apart: whoever may only read can keep the others busy, and no order waits for them
        self._trading = ThreadPoolExecutor(8, "dash-orders")
        self._computing = ThreadPoolExecutor(2, "dash-figures")
        self._looking = ThreadPoolExecutor(1, "dash-rows")
        self.rows = SharedRows(self._looking.submit)
        self.jobs = Recomputed(self._looking.submit, _JOBS_S)
        self.vols = VolFits(self.views, self._computing.submit)
        self.hedges = SharedHedges(self.views, self.portfolio, self.compute)

    @property
    def portfolio(self) -> str:
        """The portfolio that is shown."""
        return self.views.deployment.portfolio

    def trade(self, ask: Callable[[], None]) -> None:
        """Have an order or a cancel sent from a thread."""
        self._trading.submit(ask)

    def compute(self, job: Callable[[], None]) -> None:
        """Have something computed in a thread; who can ask again and again does so through `Newest`."""
        self._computing.submit(job)

    def ladder(self) -> Revalued | None:
        """The newest ladder; begins another where that is old and somebody asks."""
        with self._lock:
            there = self._ladder
            old = there is None or time.time_ns() - there.at_ns > _LADDER_S * 1e9
            if old and not self._revaluing and self.views.risk.latest(self.portfolio) is not None:
                self._revaluing = True
                self._computing.submit(self._revalue)
        return there

    def stop(self) -> None:
        """Wait for nothing more."""
        self.last_hedge.end()
        for pool in (self._trading, self._computing, self._looking):
            pool.shutdown(wait=False, cancel_futures=True)

    def _revalue(self) -> None:
        begun = time.perf_counter()
        report = self.views.risk.latest(self.portfolio)
        if report is None:
            self._revaluing = False
            return
        pnl, error, left_out = None, "", ()
        try:
            made = closing_of(report, self.currency)
            left_out = made.left_out
            if made.portfolio is None:
                error = "nothing is held that is revalued"
            else:
                pnl = made.portfolio.ladder(made.market, SPOT, VOL).pnl
        except QflibError as e:
            error = str(e)
        except Exception as e:  # the page says so, and asks again
            error = f"this could not be revalued ({type(e).__name__}); see the dashboard's log"
            _log.exception("revaluation failed")
        finally:
            with self._lock:
                took_ms, stamp = 1e3 * (time.perf_counter() - begun), report.stamp
                self._ladder = Revalued(pnl, error, stamp.seq, stamp.append_ns, took_ms, time.time_ns(), left_out)
                self._revaluing = False
