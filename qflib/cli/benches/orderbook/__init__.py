"""Order books: nanoseconds an event of full queues, validated, and bytes a live order; peers on the same stream.

The stream is `qflib.kernels.order_stream`'s: an equity venue's mix, seed 1, live orders held; its rows are the columns
of `MARKET_EVENTS`, and a replace is two of them, each an event. A run fills a book to the live orders wanted, warms up
on as many events as are then timed, and times the book's own `apply` by the thread's CPU time. Ids: "bounded" are
counted, as ITCH's are; "id64" are those scrambled to arbitrary 64-bit words.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from qflib.cli.bench import RUNS, Row
from qflib.cli.benches import features
from qflib.cli.benches.orderbook.events import Market, made
from qflib.cli.benches.orderbook.recorded import itch_bytes_to_book, jacobi_over_normal
from qflib.orderbook.books import Books

_EVENTS = 400_000
_CALLS = 20_000
#: row -> instruments, live orders, whether ids are bounded
_STREAMS = {
    "l3_bounded_1": (1, 50_000, True),
    "l3_bounded_1000": (1_000, 50_000, True),
    "l3_id64_1": (1, 50_000, False),
    "l3_id64_1000": (1_000, 50_000, False),
    "l3_live_1k": (1, 1_000, False),
    "l3_live_1M": (1_000, 1_000_000, False),
}
_FIRST_USE = """
import time, qflib as qf
start = time.perf_counter()
book = qf.OrderBook("ACME.F")
book.apply(qf.records.MARKET_EVENTS.make(kind=[1, 1], side=[1, 2], order_id=[1, 2], price_ticks=[99, 101], qty=[5, 7]))
book.best
print(time.perf_counter() - start)
"""
_MEMORY = """
import psutil, qflib
from qflib.cli.benches.orderbook import books_of
from qflib.cli.benches.orderbook.events import made
small, market = (made(1_000, live, 0, bounded=False) for live in (10, 1_000_000))
books_of(small).apply(small.fill)  # loads the kernels
before = psutil.Process().memory_info().rss
books = books_of(market)
books.apply(market.fill)
print((psutil.Process().memory_info().rss - before) / 1_000_000)
"""


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an event; bytes a live order; seconds to the first one."""
    for name, (instruments, live, bounded) in _STREAMS.items():
        market = made(instruments, live, 2 * _EVENTS, bounded=bounded)
        row = _row(name, [_applied(market) for _ in range(RUNS + 1)][1:], "ns/event")
        if peers and name == "l3_id64_1":
            from qflib.cli.benches.orderbook.peers import beside

            row = row._replace(peers=beside(market))
        yield row
        if name == "l3_bounded_1":
            yield itch_bytes_to_book(market)
        if name == "l3_id64_1" and (wide := jacobi_over_normal(row.value)) is not None:
            yield wide
        if name == "l3_live_1M":
            yield _row("fill_1M", [_filled(market) for _ in range(RUNS)], "ns/event")
    yield from features.rows(peers)
    yield _row("bytes_per_order", _told(_MEMORY), "bytes")
    yield _row("python_call", [_called() for _ in range(RUNS + 1)][1:], "ns/call")
    yield _row("first_use", _told(_FIRST_USE), "s")


def books_of(market: Market) -> Books:
    """Empty books for a market."""
    return Books(market.instruments, ids=2**32 if market.bounded else 0)


def _applied(market: Market) -> float:
    books = books_of(market)
    refused = books.apply(market.fill).refused + books.apply(market.slice(0, _EVENTS)).refused
    timed = market.slice(_EVENTS, 2 * _EVENTS)
    start = time.thread_time_ns()
    counters = books.apply(timed)
    ns = time.thread_time_ns() - start
    if refused or counters.refused:
        raise RuntimeError(f"{refused + counters.refused} events were refused: the stream or the book is wrong")
    return ns / _EVENTS


def _filled(market: Market) -> float:
    """A million adds into books as they are made: growth is paid."""
    books = books_of(market)
    start = time.thread_time_ns()
    books.apply(market.fill)
    return (time.thread_time_ns() - start) / len(market.fill.kind)


def _called() -> float:
    """`OrderBook.apply` of one event, a row of a structured array."""
    from qflib.orderbook import OrderBook
    from qflib.records import MARKET_EVENTS

    market = made(1, 1_000, _CALLS, bounded=False)
    book = OrderBook("ACME.F")
    book.apply(market.fill)
    table = MARKET_EVENTS.to_struct(market.flow)
    events = [table[i : i + 1] for i in range(_CALLS)]
    apply = book.apply
    start = time.thread_time_ns()
    for event in events:
        apply(event)
    return (time.thread_time_ns() - start) / _CALLS


def _told(code: str) -> list[float]:
    """Figures of a fresh interpreter each; the first one fills the caches."""
    run = [sys.executable, "-c", code]
    return [float(subprocess.run(run, capture_output=True, text=True, check=True).stdout) for _ in range(RUNS + 1)][1:]


def _row(name: str, figures: list[float], unit: str) -> Row:
    return Row(name, median(figures), min(figures), unit)
