"""All records of a DBN file as DataFrames: what concerns no book (bars, definitions, imbalances, …) is read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.venues.databento_files import chunks_of_bytes, runs
from qflib.venues.databento_layouts import LAYOUTS, UNDEFINED, UNDEFINED_TIME, Layout


def read_records(path: str | Path) -> dict[str, pd.DataFrame]:
    """All records of a DBN file, version 1 to 3, a fragment or a legacy DBZ file: a frame a schema.

    Parameters
    ----------
    path
        The file, zstd-compressed or plain.

    Returns
    -------
    dict
        By schema name ("ohlcv" for all bars, whose period is the column ``rtype``): a row a record, in the file's
        order. Columns are the fields that Databento documents; prices are floats (NaN: undefined), times UTC
        (NaT: undefined), text is decoded.

    Raises
    ------
    DataError
        If the file is missing, truncated, or holds a record that is none of DBN's.

    Notes
    -----
    Holds all records in memory: O(bytes).

    Examples
    --------
    >>> from qflib.venues.databento_records import read_records
    >>> read_records("bars.dbn.zst")
    Traceback (most recent call last):
    qflib.errors.DataError: recording bars.dbn.zst does not exist; give the path of a DBN file
    """
    parts: dict[str, list[NDArray[Any]]] = {}
    layouts: dict[str, Layout] = {}
    for data, position in chunks_of_bytes(Path(path)):
        for start, size, n in runs(data, position, path):
            layout = LAYOUTS.get((data[start + 1], size))
            if layout is None:
                layout = Layout(f"type {data[start + 1]}", np.dtype([("bytes", f"V{size}")]), *[frozenset()] * 3)
            rows = np.frombuffer(data, layout.dtype, n, start)
            parts.setdefault(layout.name, []).append(rows)
            layouts[layout.name] = layout
    return {name: _frame(np.concatenate(rows), layouts[name]) for name, rows in parts.items()}


def _frame(rows: NDArray[Any], layout: Layout) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in rows.dtype.names or ():
        values = rows[name]
        if name in layout.hidden and not (name == "rtype" and layout.name == "ohlcv"):
            continue
        if name in layout.prices:
            columns[name] = np.where(values == UNDEFINED, np.nan, values / 1e9)
        elif name in layout.times:
            ns = values.astype(np.int64)
            ns[values == UNDEFINED_TIME] = np.datetime64("NaT").astype(np.int64)
            columns[name] = pd.DatetimeIndex(ns.astype("M8[ns]"), tz="UTC")
        elif values.dtype.kind == "S":
            columns[name] = np.array([v.decode("utf-8", "replace") for v in values.tolist()], object)
        else:
            columns[name] = values.copy()
    return pd.DataFrame(columns)
