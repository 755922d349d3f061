"""The instrument table as text."""

import pytest

from qflib.records import Instrument, Instruments


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "<Instruments: 0>"),
        (2, "<Instruments: 2: S0, S1>"),
        (500, "<Instruments: 500: S0, S1, S2, S3, …>"),
    ],
)
def test_a_table_is_one_line_however_long(n: int, said: str) -> None:
    assert repr(Instruments(tuple(Instrument(f"S{i}") for i in range(n)))) == said
