"""Frames and Arrow tables hold what the columns hold."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from qflib.errors import DataError, InputError
from qflib.records import (
    CONTROLS,
    DEAD,
    EXECUTIONS,
    MARKET_EVENTS,
    ORDERS,
    TABLES,
    Batch,
    Instrument,
    Instruments,
    Table,
)
from qflib.records.frames import batch_to_frames, from_arrow, from_frame, to_arrow, to_frame

INSTRUMENTS = Instruments(
    (Instrument("BTC", lot="0.0001", tick_schedule=(("0", "0.5"),)), Instrument("ACME", tick_schedule=(("0", "0.01"),)))
)


def equal(table: Table, a: object, b: object) -> bool:
    shown = [c.name for c in table.columns if c.type != "blob"]
    return all(getattr(a, n).tobytes() == getattr(b, n).tobytes() for n in shown)


@st.composite
def columns(draw: st.DrawFn, table: Table) -> object:
    rows = draw(st.integers(0, 6))
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
    made = {
        c.name: draw(st.lists(text, min_size=rows, max_size=rows))
        if c.type == "text"
        else draw(nps.arrays(c.dtype, rows))
        for c in table.columns
        if c.type != "blob"
    }
    return table.make(**made)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_raw_frames_and_arrow_tables_give_the_columns_back(table: Table) -> None:
    @settings(max_examples=15)
    @given(columns(table))
    def holds(made: object) -> None:
        assert equal(table, from_frame(to_frame(made, table, raw=True), table, raw=True), made)
        assert equal(table, from_arrow(to_arrow(made, table), table), made)

    holds()


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 10), st.integers(0, 2), st.integers(-(10**9), 10**9),
                  st.integers(0, 10**9), st.integers(0, 2**62)),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_shown_frames_give_the_columns_back(rows: list[tuple[int, ...]]) -> None:
    at, kind, side, ticks, qty, ns = map(list, zip(*rows, strict=True))
    made = MARKET_EVENTS.make(
        instrument=at, kind=kind, side=side, price_ticks=ticks, qty=qty, receipt_ns=ns, venue_ns=ns
    )
    assert equal(
        MARKET_EVENTS, from_frame(to_frame(made, MARKET_EVENTS, INSTRUMENTS), MARKET_EVENTS, INSTRUMENTS), made
    )


def test_what_a_person_reads() -> None:
    made = MARKET_EVENTS.make(instrument=[0, 1], kind=[1, 5], side=[1, 2], price_ticks=[3, 250], qty=[20000, 7],
                              receipt_ns=[10**18, 10**18 + 1])  # fmt: skip
    frame = to_frame(made, MARKET_EVENTS, INSTRUMENTS)
    assert frame.index.name == "receipt"
    assert str(frame.index.tz) == "UTC"
    assert frame.index[1].nanosecond == 1
    assert frame[["instrument", "kind", "side", "price", "qty"]].to_numpy().tolist() == [
        ["BTC", "ADD", "BID", 1.5, 2.0],
        ["ACME", "TRADE", "ASK", 2.5, 7.0],
    ]
    raw = to_frame(made, MARKET_EVENTS, INSTRUMENTS, raw=True)
    assert raw.index.dtype == np.int64
    assert raw["price_ticks"].tolist() == [3, 250]


def test_executions_show_both_price_and_ticks() -> None:
    frame = to_frame(EXECUTIONS.make(price=[1.25], price_ticks=[125], instrument=[1]), EXECUTIONS, INSTRUMENTS)
    assert frame["price"].tolist() == frame["price_ticks"].tolist() == [1.25]


def test_a_control_of_all_instruments_is_a_star() -> None:
    made = CONTROLS.make(instrument=[0xFFFF_FFFF], kind=[1], name=["kill"])
    frame = to_frame(made, CONTROLS, INSTRUMENTS)
    assert frame["instrument"].tolist() == ["*"]
    assert equal(CONTROLS, from_frame(frame, CONTROLS, INSTRUMENTS), made)


def test_every_table_of_a_batch_has_its_frame() -> None:
    frames = batch_to_frames(Batch.of("order", orders=ORDERS.make(qty=[1])), INSTRUMENTS)
    assert list(frames) == ["orders"]
    assert len(frames["orders"]) == 1


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"prize": [1.0]}, "no column 'prize'"),
        ({"receipt": pd.to_datetime(["2026-01-05"])}, "time zone"),
        ({"kind": ["ADDD"]}, "'ADDD'; expected one of ADD"),
        ({"price": [float("nan")]}, "not finite"),
        ({"qty": [0.5], "instrument": ["ACME"]}, "not a multiple"),
        ({"instrument": ["NONE"]}, "'NONE' is not in the table"),
        ({"instrument": [9]}, "names instrument 9"),
    ],
)
def test_wrong_frames_are_refused_in_a_sentence(frame: dict[str, list[object]], said: str) -> None:
    with pytest.raises((InputError, KeyError), match=said):
        from_frame(pd.DataFrame(frame), MARKET_EVENTS, INSTRUMENTS)


def test_a_record_of_other_instruments_is_refused() -> None:
    with pytest.raises(InputError, match="names instrument 5, the table has 2"):
        to_frame(MARKET_EVENTS.make(instrument=[5]), MARKET_EVENTS, INSTRUMENTS)


@pytest.mark.parametrize(
    ("data", "said"),
    [({"nope": [1]}, "no column"), ({"seq": [None]}, "1 nulls"), ({"seq": [-1]}, "does not fit")],
)
def test_wrong_arrow_tables_are_refused(data: dict[str, list[object]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_arrow(pa.table(data), DEAD)
