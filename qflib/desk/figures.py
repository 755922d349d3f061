"""Figures of promoted steps as frames: a column a field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.records import Instruments


def figures_of(values: Any, instruments: Instruments, step: str | None = None) -> pd.DataFrame:
    """Rows of `Values` as a step's output rows.

    Parameters
    ----------
    values
        Columns of the table, as they were sent: of each output row all fields, one after the other.
    instruments
        The table that they refer to.
    step
        Whose; None: the only one's.

    Returns
    -------
    pandas.DataFrame
        Index `time` (UTC); columns step, instrument, and a column a field; of several steps, those of each in turn.

    Raises
    ------
    InputError
        If there are figures, and none of this step.

    Examples
    --------
    >>> from qflib.records import VALUES, Instrument, Instruments
    >>> rows = VALUES.make(step=["vol"] * 2, version=[1, 1], instrument=[0, 0], time_ns=[5, 5],
    ...                    field=["a", "b"], value=[1.0, 2.0])
    >>> figures_of(rows, Instruments((Instrument("ACME", kind="spot"),)))[["a", "b"]].to_numpy().tolist()
    [[1.0, 2.0]]
    """
    names = values.step
    there = [n.decode() for n in dict.fromkeys(names.tolist())]
    if step is not None and there and step not in there:
        raise InputError(f"there are no figures of step {step!r}; there are some of {', '.join(there)}")
    symbols = np.array([r.symbol for r in instruments], object)
    parts = []
    for name in there if step is None else [step]:
        at = np.flatnonzero(names == name.encode())
        fields = list(dict.fromkeys(values.field[at].tolist()))
        rows = at.reshape(-1, len(fields)) if len(at) else at.reshape(0, 0)
        first = rows[:, 0] if len(rows) else at
        index = pd.DatetimeIndex(values.time_ns[first].astype("M8[ns]"), tz="UTC", name="time")
        columns = {f.decode(): values.value[rows[:, i]] for i, f in enumerate(fields)}
        parts.append(pd.DataFrame({"step": name, "instrument": symbols[values.instrument[first]], **columns}, index))
    return pd.concat(parts) if parts else pd.DataFrame({"step": [], "instrument": []}, pd.DatetimeIndex([], tz="UTC"))
