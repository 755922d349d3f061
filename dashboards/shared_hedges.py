"""Hedges as all sessions show them: bands and effectiveness some times a second, a frontier once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.recomputed import Made, Recomputed
from qflib.views.hedging import period_of
from qflib.views.rehedging import Frontiers, HedgeState, hedge_states

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.report import Report

_LEAST_S, _FRONTIER_S = 0.45, 1.0


class Hedges(NamedTuple):
    """A report's hedges, and how well they did: of the whole under "", of each underlying; None: not known yet."""

    report: Report
    states: dict[str, HedgeState]
    effectiveness: dict[str, Any]  # as the view gives them
    cost: float
    fees: float


class SharedHedges:
    """One a process.

    Parameters
    ----------
    views
        The read model.
    portfolio
        Whose.
    submit
        Has a job done in a thread.
    """

    def __init__(self, views: Views, portfolio: str, submit: Callable[[Callable[[], None]], Any]) -> None:
        self._views, self._portfolio = views, portfolio
        self._frontiers = Frontiers(views, _FRONTIER_S)
        self._states, self._drawn = Recomputed(submit, _LEAST_S), Recomputed(submit, _FRONTIER_S)
        self.period_ns = period_of(views.deployment.config.outcome_ns)

    def now(self) -> Made:
        """The newest `Hedges` there are, and why there are no newer ones."""
        return self._states.get("", self._make)

    def frontier(self, underlying: str) -> Made:
        """The newest frontier of an underlying's hedge (`MadeFrontier`), and why there is no newer one."""
        return self._drawn.get(underlying, lambda: self._frontiers.get(self._portfolio, underlying))

    def _make(self) -> Hedges | None:
        report = self._views.risk.latest(self._portfolio)
        if report is None:
            return None
        states = {s.underlying: s for s in hedge_states(self._views, report)}
        told = self._views.hedging.effectiveness
        effectiveness = {u: told(self._portfolio, u, self.period_ns) for u in ("", *states)}
        counts = self._views.risk.hedge_counts(self._portfolio)
        return Hedges(report, states, effectiveness, counts["cost"], counts["fees"])
