"""NASDAQ TotalView-ITCH 5.0: messages of files and MoldUDP64 packets to order events.

Orders that an execution, cancel or replacement names by id alone are completed from what was told of them, so that
each row has its side and price.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels import itch as kernel
from qflib.kernels.order_memory import loaded, new_memory, saved, with_room
from qflib.records import MARKET_EVENTS, DeadReason, EventFlag, Header, Instruments
from qflib.venues.itch_files import read, read_messages
from qflib.venues.itch_messages import SHAPES
from qflib.venues.new_york import day_ns
from qflib.venues.venue import Decoded, Refusal, State

__all__ = ["Decoder", "read", "read_messages"]

#: What a session's problems say, by reason.
_SAID = {
    DeadReason.UNPARSABLE: "{b} bytes are no message and no MoldUDP64 packet",
    DeadReason.TORN: "message {kind} of {b} bytes, or a packet cut short",
    DeadReason.UNKNOWN_KIND: "message type {kind} of {b} bytes",
    DeadReason.UNKNOWN_INSTRUMENT: "stock locate {b} of message {kind} was not told",
    DeadReason.BAD_VALUE: "order {b} replaces {a}, which is not live, or a quantity is out of range",
    DeadReason.GAP: "sequence number {a} expected, {b} came",
}


class Decoder:
    """ITCH messages of one connection to order events.

    A locate is the stock that the directory (R), else the first message with a stock, names; a table may also have
    locates as venue symbols ("7"). Messages of stocks that the table lacks are passed over.

    Parameters
    ----------
    instruments
        The table; a stock is found by its venue symbol ("AAPL").
    source
        The connection, "itch:0".

    Notes
    -----
    One kernel call a batch, O(bytes). Trades (P, Q) are told without a side; a status is that of H, and CLOSED at the
    end of system hours (S, E); the start of messages (S, O) clears every book. A gap in a session's sequence is
    counted, told, and marked (GAP) at the next row of each instrument; there is no snapshot to wait for. Packets that
    come twice (lines A and B) count once.
    """

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source
        mine = {symbol: row for (venue, symbol), row in instruments.by_venue_symbol.items() if venue == "itch"}
        names = sorted(
            (_name(symbol), row) for symbol, row in mine.items() if len(symbol.encode("latin-1", "replace")) <= 8
        )
        rows = np.full(65_536, kernel.UNTOLD, np.int64)
        for symbol, row in mine.items():
            if symbol.isascii() and symbol.isdigit() and int(symbol) < len(rows):
                rows[int(symbol)] = row
        self._state = kernel.ItchState(
            memory=new_memory(),
            rows=rows,
            names=np.array([n for n, _ in names], np.uint64),
            name_rows=np.array([r for _, r in names], np.int64),
            sessions=np.zeros((kernel.SESSIONS, 4), np.uint64),
            counts=np.zeros(kernel.N_COUNTS, np.int64),
        )
        self._missed = np.zeros(len(instruments), np.uint8)  # a gap's first row of the instrument is still to come

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        n = len(frames.length)
        if n == 0:
            return Decoded()
        longest = int(frames.length.max())
        room = 2 * n + longest // 7 + len(self._state.name_rows) + 2
        parts: list[Any] = []
        problems: list[NDArray[np.int64]] = []
        start: Any = 0
        at: Any = 0
        while start < n:
            midnight, stop = _day(frames.receipt_ns, start)
            out, wrong = _room(room), np.zeros((256, 4), np.int64)
            self._state = self._state._replace(memory=with_room(self._state.memory, longest // 14 + 2))
            here = start
            start, at, made, told = kernel.decode(
                self._state,
                frames.payload,
                frames.length,
                frames.receipt_ns,
                SHAPES,
                start,
                stop,
                at,
                midnight,
                out,
                wrong,
            )
            self._mark_gaps(out.flags, out.instrument[:made], wrong[:told])
            parts.append(MARKET_EVENTS.make(**{name: a[:made] for name, a in zip(out._fields, out, strict=True)}))
            problems.append(wrong[:told])
            if start == here and at + int(frames.length[start]) > len(frames.payload):
                missing = [Refusal(i, DeadReason.TORN, "bytes are missing") for i in range(start, n)]
                return Decoded(_joined(parts), (*_refusals(problems), *missing))
        return Decoded(_joined(parts), _refusals(problems))

    def _mark_gaps(
        self, flags: NDArray[np.uint32], instrument: NDArray[np.uint32], problems: NDArray[np.int64]
    ) -> None:
        """After a gap in the sequence, the first row of each instrument has GAP. O(rows) while some are to come."""
        gaps = (-1 - problems[problems[:, 1] == DeadReason.GAP, 0]).tolist()
        at = 0
        for i, stop in enumerate((*gaps, len(instrument))):
            rows = instrument[at:stop]
            if self._missed.any() and self._missed[rows].any():
                who, first = np.unique(rows, return_index=True)
                flags[at + first[self._missed[who] == 1]] |= np.uint32(EventFlag.GAP)
                self._missed[who] = 0
            if i < len(gaps):
                self._missed[:] = 1
            at = stop

    def restart(self, receipt_ns: int) -> Decoded:
        """Books stay, as there is no snapshot to wait for; the next row of each instrument tells a gap."""
        self._missed[:] = 1
        return Decoded()

    @property
    def checks(self) -> dict[str, int]:
        """Gaps in sessions' sequences, and messages that came twice."""
        return {"gaps": int(self._state.counts[kernel.GAPS]), "doubled": int(self._state.counts[kernel.DOUBLED])}

    def state(self) -> State:
        """Live orders, what each locate is, and where each session stands."""
        s = self._state
        orders = saved(s.memory)
        return {f"orders.{n}": orders[n].copy() for n in orders.dtype.names or ()} | {
            "rows": s.rows.copy(), "sessions": s.sessions.reshape(-1).copy(), "counts": s.counts.copy(),
            "missed": self._missed.copy(),
        }  # fmt: skip

    def load(self, state: State) -> None:
        """Go on from a state."""
        cells = np.zeros(len(state["orders.id"]), self._state.memory.cells.dtype)
        for name in cells.dtype.names or ():
            cells[name] = state[f"orders.{name}"]
        self._state = self._state._replace(
            memory=loaded(cells),
            rows=state["rows"].copy(),
            sessions=state["sessions"].reshape(kernel.SESSIONS, 4).copy(),
            counts=state["counts"].copy(),
        )
        self._missed = state["missed"].copy()


def _name(symbol: str) -> int:
    return int.from_bytes(symbol.encode("latin-1", "replace").ljust(8))


def _room(rows: int) -> Any:
    """Columns without values: what is not written is never looked at, and costs no memory."""
    return kernel.Rows(*(np.empty(rows, MARKET_EVENTS.dtype[name]) for name in kernel.Rows._fields))


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else MARKET_EVENTS.concat(parts)


def _day(receipt_ns: NDArray[np.int64], start: int) -> tuple[int, int]:
    """Midnight of the day in New York of a frame's receipt, and the first frame after it of another day."""
    midnight, following = day_ns(int(receipt_ns[start]))
    other = (receipt_ns[start:] < midnight) | (receipt_ns[start:] >= following)
    return midnight, start + int(other.argmax()) if other.any() else len(receipt_ns)


def _refusals(problems: list[NDArray[np.int64]]) -> tuple[Refusal, ...]:
    made = []
    for frame, reason, a, b in np.concatenate(problems).tolist():
        why = DeadReason(reason)
        kind = repr(chr(a)) if 0 <= a < 256 else ""
        made.append(Refusal(max(frame, -1), why, _SAID[why].format(kind=kind, a=a % 2**64, b=b % 2**64)))
    return tuple(sorted(made))
