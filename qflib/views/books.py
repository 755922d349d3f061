"""Books, tops and venue trades as analytics.results tells them, with minutes of depth behind."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.records import Batch, Instruments, Side, TradingStatus
from qflib.views.marks import marks_of
from qflib.views.ring import Ring
from qflib.views.stamp import Stamp

LEVELS = 20
_DEPTHS = 6_000  # a book: 25 minutes at 4 a second, 5 minutes at 20
_TOPS = 20_000  # a book's
_TRADES = 20_000  # an instrument's
_MARKS = 40_000  # an instrument's: as long as depth, with some ten prices and sides a moment
#: A moment of a book: prices in ticks, quantities in lots, best first; a level that is not there has quantity 0.
DEPTH_ROW = np.dtype(
    [("seq", "i8"), ("time_ns", "i8"), ("append_ns", "i8")]
    + [(name, "i8", (LEVELS,)) for name in ("bid_ticks", "bid_qty", "ask_ticks", "ask_qty")]
)
TOP_ROW = np.dtype(
    [(n, "i8") for n in ("seq", "time_ns", "append_ns", "bid_ticks", "bid_qty", "ask_ticks", "ask_qty", "last_ticks")]
)
TRADE_ROW = np.dtype([("seq", "i8"), ("side", "u4"), ("price_ticks", "i8"), ("qty", "i8"), ("venue_ns", "i8"),
                      ("receipt_ns", "i8")])  # fmt: skip
_NO_LEVELS = np.zeros((0, 2), np.int64)
_NO_LEVELS.setflags(write=False)


class Trades(NamedTuple):
    """The venue's trades of one instrument in one record, in order."""

    instrument: int
    stamp: Stamp
    rows: NDArray[Any]  # of TRADE_ROW


@dataclass(frozen=True, slots=True)
class BookState:
    """One book at one moment; what is to be had of it, ours left out.

    Parameters
    ----------
    symbol, instrument
        Which; its row of the instrument table.
    stamp
        Sequence, time, age.
    status
        The venue's trading status.
    bids, asks
        (n, 2) int64 ticks and lots, best first, at most 20; of an option its quote. Read-only.
    last_ticks, last_qty
        The last trade; quantity 0: none.
    """

    symbol: str
    instrument: int
    stamp: Stamp
    status: TradingStatus
    bids: NDArray[np.int64]
    asks: NDArray[np.int64]
    last_ticks: int
    last_qty: int


class BookView:
    """The books of a desk.

    Parameters
    ----------
    instruments
        The instrument table.

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> view = BookView(Instruments((Instrument("ACME.F", kind="spot"),)))
    >>> view.latest("ACME.F") is None, view.trades("ACME.F").size
    (True, 0)
    """

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = instruments
        self._is_option = [r.kind == "option" for r in instruments]  # of one the newest quote alone is kept
        self._latest: list[BookState | None] = [None] * len(instruments)
        self._newest_ns = 0
        self._depth: dict[int, Ring] = {}
        self._tops: dict[int, Ring] = {}
        self._trades: dict[int, Ring] = {}
        self._marks: dict[int, Ring] = {}
        self._traded_seq: dict[int, int] = {}
        self._lock = Lock()  # over the tables of rings

    def latest(self, instrument: str | int) -> BookState | None:
        """A book as it stands; None where nothing has been told of it yet.

        Raises
        ------
        UnknownInstrumentError
            If it is not in the table.
        """
        return self._latest[self._at(instrument)]

    def every(self) -> list[BookState]:
        """All books of which something was told, in the order of the table."""
        return [b for b in self._latest if b is not None]

    def depth(self, instrument: str | int, n: int | None = None) -> NDArray[Any]:
        """The newest moments of a book (`DEPTH_ROW`), oldest first; O(rows)."""
        return self._of(self._depth, instrument, DEPTH_ROW, n)

    def depth_since(self, instrument: str | int, seq: int) -> NDArray[Any]:
        """The moments of a book after a sequence, as far as they are kept; O(rows given)."""
        return _after(self._depth.get(self._at(instrument)), DEPTH_ROW, seq)

    def tops(self, instrument: str | int, n: int | None = None) -> NDArray[Any]:
        """The newest tops (`TOP_ROW`) of a book, oldest first; of an option none are kept."""
        return self._of(self._tops, instrument, TOP_ROW, n)

    def trades(self, instrument: str | int, n: int | None = None) -> NDArray[Any]:
        """The newest venue trades (`TRADE_ROW`), oldest first."""
        return self._of(self._trades, instrument, TRADE_ROW, n)

    def trades_since(self, instrument: str | int, seq: int) -> NDArray[Any]:
        """The venue trades after a sequence, as far as they are kept."""
        return _after(self._trades.get(self._at(instrument)), TRADE_ROW, seq)

    def trade_marks(self, instrument: str | int, seq: int = -1) -> NDArray[Any]:
        """The venue trades (`TRADE_ROW`) after a sequence, those of one record, price and side as one: they reach as
        far back as depth does.
        """
        return _after(self._marks.get(self._at(instrument)), TRADE_ROW, seq)

    def market_time_ns(self, underlying: str | None = None) -> int:
        """Receipt time of the newest event told of, of one underlying (O(instruments)) or of all; 0: none."""
        if underlying is None:
            return self._newest_ns
        told = (b for b in self._latest if b is not None and self.instruments[b.instrument].underlying == underlying)
        return max((b.stamp.time_ns for b in told), default=0)

    def tops_frame(self, underlying: str | None = None) -> pd.DataFrame:
        """Best prices now, of one underlying or of all: index symbol; bid, ask, bid_qty, ask_qty, last, time; NaN where
        there is none.
        """
        table = self.instruments
        books = [b for b in self.every() if underlying in (None, table[b.instrument].underlying)]
        at = np.array([b.instrument for b in books], np.int64)
        made = pd.DataFrame(index=pd.Index([b.symbol for b in books], name="symbol", dtype=object))
        for side in ("bid", "ask"):
            best = np.array([_best(getattr(b, f"{side}s")) for b in books], np.int64).reshape(-1, 2)
            made[side] = np.where(best[:, 1] > 0, table.to_price(at, best[:, 0]), np.nan)
            made[f"{side}_qty"] = table.to_qty(at, best[:, 1])
        last = np.array([(b.last_ticks, b.last_qty) for b in books], np.int64).reshape(-1, 2)
        made["last"] = np.where(last[:, 1] > 0, table.to_price(at, last[:, 0]), np.nan)
        made["time"] = pd.to_datetime(np.array([b.stamp.time_ns for b in books], np.int64), utc=True)
        return made

    def take(self, batch: Batch, offset: int, append_ms: int) -> tuple[tuple[BookState, ...], tuple[Trades, ...]]:
        """Fold an AnalyticsBatch in; the books and trades it told of. The reader alone calls it.

        Raises
        ------
        InputError
            If it tells of an instrument that is not in the table: nothing of it is folded in.
        """
        for told in (batch.tops.instrument, batch.trades.instrument):
            if len(told):
                self._at(int(told.max()))
        books = self._take_tops(batch, offset, append_ms)
        return books, self._take_trades(batch, offset, append_ms)

    def _take_tops(self, batch: Batch, offset: int, append_ms: int) -> tuple[BookState, ...]:
        tops, d = batch.tops, batch.depth
        if not len(tops.instrument):
            return ()
        levels = _levels(d)
        best = {Side.BID: _pairs(tops.bid_ticks, tops.bid_qty), Side.ASK: _pairs(tops.ask_ticks, tops.ask_qty)}
        made = []
        columns = tops.instrument, tops.bid_qty, tops.ask_qty, tops.last_ticks, tops.last_qty, tops.status, tops.time_ns
        rows = zip(*(c.tolist() for c in columns), strict=True)
        for k, (i, bid_qty, ask_qty, last, last_qty, status, time_ns) in enumerate(rows):
            before = self._latest[i]
            if before is not None and before.stamp.seq >= offset:
                continue  # read once already
            bids = levels.get((i, int(Side.BID)))
            asks = levels.get((i, int(Side.ASK)))
            state = BookState(
                self.instruments.rows[i].symbol,
                i,
                Stamp(offset, -1 if before is None else before.stamp.seq, time_ns, append_ms * 1_000_000),
                TradingStatus(status),
                (best[Side.BID][k : k + 1] if bid_qty else _NO_LEVELS) if bids is None else bids,
                (best[Side.ASK][k : k + 1] if ask_qty else _NO_LEVELS) if asks is None else asks,
                last,
                last_qty,
            )
            self._latest[i] = state
            self._newest_ns = max(self._newest_ns, time_ns)
            if not self._is_option[i]:
                self._keep(state)
            made.append(state)
        return tuple(made)

    def _keep(self, b: BookState) -> None:
        i = b.instrument
        (bid, bid_qty), (ask, ask_qty) = _best(b.bids), _best(b.asks)
        row = (b.stamp.seq, b.stamp.time_ns, b.stamp.append_ns, bid, bid_qty, ask, ask_qty, b.last_ticks)
        self._ring(self._tops, i, TOP_ROW, _TOPS).extend(np.array([row], TOP_ROW))
        deep = np.zeros(1, DEPTH_ROW)
        deep["seq"], deep["time_ns"], deep["append_ns"] = b.stamp.seq, b.stamp.time_ns, b.stamp.append_ns
        for side, rows in (("bid", b.bids[:LEVELS]), ("ask", b.asks[:LEVELS])):
            deep[f"{side}_ticks"][0, : len(rows)] = rows[:, 0]
            deep[f"{side}_qty"][0, : len(rows)] = rows[:, 1]
        self._ring(self._depth, i, DEPTH_ROW, _DEPTHS).extend(deep)

    def _take_trades(self, batch: Batch, offset: int, append_ms: int) -> tuple[Trades, ...]:
        t = batch.trades
        made = []
        for i in dict.fromkeys(t.instrument.tolist()):
            if (prev := self._traded_seq.get(i, -1)) >= offset:
                continue
            mine = t.instrument == i
            rows = np.zeros(int(mine.sum()), TRADE_ROW)
            rows["seq"] = offset
            for name in ("side", "price_ticks", "qty", "venue_ns", "receipt_ns"):
                rows[name] = getattr(t, name)[mine]
            rows.setflags(write=False)
            self._traded_seq[i] = offset
            self._ring(self._trades, i, TRADE_ROW, _TRADES).extend(rows)
            self._ring(self._marks, i, TRADE_ROW, _MARKS).extend(marks_of(rows))
            made.append(Trades(i, Stamp(offset, prev, int(rows["receipt_ns"][-1]), append_ms * 1_000_000), rows))
        return tuple(made)

    def _ring(self, rings: dict[int, Ring], i: int, dtype: np.dtype[Any], capacity: int) -> Ring:
        if (ring := rings.get(i)) is None:
            with self._lock:
                ring = rings.setdefault(i, Ring(dtype, capacity))
        return ring

    def _of(self, rings: dict[int, Ring], instrument: str | int, dtype: np.dtype[Any], n: int | None) -> NDArray[Any]:
        ring = rings.get(self._at(instrument))
        return np.zeros(0, dtype) if ring is None else ring.last(n)

    def _at(self, instrument: str | int) -> int:
        if isinstance(instrument, str):
            return self.instruments.id(instrument)
        if not 0 <= instrument < len(self.instruments):
            raise InputError(f"instrument {instrument} is not in the table; it has {len(self.instruments)}")
        return instrument


def _after(ring: Ring | None, dtype: np.dtype[Any], seq: int) -> NDArray[Any]:
    """Rows of a ring whose `seq` is greater; looks back from the end in widening windows."""
    if ring is None:
        return np.zeros(0, dtype)
    n = 64
    while True:
        rows = ring.last(n)
        first = int(np.searchsorted(rows["seq"], seq, side="right"))
        if first or n >= ring.capacity or len(rows) < n:
            return rows[first:]
        n *= 8


def _levels(d: Any) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Levels by (instrument, side): a record tells them run by run."""
    if not len(d.instrument):
        return {}
    key = d.instrument.astype(np.int64) * 4 + d.side
    cuts = np.flatnonzero(np.diff(key)) + 1
    made = np.stack([d.price_ticks, d.qty], axis=1)
    made.setflags(write=False)
    starts = [0, *cuts.tolist()]
    return {
        (int(k) // 4, int(k) % 4): made[a:b]
        for k, a, b in zip(key[starts].tolist(), starts, [*starts[1:], len(key)], strict=True)
    }


def _pairs(ticks: NDArray[np.int64], qty: NDArray[np.int64]) -> NDArray[np.int64]:
    made = np.stack([ticks, qty], axis=1)
    made.setflags(write=False)
    return made


def _best(levels: NDArray[np.int64]) -> tuple[int, int]:
    return (int(levels[0, 0]), int(levels[0, 1])) if len(levels) else (0, 0)
