"""Live connections that lose, double and reorder frames end with the undisturbed book; what is missing is told.

The frames are synthetic, by the venues' documentation.
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from qflib.records import DeadReason, EventKind, Side
from qflib.records.codec import decode
from qflib.steps.normalize import Normalize
from qflib.stream.ingest.live import LiveSource, listen
from qflib.stream.ingest.metrics import Metrics
from qflib.stream.ingest.positions import Position
from qflib.stream.process import Stop
from qflib.venues.decimal_text import exact
from qflib.venues.session import Session
from qflib.venues.table import venue


def _reference(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "reference" / f"{name}.py")
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


slow_levels, live_venues = _reference("slow_levels"), _reference("live_venues")
TEST_REQUEST = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'


class _Desk:
    """What ingest sends, as normalize makes it, folded into a book."""

    def __init__(self, table: Any) -> None:
        self.step = Normalize(table)
        self.book: dict[int, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
        self.dead: list[int] = []
        self.epochs: set[int] = set()

    def send(self, source: str, value: bytes) -> None:
        batch = decode(value)
        self.epochs.add(batch.header.epoch)
        for out in self.step.feed(batch):
            if out.kind == "market":
                self._fold(out.events)
            elif out.kind == "dead":
                self.dead += out.dead.reason.tolist()

    def _fold(self, events: Any) -> None:
        for kind, side, price, qty in zip(events.kind, events.side, events.price_ticks, events.qty, strict=True):
            if kind == EventKind.CLEAR:
                self.book = {Side.BID: {}, Side.ASK: {}}
            elif kind == EventKind.LEVEL and qty:
                self.book[int(side)][int(price)] = int(qty)
            elif kind == EventKind.LEVEL:
                self.book[int(side)].pop(int(price), None)


def _expected(book: Any) -> dict[int, dict[int, int]]:
    return {
        side: {exact(p, 2): exact(q, 4) for p, q in book.sides[name].items()}
        for name, side in (("bid", Side.BID), ("ask", Side.ASK))
    }


@pytest.mark.parametrize(
    ("twin", "heartbeat"),
    [
        (slow_levels.Binance, b""),
        (slow_levels.BinanceFutures, b""),
        (slow_levels.CoinbaseAdvanced, b""),
        (slow_levels.Deribit, TEST_REQUEST),
    ],
)
def test_after_every_fault_the_book_is_the_undisturbed_one(twin: Any, heartbeat: bytes) -> None:
    book, stop = twin(3), Stop()
    faults = [live_venues.dropped, live_venues.reordered, live_venues.doubled]
    table = book.table()
    desk, row = _Desk(table), venue(book.venue)

    async def run() -> Any:
        server = live_venues.LiveVenueServer(book, faults, heartbeat)
        async with server.serving() as place, asyncio.timeout(30):
            live = row.live().elsewhere(f"ws://{place}", f"http://{place}", 5.0)
            session = Session(live, [book.symbol], (0.02, 0.1))
            decoder = row.decoder(table, live.source)
            source = LiveSource(live.source, row.name, session, decoder, Position(), desk, Metrics())
            listening = asyncio.create_task(listen([source], stop))
            await server.over.wait()
            while desk.book != _expected(book):
                await asyncio.sleep(0.01)
            stop.ask()
            await listening
        return server

    server = asyncio.run(run())
    assert len(desk.epochs) == 3  # a drop and a swap each end a connection; a frame sent twice does not
    assert desk.dead.count(DeadReason.GAP) >= 2
    assert desk.step.checks["gaps"] == 0  # of our own numbers
    if heartbeat:
        assert sum('"public/test"' in sent for sent in server.sent) == 3
    if book.venue.startswith("binance"):
        assert sum("/depth?" in path for path in server.asked) == 3
