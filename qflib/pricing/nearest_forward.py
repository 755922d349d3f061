"""Which instrument gives an underlying its forward, and when that expires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from qflib.records.instruments import Instruments


def nearest_forwards(
    instruments: Instruments, marks: Mapping[str, float], at: pd.Timestamp
) -> tuple[dict[str, float], dict[str, pd.Timestamp | None]]:
    """Underlying -> forward, NaN where none is quoted, and underlying -> when it expires, None for spot and perpetuals.

    The mid of the future that expires next, else of the perpetual, else of the spot; O(instruments).

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.pricing.nearest_forward import nearest_forwards
    >>> from qflib.records import Instrument, Instruments
    >>> rows = Instrument("A", kind="spot", underlying="A"), Instrument("A.P", kind="perpetual", underlying="A")
    >>> table = Instruments(rows)
    >>> nearest_forwards(table, {"A": 100.0, "A.P": 100.2}, pd.Timestamp("2026-01-05T14:30Z"))
    ({'A': 100.2}, {'A': None})
    """
    best: dict[str, tuple[tuple[int, int], float, pd.Timestamp | None]] = {}
    for r in instruments:
        mark = marks.get(r.symbol, float("nan"))
        expired = r.expiry is not None and r.expiry <= at
        if r.kind == "option" or expired or not np.isfinite(mark):
            continue
        when = 0 if r.expiry is None else r.expiry.as_unit("ns").value
        rank = ({"future": 0, "perpetual": 1, "spot": 2}[r.kind], when)
        if r.underlying not in best or rank < best[r.underlying][0]:
            best[r.underlying] = (rank, mark, r.expiry)
    forwards = {u: best[u][1] if u in best else float("nan") for u in instruments.underlyings}
    return forwards, {u: expiry for u, (_, _, expiry) in best.items()}
