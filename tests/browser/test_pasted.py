"""Trades out of pasted text."""

from __future__ import annotations

import pytest

from dashboards.pages.pasted import parsed
from qflib.errors import InputError
from qflib.views import Views
from tests.browser.running import Running


@pytest.fixture(scope="module")
def views(running: Running) -> Views:
    return running.player.views


@pytest.mark.parametrize(
    "text",
    ["ACME.F,25,100.1", "ACME.F\t25\t100.1\n\n", "instrument;qty;price\nACME.F;25;100.1;", " ACME.F , +25 , 100.1 "],
)
def test_a_trade_is_read(views: Views, text: str) -> None:
    frame = parsed(text, views)
    assert frame[["instrument", "qty", "avg_price"]].to_numpy().tolist() == [["ACME.F", 25.0, 100.1]]
    assert frame["cost"].abs()[0] > 0


def test_numbers_with_groups_and_a_minus_of_type(views: Views) -> None:
    assert parsed("ACME.F;−1 250", views)["qty"].tolist() == [-1250.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no trade"),
        ("ACME.F", "row 1 has 1 field;"),
        ("ACME.F,1\nBETA.F,nan", "row 2: qty 'nan'"),
        ("ACME.F,inf", "row 1: qty 'inf'"),
        ("ACME.F,1,-3", "row 1: price '-3'"),
        ("ACME.F,1,2,3", "row 1 has 4 fields"),
        ("acme.f,1", "did you mean ACME.F"),
        ('"ACME.F,1', "row 1"),
        ("x,1\n" * 9, "and 4 more"),
        ("ACME.F,1\n" * 501, "too many"),
    ],
)
def test_what_is_wrong_names_its_row(views: Views, text: str, said: str) -> None:
    with pytest.raises(InputError) as wrong:
        parsed(text, views)
    assert said in str(wrong.value)
