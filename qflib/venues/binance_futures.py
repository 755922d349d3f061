"""Binance USD-M futures, as a venue of its own: its symbols are also those of spot pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qflib.records import Instrument, Instruments
from qflib.venues import binance
from qflib.venues.binance_instruments import define, discover, future
from qflib.venues.captures import Told, read_capture
from qflib.venues.venue import LiveVenue, Recording

SOURCE = "binance_futures:0"


class Decoder(binance.Decoder):
    """As `qflib.venues.binance.Decoder`, whose rules tell a future's changes by themselves."""

    venue = "binance_futures"


def read(path: Path, instruments: Instruments | None = None) -> Recording:
    """A capture of futures streams, as `read_capture` reads it."""
    return read_capture(path, Told("binance_futures", SOURCE, _discover, "Binance depth", answers=True), instruments)


def _discover(payload: bytes, found: dict[str, Instrument]) -> None:
    discover(payload, found)
    for symbol, row in found.items():
        if row.kind == "spot":
            found[symbol] = future(symbol, SOURCE, tick_schedule=row.tick_schedule, lot=row.lot)


def _subscribe(symbols: Sequence[str]) -> list[str]:
    # The stream of single trades is not documented for futures.
    return [m.replace('@trade"', '@aggTrade"') for m in binance.LIVE.subscribe(symbols)]


def _asks(symbols: Sequence[str]) -> list[str]:
    return ["/fapi/v1/exchangeInfo", *(f"/fapi/v1/depth?symbol={s}&limit=1000" for s in symbols)]


LIVE = replace(
    binance.LIVE,
    url="wss://fstream.binance.com/stream",
    subscribe=_subscribe,
    source=SOURCE,
    discover=define,
    rest="https://fapi.binance.com",
    asks=_asks,
)
__all__ = ["LIVE", "Decoder", "LiveVenue", "read"]
