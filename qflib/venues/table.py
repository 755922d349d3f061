"""The table of venues: one row a venue."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qflib.errors import UnknownVenueError
from qflib.records import Instruments
from qflib.venues.venue import Decoder, LiveVenue, Recording


@dataclass(frozen=True, slots=True)
class Venue:
    """A row: the module that knows the venue, and what it can do.

    Parameters
    ----------
    name
        What users write.
    module
        Has ``Decoder`` where frames can be decoded, ``read`` where recordings can be read, and ``instruments``
        where a file of definitions can be.
    doc
        One line for listings.
    """

    name: str
    module: str
    doc: str
    decodes: bool = True
    reads: bool = True
    defines: bool = False

    def decoder(self, instruments: Instruments, source: str) -> Decoder:
        """A decoder of one connection.

        Raises
        ------
        UnknownVenueError
            If the venue has definitions only.
        """
        if not self.decodes:
            raise UnknownVenueError(f"venue {self.name!r} has no decoder; one of {_names(decodes=True)} has")
        make: Callable[[Instruments, str], Decoder] = importlib.import_module(self.module).Decoder
        return make(instruments, source)

    def read(self, path: Path, instruments: Instruments | None = None) -> Recording:
        """A recording, opened; `instruments` where the user gives the table.

        Raises
        ------
        DataError
            If the file is missing, truncated or not of this venue.
        UnknownVenueError
            If recordings of this venue cannot be read.
        """
        if not self.reads:
            raise UnknownVenueError(f"venue {self.name!r} has no recordings; one of {_names(reads=True)} has")
        made: Recording = importlib.import_module(self.module).read(path, instruments)
        return made

    def live(self) -> LiveVenue:
        """How the venue is listened to.

        Raises
        ------
        UnknownVenueError
            If it cannot be.
        """
        made = getattr(importlib.import_module(self.module), "LIVE", None)
        if made is None:
            raise UnknownVenueError(f"venue {self.name!r} cannot be listened to; one of {', '.join(live_names())} can")
        row: LiveVenue = made
        return row

    def instruments(self, path: Path) -> Instruments:
        """The instruments that a file tells.

        Raises
        ------
        DataError
            If the file is missing, truncated or not of this venue.
        """
        if self.defines:
            made: Instruments = importlib.import_module(self.module).instruments(path)
            return made
        return self.read(path).instruments


VENUES: dict[str, Venue] = {
    v.name: v
    for v in (
        Venue("kraken", "qflib.venues.kraken", "Kraken websocket v1 books: lines `time: json`, as captured"),
        Venue("binance", "qflib.venues.binance", "Binance streams, spot and futures, as captured, with REST snapshots"),
        Venue("binance_futures", "qflib.venues.binance_futures", "Binance USD-M futures: streams, as captured"),
        Venue("coinbase", "qflib.venues.coinbase", "Coinbase level2 and trades: Exchange feed and Advanced Trade"),
        Venue("bitstamp", "qflib.venues.bitstamp", "Bitstamp websocket v2, with REST snapshots"),
        Venue("deribit", "qflib.venues.deribit", "Deribit books, trades, tickers; its instrument lists", defines=True),
        Venue(
            "coinbase_full", "qflib.venues.coinbase_full", "Coinbase Exchange's full channel: orders, REST snapshots"
        ),
        Venue(
            "databento",
            "qflib.venues.databento",
            "Databento DBN and DBZ files: books, quotes, trades, definitions",
            defines=True,
        ),
        Venue("itch", "qflib.venues.itch", "NASDAQ ITCH 5.0: files, gzip, MoldUDP64 in pcap, told apart by content"),
        Venue("lobster", "qflib.venues.lobster", "LOBSTER message files, seeded from the orderbook file beside them"),
        Venue("jacobi", "qflib.venues.jacobi", "JACOBI event files: 32-byte records of orders"),
        Venue("tardis", "qflib.venues.tardis", "Tardis CSV of any exchange: incremental books, book snapshots, trades"),
        Venue("file", "qflib.venues.files", "our own market events as CSV, Parquet or Arrow"),
        Venue("signals", "qflib.venues.signals", "trading signals as CSV, JSON lines or Parquet"),
        Venue("sim", "qflib.venues.sim", "the simulated market", reads=False),
    )
}


def venue(name: str) -> Venue:
    """The venue's row.

    Raises
    ------
    UnknownVenueError
        If there is none; the sentence lists those known.

    Examples
    --------
    >>> from qflib.venues.table import venue
    >>> venue("kraken").reads
    True
    """
    try:
        return VENUES[name]
    except KeyError:
        raise UnknownVenueError(f"venue {name!r} is unknown; expected one of {', '.join(VENUES)}") from None


def live_names() -> list[str]:
    """Venues that can be listened to.

    Examples
    --------
    >>> from qflib.venues.table import live_names
    >>> "kraken" in live_names()
    True
    """
    return [name for name, row in VENUES.items() if hasattr(importlib.import_module(row.module), "LIVE")]


def live_venue(name: str) -> LiveVenue:
    """How a venue is listened to.

    Raises
    ------
    UnknownVenueError
        If there is none of that name that can be; the sentence lists those that can.
    """
    if name not in VENUES:
        raise UnknownVenueError(f"venue {name!r} is unknown; expected one of {', '.join(live_names())}")
    return VENUES[name].live()


def _names(*, decodes: bool = False, reads: bool = False) -> str:
    return ", ".join(n for n, v in VENUES.items() if v.decodes >= decodes and v.reads >= reads)
