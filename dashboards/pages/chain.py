"""The quotes of an underlying's options: calls left, puts right, a row an expiry and strike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboards.components.heatmap import digits

if TYPE_CHECKING:
    from qflib.views import BookView
    from qflib.views.books import BookState

_SIDES = (("call", "c"), ("put", "p"))


def _column(k: str, label: str, cls: str = "") -> dict[str, Any]:
    return {"k": k, "label": label, "f": "each", "cls": cls}


COLUMNS = [
    {"k": "expiry", "label": "expiry"},
    _column("c_bid_qty", "qty", "mid"),
    _column("c_bid", "call bid", "buy"),
    _column("c_ask", "call ask", "sell"),
    _column("c_ask_qty", "qty", "mid"),
    {"k": "strike", "label": "strike", "f": "each", "align": "center", "cls": "strong"},
    _column("p_bid_qty", "qty", "mid"),
    _column("p_bid", "put bid", "buy"),
    _column("p_ask", "put ask", "sell"),
    _column("p_ask_qty", "qty", "mid"),
]


def chain_rows(books: BookView, underlying: str) -> list[dict[str, Any]]:
    """Rows as `Table` shows them, by expiry and strike; the strike next to the forward of each expiry is marked."""
    table = books.instruments
    rows: dict[tuple[Any, float], dict[str, Any]] = {}
    spot = None
    for i, r in enumerate(table):
        if r.underlying != underlying:
            continue
        book = books.latest(i)
        if r.kind in ("future", "spot"):
            if spot is None and book is not None and len(book.bids) and len(book.asks):
                spot = float(table.to_price(i, int(book.bids[0, 0]) + int(book.asks[0, 0]))) / 2
            continue
        if r.kind != "option" or r.strike is None or r.expiry is None:
            continue
        key = r.expiry, float(r.strike)
        row = rows.setdefault(
            key,
            {
                "id": f"{r.expiry:%Y%m%d} {r.strike}",
                "expiry": f"{r.expiry:%d %b %y}",
                "strike": [r.strike, _decimals(r.strike)],
            },
        )
        _quote(row, "c" if r.right == "call" else "p", i, book, books)
    ordered = [rows[k] for k in sorted(rows)]
    if spot is not None:
        for expiry in {k[0] for k in rows}:
            near = min((k for k in rows if k[0] == expiry), key=lambda k: abs(k[1] - spot))
            rows[near]["cls"] = "at"
    return ordered


def _quote(row: dict[str, Any], side: str, i: int, book: BookState | None, books: BookView) -> None:
    if book is None:
        return
    table = books.instruments
    d, lot = digits(table.to_price(i, 1)), digits(table.to_qty(i, 1))
    for name, levels in (("bid", book.bids), ("ask", book.asks)):
        if len(levels) and levels[0, 1] > 0:
            row[f"{side}_{name}"] = [float(table.to_price(i, int(levels[0, 0]))), d]
            row[f"{side}_{name}_qty"] = [float(table.to_qty(i, int(levels[0, 1]))), lot]


def _decimals(strike: float) -> int:
    return min(4, digits(float(strike)))
