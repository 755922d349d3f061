"""What is known of one portfolio: the latest exposure of each underlying, and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.records import Batch, ControlKind

F8 = NDArray[np.float64]


class Sums:
    """Latest exposures of one portfolio, by underlying and scenario set.

    Vectors of one set add up; those of two don't. While a new set comes in, the last one that every underlying has
    sent is reported on.
    """

    def __init__(self, order: tuple[str, ...]) -> None:
        self._order = {u: i for i, u in enumerate(order)}
        self._by_set: dict[str, dict[str, Batch]] = {}
        self.latest: dict[str, Batch] = {}
        self._forecasts: dict[str, Batch] = {}  # the last exposure of each underlying that carried one

    def put(self, batch: Batch) -> bool:
        """Take an exposure in; True where a position or a hedge order's fate changed, or a control came."""
        row = batch.exposure
        underlying, set_id = row.underlying[0].decode(), row.set_id[0].decode()
        former = self.latest.get(underlying)
        if len(batch.vectors.client) == 0:
            if former is None:
                return False
            batch = _renewed(former, batch)
        if len(batch.forecast.client):
            self._forecasts[underlying] = batch
        self.latest[underlying] = batch
        self._by_set.setdefault(set_id, {})[underlying] = batch
        complete = self.complete_set()
        for old in [s for s in self._by_set if s not in (complete, set_id)]:
            del self._by_set[old]
        # an underlying that is new waits for the next report: at the start they come one by one
        told = (batch.controls.kind != ControlKind.SCENARIO_SET).any()
        return bool(told) or (former is not None and _fate(former) != _fate(batch))

    def complete_set(self) -> str:
        """The newest scenario set that every underlying has sent; empty while there is none."""
        sets = [s for s, by in self._by_set.items() if len(by) == len(self.latest)]
        return sets[-1] if sets else ""

    def set_ids(self) -> list[str]:
        """Scenario sets of which exposures are held."""
        return list(self._by_set)

    def parts(self) -> list[Batch]:
        """The exposures of the complete set, in instrument-table order."""
        by = self._by_set.get(self.complete_set(), {})
        return [by[u] for u in sorted(by, key=self._order.__getitem__)]

    def time_ns(self) -> int:
        """Market time of the underlying that is furthest behind."""
        return min((int(b.exposure.time_ns[0]) for b in self.latest.values()), default=0)

    def vectors(self) -> tuple[F8, F8]:
        """Scenario P&L of the client's positions and of the hedges, summed in instrument-table order."""
        parts = self.parts()
        n = len(parts[0].vectors.client) if parts else 0
        client, hedge = np.zeros(n), np.zeros(n)
        for b in parts:
            client += b.vectors.client
            hedge += b.vectors.hedge
        return client, hedge

    def forecast(self) -> tuple[F8, list[Any]] | None:
        """Scenario P&L over the outcome horizon that has just begun, and the positions it is of.

        None unless every underlying has made one in this horizon.
        """
        time_ns = self.time_ns()
        made = [self._forecasts.get(u) for u in sorted(self.latest, key=self._order.__getitem__)]
        whole: list[Batch] = [b for b in made if b is not None]
        if not whole or len(whole) < len(made) or len({b.exposure.set_id[0] for b in whole}) != 1:
            return None
        if any(b.exposure.time_ns[0] // b.exposure.outcome_ns[0] != time_ns // b.exposure.outcome_ns[0] for b in whole):
            return None
        total = np.zeros(len(whole[0].forecast.client))
        for b in whole:
            total += b.forecast.client
            total += b.forecast.hedge
        return total, [b.positions for b in whole]

    def unpriced(self) -> int:
        """Positions that nothing quoted prices."""
        return sum(int(b.exposure.unpriced[0]) for b in self.parts())

    def vector_error(self) -> float:
        """Greatest errors found in the vectors summed when their grids were tried, added up; 0: there is no grid."""
        return float(sum(float(b.exposure.vector_error.sum()) for b in self.parts()))

    def actual_pnl(self) -> float:
        """Realised and unrealised P&L since the start, less fees."""
        return float(sum(float(b.exposure.actual_pnl[0]) for b in self._in_order()))

    def positions(self) -> list[Any]:
        """Position rows of every underlying."""
        return [b.positions for b in self._in_order()]

    def _in_order(self) -> list[Batch]:
        return [self.latest[u] for u in sorted(self.latest, key=self._order.__getitem__)]

    def batches(self) -> list[Batch]:
        """Every exposure held, from which `put` rebuilds the sums."""
        held = [b for by in self._by_set.values() for b in by.values()]
        return [*self._forecasts.values(), *held]


def _fate(batch: Batch) -> tuple[object, ...]:
    h = batch.hedge_instruments
    return (
        *h.position.tolist(),
        *h.last_hedge_no.tolist(),
        *h.last_rejected.tolist(),
        batch.positions.qty.tobytes(),
    )


def _renewed(former: Batch, batch: Batch) -> Batch:
    """A later exposure without change: the former's tables at the later one's time."""
    keep = {n: former.tables[n] for n in former.tables if n not in ("exposure", "controls", "forecast")}
    exposure = batch.exposure._replace(set_id=former.exposure.set_id)
    return Batch("exposures", {**keep, "exposure": exposure, "controls": batch.controls}, batch.header)
