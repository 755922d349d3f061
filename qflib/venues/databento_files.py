"""DBN files, compressed or plain, fragments and DBZ, as frames: the metadata first, then one record a frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.records import FRAMES, Instrument, Instruments
from qflib.venues.databento_layouts import LAYOUTS, MBO, PASSED_OVER, UNDEFINED
from qflib.venues.databento_legacy import dbn_metadata, is_dbz
from qflib.venues.venue import Recording

_CHUNK_BYTES = 1 << 21  # of one chunk: bounds memory
_LONGEST_RECORD = 4 * 255
_LONGEST_METADATA = 1 << 28
_TYPES = frozenset(kind for kind, _ in LAYOUTS)
_ZSTD = b"\x28\xb5\x2f\xfd"


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A file of orders, levels, quotes or trades, read through once to learn its times and ticks.

    Parameters
    ----------
    path
        A ``.dbn`` or ``.dbn.zst`` file, DBN version 1 to 3, a fragment without metadata, or a legacy ``.dbz``, of a
        schema that tells of a book: mbo, mbp-1, mbp-10, trades, tbbo, bbo, cmbp-1, cbbo, tcbbo, status, statistics.
    instruments
        The table to use, such as that of a definition file. By default one row a symbol of the metadata (the
        instrument id where it has none), whose tick is the greatest common divisor of the prices seen.

    Raises
    ------
    DataError
        If the file is missing, truncated, not DBN, or of a schema without a book.
    """
    _, metadata = header_of(path)
    first = last = 0
    unit: dict[int, int] = {}
    orders, schema = False, str(metadata.schema) if metadata is not None else "unknown"
    for data, position in chunks_of_bytes(path):
        for start, size, n in runs(data, position, path):
            kind = data[start + 1]
            layout = LAYOUTS.get((kind, size))
            if layout is None or kind in PASSED_OVER:
                continue
            r = np.frombuffer(data, layout.dtype, n, start)
            times = r[_time_of(layout.dtype)]
            first, last = first or int(times[0]), max(last, int(times.max()))
            orders |= kind == MBO
            if instruments is None:
                for one in np.unique(r["instrument_id"]).tolist():
                    mine, _ = r[r["instrument_id"] == one], unit.setdefault(one, 0)
                    for name in layout.prices:
                        prices = mine[name][mine[name] != UNDEFINED]
                        unit[one] = int(np.gcd(unit.get(one, 0), np.gcd.reduce(prices) if len(prices) else 0))
    if not 0 < first <= last < UNDEFINED:
        raise DataError(f"{path} has schema {schema}, which tells of no book; give it to read_records")
    dataset = metadata.dataset.split(".")[0] if metadata is not None else "0"
    source = f"databento:{dataset}"
    table = instruments if instruments is not None else _discovered(metadata, unit, source, not orders)
    return Recording("databento", source, table, lambda: _chunks(path, first), first, last)


def opened(path: Path) -> Any:
    """The file's bytes, decompressed as they are read."""
    try:
        with path.open("rb") as f:
            start = f.read(12)
        packed = start[:4] == _ZSTD or is_dbz(start)
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") if packed else pa.OSFile(str(path))
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a DBN file") from None
    except OSError as e:
        raise DataError(f"recording {path} is unreadable ({e})") from None


def header_of(path: Path) -> tuple[bytes, Any]:
    """The encoded metadata, and decoded; empty and None for a fragment."""
    with opened(path) as f:
        start = _up_to(f, path, 8)
        if start[:3] == b"DBN":
            header = start + _exactly(f, path, int.from_bytes(start[4:8], "little"))
            return header, _decoded(path, header)
    with path.open("rb") as raw:
        if is_dbz(raw.read(12)):
            raw.seek(4)
            header = dbn_metadata(raw.read(min(int.from_bytes(raw.read(4), "little"), _LONGEST_METADATA)))
            return header, _decoded(path, header)
    if len(start) < 8 or not 16 <= 4 * start[0] <= _LONGEST_RECORD or start[1] not in _TYPES:
        raise DataError(f"{path} is not a DBN file: it begins with {start[:4]!r}; give its own venue")
    return b"", None


def _decoded(path: Path, header: bytes) -> Any:
    with decoding(f"{path} has metadata that"):
        return dbn.Metadata.decode(header)


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Run databento_dbn: its errors have no common base, and where it panics they are not even exceptions.

    Raises
    ------
    DataError
        If it raises or panics; `what` begins the sentence.
    """
    try:
        yield
    except DataError:
        raise
    except BaseException as e:
        if not (isinstance(e, Exception) or type(e).__name__ == "PanicException"):
            raise
        raise DataError(f"{what} cannot be decoded ({e}); fetch it again") from None


def chunks_of_bytes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Pieces of whole records, each with its place behind the metadata."""
    with opened(path) as f:
        start = _up_to(f, path, 8)
        if start[:3] == b"DBN":
            _exactly(f, path, int.from_bytes(start[4:8], "little"))
            start = b""
        else:
            header_of(path)
        position = 0
        for piece in _pieces(f, path, _CHUNK_BYTES):
            data = start + piece
            end = _whole_records(data, position, path)
            if end:
                yield data[:end], position
            start = data[end:]
            position += end
        if start and (end := _whole_records(start, position, path)):
            yield start[:end], position
            start, position = start[end:], position + end
        if start:
            raise DataError(f"recording {path} is truncated inside the record at byte {position}; fetch it again")


def runs(data: bytes, position: int, path: Any) -> Iterator[tuple[int, int, int]]:
    """(start, length of one, count) of records of one type and length that follow each other; whole records only."""
    a, start = np.frombuffer(data, np.uint8), 0
    while start < len(a):
        size = 4 * int(a[start])
        if size < 16 or start + size > len(a):
            raise DataError(f"recording {path} is broken at byte {position + start} behind its metadata: no record")
        same = (a[start::size] == a[start]) & _padded(a[start + 1 :: size] == a[start + 1], len(a[start::size]))
        n = int(same.argmin()) if not same.all() else len(same)
        n = min(n, (len(a) - start) // size)
        yield start, size, n
        start += n * size


def _padded(same: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    return same if len(same) == n else np.append(same, False)


def _whole_records(data: bytes, position: int, path: Path) -> int:
    """Where the last whole record ends."""
    a, end = np.frombuffer(data, np.uint8), 0
    while end < len(a):
        size = 4 * int(a[end])
        if size < 16:
            raise DataError(f"recording {path} is broken at byte {position + end} behind its metadata: no record")
        same = a[end::size] == a[end]
        n = min(int(same.argmin()) if not same.all() else len(same), (len(a) - end) // size)
        if n == 0:
            break
        end += n * size
    return end


def _chunks(path: Path, first: int) -> Iterator[Any]:
    header, _ = header_of(path)
    if header:
        yield FRAMES.make(
            receipt_ns=np.array([first], np.int64),
            position=np.array([0], np.uint64),
            length=np.array([len(header)], np.uint32),
            payload=header,
        )
    position, newest = 1, first
    for data, at in chunks_of_bytes(path):
        lengths: list[NDArray[np.uint32]] = []
        times: list[NDArray[np.int64]] = []
        for start, size, n in runs(data, at, path):
            layout = LAYOUTS.get((data[start + 1], size))
            lengths.append(np.full(n, size, np.uint32))
            if layout is None:
                times.append(np.zeros(n, np.int64))
            else:
                r = np.frombuffer(data, layout.dtype, n, start)
                times.append(r[_time_of(layout.dtype)].astype(np.int64))
        # Several publishers may be merged, and some records have no time: time as a stream sees it does not fall.
        receipt = np.maximum.accumulate(np.maximum(np.concatenate(times), newest))
        yield FRAMES.make(
            receipt_ns=receipt,
            position=np.arange(position, position + len(receipt), dtype=np.uint64),
            length=np.concatenate(lengths),
            payload=data,
        )
        position, newest = position + len(receipt), int(receipt[-1])


def _time_of(dtype: np.dtype[Any]) -> str:
    return "ts_recv" if "ts_recv" in (dtype.names or ()) else "ts_event"


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


def _discovered(metadata: Any, unit: dict[int, int], source: str, levels: bool) -> Instruments:
    """One row an instrument seen, by its symbol; a tick of 1e-9 where no price was seen."""
    symbols = {
        int(i["symbol"]): symbol
        for symbol, intervals in (metadata.mappings if metadata is not None else {}).items()
        for i in intervals
        if is_number(i["symbol"])
    }
    rows = {symbols.get(one, str(one)): Fraction(nanos or 1, 10**9) for one, nanos in unit.items()}
    return Instruments(
        tuple(
            Instrument(
                s,
                tick_schedule=(("0", decimal(tick)),),
                venue="databento",
                venue_symbol=s,
                source=source,
                levels=levels,
            )
            for s, tick in rows.items()
        )
    )


def is_number(symbol: str) -> bool:
    """Whether a symbol is an instrument id."""
    return symbol.isascii() and symbol.isdigit()


def decimal(f: Fraction) -> str:
    """A fraction of 10**9 as a decimal string."""
    whole_part, rest = divmod(f.numerator * (10**9 // f.denominator), 10**9)
    return f"{whole_part}.{rest:09d}".rstrip("0").rstrip(".")
