"""A state that the engine cannot have saved is refused in a sentence, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError
from qflib.orderbook import MatchingEngine, Rules
from qflib.records import Instrument, Instruments

TABLE = Instruments((Instrument("A"), Instrument("B")))
RULES = {"A": Rules("pro_rata", top_order=5, taker_fee=0.25)}
State = dict[str, np.ndarray[Any, Any]]


def engine(tick: str = "0.01", rules: dict[str, Rules] | None = None) -> MatchingEngine:
    table = Instruments((Instrument("A", tick_schedule=(("0", tick),)), Instrument("B")))
    return MatchingEngine(table, RULES if rules is None else rules)


def saved() -> State:
    """Bids, an iceberg, a hidden order, a stop, one good till a time; a killed account."""
    made = engine()
    for price in (99.0, 99.5, 98.0):
        made.submit("A", "buy", 5, price)
    made.submit("A", "sell", 9, 101.0, display=2)
    made.submit("A", "sell", 4, 102.0, hidden=True)
    made.submit("B", "buy", 4, 103.0, stop=102.5)
    end = pd.Timestamp("2030-01-01", tz="UTC")
    made.submit("B", "sell", 4, 104.0, time_in_force="gtd", expire=end, account=6)
    made.kill(account=3)
    return made.state()


def put(array: str, column: str | None, row: int, value: Any) -> Callable[[State], None]:
    def change(state: State) -> None:
        (state[array] if column is None else state[array][column])[row] = value

    return change


def replaced(name: str, by: Any) -> Callable[[State], None]:
    return lambda state: state.update({name: by(state[name])})


def test_what_it_saved_is_taken() -> None:
    made = engine()
    made.load(saved())
    assert {n: v.tobytes() for n, v in made.state().items()} == {n: v.tobytes() for n, v in saved().items()}


@pytest.mark.parametrize("name", sorted(saved()))
def test_every_array_must_be_there_and_as_it_was(name: str) -> None:
    changes: list[tuple[Callable[[State], Any], str]] = [
        (lambda s: s.pop(name), f"no array '{name}'"),
        (replaced(name, lambda a: np.zeros(len(a), "f4")), f"{name} of the state is float32"),
        (replaced(name, lambda a: np.zeros((2, 2, 2), a.dtype)), "shape|instruments"),
    ]
    for change, match in changes:
        state = saved()
        change(state)
        with pytest.raises(DataError, match=match):
            engine().load(state)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put("orders", "qty", 0, -5), "qty of order row 0 is -5 in the state, expected from 1"),
        (put("orders", "qty", 1, 2**62), "qty of order row 1"),
        (put("orders", "leaves", 2, 4), "leaves of order row 2 is 4"),
        (put("orders", "leaves", 0, 7), "leaves of order row 0 is 7 in the state, expected its qty"),
        (put("orders", "display", 3, -1), "display of order row 3|leaves of order row 3"),
        (put("orders", "instrument", 0, 2), "instrument of order row 0 is 2 in the state, expected below 2"),
        (put("orders", "place", 0, 4), "place of order row 0"),
        (put("orders", "side", 0, 3), "side of order row 0"),
        (put("orders", "side", 0, 2), "orders of the state contradicts"),
        (put("orders", "at", 0, 2**61), "at of order row 0"),
        (put("orders", "at", 0, 1), "orders of the state contradicts"),  # out of the order in which they stand
        (put("orders", "limit", 0, 5), "orders of the state contradicts"),
        (put("orders", "account", 0, 2**24), "account of order row 0"),
        (put("orders", "bits", 0, 0), "bits of order row 0"),
        (put("orders", "order_id", 0, 1), "1 orders of the state have an id that another has"),
        (put("rules", "session", 0, 5), "session"),
        (put("rules", "killed", 1, 7), "kill switch"),
        (put("rules", "top_bid", 0, 2**40), "rules of the state contradicts"),
        (put("killed", None, 0, -1), "killed of the state"),
        (put("killed", None, 0, 2**24), "killed of the state"),
        (put("next_id", None, 0, 0), "next_id of the state is 0"),
        (put("next_id", None, 0, 2**63 + 1), "next_id of the state is"),
        (replaced("orders", lambda a: a[::-1].copy()), "orders of the state contradicts"),
    ],
)
def test_what_cannot_be_is_a_sentence(change: Callable[[State], None], match: str) -> None:
    made, state = engine(), saved()
    made.submit("B", "buy", 1, 1.0)
    before = made.digest
    change(state)
    with pytest.raises(DataError, match=match):
        made.load(state)
    assert made.digest == before
    assert len(made.journal) == 1


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (engine(tick="0.25"), "instrument table"),
        (engine(rules={"A": Rules("pro_rata", top_order=5, taker_fee=0.5)}), "other rules or fees"),
        (engine(rules={"A": Rules("pro_rata", top_order=4, taker_fee=0.25)}), "top_order of A is 5 in the state, 4"),
        (MatchingEngine("A"), "2 instruments"),
    ],
)
def test_a_state_of_another_engine_is_not_taken(other: MatchingEngine, match: str) -> None:
    with pytest.raises(DataError, match=match):
        other.load(saved())
