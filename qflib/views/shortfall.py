"""Expected shortfall through time: outcomes against their forecasts, and the scenario set in force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import QflibError
from qflib.records import Batch, ControlKind
from qflib.records.schema import Table
from qflib.records.tables import BY_KIND
from qflib.shortfall import ScenarioSet
from qflib.views.ring import Ring

_ROLLING: Table = BY_KIND["analytics"].by_name["rolling"]
_EVIDENCE: Table = BY_KIND["analytics"].by_name["evidence"]
_OUTCOMES = 20_000  # rows of a portfolio
_PROOFS = 40_000
_MOST_ROWS = 200  # of a period: eight a level
_SETS = 2  # the set in force, and the one that comes in


class ShortfallView:
    """Outcomes and scenarios.

    Examples
    --------
    >>> view = ShortfallView()
    >>> len(view.outcomes("DESK1")), view.scenarios is None
    (0, True)
    """

    def __init__(self) -> None:
        self._rolling: dict[str, Ring] = {}
        self._evidence: dict[str, Ring] = {}
        self._chunks: dict[str, dict[int, tuple[Any, Any]]] = {}
        self._complete: str | None = None
        self._set: ScenarioSet | None = None

    @property
    def scenarios(self) -> ScenarioSet | None:
        """The newest set of which all chunks have come in; None where there is none."""
        if self._complete is not None and (self._set is None or self._set.set_id != self._complete):
            self._set = ScenarioSet.from_tables(list(self._chunks[self._complete].values()))
        return self._set

    def scenario_set(self, set_id: str) -> ScenarioSet | None:
        """A set by its id, as a report names it; None where it is neither the newest nor the one before."""
        if self._complete == set_id:
            return self.scenarios
        chunks = dict(self._chunks.get(set_id, {}))
        try:
            return ScenarioSet.from_tables(list(chunks.values())) if chunks else None
        except QflibError:  # not all of it has come
            return None

    def outcomes(self, portfolio: str, outcome: str = "hypothetical", level: float | None = None) -> pd.DataFrame:
        """Outcomes of periods and the forecasts made at their start.

        Parameters
        ----------
        portfolio
            Whose.
        outcome
            "hypothetical" (the forecast's own positions) or "actual".
        level
            Default: the first one told.

        Returns
        -------
        DataFrame
            Index `time`; pnl, forecast_var, forecast_es, exceeded (the loss was greater than the VaR forecast), and
            the rolling var and es of `n` outcomes; var_weighted and es_weighted, exponentially (NaN: not made).
        """
        ring = self._rolling.get(portfolio)
        rows = np.zeros(0, _ROLLING.dtype) if ring is None else ring.last()
        rows = rows[rows["outcome"] == outcome.encode()]
        if len(rows):
            rows = rows[rows["level"] == (rows["level"][0] if level is None else level)]
        index = pd.DatetimeIndex(rows["time_ns"].astype("M8[ns]"), tz="UTC", name="time")
        made = pd.DataFrame({n: rows[n] for n in ("pnl", "forecast_var", "forecast_es", "var", "es", "n")}, index=index)
        made["exceeded"] = -made["pnl"] > made["forecast_var"]
        for name in ("var_weighted", "es_weighted"):
            made[name] = np.where(rows["decay"] > 0, rows[name], np.nan)
        return made

    def evidence(self, portfolio: str, *, periods: int | None = None) -> pd.DataFrame:
        """The e-backtest of those forecasts as it went on.

        Parameters
        ----------
        portfolio
            Whose.
        periods
            The newest so many; None: all that are kept.

        Returns
        -------
        DataFrame
            Index `time`; columns as in `Run.evidence`, a row a period, level, measure and betting.
        """
        ring = self._evidence.get(portfolio)
        newest = np.zeros(0, _EVIDENCE.dtype) if ring is None else ring.last(_MOST_ROWS)
        if ring is not None and len(newest):
            each = int((newest["time_ns"] == newest["time_ns"][-1]).sum())  # rows of a period
            newest = ring.last(None if periods is None else each * periods)
        texts = {c.name for c in _EVIDENCE.columns if c.type == "text"}
        names = [c.name for c in _EVIDENCE.columns if c.name != "time_ns"]
        data = {n: np.char.decode(newest[n], "utf-8").astype(object) if n in texts else newest[n] for n in names}
        index = pd.DatetimeIndex(newest["time_ns"].astype("M8[ns]"), tz="UTC", name="time")
        return pd.DataFrame(data, index=index)

    def take_rolling(self, batch: Batch, portfolio: str) -> None:
        """Fold the rolling figures and the evidence of an AnalyticsBatch in. The reader alone calls it."""
        if len(batch.rolling.level):
            self._rolling.setdefault(portfolio, Ring(_ROLLING.dtype, _OUTCOMES)).extend(
                _ROLLING.to_struct(batch.rolling)
            )

        if len(batch.evidence.level):
            self._evidence.setdefault(portfolio, Ring(_EVIDENCE.dtype, _PROOFS)).extend(
                _EVIDENCE.to_struct(batch.evidence)
            )

    def take_controls(self, batch: Batch) -> None:
        """Gather the chunks of a scenario set. The reader alone calls it."""
        if not (batch.controls.kind == ControlKind.SCENARIO_SET).any() or not len(batch.scenario_set.set_id):
            return
        head = batch.scenario_set
        set_id = head.set_id[0].decode()
        chunks = self._chunks.setdefault(set_id, {})
        chunks[int(head.chunk[0])] = head, batch.shocks
        if len(chunks) == int(head.chunks[0]):
            try:
                ScenarioSet.from_tables(list(chunks.values()))
            except QflibError:  # torn: its sender's and the exchange's concern
                del self._chunks[set_id]
                return
            self._complete = set_id
            for former in [s for s in self._chunks if s != set_id][: -_SETS + 1]:
                del self._chunks[former]
