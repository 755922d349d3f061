"""What the decoders of venues that tell levels share: frames taken whole or refused, books trusted or cleared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass, field, fields
from typing import Any, ClassVar

import msgspec
import numpy as np

from qflib.records import DeadReason, EventFlag, EventKind, Header, Instruments, Side
from qflib.records.schema import TEXT_BYTES
from qflib.venues.decimal_text import Units
from qflib.venues.rows import Refused, Row, clear_row, columns_of, send
from qflib.venues.venue import Decoded, Refusal, State, payloads_of

#: Changes of one symbol that are kept for its snapshot, in frames; what comes beyond is refused.
_KEPT = 4096
#: What msgspec and the readers of numbers and times raise.
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError)


@dataclass(slots=True)
class Followed:
    """Where one symbol's channels stand; numbers are the venue's own.

    Parameters
    ----------
    live
        1: the book is whole.
    last
        Number (or time) of the newest change taken.
    fresh
        1: nothing was taken since the snapshot.
    trade
        Number of the newest trade; -1: none yet.
    told
        1: the book's own channel was heard, so that quotes say nothing new.
    tape
        Which of two channels of trades is taken; 0: none yet.
    """

    live: int = 0
    last: int = 0
    fresh: int = 0
    trade: int = -1
    told: int = 0
    tape: int = 0


_FIELDS = len(fields(Followed))


@dataclass(slots=True)
class Frame:
    """A frame on its way to rows: they count only where all of it could be used.

    Parameters
    ----------
    receipt_ns
        When it came.
    made
        Its rows so far.
    symbols
        Whose books it changes, as far as that is known.
    counted
        Its number was taken: where it cannot be used, any book may lack it.
    cleared
        CLEAR rows of books that it broke, which count anyway.
    notes
        What is missing before it, whether or not it could be used.
    """

    receipt_ns: int
    made: list[Row] = field(default_factory=list)
    cleared: list[Row] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    counted: bool = False
    notes: list[tuple[DeadReason, str]] = field(default_factory=list)


class LevelDecoder(ABC):
    """Frames of one connection to LEVEL, QUOTE and TRADE rows; a venue says how it reads one.

    Parameters
    ----------
    instruments
        The table; an instrument is found by its venue symbol.
    source
        The connection, "binance:0".

    Notes
    -----
    A book is cleared, and waits for its snapshot, when a change is missing (`GAP`) or could not be used: what a venue
    without checksums tells after it cannot be trusted. O(rows) a frame.
    """

    venue: ClassVar[str]

    def __init__(self, instruments: Instruments, source: str) -> None:
        self.instruments, self.source = instruments, source
        self.followed: dict[str, Followed] = {}
        self.gaps = 0
        self._kept: dict[str, list[bytes]] = {}
        self._units = self._made_units(instruments)

    @abstractmethod
    def _frame(self, payload: bytes, f: Frame) -> None:
        """Read one frame into `f`, or raise `Refused`; state changes only when nothing can fail any more."""

    def decode(self, frames: Any, header: Header) -> Decoded:
        """Take `FRAMES` columns in; events in frame order, and the frames refused."""
        rows: list[Row] = []
        refused: list[Refusal] = []
        for i, (payload, receipt_ns) in enumerate(zip(payloads_of(frames), frames.receipt_ns.tolist(), strict=False)):
            f = Frame(receipt_ns)
            try:
                if not payload.isascii():
                    payload.decode()  # msgspec passes over what is no text where it is not asked for
                self._frame(payload, f)
            except Refused as e:
                self._distrust(f, unknown=False)
                f.notes.append((e.reason, e.detail))
            except _UNREADABLE as e:
                self._distrust(f, unknown=True)
                f.notes.append((DeadReason.UNPARSABLE, str(e)))
            rows.extend(f.cleared)
            rows.extend(f.made)
            refused.extend(Refusal(i, *note) for note in f.notes)
        return Decoded(self._columns(rows), tuple(refused))

    def restart(self, receipt_ns: int) -> Decoded:
        """Clear every book that was alive; each waits for its snapshot, and numbers begin anew."""
        f = Frame(receipt_ns)
        self._kill_all(f)
        for s in self.followed.values():
            s.trade = -1
        self._kept.clear()
        return Decoded(self._columns(f.cleared))

    def _columns(self, rows: list[Row]) -> Any:
        return columns_of(rows)

    @property
    def numbered(self) -> bool:
        """Whether numbers show that a frame is missing; else one that cannot be read may have been anyone's."""
        return True

    @property
    def checks(self) -> dict[str, int]:
        """Gaps in the venue's numbers so far."""
        return {"gaps": self.gaps}

    def state(self) -> State:
        """Where each symbol stands, and the frames kept for snapshots."""
        kept = [(i, p) for i, s in enumerate(self.followed) for p in self._kept.get(s, ())]
        return {
            "symbols": np.array([s.encode() for s in self.followed], f"S{TEXT_BYTES}"),
            "followed": np.array([astuple(s) for s in self.followed.values()], np.int64).reshape(-1, _FIELDS),
            "counts": np.array([self.gaps], np.int64),
            "kept": np.array([(i, len(p)) for i, p in kept], np.int64).reshape(-1, 2),
            "kept_bytes": np.frombuffer(b"".join(p for _, p in kept), np.uint8),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        symbols = [s.decode() for s in state["symbols"].tolist()]
        self.followed = {s: Followed(*row) for s, row in zip(symbols, state["followed"].tolist(), strict=True)}
        (self.gaps,) = state["counts"].tolist()
        self._kept, at, blob = {}, 0, state["kept_bytes"].tobytes()
        for i, length in state["kept"].reshape(-1, 2).tolist():
            self._kept.setdefault(symbols[i], []).append(blob[at : at + length])
            at += length

    def _made_units(self, instruments: Instruments) -> Units:
        return Units(instruments)

    def _at(self, symbol: str) -> int:
        """Row of a symbol."""
        at = self.instruments.by_venue_symbol.get((self.venue, symbol))
        if at is None:
            raise Refused(DeadReason.UNKNOWN_INSTRUMENT, symbol)
        return at

    def _of(self, symbol: str) -> Followed:
        """Where a symbol of the table stands."""
        return self.followed.setdefault(symbol, Followed())

    def _keep(self, symbol: str, payload: bytes) -> None:
        """Keep a change until the snapshot that it belongs to comes."""
        kept = self._kept.setdefault(symbol, [])
        if len(kept) >= _KEPT:
            raise Refused(DeadReason.BEFORE_SNAPSHOT, f"{symbol} waits for a snapshot, and {_KEPT} changes with it")
        kept.append(payload)

    def _gap(self, detail: str) -> Refused:
        """A change is missing before this frame: counted, and the frame refused."""
        self.gaps += 1
        return Refused(DeadReason.GAP, detail)

    def _trade_number(self, f: Frame, s: Followed, symbol: str, first: int, last: int) -> None:
        """Follow the numbers of trades; missing ones are told of, and counted."""
        if s.trade >= 0 and first > s.trade + 1:
            self.gaps += 1
            f.notes.append((DeadReason.GAP, f"{symbol} trades {s.trade + 1} to {first - 1} are missing"))
        s.trade = max(s.trade, last)

    def _snapshot(self, f: Frame, at: int, sides: dict[Side, Any], venue_ns: int) -> None:
        """CLEAR and LEVEL rows of (price, quantity) texts."""
        flag = EventFlag.SNAPSHOT
        made = [clear_row(at, f.receipt_ns, flag)]
        for side, levels in sides.items():
            made += self._levels(f, at, side, levels, venue_ns, flag)
        send(f.made, made)

    def _levels(self, f: Frame, at: int, side: Side, levels: Any, venue_ns: int, flags: int = 0) -> list[Row]:
        """LEVEL rows of (price, quantity) texts."""
        price, qty, kind, receipt_ns = self._units.price, self._units.qty, EventKind.LEVEL, f.receipt_ns
        try:
            return [(kind, flags, at, side, price(at, p), qty(at, q), venue_ns, receipt_ns) for p, q in levels]
        except ValueError as e:
            raise Refused(DeadReason.BAD_VALUE, str(e)) from None

    def _quote(self, f: Frame, at: int, tops: dict[Side, tuple[str, str]], venue_ns: int) -> None:
        """QUOTE rows of a best price and its quantity a side; an empty price is an empty side."""
        made: list[Row] = []
        for side, (price, qty) in tops.items():
            if price:
                [row] = self._levels(f, at, side, [(price, qty)], venue_ns)
                made.append((EventKind.QUOTE, *row[1:]))
            else:
                made.append((EventKind.QUOTE, 0, at, side, 0, 0, venue_ns, f.receipt_ns))
        send(f.made, made)

    def _trade(self, f: Frame, at: int, aggressor: Side, price: str, qty: str, venue_ns: int) -> None:
        [row] = self._levels(f, at, aggressor, [(price, qty)], venue_ns)
        send(f.made, [(EventKind.TRADE, *row[1:])])

    def _distrust(self, f: Frame, *, unknown: bool) -> None:
        """A frame was not used: the book that it may have changed is no longer whole."""
        f.made.clear()
        for symbol in f.symbols:
            self._kill(symbol, f)
        if unknown and not f.symbols and (f.counted or not self.numbered):
            self._kill_all(f)

    def _kill_all(self, f: Frame) -> None:
        for symbol in self.followed:
            self._kill(symbol, f)

    def _kill(self, symbol: str, f: Frame) -> None:
        """The symbol's book waits for a snapshot."""
        s = self.followed.get(symbol)
        if s is not None and s.live:
            s.live = 0
            f.cleared.append(clear_row(self._at(symbol), f.receipt_ns))
