"""Marks of trades against a plain sum of them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qflib.views.marks import TradeMarks
from tests.views.recorded import recorded

TRADE = st.tuples(st.integers(1, 2), st.integers(98, 101), st.integers(1, 5))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.lists(TRADE, min_size=1, max_size=6)), max_size=30),
    st.integers(1, 8),
    st.integers(-1, 40),
)
def test_marks_are_sums(records: list[tuple[int, list[tuple[int, int, int]]]], kept: int, since: int) -> None:
    marks, moment = TradeMarks(kept), 0
    want: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for seq, (steps, trades) in enumerate(records):
        moment += steps
        marks.add(seq, 1_000 * moment, moment, trades)
        for side, price, qty in trades:
            mark = want[1_000 * moment, side, price]
            mark[:] = seq, mark[1] + qty, mark[2] + 1
    got = {(t, s, p): [seq, q, n] for seq, t, s, p, q, n in marks.since(since).tolist()}
    assert got == {k: v for k, v in want.items() if v[0] > since and k[0] > 1_000 * (moment - kept)}
    assert (np.diff(marks.since(-1)["time_ns"]) >= 0).all()


def test_they_lie_on_the_moments_of_depth_and_hold_every_trade() -> None:
    views = recorded().views()
    for symbol in ("ACME.F", "BETA.F"):
        marks, trades, depth = (f(symbol) for f in (views.books.trade_marks, views.books.trades, views.books.depth))
        assert len(trades) > len(marks) > 10
        assert marks["qty"].sum() == trades["qty"].sum()
        assert marks["n"].sum() == len(trades)
        assert np.isin(marks["time_ns"], depth["time_ns"]).mean() > 0.9
        middle = int(trades["seq"][len(trades) // 2])
        later = views.books.trade_marks(symbol, middle)
        assert set(later["seq"].tolist()) == {s for s in marks["seq"].tolist() if s > middle}
