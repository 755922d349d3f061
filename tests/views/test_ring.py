"""The ring against a plain list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qflib.views.ring import Ring


@given(st.integers(1, 200), st.lists(st.integers(0, 260), max_size=12), st.integers(0, 300), st.integers(0, 900))
def test_it_keeps_the_newest_in_order(capacity: int, sizes: list[int], n: int, since: int) -> None:
    ring, every = Ring(np.dtype("i8"), capacity), []
    for size in sizes:
        rows = list(range(len(every), len(every) + size))
        ring.extend(np.array(rows, "i8"))
        every += rows
        kept = every[-capacity:]
        assert ring.total == len(every)
        assert ring.last().tolist() == kept
        assert ring.last(n).tolist() == (kept[-n:] if n else [])
        assert ring.since(since).tolist() == [r for r in kept if r >= since]
