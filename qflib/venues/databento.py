"""Databento: orders, levels, quotes, trades and states (DBN, any version) to market events.

Source of the layout: databento.com/docs/schemas-and-data-formats/mbo. A record is 56 bytes in all versions.
"""

from __future__ import annotations

import itertools
from datetime import date
from fractions import Fraction
from typing import Any

import databento_dbn as dbn
import numpy as np
from numpy.typing import NDArray

from qflib.errors import DataError
from qflib.records import MARKET_EVENTS, DeadReason, EventFlag, EventKind, Header, Instruments, Side
from qflib.venues.databento_definitions import instruments
from qflib.venues.databento_files import decoding, is_number, read
from qflib.venues.databento_layouts import LAYOUTS, MBO, PASSED_OVER, UNDEFINED
from qflib.venues.databento_quotes import TOLD, events
from qflib.venues.databento_records import read_records
from qflib.venues.venue import Decoded, Refusal, State, frame_offsets

__all__ = ["Decoder", "instruments", "read", "read_records"]

#: What each action is; 0: nothing for a book. A fill (F) tells of the resting side of a trade: the cancel or modify
#: that follows it takes the quantity away, so that a fill must not.
_KIND = np.zeros(256, np.uint32)
for _action, _kind in (
    (b"A", EventKind.ADD),
    (b"M", EventKind.MODIFY),
    (b"C", EventKind.CANCEL),
    (b"R", EventKind.CLEAR),
    (b"T", EventKind.TRADE),
):
    _KIND[_action[0]] = _kind
_IGNORED = np.zeros(256, bool)
_IGNORED[[ord("F"), ord("N")]] = True
_SIDE = np.zeros(256, np.uint32)
_SIDE[ord("B")], _SIDE[ord("A")] = Side.BID, Side.ASK
_LAST, _SNAPSHOT, _MAYBE_BAD_BOOK = 128, 32, 4


class Decoder:
    """Records of one connection to market events; what concerns no book (bars, definitions, …) is passed over.

    The first frame of a recording is the file's metadata, whose symbology names the instrument ids; a record whose
    id it does not name is looked up by the id as venue symbol.

    Parameters
    ----------
    instruments
        The table; an instrument is found by its venue symbol.
    source
        The connection, "databento:GLBX".

    Notes
    -----
    Vectorised: O(records), 0.1 µs each. A gap in the channel shows as the flag F_MAYBE_BAD_BOOK: it is counted and
    told once an instrument, at a row with GAP, until a record of it has no such flag. The book goes on: there is no
    snapshot to wait for.
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source
        #: Rows (instrument id, from ns, to ns, row of the table or -1), sorted by id and from.
        self._named = np.zeros((0, 4), np.int64)
        self._unit = _units(instruments)
        #: Instrument ids whose records are flagged.
        self._doubted: set[int] = set()
        #: Those of which no row was made since.
        self._unmarked: set[int] = set()
        self.gaps = 0

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        n, at = len(frames.length), frame_offsets(frames)
        payload = frames.payload
        if len(payload) < at[-1]:
            return Decoded(refused=tuple(Refusal(i, DeadReason.TORN, "bytes are missing") for i in range(n)))
        kinds = np.zeros(n, np.int64)
        long = frames.length >= 2
        kinds[long] = payload[at[:-1][long] + 1]
        parts: list[Any] = []
        refused: list[Refusal] = []
        shape = kinds << 32 | frames.length
        edges = [0, *(np.flatnonzero(shape[1:] != shape[:-1]) + 1).tolist(), n] if n else []
        for start, stop in itertools.pairwise(edges):
            kind, size = int(kinds[start]), int(frames.length[start])
            layout = LAYOUTS.get((kind, size))
            receipt = frames.receipt_ns[start:stop]
            if layout is not None and kind in (MBO, *TOLD):
                rows = np.frombuffer(payload[at[start] : at[stop]], layout.dtype)
                begun = self._doubt(rows, start, refused)
                make = self._records if kind == MBO else self._quotes
                made, source = make(rows, receipt, start, refused)
                parts.append(self._marked(made, source, rows, begun))
            elif layout is None or kind not in PASSED_OVER:
                for i in range(start, stop):
                    self._other(i, payload[at[i] : at[i + 1]].tobytes(), refused)
        return Decoded(parts[0] if len(parts) == 1 else MARKET_EVENTS.concat(parts), tuple(sorted(refused)))

    def restart(self, receipt_ns: int) -> Decoded:
        """Nothing: there is no snapshot to wait for."""
        return Decoded()

    @property
    def checks(self) -> dict[str, int]:
        """Gaps flagged so far; the format has no checksums."""
        return {"gaps": self.gaps}

    def state(self) -> State:
        """The symbology, flagged instrument ids, and gaps."""
        doubted, unmarked = (np.array(sorted(ids), np.int64) for ids in (self._doubted, self._unmarked))
        return {
            "named": self._named,
            "doubted": doubted,
            "unmarked": unmarked,
            "counts": np.array([self.gaps], np.int64),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self._named = state["named"].reshape(-1, 4)
        self._doubted, self._unmarked = set(state["doubted"].tolist()), set(state["unmarked"].tolist())
        (self.gaps,) = state["counts"].tolist()

    def _doubt(self, r: NDArray[Any], first: int, refused: list[Refusal]) -> list[tuple[int, int]]:
        """Tell of gaps that Databento flags; the records count. Ids whose next row is to be marked, from which on."""
        begun = [(one, 0) for one in sorted(self._unmarked)]
        if "flags" not in (r.dtype.names or ()):
            return begun
        flagged = (r["flags"] & _MAYBE_BAD_BOOK) != 0
        if not self._doubted and not flagged.any():
            return begun
        for i, (one, bad) in enumerate(zip(r["instrument_id"].tolist(), flagged.tolist(), strict=True)):
            if bad and one not in self._doubted:
                self._doubted.add(one)
                begun.append((one, i))
                self.gaps += 1
                said = f"instrument id {one} has flag F_MAYBE_BAD_BOOK: a gap in the channel was not filled"
                refused.append(Refusal(first + i, DeadReason.GAP, said))
            elif not bad:
                self._doubted.discard(one)
        return begun

    def _marked(self, made: Any, source: NDArray[np.int64], r: NDArray[Any], begun: list[tuple[int, int]]) -> Any:
        """Events with GAP at the first row of each id from its record on; who has none is marked later."""
        self._unmarked = set()
        if not begun:
            return made
        flags, ids = made.flags.copy(), r["instrument_id"][source]
        for one, record in begun:
            rows = np.flatnonzero((ids == one) & (source >= record))
            if len(rows):
                flags[rows[0]] |= np.uint32(EventFlag.GAP)
            else:
                self._unmarked.add(one)
        return made._replace(flags=flags)

    def _records(
        self, r: NDArray[Any], receipt_ns: NDArray[np.int64], first: int, refused: list[Refusal]
    ) -> tuple[Any, NDArray[np.int64]]:
        """Rows of order by order records, and the record of each."""
        action = r["action"].view(np.uint8)
        kind = _KIND[action]
        told = (kind != 0) | ~_IGNORED[action]
        at = self._rows_of(r["instrument_id"], r["ts_recv"])
        known = at >= 0
        row = np.where(known, at, 0)
        price, undefined = r["price"], r["price"] == UNDEFINED
        # Prices come in 1e-9: exact multiples of the tick, or refused.
        unit = self._unit[row]
        ticks = np.where(undefined, 0, price) // unit
        on_tick = undefined | (ticks * unit == price)
        needs_price = (kind != EventKind.CLEAR) & (kind != EventKind.CANCEL)
        good = known & (kind != 0) & on_tick & ~(undefined & needs_price)
        bad = np.flatnonzero(told & ~good).tolist()
        refused.extend(Refusal(first + i, *_why(r[i], bool(known[i]), int(kind[i]))) for i in bad)
        keep = np.flatnonzero(good)
        r, flags = r[keep], r["flags"][keep]
        made = MARKET_EVENTS.make(
            kind=kind[keep],
            flags=((flags & _LAST) != 0) * np.uint32(EventFlag.LAST)
            + ((flags & _SNAPSHOT) != 0) * np.uint32(EventFlag.SNAPSHOT),
            instrument=row[keep].astype(np.uint32),
            side=_SIDE[r["side"].view(np.uint8)],
            order_id=r["order_id"],
            price_ticks=ticks[keep],
            qty=r["size"].astype(np.int64),
            venue_ns=r["ts_event"].astype(np.int64),
            receipt_ns=receipt_ns[keep],
        )
        return made, keep

    def _quotes(
        self, r: NDArray[Any], receipt_ns: NDArray[np.int64], first: int, refused: list[Refusal]
    ) -> tuple[Any, NDArray[np.int64]]:
        """Rows of quotes, levels, trades and statistics, and the record of each."""
        at = self._rows_of(r["instrument_id"], r["ts_recv"])
        made, good, source = events(r, int(r["rtype"][0]), at, self._unit[np.maximum(at, 0)], receipt_ns)
        for i in np.flatnonzero((at < 0) | ~good).tolist():
            why = DeadReason.UNKNOWN_INSTRUMENT if at[i] < 0 else DeadReason.BAD_VALUE
            said = (
                f"instrument id {r[i]['instrument_id']} is not in the table" if at[i] < 0 else "a price is off the tick"
            )
            refused.append(Refusal(first + i, why, said))
        return made, source

    def _rows_of(self, ids: NDArray[np.uint32], received: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Table rows of instrument ids; -1 where unknown."""
        named, wanted, times = self._named, ids.astype(np.int64), received.astype(np.int64)
        out = np.full(len(ids), -1, np.int64)
        for one in np.unique(wanted).tolist():
            mine = wanted == one
            rows = named[named[:, 0] == one]
            if not len(rows):
                out[mine] = self.instruments.by_venue_symbol.get(("databento", str(one)), -1)
            for _, start, stop, row in rows.tolist():
                out[mine & ((times >= start) & (times < stop) if len(rows) > 1 else True)] = row
        return out

    def _other(self, frame: int, payload: bytes, refused: list[Refusal]) -> None:
        """A frame that is no MBO record: metadata, or something that is passed over or refused."""
        if payload.startswith(b"DBN"):
            try:
                with decoding("metadata"):
                    self._name(dbn.Metadata.decode(payload))
            except DataError as e:
                refused.append(Refusal(frame, DeadReason.UNPARSABLE, str(e)))
        elif len(payload) < 16 or payload[0] * 4 != len(payload):
            refused.append(Refusal(frame, DeadReason.UNPARSABLE, f"{len(payload)} bytes are no DBN record"))
        else:
            refused.append(Refusal(frame, DeadReason.UNKNOWN_KIND, f"record type {payload[1]}"))

    def _name(self, metadata: Any) -> None:
        rows = []
        for symbol, intervals in metadata.mappings.items():
            row = self.instruments.by_venue_symbol.get(("databento", symbol), -1)
            rows += [
                (int(i["symbol"]), _ns(i["start_date"]), _ns(i["end_date"]), row)
                for i in intervals
                if row >= 0 and is_number(i["symbol"])
            ]
        made = np.array(sorted({*rows, *map(tuple, self._named.tolist())}), np.int64).reshape(-1, 4)
        self._named = made


def _units(table: Instruments) -> NDArray[np.int64]:
    """Each instrument's tick in 1e-9; 1 where a tick is finer or no multiple of it."""
    nanos = [Fraction(int(n) * 10**9, int(d)) for n, d in zip(table.tick_num, table.tick_den, strict=True)]
    return np.array([u.numerator if u.denominator == 1 else 1 for u in nanos] or [1], np.int64)


def _ns(day: date) -> int:
    return int(np.datetime64(day, "ns").astype(np.int64))


def _why(r: Any, known: bool, kind: int) -> tuple[DeadReason, str]:
    if kind == 0:
        return DeadReason.UNKNOWN_KIND, f"action {r['action']!r}"
    if not known:
        return DeadReason.UNKNOWN_INSTRUMENT, _unknown(r)
    if r["price"] == UNDEFINED:
        return DeadReason.BAD_VALUE, "the price is undefined"
    return DeadReason.BAD_VALUE, f"price {r['price']}e-9 is off the tick"


def _unknown(r: Any) -> str:
    return f"instrument id {r['instrument_id']} is not in the table"
