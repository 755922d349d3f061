"""CSV, Parquet, Arrow and JSON-lines files as pieces of DataFrames, with errors that are sentences."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qflib.errors import DataError
from qflib.records import Instruments

#: Rows of a piece: bounds memory.
_ROWS = 65_536
_ARROW = (".arrow", ".feather", ".ipc")
KINDS = ".csv, .csv.gz, .jsonl, .parquet, .arrow"


def pieces(path: Path) -> Iterator[pd.DataFrame]:
    """The file's rows, a bounded number at a time.

    Raises
    ------
    DataError
        If the file is missing, truncated, not of a kind known by its name's end, or malformed.
    """
    if not path.exists():
        raise DataError(f"file {path} does not exist; give a path ending with {KINDS}")
    try:
        yield from _pieces(path)
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException, pd.errors.ParserError) as e:
        raise DataError(f"file {path} is truncated or malformed: {str(e).splitlines()[0] if str(e) else e!r}") from None


def table_in(path: Path) -> Instruments | None:
    """The instrument table in a Parquet or Arrow file's metadata; None where there is none.

    Raises
    ------
    DataError
        If the file is missing or malformed, or the table in it is.
    """
    if path.suffix not in (".parquet", *_ARROW):
        return None
    if not path.exists():
        raise DataError(f"file {path} does not exist; give a path ending with {KINDS}")
    try:
        schema = pq.read_schema(path) if path.suffix == ".parquet" else _arrow(path).schema
    except (OSError, ValueError, pa.ArrowException) as e:
        raise DataError(f"file {path} is truncated or malformed: {str(e).splitlines()[0]}") from None
    text = (schema.metadata or {}).get(b"qflib.instruments")
    if text is None:
        return None
    with tempfile.NamedTemporaryFile(suffix=".toml") as f:
        f.write(text)
        f.flush()
        return Instruments.from_toml(f.name)


def _pieces(path: Path) -> Iterator[pd.DataFrame]:
    name = path.name
    if name.endswith((".csv", ".csv.gz")):
        with pd.read_csv(path, chunksize=_ROWS) as frames:
            yield from frames
    elif name.endswith((".jsonl", ".ndjson")):
        with pd.read_json(path, lines=True, chunksize=_ROWS, dtype=False) as frames:
            yield from frames
    elif path.suffix == ".parquet":
        with pq.ParquetFile(path) as f:
            for batch in f.iter_batches(_ROWS):
                yield _flat(batch)
    elif path.suffix in _ARROW:
        f = _arrow(path)
        for i in range(f.num_record_batches):
            yield _flat(f.get_batch(i))
    else:
        raise DataError(f"file name {name!r} ends with an unknown kind; expected {KINDS}")


def _flat(batch: pa.RecordBatch) -> pd.DataFrame:
    """With a named index, as pandas keeps one in Parquet, among the columns."""
    batch.validate(full=True)  # pyarrow believes what a file says of lengths and text: a broken one ends the process
    frame: pd.DataFrame = batch.to_pandas()
    return frame if frame.index.name is None else frame.reset_index()


def _arrow(path: Path) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(str(path)))
