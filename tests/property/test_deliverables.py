"""What contracts deliver, against the rule written out instrument by instrument."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from qflib.records import Instrument, Instruments
from qflib.steps.exchange.payoff import deliverables

KINDS = st.sampled_from(["option", "future", "spot", "perpetual"])
DAYS = st.integers(1, 4)


def made(n: int, underlying: str, kind: str, day: int) -> Instrument:
    symbol, expiry = f"{underlying}-{n}", pd.Timestamp("2026-03-01T08:00Z") + pd.Timedelta(days=day)
    if kind == "option":
        return Instrument(symbol, underlying=underlying, kind=kind, right="call", style="european", strike=100.0,
                          expiry=expiry)  # fmt: skip
    return Instrument(symbol, underlying=underlying, kind=kind, expiry=expiry if kind == "future" else None)


def delivers(rows: Instruments, k: int) -> int:
    """The rule, slowly."""
    own, kin = rows[k], [(i, r) for i, r in enumerate(rows) if r.underlying == rows[k].underlying and i != k]
    if own.kind == "option":
        later = [(r.expiry, i) for i, r in kin if r.kind == "future" and r.expiry >= own.expiry]
        if later:
            return min(later)[1]
    wanted = ("spot", "perpetual") if own.kind == "option" else ("spot",)
    return next((i for kind in wanted for i, r in kin if r.kind == kind), -1)


@given(st.lists(st.tuples(st.sampled_from("AB"), KINDS, DAYS), min_size=1, max_size=12))
def test_each_delivers_what_the_rule_says(told: list[tuple[str, str, int]]) -> None:
    rows = Instruments([made(n, *of) for n, of in enumerate(told)])
    assert deliverables(rows) == [delivers(rows, k) for k in range(len(rows))]
