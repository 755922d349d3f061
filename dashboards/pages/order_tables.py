"""Rows of blotter and executions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dashboards.components.heatmap import digits
from qflib.records import Book, ExecType, Instruments, OrderStatus, OrderType, Reason, Side, TimeInForce

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.orders import OrderState

_ROWS = 200
BLOTTER = [
    {"k": "time", "label": "time", "f": "time", "align": "left"},
    {"k": "symbol", "label": "instrument"},
    {"k": "side", "label": "side", "tone": "tone"},
    {"k": "qty", "label": "qty", "f": "each"},
    {"k": "price", "label": "price", "f": "each"},
    {"k": "cum", "label": "filled", "f": "each"},
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
        names = table[o.instrument].symbol, o.account, o.client_order_id, o.portfolio
        return not text or any(text in n.lower() for n in names)

    return passes


def blotter_rows(views: Views, passes: Callable[[OrderState], bool], *, may_cancel: bool) -> list[dict[str, Any]]:
    """Orders, newest first."""
    table, rows = views.instruments, []
    for o in views.orders.orders(where=passes, limit=_ROWS):
        d, lots = digits(table.to_price(o.instrument, 1)), digits(table.to_qty(o.instrument, 1))
        status = "sent" if o.ord_status is None else _word(OrderStatus, o.ord_status)
        reason = _word(Reason, o.reason) if o.reason else ""
        limit = o.ord_type != OrderType.MARKET
        rows.append(
            {
                "id": f"{o.account}|{o.client_order_id}",
                "time": o.sent_ns / 1e6 if o.sent_ns else o.stamp.time_ns / 1e6,
                "symbol": table[o.instrument].symbol,
                **_side(o.side),
                "qty": [float(table.to_qty(o.instrument, o.qty)), lots],
                "price": [float(table.to_price(o.instrument, o.price_ticks)), d] if limit and o.price_ticks else None,
                "cum": [float(table.to_qty(o.instrument, o.cum_qty)), lots] if o.cum_qty else None,
                "avg": [o.avg_price, d + 1] if o.avg_price else None,
                "status": f"{status}: {reason}" if reason else status,
                "status_tone": _TONES.get(status, ""),
                "terms": f"{_word(OrderType, o.ord_type)} {_word(TimeInForce, o.time_in_force).upper()}"
                if o.known
                else "",
                "account": o.account,
                "name": o.client_order_id,
                "cls": "" if o.live else "over",
                "cancel": "cancel" if may_cancel and o.live and o.leaves_qty > 0 else "",
            }
        )
    return rows


def fill_rows(views: Views) -> list[dict[str, Any]]:
    """Executions, newest first; acknowledgements are left out: the blotter shows them."""
    table, rows = views.instruments, []
    for x in views.orders.executions(where=lambda x: x.exec_type != ExecType.NEW, limit=_ROWS):
        d, lots = digits(table.to_price(x.instrument, 1)), digits(table.to_qty(x.instrument, 1))
        what = _word(ExecType, x.exec_type)
        refused = x.exec_type == ExecType.REJECTED
        rows.append(
            {
                "id": "-".join(map(str, x.cursor)),
                "time": x.time_ns / 1e6,
                "symbol": table[x.instrument].symbol,
                "what": f"{what}: {_word(Reason, x.reason)}" if x.reason else what,
                "what_tone": "bad" if refused else "",
                **_side(x.side),
                "qty": [float(table.to_qty(x.instrument, x.qty)), lots],
                "price": [x.price, d] if x.price else None,
                "fee": x.fee,
                "book": _word(Book, x.book),
                "account": x.account,
                "name": x.client_order_id,
            }
        )
    return rows


def _side(side: int) -> dict[str, str]:
    return {
        "side": "buy" if side == Side.BID else "sell" if side == Side.ASK else "",
        "tone": "buy" if side == Side.BID else "sell",
    }


def _word(codes: Any, code: int) -> str:
    return (
        codes(code).name.replace("_", " ").lower() if code in codes.__members__.values() else str(code) if code else ""
    )
