"""DBN files, zstd-compressed or plain, as frames: the metadata first, then one record a frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.records import FRAMES, Instrument, Instruments
from qflib.venues.venue import Recording

MBO = np.dtype(
    [
        ("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8"),
        ("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel_id", "u1"),
        ("action", "S1"), ("side", "S1"), ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
    ]
)  # fmt: skip
MBO_TYPE = 160
UNDEFINED = (1 << 63) - 1
#: Records of one chunk: bounds memory.
_CHUNK_ROWS = 32_768
_ZSTD = b"\x28\xb5\x2f\xfd"


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """An MBO file, read through once to learn its times and ticks.

    Parameters
    ----------
    path
        A ``.dbn`` or ``.dbn.zst`` file of schema mbo, DBN version 1 to 3.
    instruments
        The table to use, such as that of a definition file. By default one row a symbol of the metadata, whose tick
        is the greatest common divisor of the prices seen.

    Raises
    ------
    DataError
        If the file is missing, truncated, or not DBN of schema mbo.
    """
    header, metadata = _header(path)
    if str(metadata.schema) != "mbo":
        raise DataError(
            f"{path} has schema {metadata.schema}; give a file of schema mbo (definitions: its instruments)"
        )
    source = f"databento:{metadata.dataset.split('.')[0]}"
    first = last = 0
    unit: dict[int, int] = {}
    for r in _records(path, len(header)):
        first, last = first or int(r["ts_recv"][0]), max(last, int(r["ts_recv"].max()))
        if instruments is None:
            for one in np.unique(r["instrument_id"]).tolist():
                prices = r["price"][(r["instrument_id"] == one) & (r["price"] != UNDEFINED)]
                unit[one] = int(np.gcd(unit.get(one, 0), np.gcd.reduce(prices)))
    if not first:
        raise DataError(f"{path} holds no record; give a file with data")
    table = instruments if instruments is not None else _discovered(metadata, unit, source)
    return Recording("databento", source, table, lambda: _chunks(path, header, first), first, last)


def opened(path: Path) -> Any:
    """The file's bytes, decompressed as they are read."""
    try:
        with path.open("rb") as f:
            packed = f.read(4) == _ZSTD
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") if packed else pa.OSFile(str(path))
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a DBN file") from None
    except OSError as e:
        raise DataError(f"recording {path} is unreadable ({e})") from None


def whole(path: Path) -> bytes:
    """All bytes, decompressed.

    Raises
    ------
    DataError
        If the file is missing or truncated.
    """
    with opened(path) as f:
        return b"".join(_pieces(f, path, 1 << 20))


def _header(path: Path) -> tuple[bytes, Any]:
    with opened(path) as f:
        start = _exactly(f, path, 8)
        if start[:3] != b"DBN":
            raise DataError(f"{path} is not a DBN file: it begins with {start[:4]!r}; give its own venue")
        header = start + _exactly(f, path, int.from_bytes(start[4:8], "little"))
    try:
        return header, dbn.Metadata.decode(header)
    except Exception as e:  # the decoder's own errors have no common base
        raise DataError(f"{path} has metadata that cannot be decoded ({e}); fetch it again") from None


def _records(path: Path, skip: int) -> Iterator[NDArray[Any]]:
    with opened(path) as f:
        _exactly(f, path, skip)
        position = 0
        for data in _pieces(f, path, _CHUNK_ROWS * MBO.itemsize):
            if len(data) % MBO.itemsize:
                raise DataError(
                    f"recording {path} is truncated inside record {position + len(data) // 56}; fetch it again"
                )
            r = np.frombuffer(data, MBO)
            if (r["rtype"] != MBO_TYPE).any() or (r["length"] * 4 != MBO.itemsize).any():
                raise DataError(f"{path} holds other records than MBO near record {position}; split it by schema")
            position += len(r)
            yield r


def _chunks(path: Path, header: bytes, first: int) -> Iterator[Any]:
    yield FRAMES.make(
        receipt_ns=np.array([first], np.int64),
        position=np.array([0], np.uint64),
        length=np.array([len(header)], np.uint32),
        payload=header,
    )
    position, newest = 1, first
    for r in _records(path, len(header)):
        # Several publishers may be merged: time as a stream sees it does not fall.
        receipt = np.maximum.accumulate(np.maximum(r["ts_recv"].astype(np.int64), newest))
        yield FRAMES.make(
            receipt_ns=receipt,
            position=np.arange(position, position + len(r), dtype=np.uint64),
            length=np.full(len(r), MBO.itemsize, np.uint32),
            payload=r.view(np.uint8),
        )
        position, newest = position + len(r), int(receipt[-1])


def _pieces(f: Any, path: Path, size: int) -> Iterator[bytes]:
    """The rest of a stream in pieces of `size` bytes; the last may be shorter."""
    while data := _up_to(f, path, size):
        yield data
        if len(data) < size:
            return


def _exactly(f: Any, path: Path, size: int) -> bytes:
    data = _up_to(f, path, size)
    if len(data) < size:
        raise DataError(f"recording {path} is truncated inside its metadata; fetch it again")
    return data


def _up_to(f: Any, path: Path, size: int) -> bytes:
    parts, missing = [], size
    try:
        while missing and (data := f.read(min(missing, 1 << 22))):
            parts.append(data)
            missing -= len(data)
    except OSError as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None
    return b"".join(parts)


def _discovered(metadata: Any, unit: dict[int, int], source: str) -> Instruments:
    """One row an instrument seen, by its symbol; a tick of 1e-9 where no price was seen."""
    symbols = {
        int(i["symbol"]): symbol
        for symbol, intervals in metadata.mappings.items()
        for i in intervals
        if i["symbol"].isdigit()
    }
    rows = {symbols.get(one, str(one)): Fraction(nanos or 1, 10**9) for one, nanos in unit.items()}
    return Instruments(
        tuple(
            Instrument(s, tick_schedule=(("0", decimal(tick)),), venue="databento", venue_symbol=s, source=source)
            for s, tick in rows.items()
        )
    )


def decimal(f: Fraction) -> str:
    """A fraction of 10**9 as a decimal string."""
    whole_part, rest = divmod(f.numerator * (10**9 // f.denominator), 10**9)
    return f"{whole_part}.{rest:09d}".rstrip("0").rstrip(".")
