"""Recording a websocket: a server on this machine plays frames, falls silent, or hangs up."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from qflib.desk.replay import replay
from qflib.errors import DataError, InputError, UnknownVenueError
from qflib.venues.discovery import instruments
from qflib.venues.live import record

_spec = importlib.util.spec_from_file_location(
    "slow_kraken", Path(__file__).parents[2] / "reference" / "slow_kraken.py"
)
slow_kraken: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(slow_kraken)  # type: ignore[union-attr]


@contextmanager
def in_a_thread(serving: AbstractAsyncContextManager[str]) -> Iterator[str]:
    """A server in a thread, with what it gives; all that it still does is ended with it."""
    started, told = threading.Event(), []

    async def run() -> None:
        async with serving as place:
            stop = asyncio.Event()
            told.extend((place, asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(10)
    place, loop, stop = told
    try:
        yield place
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@asynccontextmanager
async def _kraken(play: Callable[[ServerConnection, int], Any]) -> AsyncIterator[str]:
    number = iter(range(1000))

    async def handle(socket: ServerConnection) -> None:
        assert json.loads(await socket.recv())["pair"] == ["XBT/USD"]
        await play(socket, next(number))

    async with serve(handle, "127.0.0.1", 0) as s:
        yield f"ws://127.0.0.1:{s.sockets[0].getsockname()[1]}"


def server(play: Callable[[ServerConnection, int], Any]) -> AbstractContextManager[str]:
    """A websocket server; `play` gets each connection with its number."""
    return in_a_thread(_kraken(play))


@pytest.mark.parametrize("name", ["live.gz", "live.txt"])
def test_what_was_recorded_is_read_and_every_checksum_is_right(tmp_path: Path, name: str) -> None:
    pair = slow_kraken.SlowPair("XBT/USD", 12, 1)
    told = [pair.snapshot(), *(pair.update() for _ in range(40))]

    async def play(socket: ServerConnection, _: int) -> None:
        for payload in told:
            await socket.send(payload.decode())
        await socket.wait_closed()

    with server(play) as url:
        made = record("kraken", ["XBT/USD"], tmp_path / name, 60.0, frames=41, url=url)
    assert (made.frames, made.connections) == (41, 1)
    figures = replay(tmp_path / name, "kraken")
    assert figures["checksums"] == {"right": 40, "wrong": 0}
    assert figures["dead_letters"] == 0


def test_a_silent_or_broken_connection_is_made_again(tmp_path: Path) -> None:
    pair = slow_kraken.SlowPair("XBT/USD", 12, 2)

    async def play(socket: ServerConnection, n: int) -> None:
        for payload in [pair.snapshot(), pair.update()]:
            await socket.send(payload.decode())
        if n == 0:
            return  # hangs up
        await socket.wait_closed()  # says nothing more

    with server(play) as url:
        made = record("kraken", ["XBT/USD"], tmp_path / "x.gz", 60.0, frames=6, url=url, heartbeat_s=0.4,
                      back_off_s=(0.05, 0.2))  # fmt: skip
    assert made.connections >= 3
    figures = replay(tmp_path / "x.gz", "kraken")
    assert figures["checksums"]["right"] == made.connections
    assert figures["checksums"]["wrong"] == 0


def test_wrong_use_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnknownVenueError, match="cannot be listened to; one of kraken, binance"):
        record("databento", ["ES"], tmp_path / "a", 1)
    with pytest.raises(InputError, match="no symbols"):
        record("kraken", [], tmp_path / "a", 1)
    with pytest.raises(InputError, match="positive"):
        record("kraken", ["XBT/USD"], tmp_path / "a", 0)
    (tmp_path / "there").write_text("")
    with pytest.raises(InputError, match="frames 0 must be a positive number"):
        record("kraken", ["XBT/USD"], tmp_path / "a", 1, frames=0)
    with pytest.raises(InputError, match="never overwrites"):
        record("kraken", ["XBT/USD"], tmp_path / "there", 1)
    with pytest.raises(InputError, match=r"x\.gz cannot be written \(No such file or directory\)"):
        record("kraken", ["XBT/USD"], tmp_path / "nowhere" / "x.gz", 1)
    with pytest.raises(DataError, match="could not be reached"):
        record("kraken", ["XBT/USD"], tmp_path / "b", 0.3, url="ws://127.0.0.1:9", back_off_s=(0.05, 0.1))


def _reference(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "reference" / f"{name}.py")
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


slow_levels, live_venues = _reference("slow_levels"), _reference("live_venues")


def playing(book: Any) -> AbstractContextManager[str]:
    """A twin's venue; its address without the scheme."""
    return in_a_thread(live_venues.LiveVenueServer(book).serving())


@pytest.mark.parametrize(
    ("twin", "frames"), [(slow_levels.Binance, 18), (slow_levels.CoinbaseAdvanced, 13), (slow_levels.Deribit, 13)]
)
def test_a_venue_that_was_recorded_is_replayed_into_its_book(tmp_path: Path, twin: Any, frames: int) -> None:
    book = twin(4)
    file = tmp_path / "live.gz"
    with playing(book) as place:
        made = record(book.venue, [book.symbol], file, 60.0, frames=frames, url=f"ws://{place}",
                      rest=f"http://{place}")  # fmt: skip
    assert (made.connections, made.frames) == (1, frames)
    figures = replay(file, book.venue, book.table())
    assert (figures["gaps"], figures["dead_letters"]) == (0, 0)
    best = max(book.sides["bid"], key=float)
    told = figures["instruments"][book.symbol]
    assert (told["bid"], float(told["bid_qty"])) == (best, float(book.sides["bid"][best]))
    assert told["levels"] == sum(len(side) for side in book.sides.values())


def test_instruments_come_from_what_a_venue_tells() -> None:
    for book in (slow_levels.Binance(4), slow_levels.CoinbaseAdvanced(4)):
        with playing(book) as place:
            table = instruments(book.venue, [book.symbol], url=f"ws://{place}", rest=f"http://{place}")
        [row] = table
        assert (row.symbol, row.venue, row.levels) == (book.symbol, book.venue, True)
        assert (float(row.tick_schedule[0][1]), float(row.lot)) == (0.01, 0.0001)


def test_rest_that_does_not_answer_ends_the_connection(tmp_path: Path) -> None:
    with playing(slow_levels.Binance(4)) as place:
        made = record("binance", ["ETHUSDT"], tmp_path / "x", 60.0, frames=6, url=f"ws://{place}",
                      rest="http://127.0.0.1:9", back_off_s=(0.02, 0.1))  # fmt: skip
    assert made.connections >= 2, "one has four frames before REST is missed"
