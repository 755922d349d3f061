"""Trades out of pasted text; what is wrong names its row."""

from __future__ import annotations

import csv
import math
import re
from typing import TYPE_CHECKING

import pandas as pd

from qflib.errors import InputError

if TYPE_CHECKING:
    from qflib.views import Views

_ROWS = 500
_ERRORS = 5  # told at a time
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[  '_]\d{3})+(?:\.\d+)?")


def parsed(text: str, views: Views) -> pd.DataFrame:
    """Columns instrument, qty, avg_price, cost (against the mid now, where a price is told and there is a mid).

    Raises
    ------
    InputError
        If there is no row, or rows are wrong: each with its number.
    """
    table, wrong = views.instruments, []
    rows: list[tuple[str, float, float, float]] = []
    for number, cells in _split(text):
        said = f"row {number}"
        if len(cells) not in (2, 3):
            n = f"{len(cells)} field{'' if len(cells) == 1 else 's'}"
            wrong.append(f"{said} has {n}; give instrument, qty and, if you like, price")
            continue
        symbol, qty, price = (
            cells[0],
            _number(cells[1]),
            _number(cells[2]) if len(cells) == 3 and cells[2] else math.nan,
        )
        if symbol not in table:
            wrong.append(f"{said}: instrument {symbol[:40]!r} is not in the table{_near(symbol, views)}")
        elif qty is None or qty == 0:
            wrong.append(f"{said}: qty {cells[1][:40]!r} is not a number other than 0; write 10 to buy, -10 to sell")
        elif price is None or price <= 0:
            wrong.append(f"{said}: price {cells[2][:40]!r} is not a number above 0; leave it out to trade at the mid")
        else:
            rows.append((symbol, qty, 0.0 if math.isnan(price) else price, _cost(symbol, qty, price, views)))
    if wrong:
        more = [f"and {len(wrong) - _ERRORS} more"] if len(wrong) > _ERRORS else []
        raise InputError("\n".join(wrong[:_ERRORS] + more))
    if not rows:
        raise InputError("there is no trade; write one a line: instrument, qty, price")
    if len(rows) > _ROWS:
        raise InputError(f"{len(rows)} trades are too many for a page; give {_ROWS} at most")
    return pd.DataFrame(rows, columns=["instrument", "qty", "avg_price", "cost"])


def _split(text: str) -> list[tuple[int, list[str]]]:
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    mark = next((m for m in ("\t", ";") if any(m in line for _, line in lines)), ",")
    made = [(n, [c.strip() for c in next(csv.reader([line], delimiter=mark))]) for n, line in lines]
    made = [(n, cells[:-1] if len(cells) > 2 and not cells[-1] else cells) for n, cells in made]
    return made[1:] if made and made[0][1][0].lower() in ("instrument", "symbol") else made


def _number(text: str) -> float | None:
    plain = text.replace("−", "-").strip()
    if _GROUPED.fullmatch(plain):
        plain = re.sub(r"[  '_]", "", plain)
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _cost(symbol: str, qty: float, price: float, views: Views) -> float:
    r, book = views.instruments[symbol], views.books.latest(symbol)
    if math.isnan(price) or book is None or not len(book.bids) or not len(book.asks) or r.inverse:
        return 0.0
    mid = float(views.instruments.to_price(book.instrument, int(book.bids[0, 0]) + int(book.asks[0, 0]))) / 2
    return (price - mid) * qty * float(r.multiplier)


def _near(symbol: str, views: Views) -> str:
    import difflib

    close = difflib.get_close_matches(symbol.upper(), [r.symbol for r in views.instruments], 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""
