"""Executions as they are made: numbered, gathered an input row, sent as one batch an underlying."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.records import EXECUTIONS, ExecType
from qflib.records.schema import frozen

#: Kinds whose signed `qty` is the change of the position; a FILL changes it by its side, a TRANSFER moves it.
SIGNED = (
    ExecType.BOOKING,
    ExecType.SETTLEMENT,
    ExecType.EXERCISE,
    ExecType.ASSIGNMENT,
    ExecType.DELIVERY,
    ExecType.BUST,
)


_COLUMNS = tuple((c.name, c.dtype, b"" if c.type == "text" else 0) for c in EXECUTIONS.columns)


@lru_cache(1024)  # read-only, so that one serves every batch of that length
def _zeros(dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    return frozen(np.zeros(n, dtype))


class ExecutionLog:
    """Numbers executions and holds those not sent yet."""

    def __init__(self) -> None:
        self.last_id = 0
        self._rows: list[dict[str, Any]] = []

    def add(self, exec_type: ExecType, instrument: int, time_ns: int, **columns: Any) -> int:
        """Write an execution; its id."""
        self.last_id += 1
        self._rows.append(
            {"exec_type": exec_type, "instrument": instrument, "exec_id": self.last_id, "time_ns": time_ns} | columns
        )
        return self.last_id

    def take(self) -> Any:
        """The executions gathered, as columns; None where there are none."""
        if not self._rows:
            return None
        rows, self._rows = self._rows, []
        told = set().union(*rows)
        return EXECUTIONS.Columns._make(
            frozen(np.array([r.get(n, zero) for r in rows], dtype)) if n in told else _zeros(dtype, len(rows))
            for n, dtype, zero in _COLUMNS
        )

    @property
    def pending(self) -> bool:
        """Whether anything is gathered."""
        return bool(self._rows)
