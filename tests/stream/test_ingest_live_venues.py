"""Live connections that lose, double, reorder and damage frames, break off and fall silent, played by recordings.

Each ends with the book of the undisturbed recording, never shows another state on the way, and tells what was missing.
Where a venue's frames were not recorded (futures of Binance, Deribit) they are synthetic, by its documentation; those
of Coinbase's Advanced Trade carry the recorded levels of its Exchange feed.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections import Counter
from collections.abc import AsyncGenerator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx  # noqa: F401 - loaded here, as it would stop the loop for longer than a silence
import pytest

from qflib.records import DeadReason, EventFlag, EventKind, Header, Instruments, Side
from qflib.records.codec import decode
from qflib.steps.normalize import Normalize
from qflib.stream.ingest.live import LiveSource, listen
from qflib.stream.ingest.metrics import Metrics
from qflib.stream.ingest.positions import Position
from qflib.stream.process import Stop
from qflib.venues.live import _record, _Watch
from qflib.venues.session import Heard, Session, What
from qflib.venues.table import live_names, venue
from qflib.venues.venue import answer_frame, frames_of


def _reference(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "reference" / f"{name}.py")
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


venue_scripts, faulty_server = _reference("venue_scripts"), _reference("faulty_server")
_SIDES = {Side.BID: "bid", Side.ASK: "ask"}
#: A silence that ends a connection, in seconds: long for a server in the same loop, short for a test.
_SILENCE_S = 1.5


class _Books:
    """Market events folded the plain way, each state held against those that the venue's book has had."""

    def __init__(self, table: Any) -> None:
        self._units = [(Fraction(r.tick_schedule[0][1]), Fraction(r.lot)) for r in table]
        self._symbols = [r.venue_symbol or r.symbol for r in table]
        self.books: dict[str, dict[tuple[str, Fraction], Fraction]] = {s: {} for s in self._symbols}
        self._hash = dict.fromkeys(self._symbols, 0)
        self.cleared = 0

    def fold(self, events: Any, true: dict[str, set[int]] | None = None) -> None:
        columns = (events.kind, events.flags, events.instrument, events.side, events.price_ticks, events.qty)
        for kind, flags, at, side, ticks, lots in zip(*(c.tolist() for c in columns), strict=True):
            s, (tick, lot) = self._symbols[at], self._units[at]
            if kind == EventKind.CLEAR:
                self.books[s], self._hash[s] = {}, 0
                self.cleared += not flags & EventFlag.SNAPSHOT
            elif kind == EventKind.LEVEL:
                key = (_SIDES[side], ticks * tick)
                for qty in (self.books[s].pop(key, Fraction(0)), lots * lot):
                    self._hash[s] ^= hash((*key, qty)) if qty else 0
                if lots:
                    self.books[s][key] = lots * lot
            if true is not None and flags & EventFlag.LAST:
                assert self._hash[s] in true[s], f"{s} shows a book that never was"


class _Desk(_Books):
    """What ingest sends, as normalize makes it."""

    def __init__(self, table: Any, script: Any) -> None:
        super().__init__(table)
        self.step, self._script = Normalize(table), script
        self.dead = Counter[int]()
        self.epochs: dict[int, int] = {}

    def send(self, source: str, value: bytes) -> None:
        batch = decode(value)
        if batch.kind == "raw" and batch.header.seq == 0:
            self.epochs[batch.header.epoch] = int(batch.connection.former_seq[0])
        for out in self.step.feed(batch):
            if out.kind == "market":
                self.fold(out.events, self._script.true)
            elif out.kind == "dead":
                self.dead.update(out.dead.reason.tolist())

    def checks(self, source: str) -> dict[str, int]:
        return dict(self.step._sources[source].decoder.checks)  # type: ignore[union-attr]


class _Told(Session):
    """A session that keeps why each of its connections ended, by its number."""

    ends: dict[int, str]

    async def heard(self) -> AsyncGenerator[Heard, None]:
        self.ends = {}
        async for one in super().heard():
            if one.what is What.CLOSED:
                self.ends[self.connections] = one.data.decode()
            yield one


def _true(script: Any) -> dict[str, dict[tuple[str, Fraction], Fraction]]:
    return {
        symbol: {(n, Fraction(k)): Fraction(q) for n, side in book.items() for k, (_, q) in side.items()}
        for symbol, book in script.books.items()
    }


def _table(script: Any, test_data: Path) -> Any:
    """The recording's own instruments; of synthetic frames, their twin's."""
    if script.venue == "deribit":
        return venue_scripts.slow_levels.Deribit(3).table()
    recorded: Any = venue_scripts.CoinbaseExchange if script.venue == "coinbase" else type(script)
    told = recorded(test_data).frames
    if script.venue.startswith("binance"):
        told = [answer_frame("https://x/exchangeInfo", script.answer("/exchangeInfo"))]
    found: dict[str, Any] = {}
    for frame in told:
        venue(script.venue).live().discover(frame, found)
    return Instruments(tuple(found.values()))


GAP, SUM = "GAP: ", "BAD_CHECKSUM: "
#: What a connection says when it ends by each fault.
_ENDS = {"broken": "ConnectionClosedError", "silent": f"silence for {_SILENCE_S:g} s", "flipped": SUM, "stale": GAP}
_ALL = ["dropped", "doubled", "reordered", "broken", "silent"]
_FAULTS = {
    "Kraken": [*_ALL, "flipped"],
    "Binance": [*_ALL, "stale"],
    "BinanceFutures": [*_ALL, "stale"],
    "CoinbaseExchange": ["doubled", "broken", "silent"],  # levels are not numbered: what is missing cannot be seen
}


def test_every_live_venue_is_disturbed() -> None:
    assert {s.venue for s in venue_scripts.SCRIPTS} == set(live_names())


@pytest.mark.data
@pytest.mark.parametrize("made", venue_scripts.SCRIPTS, ids=lambda s: s.__name__)
def test_after_every_fault_the_book_is_the_undisturbed_one(made: Any, test_data: Path) -> None:
    script, stop = made(test_data), Stop()
    faults = _FAULTS.get(made.__name__, _ALL)
    table, row = _table(script, test_data), venue(script.venue)
    desk = _Desk(table, script)

    async def run() -> Any:
        server = faulty_server.FaultyServer(script, faults)
        async with server.serving() as place, asyncio.timeout(120):
            live = row.live().elsewhere(f"ws://{place}", f"http://{place}", _SILENCE_S)
            session = _Told(live, script.symbols, (0.02, 0.1))
            decoder = row.decoder(table, live.source)
            source = LiveSource(live.source, row.name, session, decoder, Position(), desk, Metrics())
            listening = asyncio.create_task(listen([source], stop))
            over = asyncio.create_task(server.over.wait())
            await asyncio.wait([listening, over], return_when=asyncio.FIRST_COMPLETED)
            while not listening.done() and desk.books != _true(script):
                await asyncio.sleep(0.01)
            stop.ask()
            await listening
        return server, session, decoder

    server, session, decoder = asyncio.run(run())
    assert [f for f, _ in server.done] == faults
    assert desk.books == _true(script)
    seen = SUM if script.venue == "kraken" else GAP
    for (fault, connection), (_, after) in pairwise([*server.done, ("", server.connections)]):
        end = session.ends.get(connection, "")
        if fault == "doubled" and after == connection:  # it changes nothing
            continue
        # A machine that stalled may have been taken for silence, where nothing else was to be found.
        ends = _ENDS.get(fault, "silence" if fault == "doubled" else seen)
        assert end.startswith((ends, "silence") if fault == "broken" else ends), (fault, end)
    # What ingest found by the way, normalize finds in the records; each fault that lost something was counted once.
    source = row.live().source
    checks, lost = desk.checks(source), [f for f in faults if f not in ("doubled", "broken", "silent")]
    assert checks == decoder.checks
    assert checks["wrong" if script.venue == "kraken" else "gaps"] == len(lost)
    assert desk.dead[DeadReason.BAD_CHECKSUM if script.venue == "kraken" else DeadReason.GAP] == len(lost)
    assert desk.dead[DeadReason.UNPARSABLE] == desk.dead[DeadReason.BAD_VALUE] == 0
    assert desk.step.checks["gaps"] == 0  # of our own numbers
    # A connection is an epoch, which names the last record of the former; a clock may have come before the first.
    first = min(desk.epochs)
    assert first in (0, 1)
    assert sorted(desk.epochs) == list(range(first, first + server.connections))
    assert all(former >= 0 for epoch, former in desk.epochs.items() if epoch)
    if script.venue.startswith("binance"):
        assert sum("/depth?" in path for path in server.asked) == server.connections
    else:
        assert sum("subscri" in m and "heartbeats" not in m for m in server.sent) >= server.connections
    if script.venue == "deribit":
        assert sum('"public/test"' in m for m in server.sent) >= server.connections


@pytest.mark.data
@pytest.mark.parametrize("made", venue_scripts.SCRIPTS, ids=lambda s: s.__name__)
def test_a_capture_of_a_disturbed_connection_ends_with_the_undisturbed_book(
    made: Any, test_data: Path, tmp_path: Path
) -> None:
    script, file = made(test_data), tmp_path / "live.gz"
    faults = _FAULTS.get(made.__name__, _ALL)

    class Watch(_Watch):
        last = b""

        def hear(self, one: Heard) -> str:
            self.last = one.data
            return super().hear(one)

    async def run() -> Any:
        server = faulty_server.FaultyServer(script, faults)
        async with server.serving() as place, asyncio.timeout(120):
            live = venue(script.venue).live().elsewhere(f"ws://{place}", f"http://{place}", _SILENCE_S)
            watch = Watch(script.venue, live, script.symbols)
            recording = asyncio.create_task(_record(watch, file, 60.0, (0.02, 0.1)))
            over = asyncio.create_task(server.over.wait())
            await asyncio.wait([recording, over], return_when=asyncio.FIRST_COMPLETED)
            while not recording.done() and watch.last not in (server.last, script.beat):
                await asyncio.sleep(0.01)
            recording.cancel()
            await asyncio.wait([recording])
        return server, watch

    server, watch = asyncio.run(run())
    assert [f for f, _ in server.done] == faults
    assert watch.damaged == len([f for f in faults if f not in ("doubled", "broken", "silent")])
    recording = venue(script.venue).read(file)
    decoder = venue(script.venue).decoder(recording.instruments, recording.source)
    books = _Books(recording.instruments)
    for frames in recording.chunks():
        books.fold(decoder.decode(frames, Header()).events, script.true)
    assert books.books == _true(script)


@pytest.mark.data
@pytest.mark.parametrize("made", venue_scripts.SCRIPTS, ids=lambda s: s.__name__)
def test_a_script_and_the_decoder_agree_on_the_undisturbed_recording(made: Any, test_data: Path) -> None:
    script = made(test_data)
    table = _table(script, test_data)
    told = [] if script.begins else script.opening()
    if script.venue.startswith("binance"):
        path = f"/depth?symbol={script.symbols[0]}"
        told.append(answer_frame(f"https://x{path}", script.answer(path)))
    told += [script.sent(script.play()) for _ in script.frames]
    decoder = venue(script.venue).decoder(table, venue(script.venue).live().source)
    decoded = decoder.decode(frames_of([1] * len(told), list(range(len(told))), told), Header())
    assert decoded.refused == ()
    books = _Books(table)
    books.fold(decoded.events, script.true)
    assert books.books == _true(script)
    assert sum(map(len, books.books.values())) > 20
