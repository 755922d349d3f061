"""Captures of websockets, a line a frame: ``time: json`` in seconds, or ``time json`` in nanoseconds.

What we sent is marked ``<-``; ``address -> time: body`` is what a REST request was answered. Lines of no known kind are
frames with the time of the one before.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from qflib.errors import DataError
from qflib.records import Instrument, Instruments
from qflib.venues.decimal_text import LAST_NS, seconds_to_ns
from qflib.venues.venue import Recording, answer_frame, frames_of

#: Rows of one chunk of frames: bounds memory, costs nothing a row.
_CHUNK_ROWS = 4096


class Told(NamedTuple):
    """How a venue's captures are read."""

    venue: str
    source: str
    #: Adds to a table by symbol what a frame makes known.
    discover: Callable[[bytes, dict[str, Instrument]], None]
    #: What a capture of the venue has at least, for the sentence of an error.
    at_least: str
    #: Whether REST answers are frames.
    answers: bool = False


def read_capture(path: Path, told: Told, instruments: Instruments | None = None, *beside: Path) -> Recording:
    """A capture, plain or gzipped, read through once to learn its instruments and times.

    Parameters
    ----------
    path
        The file.
    told
        How the venue's captures are read.
    instruments
        The table to use; by default what the frames tell.
    *beside
        Captures of the same time, merged by receipt time; where times are equal these come first.

    Raises
    ------
    DataError
        If a file is missing, truncated, or tells no instrument.

    Notes
    -----
    O(bytes); memory holds one chunk.
    """
    files = (*beside, path)
    found: dict[str, Instrument] = {}
    first = last = 0
    for receipt_ns, payload in _merged(files, told):
        first, last = first or receipt_ns, receipt_ns
        told.discover(payload, found)
    if not found:
        raise DataError(f"{path} holds no {told.at_least}; give a capture of lines `time: json`, or its venue")
    table = instruments if instruments is not None else Instruments(tuple(found.values()))
    return Recording(told.venue, told.source, table, lambda: _chunks(_merged(files, told)), first, last)


def _merged(files: Iterable[Path], told: Told) -> Iterator[tuple[int, bytes]]:
    return heapq.merge(*(_lines(f, told) for f in files), key=lambda line: line[0])


def _chunks(lines: Iterable[tuple[int, bytes]]) -> Iterator[Any]:
    receipt: list[int] = []
    payloads: list[bytes] = []
    first = 0
    for t, payload in lines:
        receipt.append(t)
        payloads.append(payload)
        if len(receipt) == _CHUNK_ROWS:
            yield frames_of(receipt, list(range(first, first + _CHUNK_ROWS)), payloads)
            first += _CHUNK_ROWS
            receipt, payloads = [], []
    if receipt:
        yield frames_of(receipt, list(range(first, first + len(receipt))), payloads)


def _lines(path: Path, told: Told) -> Iterator[tuple[int, bytes]]:
    """(receipt time, bytes) of what the venue sent; receipt times never fall."""
    last = 0
    try:
        with _opened(path) as f:
            for line in f:
                head, _, rest = line.partition(b" ")
                if rest.startswith((b"<-> ", b"<- ", b"-> ")) or head == b"configuration:":
                    if not (told.answers and rest.startswith(b"-> ")):
                        continue
                    address, (head, _, body) = head.decode("ascii", "replace"), rest[3:].partition(b" ")
                    rest = answer_frame(address, body.rstrip(b"\r\n"))
                try:
                    last = max(last, _time(head))
                except (ValueError, UnicodeDecodeError):
                    rest = line
                if rest := rest.rstrip(b"\r\n"):
                    yield last, rest
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a {told.venue} capture") from None
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None


def _time(head: bytes) -> int:
    if head.endswith(b":"):
        return seconds_to_ns(head[:-1].decode())
    if len(head) == 19 and head.isdigit() and (ns := int(head)) <= LAST_NS:
        return ns
    raise ValueError(f"{head!r:.24} is no time")


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]
