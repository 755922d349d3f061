"""JSON forms say what the views say: exactly."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.api.cursors import cursor_of, cursor_text
from qflib.api.shapes import book_form, encode, execution_form, order_form, report_form, rfc3339
from qflib.errors import InputError
from qflib.records import Instrument, Instruments
from tests.views.recorded import recorded

TABLE = Instruments(
    (
        Instrument("A", tick_schedule=(("0", "0.05"), ("3", "0.10")), lot="0.001"),
        Instrument("B", tick_schedule=(("0", "0.00000001"),), lot="100"),
        Instrument("C", tick_schedule=(("0", "1/32"),), lot="1"),
        Instrument("D", tick_schedule=(("0", "25"),), lot="1/3"),
    )
)


@given(st.integers(0, 2), st.integers(-(2**53), 2**53))
def test_ticks_and_lots_are_exact_both_ways(instrument: int, n: int) -> None:
    texts = TABLE.decimals
    assert "e" not in texts.price(instrument, n).lower()
    assert texts.ticks(instrument, texts.price(instrument, n)) == n
    assert texts.lots(instrument, texts.qty(instrument, n)) == n
    assert float(Decimal(texts.price(instrument, n))) == pytest.approx(TABLE.to_price(instrument, n), rel=1e-15)


@pytest.mark.parametrize("text", ["", "1e3", "NaN", "inf", "+1", " 1", "1_0", "٣", "1.", ".5", "0x1", "1" * 200, "1,5"])
def test_what_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no decimal number"):
        TABLE.decimals.ticks(0, text)


def test_a_unit_that_is_no_decimal_is_shown_near_enough() -> None:
    assert TABLE.decimals.qty(3, 1) == "0.3333333333"
    with pytest.raises(InputError, match=r"price 100.51 is not a multiple of the tick of A, 0.05"):
        TABLE.decimals.ticks(0, "100.51")


@given(st.tuples(st.integers(0, 2**63), st.integers(0, 2**31), st.integers(0, 2**63), st.integers(0, 2**31)))
def test_cursors_come_back(cursor: tuple[int, int, int, int]) -> None:
    assert cursor_of(cursor_text(cursor)) == cursor


@given(st.text())
def test_a_bad_cursor_is_a_sentence(text: str) -> None:
    with suppress(InputError):
        assert cursor_text(cursor_of(text))


def test_forms_of_a_run() -> None:
    views = recorded().views()
    table = views.instruments
    book = views.books.latest("ACME.F")
    report = views.risk.latest("DESK1")
    assert book is not None
    assert report is not None
    shown = json.loads(encode(book_form(book, table, 5, now_ns=book.stamp.append_ns + 7_000_000)))
    assert shown["age_ms"] == 7
    assert [(float(p), float(q)) for p, q in shown["bids"]] == [
        (table.to_price(book.instrument, int(p)), table.to_qty(book.instrument, int(q))) for p, q in book.bids[:5]
    ]
    order = views.orders.orders(limit=1)[0]
    assert json.loads(encode(order_form(order, table)))["cursor"] == cursor_text(order.cursor)
    fill = next(x for x in views.orders.executions(limit=1_000) if x.qty and x.price)
    form = execution_form(fill, table)
    assert form.price is not None
    assert float(form.price) == fill.price
    risk = json.loads(encode(report_form(report, views.risk)))
    assert [x["es_current"] for x in risk["levels"]] == report.risk["es_current"].tolist()
    assert risk["levels"][0]["horizon"] == "1D"
    parts = [list(row.values())[4:] for row in risk["explain"]]
    assert [sum(row[:-1]) for row in parts] == [row[-1] for row in parts] == report.explain["total"].tolist()
    assert [(row["underlying"], row["book"]) for row in risk["explain"]][:2] == [("ACME", "client"), ("ACME", "hedge")]
    frame = report.by_expiry
    assert sum(row["vega"] for row in risk["by_expiry"]) == pytest.approx(frame["vega"].sum())
    assert [row["underlying"] for row in risk["by_expiry"]] == [u for u, _ in frame.index]
    assert [row["value"] for row in risk["by_expiry"]] == pytest.approx(frame["value"].tolist())


@given(st.integers(0, 4 * 10**18))
def test_time_is_exact(ns: int) -> None:
    text = rfc3339(ns)
    assert int(text.removesuffix("Z").rpartition(".")[2]) == ns % 10**9
