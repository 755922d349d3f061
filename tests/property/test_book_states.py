"""A book's state: what goes on from it, what is refused as one, and the room it takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflib.errors import StateError
from qflib.kernels.book_state import MUCH
from qflib.orderbook import OrderBook
from qflib.orderbook.books import Books
from qflib.orderbook.torn import COLUMNS
from qflib.records import MARKET_EVENTS, EventFlag, EventKind, Instrument, Instruments
from tests.property.book_flow import flow

ADD, EXECUTE = EventKind.ADD, EventKind.EXECUTE


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(1, 99), at=st.integers(0, 340), lost=st.booleans())
def test_a_book_goes_on_from_its_state(seed: int, at: int, lost: bool) -> None:
    table = MARKET_EVENTS.to_struct(flow(seed, 300))
    if lost and at:
        table["flags"][at - 1] |= np.uint32(EventFlag.GAP)
    whole, first, second = (OrderBook("ACME.F") for _ in range(3))
    head = first.apply(table[:at], policy="resync")
    second.load(first.state())
    assert second.in_sync is first.in_sync
    tail = second.apply(table[at:], policy="resync")
    assert head + tail == whole.apply(table, policy="resync")
    assert second.digest == whole.digest
    assert second.orders().equals(whole.orders())


def test_states_that_are_none_are_refused() -> None:
    book = OrderBook("ACME.F")
    book.apply(flow(3, 20))
    before = book.digest
    for state in (
        {},
        {**book.state(), "info.status": np.zeros(2, np.uint32)},
        {"in_sync": np.array([True])},
        book.state() | {"in_sync": np.array(True)},
        book.state() | {"symbol": np.zeros(0, "S1")},
    ):
        with pytest.raises(StateError, match=r"OrderBook\.state"):
            book.load(state)
    assert book.digest == before


@pytest.mark.parametrize("key", list(COLUMNS))
@pytest.mark.parametrize("damage", ["shorter", "longer", "none", "kind", "missing"])
def test_torn_books_are_refused(key: str, damage: str) -> None:
    books = Books(2)
    books.apply(flow(3, 20))
    state, before = books.save(), books.digest()
    made = {
        "shorter": lambda a: a[:-1], "longer": lambda a: np.append(a, a[-1:]), "none": lambda a: a[:0],
        "kind": lambda a: a.astype(np.float64),
    }  # fmt: skip
    if damage == "missing":
        del state[key]
    else:
        state[key] = made[damage](state[key])
    with pytest.raises(StateError):
        books.load(state)
    assert books.digest() == before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("levels.side", 0, "neither bid nor ask"),
        ("levels.side", 7, "neither bid nor ask"),
        ("levels.instrument", 2, "books lack"),
        ("levels.qty", -1, "negative quantity"),
        ("levels.orders", -1, "negative quantity or count"),
        ("orders.qty", -5, "negative quantity"),
        ("orders.id", 0, "stands twice"),
        ("levels.price_ticks", 0, "not in order"),
    ],
)
def test_values_that_no_book_has_are_refused(key: str, value: int, said: str) -> None:
    books = Books(2)
    books.apply(flow(3, 20))
    state = books.save()
    state[key] = state[key].copy()
    state[key][:2] = value
    with pytest.raises(StateError, match=said):
        books.load(state)


@pytest.mark.parametrize("ids", [0, 2**32])
def test_memory_follows_the_live_orders_down(ids: int) -> None:
    n = 300_000
    books, few = Books(1, ids=ids), np.arange(1, n + 1, dtype=np.uint64)
    price = 10_000 - (few % 500).astype(np.int64)
    kind, side = np.full(n, ADD), np.ones(n, np.uint32)
    came = MARKET_EVENTS.make(kind=kind, side=side, order_id=few, price_ticks=price, qty=few % 9 + 1)
    books.apply(came)
    peak = sum(a.nbytes for a in books.state)
    gone = few[: n - 1_000]
    cancel = came._replace(kind=np.full(n, EventKind.CANCEL, np.uint32))
    assert books.apply(MARKET_EVENTS.slice(cancel, 0, len(gone))).refused == 0
    left = sum(a.nbytes for a in books.state)
    assert left < peak / 5
    again = Books(1)
    again.apply(MARKET_EVENTS.take(came, np.arange(n - 1_000, n)))
    assert books.digest() == again.digest()
    assert books.apply(MARKET_EVENTS.make(kind=[EXECUTE], side=[1], order_id=[n], qty=[1])).refused == 0


def test_memory_follows_single_rows_down() -> None:
    n = 2 * MUCH
    ids = np.arange(1, n + 1, dtype=np.uint64)
    came = MARKET_EVENTS.make(
        kind=np.full(n, ADD), side=np.ones(n, np.uint32), order_id=ids, price_ticks=10_000 - ids % 500, qty=ids % 9 + 1
    )
    book, again = OrderBook("ACME.F"), OrderBook("ACME.F")
    book.apply(came)
    peak = sum(a.nbytes for a in book.books.state)
    cancels = MARKET_EVENTS.to_struct(came._replace(kind=np.full(n, EventKind.CANCEL, np.uint32)))
    for row in range(n - 100):
        book.apply(cancels[row : row + 1])
    assert sum(a.nbytes for a in book.books.state) < peak / 2.5
    again.apply(MARKET_EVENTS.slice(came, n - 100, n))
    assert book.digest == again.digest


def test_a_state_is_of_its_symbol_and_units() -> None:
    book = OrderBook("ACME.F")
    book.apply(flow(3, 20))
    with pytest.raises(StateError, match=r"of 'ACME\.F', or of another tick"):
        OrderBook("BETA.F").load(book.state())
    fine = Instruments((Instrument("ACME.F", tick_schedule=(("0", "0.001"),)),))
    with pytest.raises(StateError, match="another tick"):
        OrderBook("ACME.F", fine).load(book.state())
