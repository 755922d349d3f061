"""The market and the portfolios' risk for Prometheus, as the monitor has observed them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from qflib.stream.monitor.observed import Observed

_KINDS = ("unhedged", "current", "target")


class MarketExported(Collector):
    """Quality of the market by instrument, and the last report of every portfolio.

    Parameters
    ----------
    observed
        What the monitor has seen. The monitor's thread writes it; what is scraped may be a record behind.
    registry
        Where they are scraped from.
    risk
        Whether the desk has portfolios: of one that has none, as on a live venue, reports are not counted, for none
        will ever come.
    """

    def __init__(self, observed: Observed, registry: CollectorRegistry, risk: bool) -> None:
        self._observed, self._reports = observed, risk
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        yield from self._market()
        yield from self._risk()

    def _market(self) -> Iterator[Metric]:
        market, now = self._observed.quality, time.time_ns()
        by = ["instrument"]
        one = [((g,), n) for g, n in market.crossed().items()]
        yield _gauge("qflib_market_crossed", "Instruments whose bid is not below their ask.", by, one)
        one = [((g,), n) for g, n in market.stale(now).items()]
        yield _gauge("qflib_market_stale", "Instruments silent for much longer than they are wont to.", by, one)
        ages = [((g,), s) for g, s in market.ages(now).items()]
        yield _gauge("qflib_market_age_seconds", "Since the last top of book.", by, ages)
        spreads = [((g,), s) for g, s in market.spreads().items()]
        yield _gauge("qflib_market_spread_ticks", "Ask less bid; of several, the median.", by, spreads)
        scores = [(key, s) for key, s in market.scores().items()]
        yield _gauge("qflib_market_score", "Greatest robust score since the last scrape.", [*by, "kind"], scores)
        found = CounterMetricFamily("qflib_market_anomalies", "Robust scores beyond the limit.", labels=[*by, "kind"])
        for key, n in market.anomalies.copy().items():
            found.add_metric(list(key), n)
        yield found
        leaps = CounterMetricFamily("qflib_es_anomalies", "Leaps of the unhedged ES.", labels=["portfolio"])
        for portfolio, n in market.es_anomalies.copy().items():
            leaps.add_metric([portfolio], n)
        yield leaps

    def _risk(self) -> Iterator[Metric]:
        es: list[tuple[tuple[str, ...], float]] = []
        used: list[tuple[tuple[str, ...], float]] = []
        breached: list[tuple[tuple[str, ...], float]] = []
        unpriced: list[tuple[tuple[str, ...], float]] = []
        for portfolio, (risk, limits) in self._observed.reported.copy().items():
            for k, level in enumerate(risk.level.tolist()):
                es += [((portfolio, f"{level:g}", kind), float(getattr(risk, f"es_{kind}")[k])) for kind in _KINDS]
            unpriced.append(((portfolio,), float(risk.unpriced[0])))
            for name, value, bound, beyond in zip(
                limits.name, limits.value, limits.bound, limits.breached, strict=True
            ):
                key = portfolio, name.decode()
                breached.append((key, float(beyond)))
                if bound:
                    used.append((key, abs(float(value) / float(bound))))
        yield _gauge("qflib_es", "Expected shortfall, reporting currency.", ["portfolio", "level", "kind"], es)
        yield _gauge("qflib_unpriced_positions", "Positions that nothing quoted prices.", ["portfolio"], unpriced)
        yield _gauge("qflib_limit_used_ratio", "A limit's value over its bound.", ["portfolio", "limit"], used)
        yield _gauge("qflib_limit_breached", "1: beyond its bound.", ["portfolio", "limit"], breached)
        standing = self._observed.standing
        yield CounterMetricFamily("qflib_hedge_orders", "Orders of the hedger.", value=standing.hedge_orders)
        yield CounterMetricFamily("qflib_hedge_fills", "Their fills.", value=standing.hedge_fills)
        yield CounterMetricFamily("qflib_hedge_rejects", "Those that were refused.", value=standing.hedge_rejects)
        if self._reports:
            yield CounterMetricFamily("qflib_risk_reports", "Risk reports seen.", value=self._observed.reports)


def _gauge(name: str, told: str, labels: list[str], rows: Iterable[tuple[tuple[Any, ...], float]]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, told, labels=labels)
    for values, n in rows:
        made.add_metric([str(v) for v in values], n)
    return made
