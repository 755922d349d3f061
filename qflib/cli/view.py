"""The live terminal view of a desk: one snapshot in, one rich renderable out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from qflib.cli.output import cell, made_table


class Top(TypedDict, total=False):
    """Top of one book, floats in quote currency."""

    instrument: str
    bid: float | None
    bid_qty: float | None
    ask: float | None
    ask_qty: float | None
    last: float | None


class Position(TypedDict, total=False):
    """One position."""

    instrument: str
    book: str  # client or hedge
    qty: float
    avg_price: float
    mark: float
    unrealised: float


class Greeks(TypedDict, total=False):
    """Greeks of one underlying, client and hedges together."""

    underlying: str
    delta: float
    gamma: float
    vega: float
    theta: float


class ShortfallFigures(TypedDict, total=False):
    """Expected shortfall; positive is a loss."""

    level: float
    horizon: str
    unhedged: float
    current: float
    target: float


class HedgeCount(TypedDict, total=False):
    """What the hedger did so far."""

    orders: int
    fills: int
    rejects: int
    cost: float


class HedgeTrade(TypedDict, total=False):
    """One hedge fill."""

    time: str
    instrument: str
    qty: float  # signed
    price: float
    fee: float


class Snapshot(TypedDict, total=False):
    """What `render` shows; a key left out is shown as not there yet.

    Keys
    ----
    address
        Where the dashboard is.
    market_time
        Market time, as text or a Timestamp.
    elapsed_s
        Wall seconds since the start.
    events, events_per_s
        Market events through the desk so far, and a wall second since the snapshot before; `live` tells the second.
    tops
        Top of book a future.
    positions, greeks
        Largest first.
    es
        Unhedged, current and target at one level.
    hedge, trades
        Counts so far; the last hedge fills, newest first.
    """

    address: str
    market_time: Any
    elapsed_s: float
    events: int
    events_per_s: float
    tops: Sequence[Top]
    positions: Sequence[Position]
    greeks: Sequence[Greeks]
    es: ShortfallFigures
    hedge: HedgeCount
    trades: Sequence[HedgeTrade]


_ROWS = 8  # of a table but positions, which take the height that is left
_WIDE = 120  # columns at which two wide tables stand side by side
_LINE_S = 10.0  # between two lines where there is no terminal
_SHORTEST_S = 0.05  # a rate over less says more of the clock than of the desk
_WHOLE = {"qty", "bid_qty", "ask_qty"}


def render(snapshot: Snapshot) -> Any:
    """The view of one moment, cut to the console it is printed on: what matters most first.

    Examples
    --------
    >>> from rich.console import Console
    >>> import io
    >>> console = Console(width=80, record=True, file=io.StringIO())
    >>> console.print(render({"events": 12_000, "es": {"level": 0.975, "horizon": "1D", "unhedged": 5.0}}))
    >>> "12,000 events" in console.export_text()
    True
    """
    return _View(snapshot)


@dataclass(frozen=True)
class _Part:
    """One table: its rows wanted, and itself with n of them."""

    wanted: int
    made: Callable[[int], Any]


class _View:
    """Shelves of tables; rows go to the shelves in order of rank, and each keeps one where it fits."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __rich_console__(self, console: Any, options: Any) -> Iterable[Any]:
        from rich.table import Table
        from rich.text import Text

        head = [Text(line, style="bold", no_wrap=True, overflow="ellipsis") for line in _headlines(self._snapshot)]
        yield from head
        shelves, left = self._shelves(options.max_width >= _WIDE), options.max_height - len(head)
        rows: list[int] = []
        for at, shelf in enumerate(shelves):
            least = _wanted(shelf) if at == 0 else 1
            if left < 2 + least:
                break
            rows.append(least)
            left -= 2 + least
        for at in range(len(rows)):
            more = min(_wanted(shelves[at]) - rows[at], left)
            rows[at] += more
            left -= more
        for shelf, n in zip(shelves, rows, strict=False):
            if left > 0:
                left -= 1
                yield ""
            side_by_side = Table.grid(padding=(0, 4, 0, 0))
            side_by_side.add_column(no_wrap=True)  # the first is the last to give way
            side_by_side.add_row(*(part.made(min(n, part.wanted)) for part in shelf))
            yield side_by_side

    def _shelves(self, wide: bool) -> list[list[_Part]]:
        now = self._snapshot
        es = _shortfall(now.get("es", {}), bars=wide)
        books = _part("books", ("instrument", "bid_qty", "bid", "ask", "ask_qty", "last"), now.get("tops", ()))
        greeks = _part(
            "Greeks, client and hedges; theta a year, vega a 1.00",
            ("underlying", "delta", "gamma", "vega", "theta"),
            now.get("greeks", ()),
        )
        told = ("time", "instrument", "qty", "price", "fee")
        trades = _part("hedge trades", told if wide else told[:-1], list(now.get("trades", ()))[: _ROWS if wide else 3])
        held = ("instrument", "book", "qty", "avg_price", "mark", "unrealised")
        positions = _part("positions", held, now.get("positions", ()), most=10_000, cut=_with_hedges)
        order = [[es, books], [greeks, trades], [positions]] if wide else [[es, trades], [books], [greeks], [positions]]
        shelves = [[part for part in shelf if part is not None] for shelf in order]
        return [shelf for shelf in shelves if shelf]


def _wanted(shelf: list[_Part]) -> int:
    return max(part.wanted for part in shelf)


def _headlines(snapshot: Snapshot) -> list[str]:
    """The dashboard's address; time and events; hedges: a line each."""
    parts = headline(snapshot).split(" · ")
    hedges = [p for p in parts if p.startswith("hedges: ")]
    market = " · ".join(p for p in parts if p not in hedges)
    return [line for line in (snapshot.get("address", ""), market, *hedges) if line]


def headline(snapshot: Snapshot) -> str:
    """Time, events, hedges in one line: all that is printed where output is not a terminal.

    Examples
    --------
    >>> headline({"market_time": "14:30:05", "events": 50_000, "events_per_s": 1e6})
    'market time 14:30:05 · 50,000 events, 1,000,000 a second'
    """
    parts = [f"market time {str(snapshot['market_time'])[:23]}"] if "market_time" in snapshot else []
    if "events" in snapshot:
        rate = f", {snapshot['events_per_s']:,.0f} a second" if "events_per_s" in snapshot else ""
        parts.append(f"{snapshot['events']:,} events{rate}")
    if hedge := snapshot.get("hedge"):
        parts.append(
            f"hedges: {hedge.get('orders', 0):,} orders, {hedge.get('fills', 0):,} fills, "
            f"{hedge.get('rejects', 0):,} rejects, cost {cell(float(hedge.get('cost', 0.0)))}"
        )
    return " · ".join(parts) or "starting"


def live(print_json: bool) -> tuple[Callable[[Snapshot], None], Callable[[], None]]:
    """What to call with each snapshot, and at the end: a live view, lines where there is no terminal.

    Parameters
    ----------
    print_json
        Stdout belongs to the JSON document: show nothing.
    """
    from rich.console import Console
    from rich.live import Live

    console, of_late = Console(), _of_late()
    if print_json:
        return (lambda _: None), (lambda: None)
    if not console.is_terminal:
        return _lines(of_late), (lambda: None)
    view = Live(render({}), console=console, refresh_per_second=8)
    view.start()
    return (lambda snapshot: view.update(render(of_late(snapshot)))), view.stop


def _lines(of_late: Callable[[Snapshot], Snapshot]) -> Callable[[Snapshot], None]:
    """A line now and then: where output goes to a file, warnings stand between them."""
    due = -math.inf

    def show(snapshot: Snapshot) -> None:
        nonlocal due
        if (now := time.monotonic()) >= due:
            due = now + _LINE_S
            print(headline(of_late(snapshot)), flush=True)

    return show


def _of_late() -> Callable[[Snapshot], Snapshot]:
    """Tells snapshots, one after the other, how fast events came since the one before."""
    seconds, events, rate = 0.0, 0, 0.0

    def told(snapshot: Snapshot) -> Snapshot:
        nonlocal seconds, events, rate
        if "elapsed_s" not in snapshot or "events" not in snapshot:
            return snapshot
        if snapshot["elapsed_s"] - seconds > _SHORTEST_S:
            rate = (snapshot["events"] - events) / (snapshot["elapsed_s"] - seconds)
            seconds, events = snapshot["elapsed_s"], snapshot["events"]
        return {**snapshot, "events_per_s": rate}

    return told


def _first(rows: list[Any], n: int) -> list[Any]:
    return rows[:n]


def _with_hedges(rows: list[Any], n: int) -> list[Any]:
    """The first n, half of them hedges where there are so many: a future's value is small, whatever its size."""
    hedges = [k for k, r in enumerate(rows) if r.get("book") == "hedge"]
    clients = [k for k, r in enumerate(rows) if r.get("book") != "hedge"]
    kept = min(len(hedges), max((n + 1) // 2, n - len(clients)))
    return [rows[k] for k in sorted(hedges[:kept] + clients[: n - kept])]


def _part(
    title: str,
    columns: tuple[str, ...],
    rows: Iterable[Any],
    most: int = _ROWS,
    cut: Callable[[list[Any], int], list[Any]] = _first,
) -> _Part | None:
    held = list(rows)
    if not held:
        return None

    def made(n: int) -> Any:
        shown = cut(held, n)
        said = title if len(shown) == len(held) or most == _ROWS else f"{title}, {len(shown)} of {len(held)}"
        cells = [[_whole(r.get(c)) if c in _WHOLE else r.get(c) for c in columns] for r in shown]
        return _titled(said, [c.replace("_", " ") for c in columns], cells)

    return _Part(min(len(held), most), made)


def _whole(value: Any) -> Any:
    """Whole lots as whole numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _titled(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Any:
    """A table under its title, where neither wraps: a wrapped row would take a line that is counted for another."""
    from rich.console import Group
    from rich.text import Text

    made = made_table("", columns, rows)
    made.title = None
    for column in made.columns:
        column.no_wrap = True
    return Group(Text(title, style="bold", no_wrap=True, overflow="ellipsis"), made)


def _shortfall(es: ShortfallFigures, bars: bool) -> _Part | None:
    if not es:
        return None
    title = f"expected shortfall {es.get('level', 0.0):.1%}, {es.get('horizon', '')}"
    base = es.get("unhedged") or 0.0
    rows = []
    for name in ("unhedged", "current", "target"):
        value: Any = es.get(name)
        bar = "█" * round(20 * min(max(value / base, 0.0), 1.5)) if value is not None and base > 0 else ""
        rows.append((name, value, bar) if bars else (name, value))
    return _Part(3, lambda n: _titled(title, ("", "loss", "")[: 2 + bars], rows[:n]))
