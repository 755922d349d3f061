"""Feeds: a recording, a file or the simulator as one stream of raw batches, events and frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.desk.chains import books_at, chain_frame, market_at
from qflib.desk.cuts import PERIOD_NS, cut
from qflib.errors import DataError, InputError
from qflib.records import MARKET_EVENTS, Batch, EventFlag, EventKind, Header, Instruments, Side
from qflib.venues.table import venue as venue_row
from qflib.venues.venue import Decoded, Decoder, Recording

_KINDS = [""] + [k.name.lower() for k in EventKind]
_SIDES = [s.name.lower() if s else "" for s in Side]


class Feed(ABC):
    """What a desk, a book and a notebook read market data from.

    Attributes
    ----------
    instruments : Instruments
        The table that instrument numbers refer to.
    start, end : pandas.Timestamp
        Receipt time of the first and the last frame, UTC.
    history : pandas.DataFrame or None
        Daily history: tz-aware UTC index, columns (underlying, "spot" or "atm_vol").
    positions : pandas.DataFrame or None
        Opening positions: instrument, qty, avg_price.

    Examples
    --------
    >>> import qflib as qf
    >>> feed = qf.datasets.load("sim", seed=7, duration="1s")
    >>> isinstance(feed, qf.Feed), feed.to_frame(rows=3).index.name
    (True, 'receipt')
    """

    instruments: Instruments
    start: pd.Timestamp
    end: pd.Timestamp
    history: pd.DataFrame | None = None
    positions: pd.DataFrame | None = None

    @abstractmethod
    def raw(self, period_ns: int = PERIOD_NS) -> Iterator[Batch]:
        """Raw and clock batches in time order, as ingest would send them.

        Parameters
        ----------
        period_ns
            Data of each source are cut at multiples of this in receipt time, each period followed by the source's
            Clock at the multiple; the last Clock of each source is closing.
        """

    def decoded(self) -> Iterator[Decoded]:
        """What the venues' decoders make of the frames: events, refusals, signals, in the order of the feed."""
        decoders: dict[str, Decoder] = {}
        for batch in self.raw():
            if batch.kind == "raw":
                source = batch.header.source
                if source not in decoders:
                    name = batch.connection.venue[0].decode()
                    decoders[source] = venue_row(name).decoder(self.instruments, source)
                yield decoders[source].decode(batch.frames, batch.header)

    def _repr_html_(self) -> str:
        rows = {"instruments": len(self.instruments), "from": self.start, "to": self.end}
        return str(pd.DataFrame({type(self).__name__: rows}).to_html())

    def events(self) -> Iterator[Any]:
        """`MARKET_EVENTS` columns of all instruments, in the order of the feed, a bounded number of rows each."""
        for made in self.decoded():
            if len(made.events.kind):
                yield made.events

    def latencies(self, rows: int = 100_000) -> NDArray[np.int64]:
        """Receipt less venue time of the first events that have both, ns: what `DeskConfig.order_latency_ns` can draw.

        Rows of a snapshot are left out: they are as old as what they tell of.

        Parameters
        ----------
        rows
            At most so many.

        Raises
        ------
        DataError
            If no event has a venue time, or one was received before it: the clocks disagree.
        """
        parts, n = [], 0
        for e in self.events():
            new = (e.venue_ns > 0) & (e.flags & EventFlag.SNAPSHOT == 0)  # a snapshot's rows are as old as their orders
            told = (e.receipt_ns - e.venue_ns)[new][: rows - n]
            parts.append(told)
            n += len(told)
            if n >= rows:
                break
        made = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        if not len(made):
            raise DataError("no event of the feed tells when the venue sent it; give latencies measured otherwise")
        if made.min() < 0:
            raise DataError(
                f"an event was received {-made.min()} ns before the venue sent it: the two clocks disagree; give "
                "latencies measured by one clock"
            )
        return made

    def frames(self, *, raw: bool = False) -> Iterator[pd.DataFrame]:
        """As `to_frame`, a piece at a time: for feeds that don't fit into memory."""
        for columns in self.events():
            yield _frame(self.instruments, columns, raw)

    def to_frame(self, rows: int | None = 1_000_000, *, raw: bool = False) -> pd.DataFrame:
        """The first events as a DataFrame.

        Parameters
        ----------
        rows
            At most so many; None for all. ``attrs["complete"]`` says whether there are no more.
        raw
            Ticks and lots as integers and int64 ns instead of float prices, quantities and timestamps.

        Returns
        -------
        DataFrame
            Index ``receipt`` (UTC); columns symbol, kind, side, price, qty, order_id, last, snapshot, gap, venue_time.

        Raises
        ------
        InputError
            If `rows` is negative.
        """
        if rows is not None and rows < 0:
            raise InputError(f"rows {rows} is negative; give a count, or None for all")
        parts, n, complete = [], 0, True
        for columns in self.events():
            if rows is not None and n + len(columns.kind) > rows:
                parts.append(MARKET_EVENTS.slice(columns, 0, rows - n))
                complete = False
                break
            parts.append(columns)
            n += len(columns.kind)
        made = _frame(self.instruments, MARKET_EVENTS.concat(parts), raw)
        made.attrs["complete"] = complete
        return made

    def chain(self, underlying: str, at: pd.Timestamp | str | None = None, *, progress: bool = False) -> pd.DataFrame:
        """The option chain of an underlying from the books at an instant.

        Parameters
        ----------
        underlying
            A name of ``instruments.underlyings``.
        at
            An instant with a time zone (default: the end); events received up to and at it count.
        progress
            Show a bar.

        Returns
        -------
        DataFrame
            Index symbol; columns underlying, right, strike, expiry, years (ACT/365), forward, bid, ask, mid, bid_qty,
            ask_qty, multiplier, rate. A side without a quote is NaN.

        Raises
        ------
        InputError
            If the underlying is unknown, has no options, or `at` has no time zone or lies outside the feed.

        Notes
        -----
        Replays the feed to `at`: O(events).
        """
        when = self._instant(at)
        return chain_frame(self.instruments, underlying, books_at(self, when, progress), when)

    def market(
        self,
        at: pd.Timestamp | str | None = None,
        surfaces: Mapping[str, Any] | None = None,
        dynamics: str = "sticky_strike",
        *,
        progress: bool = False,
    ) -> Any:
        """Quotes, forwards and surfaces at an instant, as `qflib.pricing.Market`.

        Parameters
        ----------
        at
            An instant with a time zone; default: the end.
        surfaces
            Fitted surfaces by underlying; options without one are marked at their own implied volatility.
        dynamics
            How a surface moves with the forward: "sticky_strike" or another that `Market` knows.
        progress
            Show a bar.

        Raises
        ------
        InputError
            If `at` has no time zone or lies outside the feed.
        """
        return market_at(self, self._instant(at), surfaces, dynamics, progress)

    def _instant(self, at: pd.Timestamp | str | None) -> pd.Timestamp:
        if at is None:
            return self.end
        wrong = InputError(f"at={str(at)!r} is not an instant; give one as 2026-01-05T14:30Z")
        try:
            when = pd.Timestamp(at)
        except (ValueError, TypeError):
            raise wrong from None
        if pd.isna(when):
            raise wrong
        if when.tzinfo is None:
            raise InputError(f"at={str(at)!r} has no time zone; give one as 2026-01-05T14:30Z")
        when = when.tz_convert("UTC")
        if not self.start <= when <= self.end:
            raise InputError(f"at={str(at)!r} lies outside the feed; give an instant from {self.start} to {self.end}")
        return when


class RecordedFeed(Feed):
    """A recording of one connection, wherever it is kept.

    Parameters
    ----------
    recording
        As a venue's reader opened it.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.instruments = _of_source(recording)
        self.start = pd.Timestamp(recording.start_ns, unit="ns", tz="UTC")
        self.end = pd.Timestamp(recording.end_ns, unit="ns", tz="UTC")

    def raw(self, period_ns: int = PERIOD_NS) -> Iterator[Batch]:
        """Raw and clock batches of the recording's one source."""
        return cut(self.recording, period_ns)

    def decoded(self) -> Iterator[Decoded]:
        """As `Feed.decoded`, in large pieces."""
        return self.decoded_by(self.decoder())

    def decoded_by(self, decoder: Decoder) -> Iterator[Decoded]:
        """As `decoded`, by a decoder of the caller's, who asks it for its checks afterwards."""
        for frames in self.recording.chunks():
            yield decoder.decode(frames, Header(self.recording.source))

    def decoder(self) -> Decoder:
        """A fresh decoder of the recording's connection."""
        return venue_row(self.recording.venue).decoder(self.instruments, self.recording.source)


class FileFeed(RecordedFeed):
    """A recording in a file.

    Parameters
    ----------
    path
        The file.
    venue
        A name of the table of venues.
    instruments
        The table to use instead of what the recording tells.

    Raises
    ------
    DataError
        If the file is missing, truncated or not of this venue.
    UnknownVenueError
        If there is no such venue, or it has no recordings.
    """

    def __init__(self, path: str | Path, venue: str, instruments: Instruments | None = None) -> None:
        super().__init__(venue_row(venue).read(Path(path), instruments))
        self.path, self.venue = Path(path), venue

    def __repr__(self) -> str:
        return f"FileFeed({str(self.path)!r}, venue={self.venue!r}, {len(self.instruments)} instruments)"


def _of_source(recording: Recording) -> Instruments:
    """The table with every row on the recording's one connection, whose clock is then the time of all."""
    source = recording.source
    return Instruments(
        tuple(
            r if r.source == source and r.venue else replace(r, source=source, venue=r.venue or recording.venue)
            for r in recording.instruments
        )
    )


def _frame(table: Instruments, e: Any, raw: bool) -> pd.DataFrame:
    at, price, qty = e.instrument, e.price_ticks, e.qty
    if not raw and len(table):
        price, qty = table.to_price(at, price), table.to_qty(at, qty)
    receipt = pd.Index(e.receipt_ns) if raw else pd.DatetimeIndex(e.receipt_ns.astype("M8[ns]"), tz="UTC")
    made = pd.DataFrame(
        {
            "symbol": _named(at, [r.symbol for r in table]),
            "kind": _named(e.kind, _KINDS),
            "side": _named(e.side, _SIDES),
            "price": price,
            "qty": qty,
            "order_id": e.order_id,
            "last": (e.flags & EventFlag.LAST).astype(bool),
            "snapshot": (e.flags & EventFlag.SNAPSHOT).astype(bool),
            "gap": (e.flags & EventFlag.GAP).astype(bool),
            "venue_time": e.venue_ns if raw else _venue_time(e.venue_ns),
        },
        index=receipt.rename("receipt"),
    )
    made.attrs["raw"] = raw  # ticks look like prices: who reads the frame must know
    return made


def _named(codes: Any, names: list[str]) -> pd.Categorical[str]:
    numbers: NDArray[np.int64] = codes.astype(np.int64)
    return pd.Categorical.from_codes(numbers, pd.Index(names))


def _venue_time(ns: NDArray[np.int64]) -> pd.DatetimeIndex:
    """Timestamps; NaT where the venue told none."""
    known = ns.astype("M8[ns]")
    known[ns == 0] = np.datetime64("NaT")
    return pd.DatetimeIndex(known, tz="UTC")
