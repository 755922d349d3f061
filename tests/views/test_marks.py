"""Marks of trades against a plain sum of them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qflib.views.books import TRADE_ROW
from qflib.views.marks import marks_of
from tests.views.recorded import recorded

TRADE = st.tuples(st.integers(0, 3), st.integers(1, 2), st.integers(98, 101), st.integers(1, 5), st.integers(0, 9))
_FIELDS = ["seq", "side", "price_ticks", "qty", "receipt_ns"]


@given(st.lists(TRADE, max_size=40))
def test_marks_are_sums(trades: list[tuple[int, int, int, int, int]]) -> None:
    rows = np.zeros(len(trades), TRADE_ROW)
    want: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for row, (seq, side, price, qty, at) in zip(rows, trades, strict=True):
        for name, value in zip(_FIELDS, (seq, side, price, qty, at), strict=True):
            row[name] = value
        mark = want[seq, side, price]
        mark[:] = mark[0] + qty, max(mark[1], at)
    made = marks_of(rows)
    assert {(q, s, p): [n, t] for q, s, p, n, t in made[_FIELDS].tolist()} == want
    assert len(made) == len(want)
    assert made[["seq", "receipt_ns"]].tolist() == sorted(made[["seq", "receipt_ns"]].tolist())


def test_they_hold_every_trade_and_come_once() -> None:
    books = recorded().views().books
    for symbol in ("ACME.F", "BETA.F"):
        marks, trades = books.trade_marks(symbol), books.trades(symbol)
        assert len(trades) > len(marks) > 10
        assert marks["qty"].sum() == trades["qty"].sum()
        middle = int(trades["seq"][len(trades) // 2])
        assert books.trade_marks(symbol, middle).tolist() == marks[marks["seq"] > middle].tolist()
