"""The simulated market's own raw format: columns of market events behind a short header.

A frame's payload, little-endian: ``b"QFSM"``, version (u32, 1), rows (u64), then column after column:
order_id u64, price_ticks i64, qty i64, venue_ns i64, receipt_ns i64, kind u32, flags u32, instrument u32, side u32.
`instrument` is the row of the simulated market's own table: the so-many-th row of venue "sim" in any table that
holds them. A column is one run of bytes, so that decoding makes views.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import StateError
from qflib.records import MARKET_EVENTS, DeadReason, EventFlag, EventKind, Header, Instruments, Side
from qflib.records.schema import frozen
from qflib.venues.venue import Decoded, Refusal, State

VENUE = "sim"
MAGIC = b"QFSM"
VERSION = 1
_HEADER = struct.Struct("<4sIQ")
#: Wide columns first, so that every one is aligned.
LAYOUT = ("order_id", "price_ticks", "qty", "venue_ns", "receipt_ns", "kind", "flags", "instrument", "side")
_DTYPES = {c.name: c.dtype for c in MARKET_EVENTS.columns}
ROW_BYTES = sum(_DTYPES[name].itemsize for name in LAYOUT)
_FLAGS = int(EventFlag.LAST | EventFlag.SNAPSHOT)


def encode(events: Any) -> bytes:
    """A payload of `MARKET_EVENTS` columns whose instruments are rows of the simulated market's table.

    O(rows): one copy.

    Examples
    --------
    >>> from qflib.records import MARKET_EVENTS
    >>> len(encode(MARKET_EVENTS.make(kind=[1, 3], price_ticks=[100, 100])))
    128
    """
    head = _HEADER.pack(MAGIC, VERSION, len(events.kind))
    return b"".join([head, *(getattr(events, name).data for name in LAYOUT)])


def rows_in(size: int, frames: int = 1) -> int:
    """Rows in so many bytes of so many whole frames.

    Examples
    --------
    >>> rows_in(128)
    2
    """
    return (size - frames * _HEADER.size) // ROW_BYTES


class Decoder:
    """Frames of one simulated connection as `MARKET_EVENTS` columns; one whole frame gives views of its bytes.

    Parameters
    ----------
    instruments
        The table; its rows of venue "sim" are the simulated market's, in its order.
    source
        The connection, as "sim:ACME": a frame may hold only its instruments.

    Examples
    --------
    >>> from qflib.records import FRAMES, MARKET_EVENTS, Header, Instrument, Instruments
    >>> table = Instruments((Instrument("ACME.F", venue="sim", source="sim:ACME"),))
    >>> payload = encode(MARKET_EVENTS.make(kind=[1], price_ticks=[100], qty=[5], side=[1]))
    >>> frames = FRAMES.make(length=[len(payload)], payload=payload)
    >>> Decoder(table, "sim:ACME").decode(frames, Header()).events.price_ticks
    array([100])
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        rows = [i for i, r in enumerate(instruments) if r.venue == VENUE]
        self._rows = np.array(rows, np.uint32)
        self._identity = rows == list(range(len(rows)))
        self._known = np.array([instruments[i].source == source for i in rows], np.bool_)
        self._own = [i for i in rows if instruments[i].source == source]

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; a frame that is wrong is refused, whole.

        Never raises on bad bytes. O(rows).
        """
        parts: list[Any] = []
        refused: list[Refusal] = []
        at = 0
        for i, length in enumerate(frames.length.tolist()):
            payload = frames.payload[at : at + length]
            at += length
            try:
                parts.append(self._events(payload, length))
            except _Wrong as e:
                refused.append(Refusal(i, e.reason, e.detail))
        events = parts[0] if len(parts) == 1 else MARKET_EVENTS.concat(parts)
        return Decoded(events, tuple(refused))

    def restart(self, receipt_ns: int) -> Decoded:
        """Frames were lost: a CLEAR for every book of the connection."""
        own = np.array(self._own, np.uint32)
        flags = int(EventFlag.LAST | EventFlag.GAP)
        return Decoded(
            MARKET_EVENTS.make(
                kind=np.full(len(own), EventKind.CLEAR, np.uint32),
                flags=np.full(len(own), flags, np.uint32),
                instrument=own,
                receipt_ns=np.full(len(own), receipt_ns, np.int64),
            )
        )

    def state(self) -> State:
        """Nothing is kept between frames."""
        return {}

    def load(self, state: State) -> None:
        """Nothing to take up.

        Raises
        ------
        StateError
            If the state is another decoder's.
        """
        if state:
            raise StateError(f"the simulated market's decoder keeps no state; {sorted(state)} is another decoder's")

    @property
    def checks(self) -> dict[str, int]:
        """The format has no checksums or sequence of its own."""
        return {"right": 0, "wrong": 0, "gaps": 0}

    def _events(self, payload: NDArray[np.uint8], length: int) -> Any:
        n = _rows(payload, length)
        columns: dict[str, NDArray[Any]] = {}
        at = _HEADER.size
        for name in LAYOUT:
            dtype = _DTYPES[name]
            columns[name] = payload[at : at + n * dtype.itemsize].view(dtype)
            at += n * dtype.itemsize
        self._check(columns, n)
        if not self._identity:
            columns["instrument"] = self._rows[columns["instrument"]]
        return MARKET_EVENTS.Columns(*(frozen(columns[c.name]) for c in MARKET_EVENTS.columns))

    def _check(self, columns: dict[str, NDArray[Any]], n: int) -> None:
        if n == 0:
            return
        kind = columns["kind"]
        if kind.min() < EventKind.ADD or kind.max() > EventKind.SETTLEMENT:
            bad = kind[(kind < EventKind.ADD) | (kind > EventKind.SETTLEMENT)][0]
            raise _Wrong(DeadReason.UNKNOWN_KIND, f"kind {bad} is no EventKind")
        for name, most in (("side", int(Side.ASK)), ("flags", _FLAGS)):
            if columns[name].max() > most:
                raise _Wrong(DeadReason.BAD_VALUE, f"{name} {columns[name].max()} is above {most}")
        if columns["qty"].min() < 0:
            raise _Wrong(DeadReason.BAD_VALUE, f"qty {columns['qty'].min()} is negative")
        who = columns["instrument"]
        if who.max() >= len(self._known) or not self._known[who].all():
            bad = next(i for i in who.tolist() if i >= len(self._known) or not self._known[i])
            raise _Wrong(DeadReason.UNKNOWN_INSTRUMENT, f"instrument {bad} is not of this connection")


class _Wrong(Exception):
    def __init__(self, reason: DeadReason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _rows(payload: NDArray[np.uint8], length: int) -> int:
    """Rows that the header promises and the bytes hold."""
    if len(payload) < length:
        raise _Wrong(DeadReason.TORN, f"the frame has {len(payload)} of {length} bytes")
    if length < _HEADER.size:
        raise _Wrong(DeadReason.TORN, f"{length} bytes are too few for a header of {_HEADER.size}")
    magic, version, n = _HEADER.unpack(payload[: _HEADER.size].tobytes())
    if magic != MAGIC or version != VERSION:
        raise _Wrong(DeadReason.UNPARSABLE, f"{magic!r} version {version} is not {MAGIC!r} version {VERSION}")
    if length != _HEADER.size + n * ROW_BYTES:
        raise _Wrong(DeadReason.TORN, f"{n} rows of {ROW_BYTES} bytes do not fill {length} bytes")
    return int(n)
