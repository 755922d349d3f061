"""Figures of promoted steps as frames: a column a field."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
        for fields, rows in _runs(values.field[at], values.version[at]):
            first = at[rows[:, 0]]
            index = pd.DatetimeIndex(values.time_ns[first].astype("M8[ns]"), tz="UTC", name="time")
            columns = {f.decode(): values.value[at[rows[:, i]]] for i, f in enumerate(fields)}
            parts.append(
                pd.DataFrame({"step": name, "instrument": symbols[values.instrument[first]], **columns}, index)
            )
    return pd.concat(parts) if parts else pd.DataFrame({"step": [], "instrument": []}, pd.DatetimeIndex([], tz="UTC"))


def _runs(fields: NDArray[Any], versions: NDArray[Any]) -> Iterator[tuple[list[bytes], NDArray[np.int64]]]:
    """Stretches of rows that tell the same fields, and where each value stands, (rows, fields).

    A step promoted anew may tell others: a row ends where a field comes again, or the version changes.
    """
    n, own = len(fields), list(dict.fromkeys(fields.tolist()))
    if n and not n % len(own) and (fields.reshape(-1, len(own)) == np.array(own)).all():
        yield own, np.arange(n).reshape(-1, len(own))
        return
    rows: list[list[int]] = []
    seen: set[bytes] = set()
    for i, field in enumerate(fields.tolist()):
        if not rows or field in seen or versions[i] != versions[i - 1]:
            rows.append([])
            seen = set()
        rows[-1].append(i)
        seen.add(field)
    for told, run in groupby(rows, lambda row: fields[row].tolist()):
        yield told, np.array(list(run), np.int64)
