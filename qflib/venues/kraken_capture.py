"""Captures of Kraken's websocket: lines ``time: json``, what we sent marked ``<-``; read and found out."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from qflib.errors import DataError
from qflib.records import Instrument, Instruments
from qflib.venues.kraken_book import decimals, seconds_to_ns
from qflib.venues.venue import Recording, frames_of

#: Rows of one chunk of frames: bounds memory, costs nothing a row.
_CHUNK_ROWS = 4096
SOURCE = "kraken:0"


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture, plain or gzipped, read through once to learn its pairs and times.

    Parameters
    ----------
    path
        The file.
    instruments
        The table to use; by default one row a pair that has a snapshot: tick and lot from its strings' decimals.

    Raises
    ------
    DataError
        If the file is missing, truncated, or holds no Kraken book.
    """
    found: dict[str, Instrument] = {}
    first = last = 0
    for receipt_ns, _, payload in _lines(path):
        first, last = first or receipt_ns, receipt_ns
        discover(payload, found)
    if not found:
        raise DataError(f"{path} holds no Kraken book snapshot; give a capture of lines `time: json`, or its venue")
    table = instruments if instruments is not None else Instruments(tuple(found.values()))
    return Recording("kraken", SOURCE, table, lambda: _chunks(path), first, last)


def _chunks(path: Path) -> Iterator[Any]:
    receipt: list[int] = []
    position: list[int] = []
    payloads: list[bytes] = []
    for t, p, payload in _lines(path):
        receipt.append(t)
        position.append(p)
        payloads.append(payload)
        if len(receipt) == _CHUNK_ROWS:
            yield frames_of(receipt, position, payloads)
            receipt, position, payloads = [], [], []
    if receipt:
        yield frames_of(receipt, position, payloads)


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(receipt time, line number, bytes) of what the venue sent; a line without a time has the one before it."""
    last = 0
    try:
        with _opened(path) as f:
            for number, line in enumerate(f):
                head, _, rest = line.partition(b": ")
                if b"<-" in head or b"->" in head or line.startswith(b"configuration"):
                    continue
                try:
                    last = max(last, seconds_to_ns(head.decode()))
                except (ValueError, UnicodeDecodeError):
                    rest = line
                if rest := rest.rstrip(b"\r\n"):
                    yield last, number, rest
    except FileNotFoundError:
        raise DataError(f"recording {path} does not exist; give the path of a Kraken capture") from None
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"recording {path} is truncated or unreadable ({e}); fetch it again") from None


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def discover(payload: bytes, found: dict[str, Instrument]) -> None:
    """Add the pair of a book snapshot to `found`: tick and lot from its strings' decimals."""
    if b'"as"' not in payload and b'"bs"' not in payload:
        return
    try:
        message = json.loads(payload)
        pair = str(message[-1])
        rows = [r for part in message[1:-2] for r in (part.get("as") or part.get("bs") or ())]
        price, qty = rows[0][0], rows[0][1]
        base, _, quote = pair.partition("/")
        if pair not in found and base:
            found[pair] = Instrument(
                pair, underlying=pair, quote_currency=quote or "USD", settlement_currency=quote or "USD",
                tick_schedule=(("0", _unit(decimals(price))),), lot=_unit(decimals(qty)),
                venue="kraken", venue_symbol=pair, source=SOURCE, levels=True,
            )  # fmt: skip
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return  # the decoder refuses the frame and says why


def _unit(places: int) -> str:
    return "1" if not places else f"0.{'0' * (places - 1)}1"
