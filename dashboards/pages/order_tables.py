"""Rows of blotter and executions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dashboards.components.heatmap import digits
from qflib.records import Book, ExecType, Instruments, OrderOption, OrderStatus, OrderType, Reason, Side, TimeInForce

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.executions import Execution
    from qflib.views.order_state import OrderState

_ROWS = 200  # shown
_PAGE, LOOKED = 2_000, 20_000  # looked at by a filter: at a time, and at most
_ANEW_S = 5.0
BLOTTER = [
    {"k": "time", "label": "time", "f": "time", "align": "left"},
    {"k": "symbol", "label": "instrument"},
    {"k": "side", "label": "side", "tone": "tone"},
    {"k": "qty", "label": "qty", "f": "each"},
    {"k": "price", "label": "price", "f": "each"},
    {"k": "cum", "label": "filled", "f": "each"},
    {"k": "ahead", "label": "ahead", "f": "each"},
    {"k": "avg", "label": "avg price", "f": "each"},
    {"k": "status", "label": "status", "tone": "status_tone"},
    {"k": "terms", "label": "terms", "cls": "mid"},
    {"k": "account", "label": "account", "cls": "mid"},
    {"k": "name", "label": "order id", "cls": "mid"},
    {"k": "cancel", "label": "", "f": "act"},
]
FILLS = [
    {"k": "time", "label": "time", "f": "ms", "align": "left"},
    {"k": "what", "label": "what", "tone": "what_tone"},
    {"k": "symbol", "label": "instrument"},
    {"k": "side", "label": "side", "tone": "tone"},
    {"k": "qty", "label": "qty", "f": "each"},
    {"k": "price", "label": "price", "f": "each"},
    {"k": "fee", "label": "fee", "f": "num", "d": 2},
    {"k": "book", "label": "book", "cls": "mid"},
    {"k": "account", "label": "account", "cls": "mid"},
    {"k": "name", "label": "order id", "cls": "mid"},
]
_TONES = {"rejected": "bad", "filled": "strong", "cancelled": "mid", "expired": "mid", "replaced": "mid"}


def wanted(table: Instruments, show: str, text: str) -> Callable[[OrderState], bool]:
    """Which orders a filter lets through: all, live, mine (not the hedger's) or hedges; with a text in any name."""

    def passes(o: OrderState) -> bool:
        if (show == "live" and not o.live) or (show == "hedges" and not o.hedge_no) or (show == "mine" and o.hedge_no):
            return False
        names = _symbol(table, o.instrument), o.account, o.client_order_id, o.portfolio
        return not text or any(text in n.lower() for n in names)

    return passes


def version(views: Views) -> object:
    """What changes with the orders: the newest request, the newest execution, and now and then of itself.

    A request that is read after its executions moves neither.
    """
    newest = [x[0].cursor if x else None for x in (views.orders.orders(limit=1), views.orders.executions(limit=1))]
    return *newest, int(time.monotonic() / _ANEW_S)


def blotter_rows(
    views: Views, passes: Callable[[OrderState], bool], *, may_cancel: bool
) -> tuple[list[dict[str, Any]], str]:
    """Orders, newest first, and of how many they are; to be called in a thread."""
    found, note = _newest(views.orders.orders, passes)
    return [_order_row(views.instruments, o, may_cancel) for o in found], note


def fill_rows(views: Views) -> tuple[list[dict[str, Any]], str]:
    """Executions, newest first; acknowledgements are left out: the blotter shows them. In a thread, too."""
    found, note = _newest(views.orders.executions, lambda x: x.exec_type != ExecType.NEW)
    return [_fill_row(views.instruments, x) for x in found], note


def _newest(ask: Callable[..., list[Any]], passes: Callable[[Any], bool]) -> tuple[list[Any], str]:
    """The newest that pass, among as many as may be looked at: page by page, so that nobody waits long for the view."""
    found: list[Any] = []
    before, looked = None, 0
    while looked < LOOKED:
        page = ask(before=before, limit=_PAGE)
        looked += len(page)
        found += [one for one in page if passes(one)]
        if len(found) > _ROWS:
            return found[:_ROWS], f"the newest {_ROWS}"
        if len(page) < _PAGE:
            return found, ""
        before = page[-1].cursor
    return found, f"of the newest {LOOKED:,}"


def _symbol(table: Instruments, instrument: int) -> str:
    return table[instrument].symbol if 0 <= instrument < len(table) else "?"


def _units(table: Instruments, instrument: int) -> tuple[str, float, float]:
    """Symbol, tick and lot; of an instrument that is not in the table ticks and lots are told as they are."""
    if (symbol := _symbol(table, instrument)) == "?":
        return symbol, 1.0, 1.0
    return symbol, float(table.to_price(instrument, 1)), float(table.to_qty(instrument, 1))


def _order_row(table: Instruments, o: OrderState, may_cancel: bool) -> dict[str, Any]:
    symbol, tick, lot = _units(table, o.instrument)
    d, lots = digits(tick), digits(lot)
    status = "sent" if o.ord_status is None else _word(OrderStatus, o.ord_status)
    reason = _word(Reason, o.reason) if o.reason else ""
    limit = o.ord_type != OrderType.MARKET
    return {
        "id": f"{o.account}|{o.client_order_id}",
        "time": o.sent_ns / 1e6 if o.sent_ns else o.stamp.time_ns / 1e6,
        "symbol": symbol,
        **_side(o.side),
        "qty": [o.qty * lot, lots],
        "price": [o.price_ticks * tick, d] if limit and o.price_ticks else None,
        "cum": [o.cum_qty * lot, lots] if o.cum_qty else None,
        "ahead": None if o.place is None else [o.place * lot, lots],
        "avg": [o.avg_price, d + 1] if o.avg_price else None,
        "status": f"{status}: {reason}" if reason else status,
        "status_tone": _TONES.get(status, ""),
        "terms": _terms(o) if o.known else "",
        "account": o.account,
        "name": o.client_order_id,
        "cls": "" if o.live else "over",
        "cancel": "cancel" if may_cancel and o.live and o.leaves_qty > 0 else "",
    }


def _terms(o: OrderState) -> str:
    post_only = " post-only" if o.options & OrderOption.POST_ONLY else ""
    return f"{_word(OrderType, o.ord_type)} {_word(TimeInForce, o.time_in_force).upper()}{post_only}"


def _fill_row(table: Instruments, x: Execution) -> dict[str, Any]:
    symbol, tick, lot = _units(table, x.instrument)
    d, lots = digits(tick), digits(lot)
    what = _word(ExecType, x.exec_type)
    refused = x.exec_type == ExecType.REJECTED
    return {
        "id": "-".join(map(str, x.cursor)),
        "time": x.time_ns / 1e6,
        "symbol": symbol,
        "what": f"{what}: {_word(Reason, x.reason)}" if x.reason else what,
        "what_tone": "bad" if refused else "",
        **_side(x.side),
        "qty": [x.qty * lot, lots],
        "price": [x.price, d] if x.price else None,
        "fee": x.fee,
        "book": _word(Book, x.book),
        "account": x.account,
        "name": x.client_order_id,
    }


def _side(side: int) -> dict[str, str]:
    return {
        "side": "buy" if side == Side.BID else "sell" if side == Side.ASK else "",
        "tone": "buy" if side == Side.BID else "sell",
    }


def _word(codes: Any, code: int) -> str:
    return (
        codes(code).name.replace("_", " ").lower() if code in codes.__members__.values() else str(code) if code else ""
    )
