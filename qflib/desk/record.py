"""What a run keeps of what the steps sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qflib.desk.standing import Standing
from qflib.records import BY_KIND, Batch, Instruments
from qflib.records.topics import ANALYTICS_RESULTS, ORDERS_EXECUTED, RISK_METRICS


class Recorder(Standing):
    """Keeps executions, risk reports, hedges, outcomes, evidence, components of ES, dead letters; else only the latest.

    Positions and Greeks of the desk's own portfolio are kept at the first report of each outcome period, for P&L
    explain.
    """

    def __init__(self, instruments: Instruments, outcome_ns: int, portfolio: str) -> None:
        super().__init__(instruments, portfolio)
        self.outcome_ns = outcome_ns
        self._parts: dict[str, list[Any]] = {}
        self._period = -1

    @classmethod
    def of(
        cls,
        instruments: Instruments,
        outcome_ns: int,
        portfolio: str,
        tables: Mapping[str, Any],
        reports: list[Batch],
    ) -> Recorder:
        """A recorder of what was kept elsewhere.

        Parameters
        ----------
        instruments, outcome_ns, portfolio
            As for a recorder of one's own.
        tables
            Columns by the names that `columns` takes.
        reports
            Whole risk reports of the portfolio: the first of each outcome period, and the last one.
        """
        made = cls(instruments, outcome_ns, portfolio)
        for name, columns in tables.items():
            made._keep(name, columns)
        periods = [int(r.risk.time_ns[0]) // outcome_ns for r in reports]
        made._parts["snapshots"] = [r for i, r in enumerate(reports) if not i or periods[i] != periods[i - 1]]
        if reports:
            made.latest["risk"] = reports[-1]
        return made

    def take(self, batch: Batch) -> None:
        """Note one batch."""
        super().take(batch)
        if batch.topic == ORDERS_EXECUTED:
            self._keep("executions", batch.executions)
        elif batch.topic == RISK_METRICS:
            self._take_risk(batch)
        elif batch.topic == ANALYTICS_RESULTS:
            self._keep("rolling", batch.rolling)
            self._keep("components", batch.components)
            self._keep("evidence", batch.evidence)
            self._keep("values", batch.values)
        elif batch.kind == "dead":
            self._keep("dead", batch.dead)

    def columns(self, name: str) -> Any:
        """All rows kept of a table: executions, risk, hedges, rolling, evidence, components, values, dead."""
        table = _TABLES[name]
        made = table.concat(self._parts.get(name, []))
        self._parts[name] = [made]
        return made

    def frame(self, name: str, time: str) -> pd.DataFrame:
        """Rows of a table as a DataFrame, indexed by a time column."""
        table, columns = _TABLES[name], self.columns(name)
        data = {c.name: _plain(c.type, getattr(columns, c.name)) for c in table.columns if c.type != "blob"}
        index = pd.DatetimeIndex(pd.to_datetime(data.pop(time), utc=True), name="time")
        return pd.DataFrame(data, index=index)

    def _keep(self, name: str, columns: Any) -> None:
        if len(columns[0]):
            self._parts.setdefault(name, []).append(columns)

    def _take_risk(self, batch: Batch) -> None:
        self._keep("risk", batch.risk)
        self._keep("hedges", batch.hedges)
        self._keep("limits", batch.limits)
        if batch.key != self.portfolio:
            return
        time_ns = int(batch.risk.time_ns[0])
        if time_ns // self.outcome_ns != self._period:
            self._period = time_ns // self.outcome_ns
            self._keep("positions", batch.positions)
            self._keep("greeks", batch.greeks)
            self._parts.setdefault("snapshots", []).append(batch)

    @property
    def snapshots(self) -> list[Batch]:
        """The first risk report of each outcome period."""
        return self._parts.get("snapshots", [])


def _plain(kind: str, values: Any) -> Any:
    return [v.decode() for v in values.tolist()] if kind == "text" else values


_TABLES = {
    "executions": BY_KIND["execution"].by_name["executions"],
    "risk": BY_KIND["risk"].by_name["risk"],
    "hedges": BY_KIND["risk"].by_name["hedges"],
    "limits": BY_KIND["risk"].by_name["limits"],
    "positions": BY_KIND["risk"].by_name["positions"],
    "greeks": BY_KIND["risk"].by_name["greeks"],
    "rolling": BY_KIND["analytics"].by_name["rolling"],
    "components": BY_KIND["analytics"].by_name["components"],
    "evidence": BY_KIND["analytics"].by_name["evidence"],
    "values": BY_KIND["analytics"].by_name["values"],
    "dead": BY_KIND["dead"].by_name["dead"],
}
