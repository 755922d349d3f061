"""The JSON forms of books, orders, executions and risk: what REST, the stream and their client show alike.

Prices and quantities are exact decimal strings; times are nanoseconds and RFC 3339; risk figures are numbers, null
where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from qflib.api.cursors import cursor_text
from qflib.api.explain_shapes import ExplainRow, MinVarianceRow
from qflib.records.codes import (
    Book,
    ExecType,
    Liquidity,
    OrderAction,
    OrderOption,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from qflib.records.decimals import decimal_text

if TYPE_CHECKING:
    from qflib.records import Instruments
    from qflib.views.books import BookState
    from qflib.views.executions import Execution
    from qflib.views.order_state import OrderState
    from qflib.views.report import Report
    from qflib.views.risk import RiskView

SideName = Literal["buy", "sell"]
OrderTypeName = Literal["limit", "market"]
TimeInForceName = Literal["day", "gtc", "ioc", "fok", "gtd"]
BookName = Literal["client", "hedge"]

SIDES: dict[int, SideName] = {int(Side.BID): "buy", int(Side.ASK): "sell"}
ORD_TYPES: dict[int, OrderTypeName] = {int(OrderType.MARKET): "market", int(OrderType.LIMIT): "limit"}
TIMES_IN_FORCE: dict[int, TimeInForceName] = {
    int(TimeInForce.DAY): "day", int(TimeInForce.GTC): "gtc", int(TimeInForce.IOC): "ioc", int(TimeInForce.FOK): "fok",
    int(TimeInForce.GTD): "gtd",
}  # fmt: skip
BOOKS: dict[int, BookName] = {int(Book.CLIENT): "client", int(Book.HEDGE): "hedge"}
_ACTIONS = {int(a): a.name.lower() for a in OrderAction}
_STATUSES = {int(s): s.name.lower() for s in OrderStatus}
_REASONS = {int(r): r.name.lower() for r in Reason}
_EXEC_TYPES = {int(t): t.name.lower() for t in ExecType}
_LIQUIDITY = {int(x): x.name.lower() for x in Liquidity}
_PRICED = frozenset((ExecType.BOOKING, ExecType.TRANSFER, ExecType.SETTLEMENT, ExecType.EXERCISE, ExecType.ASSIGNMENT,
                     ExecType.VARIATION_MARGIN, ExecType.BUST, ExecType.DELIVERY))  # fmt: skip
_NEVER = 1 << 63  # what does not expire stands last
_UNITS = {"D": 86_400 * 10**9, "h": 3_600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6}


class LastTrade(Struct, frozen=True):
    """The last trade of a book."""

    price: str
    qty: str


class BookForm(Struct, frozen=True):
    """A book: best first, [price, quantity]."""

    instrument: str
    seq: int
    prev_seq: int
    time: str
    time_ns: int
    age_ms: int
    status: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    last: LastTrade | None


class OrderForm(Struct, frozen=True):
    """An order and where it stands; `queue_ahead`: the venue's quantity in front of it, while it rests."""

    account: str
    client_order_id: str
    portfolio: str
    book: BookName | None
    instrument: str
    side: SideName | None
    ord_type: OrderTypeName | None
    time_in_force: TimeInForceName | None
    post_only: bool
    expire: str | None
    price: str | None
    qty: str
    orig_client_order_id: str | None
    action: str
    ord_status: str
    reason: str
    cum_qty: str
    leaves_qty: str
    queue_ahead: str | None
    avg_px: str | None
    fees: str
    hedge: bool
    replaced_by: str | None
    seq: int
    time: str
    time_ns: int
    age_ms: int
    cursor: str | None


class ExecutionForm(Struct, frozen=True):
    """What the exchange told of an order or a position; `queue_ahead`: the venue's quantity in front of it then."""

    exec_id: int
    exec_type: str
    ord_status: str
    reason: str
    instrument: str
    side: SideName | None
    qty: str
    price: str | None
    cum_qty: str
    leaves_qty: str
    queue_ahead: str
    fee: str
    cash: str
    liquidity: str
    account: str
    portfolio: str
    book: BookName | None
    client_order_id: str
    orig_client_order_id: str | None
    hedge: bool
    time: str
    time_ns: int
    seq: int
    cursor: str


class LevelRisk(Struct, frozen=True):
    """VaR and ES at one confidence: positive losses, reporting currency."""

    level: float
    horizon: str
    es_unhedged: float | None
    es_current: float | None
    es_target: float | None
    var_unhedged: float | None
    var_current: float | None
    var_target: float | None
    target_cost: float | None
    n_scenarios: int
    n_tail: int


class GreeksRow(Struct, frozen=True):
    """Greeks of an underlying and book, a year and per 1.00."""

    underlying: str
    book: str
    value: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    rho: float | None
    vanna: float | None
    volga: float | None
    cash_delta: float | None
    realised: float | None
    unrealised: float | None
    forward: float | None


class ExpiryRow(Struct, frozen=True):
    """Value, Greeks and P&L of an underlying's positions of one expiry; null: what does not expire."""

    underlying: str
    expiry: str | None
    value: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    unrealised: float | None
    realised: float | None


class LimitRow(Struct, frozen=True):
    """A limit and where it stands."""

    name: str
    value: float | None
    bound: float | None
    breached: bool


class HedgeCounts(Struct, frozen=True):
    """What the hedger did since the reader's beginning."""

    orders: int
    fills: int
    rejects: int
    cost: float | None


class RiskForm(Struct, frozen=True):
    """The last report on a portfolio."""

    portfolio: str
    seq: int
    prev_seq: int
    time: str
    time_ns: int
    age_ms: int
    pnl: float | None
    set_id: str
    dynamics: str
    decay: bool
    unpriced: int
    levels: list[LevelRisk]
    greeks: list[GreeksRow]
    by_expiry: list[ExpiryRow]
    limits: list[LimitRow]
    hedges: HedgeCounts
    explain: list[ExplainRow] = []
    min_variance: list[MinVarianceRow] = []
    vector_error: float = 0.0  # greatest found in a scenario's P&L, reporting currency; 0: every option revalued


def rfc3339(time_ns: int) -> str:
    """Nanoseconds UTC as RFC 3339.

    Examples
    --------
    >>> rfc3339(1_767_623_400_000_000_001)
    '2026-01-05T14:30:00.000000001Z'
    """
    seconds, ns = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{ns:09d}Z"


@lru_cache(maxsize=1_024)  # most of what is shown is of the newest seconds
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def age_ms(append_ns: int, now_ns: int | None = None) -> int:
    """Milliseconds since Kafka had it."""
    return max(0, (time.time_ns() if now_ns is None else now_ns) - append_ns) // 1_000_000


def levels_form(levels: Any, instrument: int, instruments: Instruments, n: int | None = None) -> list[tuple[str, str]]:
    """(n, 2) ticks and lots as [price, quantity]; O(levels)."""
    price, qty = instruments.decimals.price, instruments.decimals.qty
    return [(price(instrument, p), qty(instrument, q)) for p, q in levels[:n].tolist()]


def book_form(b: BookState, instruments: Instruments, levels: int = 20, now_ns: int | None = None) -> BookForm:
    """A book as JSON shows it; O(levels)."""
    texts = instruments.decimals
    i = b.instrument
    last = LastTrade(texts.price(i, b.last_ticks), texts.qty(i, b.last_qty)) if b.last_qty else None
    return BookForm(
        b.symbol, b.stamp.seq, b.stamp.prev_seq, rfc3339(b.stamp.time_ns), b.stamp.time_ns,
        age_ms(b.stamp.append_ns, now_ns), b.status.name.lower(), levels_form(b.bids, i, instruments, levels),
        levels_form(b.asks, i, instruments, levels), last,
    )  # fmt: skip


def order_form(o: OrderState, instruments: Instruments, now_ns: int | None = None) -> OrderForm:
    """An order as JSON shows it."""
    i, texts = o.instrument, instruments.decimals
    known = 0 <= i < len(instruments)  # the exchange refuses another one, and says so by an execution

    def qty(lots: int) -> str:
        return texts.qty(i, lots) if known else str(lots)

    price = texts.price(i, o.price_ticks) if known and o.price_ticks else None
    whole = o.known and o.action != OrderAction.CANCEL
    return OrderForm(
        o.account, o.client_order_id, o.portfolio, BOOKS.get(o.book), symbol_of(i, instruments), SIDES.get(o.side),
        ORD_TYPES.get(o.ord_type), TIMES_IN_FORCE.get(o.time_in_force) if whole else None,
        bool(o.options & OrderOption.POST_ONLY), rfc3339(o.expire_ns) if o.expire_ns else None, price, qty(o.qty),
        o.orig_client_order_id or None, _named(_ACTIONS, o.action),
        "pending_new" if o.ord_status is None else _named(_STATUSES, o.ord_status), _named(_REASONS, o.reason),
        qty(o.cum_qty), qty(o.leaves_qty), None if o.place is None else qty(o.place),
        decimal_text(o.avg_price) if o.cum_qty else None, decimal_text(o.fees),
        o.hedge_no > 0, o.replaced_by or None, o.stamp.seq, rfc3339(o.stamp.time_ns), o.stamp.time_ns,
        age_ms(o.stamp.append_ns, now_ns), cursor_text(o.cursor),
    )  # fmt: skip


def execution_form(x: Execution, instruments: Instruments) -> ExecutionForm:
    """An execution as JSON shows it."""
    i, texts = x.instrument, instruments.decimals
    known = 0 <= i < len(instruments)

    def qty(lots: int) -> str:
        return texts.qty(i, lots) if known else str(lots)

    price = None
    if known and x.price_ticks and (not x.price or instruments.to_price(i, x.price_ticks) == x.price):
        price = texts.price(i, x.price_ticks)
    elif x.price or x.exec_type in _PRICED:
        price = decimal_text(x.price)
    return ExecutionForm(
        x.exec_id, _named(_EXEC_TYPES, x.exec_type), _named(_STATUSES, x.ord_status), _named(_REASONS, x.reason),
        symbol_of(i, instruments), SIDES.get(x.side), qty(x.qty), price, qty(x.cum_qty), qty(x.leaves_qty),
        qty(x.queue_ahead), decimal_text(x.fee), decimal_text(x.cash), _named(_LIQUIDITY, x.liquidity), x.account,
        x.portfolio, BOOKS.get(x.book), x.client_order_id, x.orig_client_order_id or None, x.hedge_no > 0,
        rfc3339(x.time_ns), x.time_ns, x.cursor[2], cursor_text(x.cursor),
    )  # fmt: skip


def report_form(report: Report, view: RiskView, now_ns: int | None = None) -> RiskForm:
    """A risk report as JSON shows it; O(positions)."""
    r, g, limits, stamp = report.batch.risk, report.batch.greeks, report.batch.limits, report.stamp
    counts = view.hedge_counts(report.portfolio)
    names = [n.decode() for n in g.underlying.tolist()]
    books = [BOOKS.get(b, "both") for b in g.book.tolist()]
    horizons = [_horizon(h) for h in r.horizon_ns.tolist()]
    return RiskForm(
        report.portfolio, stamp.seq, stamp.prev_seq, rfc3339(stamp.time_ns), stamp.time_ns,
        age_ms(stamp.append_ns, now_ns), report.pnl, r.set_id[0].decode(), r.dynamics[0].decode(), bool(r.decay[0]),
        int(r.unpriced[0]),
        _structs(LevelRisk, {"horizon": horizons}, r),
        _structs(GreeksRow, {"underlying": names, "book": books}, g),
        _by_expiry(report),
        _structs(LimitRow, {"name": [n.decode() for n in limits.name.tolist()],
                            "breached": limits.breached.astype(bool).tolist()}, limits),
        HedgeCounts(int(counts["orders"]), int(counts["fills"]), int(counts["rejects"]), counts["cost"]),
        _named_rows(ExplainRow, report.batch.explain), _named_rows(MinVarianceRow, report.batch.min_variance),
        float(r.vector_error[0]),
    )  # fmt: skip


def symbol_of(instrument: int, instruments: Instruments) -> str:
    """The symbol of a row; its number where the table has no such row."""
    return instruments[instrument].symbol if 0 <= instrument < len(instruments) else str(instrument)


def _by_expiry(report: Report) -> list[ExpiryRow]:
    """Sums of positions, as `Report.by_expiry`, without the 10 ms that a DataFrame takes."""
    p, table = report.batch.positions, report.instruments
    columns = [getattr(p, n).tolist() for n in ExpiryRow.__struct_fields__[2:]]
    sums: dict[tuple[str, int], list[float]] = {}
    for i, *row in zip(p.instrument.tolist(), *columns, strict=True):
        key = table[i].underlying, int(table.expiry_ns[i]) or _NEVER
        sums[key] = [a + b for a, b in zip(sums.get(key, [0.0] * len(row)), row, strict=True)]
    return [
        ExpiryRow(name, None if at == _NEVER else rfc3339(at), *figures) for (name, at), figures in sorted(sums.items())
    ]


def _horizon(ns: int) -> str:
    """As `horizon=` is given: 1D, 4h, 10min, 30s."""
    for unit, size in _UNITS.items():
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns}ns"


def _structs(kind: type[Any], made: dict[str, Sequence[Any]], table: Any) -> list[Any]:
    """A struct a row: columns made, the others from the table by their names."""
    columns = [made[n] if n in made else getattr(table, n).tolist() for n in kind.__struct_fields__]
    return [kind(*row) for row in zip(*columns, strict=True)]


def _named_rows(kind: type[Any], table: Any) -> list[Any]:
    """As `_structs`, an underlying a row, of a book where the table says of which."""
    made: dict[str, Sequence[Any]] = {"underlying": [n.decode() for n in table.underlying.tolist()]}
    if "book" in kind.__struct_fields__:
        made["book"] = [BOOKS.get(b, "both") for b in table.book.tolist()]
    else:
        made["used"] = table.used.astype(bool).tolist()
    return _structs(kind, made, table)


def _named(names: dict[int, str], code: int) -> str:
    return names.get(code) or str(code)


encode = msgspec.json.Encoder().encode  # NaN and infinite become null
