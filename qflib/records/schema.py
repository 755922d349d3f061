"""How a record is declared: columns make tables, tables make records.

One declaration gives the protobuf message, the NumPy dtype, and the DataFrame and Arrow columns.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError

ColumnType = Literal["u32", "i32", "u64", "i64", "f64", "text", "blob"]

#: NumPy type of each column type; text is held as bounded bytes, a blob as bytes of any length.
NUMPY_TYPE: dict[str, np.dtype[Any]] = {
    "u32": np.dtype("<u4"),
    "i32": np.dtype("<i4"),
    "u64": np.dtype("<u8"),
    "i64": np.dtype("<i8"),
    "f64": np.dtype("<f8"),
    "blob": np.dtype("u1"),
}
#: What any language sees in the schema: packed repeated scalars, strings, bytes.
PROTO_TYPE: dict[str, str] = {
    "u32": "repeated fixed32",
    "i32": "repeated sfixed32",
    "u64": "repeated fixed64",
    "i64": "repeated sfixed64",
    "f64": "repeated double",
    "text": "repeated string",
    "blob": "bytes",
}
TEXT_BYTES = 64  # the longest text a column holds, in UTF-8 bytes: inputs are bounded


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type, protobuf field number, unit and meaning.

    A `sparse` one is not written where all its rows are zero: records without it keep the bytes they had before it.
    """

    name: str
    type: ColumnType
    number: int
    doc: str = ""
    sparse: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"S{TEXT_BYTES}") if self.type == "text" else NUMPY_TYPE[self.type]


@dataclass(frozen=True)
class Table:
    """A set of columns of equal length (blobs apart), passed to kernels as a named tuple of arrays."""

    name: str
    columns: tuple[Column, ...]
    doc: str = ""

    @cached_property
    def Columns(self) -> Any:
        """The named tuple of arrays that kernels take; Numba compiles for it."""
        return namedtuple(self.name, [c.name for c in self.columns])

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Structured dtype of a row (blobs are not part of a row)."""
        return np.dtype([(c.name, c.dtype) for c in self.columns if c.type != "blob"])

    @cached_property
    def empty(self) -> Any:
        """No rows."""
        return self.make()

    def make(self, **arrays: Any) -> Any:
        """Columns from arrays; those not named are zero (or empty).

        Parameters
        ----------
        **arrays
            One-dimensional arrays or scalars, one a column. All of one length (scalars are repeated).

        Returns
        -------
        named tuple of read-only contiguous arrays

        Raises
        ------
        InputError
            If a column is unknown, lengths differ, or text is longer than 64 bytes.

        Examples
        --------
        >>> from qflib.records import MARKET_EVENTS
        >>> MARKET_EVENTS.make(kind=[1, 1], price_ticks=[100, 101]).price_ticks
        array([100, 101])
        """
        if not arrays.keys() <= self._by_name.keys():
            unknown = sorted(arrays.keys() - self._by_name.keys())[0]
            raise InputError(f"{self.name} has no column {unknown!r}; it has {', '.join(sorted(self._by_name))}")
        made: list[NDArray[Any] | None] = []
        rows = -1  # not known yet
        scalars = False
        for c, dtype in self._specs:
            a = _as_column(self.name, c, dtype, arrays[c.name]) if c.name in arrays else None
            made.append(a)
            if a is None or c.type == "blob":
                continue
            if a.ndim == 0:
                scalars = True
            elif rows == -1:
                rows = a.shape[0]
            elif rows != a.shape[0]:
                raise InputError(
                    f"columns of {self.name} have lengths {sorted((rows, a.shape[0]))}; give arrays of one length"
                )
        n = int(scalars) if rows == -1 else rows
        return self.Columns._make(_filled(c.type, dtype, a, n) for (c, dtype), a in zip(self._specs, made, strict=True))

    def from_struct(self, rows: NDArray[Any], **blobs: Any) -> Any:
        """Columns from a structured array of `dtype`."""
        return self.make(**{n: rows[n] for n in rows.dtype.names or ()}, **blobs)

    def to_struct(self, columns: Any) -> NDArray[Any]:
        """Structured array of `dtype` from columns."""
        out = np.empty(self.count(columns), self.dtype)
        for name in self.dtype.names or ():
            out[name] = getattr(columns, name)
        return out

    def count(self, columns: Any) -> int:
        """Number of rows."""
        for c in self.columns:
            if c.type != "blob":
                return len(getattr(columns, c.name))
        return 0

    def slice(self, columns: Any, start: int, stop: int) -> Any:
        """Rows start to stop, as views (tables without blobs)."""
        return self.Columns(*(a[start:stop] for a in columns))

    def take(self, columns: Any, index: NDArray[Any]) -> Any:
        """The rows at `index` (positions or a mask), copied."""
        return self.Columns(*(frozen(a[index]) for a in columns))

    def concat(self, parts: list[Any]) -> Any:
        """All rows of several column sets, in order."""
        if not parts:
            return self.empty
        if len(parts) == 1:
            return parts[0]
        return self.Columns(*(frozen(np.concatenate(arrays)) for arrays in zip(*parts, strict=True)))

    @cached_property
    def _specs(self) -> tuple[tuple[Column, np.dtype[Any]], ...]:
        return tuple((c, c.dtype) for c in self.columns)

    @cached_property
    def _by_name(self) -> Mapping[str, Column]:
        return {c.name: c for c in self.columns}


@dataclass(frozen=True)
class Record:
    """A record: what travels as one message. Its tables are fields of one protobuf message."""

    kind: str
    message: str
    number: int
    tables: tuple[tuple[str, Table, int], ...]
    doc: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, Table]:
        return {name: table for name, table, _ in self.tables}


def frozen(a: NDArray[Any]) -> NDArray[Any]:
    """The array, contiguous and read-only: kernels are compiled for one kind of array."""
    if not a.flags.c_contiguous:
        a = np.ascontiguousarray(a)
    a.setflags(write=False)
    return a


def _as_column(table: str, column: Column, dtype: np.dtype[Any], value: Any) -> NDArray[Any]:
    if type(value) is np.ndarray and value.dtype == dtype and value.ndim == 1:
        return value
    if type(value) is int and column.type not in ("text", "blob"):
        if 0 <= value < 2**31 or (-(2**63) <= value < 2**63 and column.type in ("i64", "f64")):
            return np.array(value, dtype)
    elif type(value) is float and column.type == "f64":
        return np.array(value, dtype)
    if column.type == "text":
        return _as_text(table, column, value)
    if column.type == "blob":
        data = (
            bytes(value) if isinstance(value, bytes | bytearray | memoryview) else np.asarray(value, np.uint8).tobytes()
        )
        return np.frombuffer(data, np.uint8)
    a = np.asarray(value)
    if a.ndim > 1:
        raise InputError(f"{table}.{column.name} is {a.ndim}-dimensional; give one dimension")
    if (a.dtype.kind not in "iufb" or (a.dtype.kind == "f" and column.type != "f64")) and a.size:
        raise InputError(f"{table}.{column.name} is {a.dtype}; give {dtype}")
    return a.astype(dtype, copy=False)


def _as_text(table: str, column: Column, value: Any) -> NDArray[Any]:
    if type(value) is str and value.isascii() and len(value) <= TEXT_BYTES and "\0" not in value:
        return np.array(value.encode(), column.dtype)
    a = np.asarray(value)
    if a.dtype.kind == "S":
        if a.dtype.itemsize > TEXT_BYTES and a.size and np.char.str_len(a).max() > TEXT_BYTES:
            raise InputError(f"{table}.{column.name} holds text longer than {TEXT_BYTES} bytes; shorten it")
        return a.astype(column.dtype, copy=False)
    coded = [str(v).encode() for v in a.ravel().tolist()]
    for c in coded:
        if len(c) > TEXT_BYTES:
            raise InputError(f"{table}.{column.name} holds {c[:20]!r}… of {len(c)} bytes; {TEXT_BYTES} at most")
        if b"\0" in c:
            raise InputError(f"{table}.{column.name} holds a zero byte in {c!r}; leave it out")
    return np.array(coded, column.dtype).reshape(a.shape)


def _filled(kind: str, dtype: np.dtype[Any], a: NDArray[Any] | None, n: int) -> NDArray[Any]:
    if a is None:
        return _zeros(dtype, 0 if kind == "blob" else n)
    if a.ndim == 0:
        made = np.empty(n, dtype)
        made[...] = a
        made.setflags(write=False)
        return made
    if not a.flags.writeable and a.flags.c_contiguous:
        return a
    # A view, so that the caller's own array stays writeable.
    return frozen(a.view())


@lru_cache(1024)  # read-only, so one array serves every batch of that length
def _zeros(dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    return frozen(np.zeros(n, dtype))
