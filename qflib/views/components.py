"""Who causes the expected shortfall, as the reports last told it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qflib.records import COMPONENTS, Batch, Instruments
from qflib.records.frames import to_frame


class ComponentsView:
    """The last contributions of each portfolio.

    Parameters
    ----------
    instruments
        The instrument table.

    Examples
    --------
    >>> from qflib.records import Instruments
    >>> ComponentsView(Instruments()).latest("DESK1").empty
    True
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._latest: dict[str, Any] = {}

    def time_ns(self, portfolio: str) -> int:
        """Market time of the report that the last contributions are of; 0: there are none."""
        columns = self._latest.get(portfolio)
        return 0 if columns is None else int(columns.time_ns[0])

    def latest(self, portfolio: str) -> pd.DataFrame:
        """The last contributions as `Run.components` shows them; rows of "position" and of "greek" each sum to `es`.

        O(rows).
        """
        return to_frame(self._latest.get(portfolio, COMPONENTS.empty), COMPONENTS, self._instruments)

    def take(self, batch: Batch, portfolio: str) -> None:
        """Fold an AnalyticsBatch in. The reader alone calls it."""
        if len(batch.components.es):
            self._latest[portfolio] = batch.components
