"""A live connection that hangs up, repeats itself and breaks a checksum: new epochs, and a right book at the end."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve

from qflib.broker.clients import Connection
from qflib.records import Instrument, Instruments, Partitions
from qflib.records.codec import decode
from qflib.steps.normalize import Normalize
from qflib.stream.ingest import sender
from qflib.stream.ingest.live import LiveSource, listen
from qflib.stream.ingest.metrics import Metrics
from qflib.stream.ingest.positions import Position
from qflib.stream.ingest.sender import LeftOff, Sender
from qflib.stream.process import Stop
from qflib.venues.kraken import LIVE, Decoder
from qflib.venues.session import Session
from qflib.venues.venue import LiveVenue

_spec = importlib.util.spec_from_file_location(
    "slow_kraken", Path(__file__).parents[1] / "reference" / "slow_kraken.py"
)
slow_kraken: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(slow_kraken)  # type: ignore[union-attr]


FULL = "the producer's queue is full"


class _Kept:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    def send(self, source: str, value: bytes) -> None:
        self.values.append(value)


def test_a_broken_connection_opens_an_epoch_that_names_the_former_one() -> None:
    table = Instruments(
        (Instrument("XBT/USD", tick_schedule=(("0", "0.0001"),), lot="0.00000001", venue="kraken",
                    venue_symbol="XBT/USD", source="kraken:0", levels=True),)
    )  # fmt: skip
    pair, told, kept, stop, metrics = slow_kraken.SlowPair("XBT/USD", 12, 3), [], _Kept(), Stop(), Metrics()
    number = iter(range(100))

    async def play(socket: ServerConnection) -> None:
        await socket.recv()
        n = next(number)
        frames = [pair.snapshot(), *(pair.update() for _ in range(10))]
        if n == 0:
            frames.append(frames[-1])  # once more, then it hangs up
        if n == 1:
            frames[5] = frames[5].replace(b'"c": "', b'"c": "9')
        for frame in frames:
            told.append(frame)
            await socket.send(frame.decode())
        if n == 0:
            return
        if n == 2:
            await asyncio.sleep(0.3)
            stop.ask()
        await socket.wait_closed()

    async def run() -> None:
        async with serve(play, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            venue = LiveVenue(url, LIVE.subscribe, 5.0, LIVE.source, LIVE.discover)
            session = Session(venue, ["XBT/USD"], (0.05, 0.2))
            source = LiveSource("kraken:0", "kraken", session, Decoder(table, "kraken:0"), Position(), kept, metrics)
            async with asyncio.timeout(20):
                await listen([source], stop)

    asyncio.run(run())
    batches = [decode(v) for v in kept.values]
    numbers = [(b.header.epoch, b.header.seq) for b in batches]
    assert numbers == sorted(set(numbers))
    firsts = [b for b in batches if b.kind == "raw" and b.header.seq == 0]
    last_epoch = batches[-1].header.epoch
    assert last_epoch >= 2
    for b in firsts[1:]:
        assert b.connection.former_seq[0] == max(s for e, s in numbers if e == b.header.epoch - 1)
    step = Normalize(table)
    for b in batches:
        step.feed(b)
    assert step.checks["wrong"] == 1
    assert step.checks["gaps"] == 0
    book = step._sources["kraken:0"].decoder.books["XBT/USD"]  # type: ignore[union-attr]
    assert (book.live, book.checksum()) == (True, pair.checksum())


def test_a_stop_is_heard_while_the_broker_is_away_and_the_queue_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "QUEUE", 2)
    table = Instruments((Instrument("XBT/USD", venue="kraken", source="kraken:0", levels=True),))
    stop, said, metrics = Stop(), list[BaseException](), Metrics()
    places = Partitions.spread(1, ["XBT/USD"], ["kraken:0"])
    waited = metrics.back_pressure.inc
    out = Sender(Connection("127.0.0.1:1"), places, lambda: stop.leaving, waited=waited)
    venue = LiveVenue("ws://127.0.0.1:1", LIVE.subscribe, 5.0, LIVE.source, LIVE.discover)
    session = Session(venue, ["XBT/USD"], (0.05, 0.2))
    source = LiveSource("kraken:0", "kraken", session, Decoder(table, "kraken:0"), Position(), out, metrics)

    def work() -> None:
        try:
            asyncio.run(listen([source], stop))
        except LeftOff as e:
            said.append(e)

    def counted() -> float:
        return metrics.registry.get_sample_value("qflib_backpressure_seconds_total") or 0.0

    thread = threading.Thread(target=work, daemon=True)
    with capture_logs() as logs:
        began = time.monotonic()
        thread.start()
        until = began + 20
        while counted() < 0.5 and time.monotonic() < until:  # two clocks are queued, the third one holds the loop
            time.sleep(0.02)
        assert out.pending() == 2
        stop.ask()
        thread.join(10)
    assert said
    assert 0.5 <= counted() <= time.monotonic() - began
    assert [e["event"] for e in logs if e["log_level"] == "warning" and "queue is" in e["event"]] == [FULL]
    assert source.position.seq == 1
